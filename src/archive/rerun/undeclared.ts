// undeclared.ts — files of the project and of the home folder that a command touched and was not given
import { realpathSync } from 'node:fs';
import { posix } from 'node:path';
import { byCodeUnit } from '../../engine/model/key.ts';
import type { Touch, Touches } from './read-trace.ts';

/** A file or folder that a command touched and that is no input of it. */
export interface Undeclared {
  /** Of the project: relative to its folder. Of the home folder: with `~/` before it. */
  readonly path: string;
  readonly touch: Touch;
}

/** Where things lie. All paths are absolute. */
export interface TouchPlaces {
  readonly project: string;
  readonly home: string | undefined;
  /** Folders that are the command's own. */
  readonly own: readonly string[];
  /** Where programs are looked for. */
  readonly path: readonly string[];
  /** Files that are inputs: whoever reads them where they lie reads what the key says. */
  readonly inputs: ReadonlySet<string>;
}

/** What was found. */
export interface UndeclaredFiles {
  readonly files: readonly Undeclared[];
  /** How many files came with the programs that were run: a fingerprint tells their version. */
  readonly installed: number;
}

/** Sorts out what a command touched. */
export function undeclaredIn(touches: Touches, places: TouchPlaces): UndeclaredFiles {
  const project = realOf(places.project);
  const home = places.home === undefined || places.home === '/' ? undefined : realOf(places.home);
  const own = places.own.map(realOf);
  const inputs = new Set([...places.inputs].map(realOf));
  const programs = installations(touches, places.path, [
    project,
    ...(home === undefined ? [] : [home]),
  ]);
  const found: Undeclared[] = [];
  let installed = 0;
  for (const [path, touch] of touches) {
    const isOurs = isBelow(project, path);
    const isHome = home !== undefined && isBelow(home, path);
    if (!isOurs && !isHome) continue;
    if (own.some((folder) => folder === path || isBelow(folder, path))) continue;
    if (touch === 'read' && inputs.has(path)) continue;
    if (touch !== 'written' && programs.some((folder) => isBelow(folder, path))) installed += 1;
    else if (touch !== 'written' || !isCache(path)) {
      const shown = isOurs
        ? posix.relative(project, path)
        : `~/${posix.relative(home ?? '', path)}`;
      found.push({ path: shown, touch });
    }
  }
  return { files: found.sort((a, b) => byCodeUnit(a.path, b.path)), installed };
}

/** What Python writes beside modules: it changes no result. */
const isCache = (path: string): boolean => /\/__pycache__\//.test(path);

/**
 * Folders that programs are installed in: that of the `bin` of a program that was run, such as `.venv` or
 * `~/.pyenv/versions/3.11`, and that of a folder on PATH which has such a program. The project and the home folder
 * themselves are none.
 */
function installations(
  touches: Touches,
  path: readonly string[],
  wholes: readonly string[],
): readonly string[] {
  const folders = new Set<string>();
  for (const [program, touch] of touches) {
    if (touch !== 'run') continue;
    for (const one of [program, realOf(program)]) {
      const isFound = path.includes(posix.dirname(one));
      const folder = isFound
        ? posix.dirname(posix.dirname(one))
        : /^(.+)\/s?bin\/[^/]+$/.exec(one)?.[1];
      const isWhole = wholes.some((whole) => folder === whole || isBelow(folder ?? '', whole));
      if (folder !== undefined && folder !== '/' && !isWhole) folders.add(folder);
    }
  }
  return [...folders];
}

const isBelow = (folder: string, path: string): boolean => path.startsWith(`${folder}/`);

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
