// project-file.ts — files of the project as inputs: found, digested, watched for change
import { readFile, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileDigest, fileStat, stampHolds, writeAtomically } from './files.ts';
import { byCodeUnit, type Coordinates, type Digest, digestOf, type TaskId } from './key.ts';
import { StageError } from './stage.ts';
import type { Stamp } from './stamp.ts';

/** A file of the project, as it was when the pipeline was planned. */
export interface ProjectFile {
  /** Relative to the folder of pipeline.yaml, with / between folders; absolute for one outside that is named so. */
  readonly name: string;
  /** Where it lies, absolute. */
  readonly path: string;
  readonly digest: Digest;
  readonly stamp: Stamp;
}

/** A pattern that fits nothing, or something that may not be read. */
export interface PatternProblem {
  readonly message: string;
  readonly hint?: string;
}

/** Finds and digests files. Digests of unchanged files are remembered from one command to the next. */
export class ProjectFiles {
  private readonly root: string;
  private readonly index: string;
  private readonly clock: () => number;
  private remembered: Map<string, Remembered> | undefined;
  private readonly found = new Map<string, Promise<readonly ProjectFile[] | PatternProblem>>();
  private fresh = false;

  /** @param root folder of pipeline.yaml @param cache where digests are remembered */
  constructor(root: string, cache: string, clock: () => number) {
    this.root = root;
    this.index = join(cache, 'files.json');
    this.clock = clock;
  }

  /** The files that fit a pattern, by code unit of their names. At least one. */
  find(pattern: string, outside: boolean): Promise<readonly ProjectFile[] | PatternProblem> {
    const memo = `${outside}\0${pattern}`;
    const known = this.found.get(memo) ?? this.look(pattern, outside);
    this.found.set(memo, known);
    return known;
  }

  /** Keeps what was digested for the next command. */
  async close(): Promise<void> {
    if (!this.fresh) return;
    // Losing this costs time and nothing else.
    await writeAtomically(this.index, JSON.stringify([...(this.remembered ?? [])])).catch(() => {});
  }

  private async look(
    pattern: string,
    outside: boolean,
  ): Promise<readonly ProjectFile[] | PatternProblem> {
    const names = isGlob(pattern) ? await this.expand(pattern) : [pattern];
    const files: ProjectFile[] = [];
    const home = await realpath(this.root);
    for (const name of [...names].sort(byCodeUnit)) {
      const path = resolve(this.root, name);
      const stamp = await fileStat(path);
      if (stamp === undefined) continue;
      if (!outside && !isBelow(home, await realpath(path))) {
        const hint = 'a link that leads out of the project counts as outside: `outside: true`';
        return { message: `${name} lies outside the project`, hint };
      }
      files.push({
        name: nameOf(this.root, name),
        path,
        stamp,
        digest: await this.digest(path, stamp),
      });
    }
    if (files.length > 0) return files;
    const hint =
      'paths are relative to the folder of pipeline.yaml; * and ** do not fit hidden files';
    return isGlob(pattern)
      ? { message: `no file fits \`${pattern}\``, hint }
      : {
          message: `there is no file ${pattern}`,
          hint: 'paths are relative to the folder of pipeline.yaml',
        };
  }

  private async expand(pattern: string): Promise<readonly string[]> {
    const { glob } = await import('zx');
    // Packages and the store are never meant, and huge.
    const ignore = ['**/node_modules/**', `${relative(this.root, join(this.index, '..'))}/**`];
    return glob(pattern, { cwd: this.root, onlyFiles: true, ignore, unique: true });
  }

  private async digest(path: string, stamp: Stamp): Promise<Digest> {
    this.remembered ??= await readIndex(this.index);
    const before = this.remembered.get(path);
    if (before && stampHolds(before.stamp, stamp, this.clock())) return before.digest;
    const digest = await fileDigest(path);
    // A file that was written just now may be written again without looking different.
    if (stampHolds(stamp, stamp, this.clock())) {
      this.remembered.set(path, { stamp, digest });
      this.fresh = true;
    }
    return digest;
  }
}

interface Remembered {
  readonly stamp: Stamp;
  readonly digest: Digest;
}

async function readIndex(index: string): Promise<Map<string, Remembered>> {
  try {
    return new Map(JSON.parse(await readFile(index, 'utf8')) as [string, Remembered][]);
  } catch {
    return new Map(); // Absent or damaged: everything is digested anew.
  }
}

/** Whether a pattern may fit several files. */
export const isGlob = (pattern: string): boolean => /[*?[\]{}]/.test(pattern);

const nameOf = (root: string, name: string): string =>
  isAbsolute(name) ? name : relative(root, resolve(root, name)).split(sep).join('/');

const isBelow = (folder: string, path: string): boolean => {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith(`..${sep}`) && way !== '..' && !isAbsolute(way);
};

/** The names of files that are no longer what they were when the pipeline was planned. */
export async function changedFiles(files: readonly ProjectFile[]): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const { name, path, stamp, digest } of files) {
    const now = await fileStat(path);
    const same = now && stampHolds(stamp, now, Number.POSITIVE_INFINITY);
    if (same) continue;
    const content = now && (await fileDigest(path).catch(() => undefined));
    if (content !== digest) changed.push(name);
  }
  return changed;
}

/** The contents of files, as a module takes them: items of a list whose only coordinate is the name. */
export async function readProjectFiles(
  files: readonly ProjectFile[],
): Promise<readonly FileItem[]> {
  const items: FileItem[] = [];
  for (const { name, path, digest } of files) {
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes === undefined || digestOf(bytes) !== digest) {
      throw new StageError(`${name} has just changed: make again`);
    }
    items.push({ task: name as TaskId, at: { file: name }, digest, bytes: new Uint8Array(bytes) });
  }
  return items;
}

/** The content of a file in the place of an upstream task's blob. */
interface FileItem {
  readonly task: TaskId;
  readonly at: Coordinates;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}
