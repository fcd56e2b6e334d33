// find-files.ts — the files of a folder that fit a pattern: each once, and none left out without a word
import { type Dirent, lstatSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { invalidAt } from '../../utf8.ts';
import { parseGlob, type Step } from './glob.ts';

/** A file that fits. */
export interface FoundFile {
  /** As the pattern names it. */
  readonly name: string;
  /** Whether a link is on the way to it. */
  readonly isLinked: boolean;
}

/** Something that fits and cannot be taken, or cannot be looked at. */
export class UnfitFile extends Error {
  override readonly name = 'UnfitFile';
}

type Kind = 'file' | 'folder' | 'link' | 'other';

interface Entry {
  readonly name: string;
  readonly kind: Kind;
  /** Undefined when the name is UTF-8; else the name with its other bytes escaped. */
  readonly escaped?: string;
}

/** A folder that is being looked through. */
interface Place {
  readonly path: string;
  readonly real: string;
  /** As the pattern names it, with a / at its end unless it is empty. */
  readonly name: string;
  readonly isLinked: boolean;
  /** The real paths of the folders on the way. */
  readonly above: readonly string[];
}

const listed = (messages: readonly string[]): string => {
  const more = messages.length > SHOWN_MAX ? `; and ${messages.length - SHOWN_MAX} more` : '';
  return `${messages.slice(0, SHOWN_MAX).join('; ')}${more}`;
};

/** So many files are named in one message. */
const SHOWN_MAX = 8;
/** More folders than this are links that multiply. */
const FOLDERS_MAX = 1_000_000;

/** Finds files. Folders are listed once for all patterns. */
export class FileFinder {
  private readonly root: string;
  private readonly without: string;
  private readonly listed = new Map<string, readonly Entry[]>();
  private found = new Map<string, FoundFile>();
  private folders = 0;
  private unfit = new Set<string>();
  /** Folders, each with how many steps were left: `**` leads to some of them in many ways. */
  private visited = new Set<string>();

  /** @param root what patterns are relative to @param without a folder that is never looked into */
  constructor(root: string, without: string) {
    this.root = root;
    this.without = without;
  }

  /** The files that fit a pattern. @throws UnfitFile @throws RangeError for a pattern that is none */
  find(pattern: string): readonly FoundFile[] {
    this.found = new Map();
    this.folders = 0;
    this.unfit = new Set();
    for (const steps of parseGlob(pattern)) {
      this.visited = new Set();
      const [first] = steps;
      const isAbsolute = steps.length > 1 && first?.kind === 'name' && first.name === '';
      const path = isAbsolute ? '/' : this.root;
      const real = realpathSync(path);
      const place = { path, real, name: isAbsolute ? '/' : '', isLinked: false, above: [real] };
      this.visit(place, isAbsolute ? steps.slice(1) : steps);
    }
    if (this.unfit.size > 0) throw new UnfitFile(listed([...this.unfit]));
    return [...this.found.values()];
  }

  /** Goes on after something that is unfit: all of them are told together. */
  private attempt(look: () => void): void {
    try {
      look();
    } catch (error) {
      if (!(error instanceof UnfitFile) || this.folders > FOLDERS_MAX) throw error;
      this.unfit.add(error.message);
    }
  }

  private visit(place: Place, steps: readonly Step[]): void {
    const visit = `${steps.length} ${place.name}`;
    if (this.visited.has(visit)) return;
    this.visited.add(visit);
    const [step, ...rest] = steps;
    if (step === undefined) return;
    if (step.kind === 'name') {
      const entry = entryOf(place, step.name);
      if (entry === undefined) return;
      if (rest.length === 0) this.take(place, entry);
      else this.enter(place, entry, rest);
    } else if (step.kind === 'folders') {
      this.visit(place, rest);
      for (const entry of this.list(place)) {
        if (entry.name.startsWith('.')) continue;
        this.attempt(() => this.follow(place, entry, [step, ...rest]));
      }
    } else {
      for (const entry of this.list(place)) {
        if (!step.fits(entry.name)) continue;
        this.attempt(() => {
          if (rest.length === 0) this.take(place, entry);
          else this.follow(place, entry, rest);
        });
      }
    }
  }

  /** Enters a folder that no one named, unless it is a link to one that it lies in: what is there has been found. */
  private follow(place: Place, entry: Entry, rest: readonly Step[]): void {
    if (entry.kind === 'link' && targetOf(place, entry) === 'folder') {
      const real = realpathSync(join(place.path, entry.name));
      if (place.above.some((above) => isWithin(real, above))) return;
    }
    this.enter(place, entry, rest);
  }

  private enter(place: Place, entry: Entry, rest: readonly Step[]): void {
    const { name, kind } = entry;
    const path = join(place.path, name);
    if (kind === 'file' || kind === 'other' || name === 'node_modules' || path === this.without) {
      return;
    }
    checkName(place, entry);
    const isLink = kind === 'link';
    if (isLink && targetOf(place, entry) !== 'folder') return;
    const isPlain = !isLink && name !== '..' && name !== '.' && name !== '';
    const real = isPlain ? join(place.real, name) : realpathSync(path);
    this.folders += 1;
    if (this.folders > FOLDERS_MAX)
      throw new UnfitFile('links lead to more than a million folders');
    this.visit(
      {
        path,
        real,
        name: `${place.name}${name}/`,
        isLinked: place.isLinked || isLink,
        above: [...place.above, real],
      },
      rest,
    );
  }

  private take(place: Place, entry: Entry): void {
    const kind = entry.kind === 'link' ? targetOf(place, entry) : entry.kind;
    if (kind === 'folder') return;
    checkName(place, entry);
    const name = `${place.name}${entry.name}`;
    if (kind === 'other') {
      throw new UnfitFile(`${name} is not a regular file, but a pipe, a socket or a device`);
    }
    this.found.set(name, { name, isLinked: place.isLinked || entry.kind === 'link' });
  }

  private list(place: Place): readonly Entry[] {
    const known = this.listed.get(place.path) ?? entriesOf(place);
    this.listed.set(place.path, known);
    return known;
  }
}

const isWithin = (folder: string, path: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);

function entriesOf({ path, name }: Place): readonly Entry[] {
  let entries: Dirent<Buffer>[];
  try {
    entries = readdirSync(path, { withFileTypes: true, encoding: 'buffer' }) as Dirent<Buffer>[];
  } catch (error) {
    throw new UnfitFile(`${name || 'the folder '}cannot be listed: ${whyOf(error)}`);
  }
  return entries.map((entry) => {
    const isUtf8 = invalidAt(entry.name) === undefined;
    const text = entry.name.toString();
    return {
      name: text,
      kind: kindOf(entry),
      ...(!isUtf8 && { escaped: escapedName(entry.name) }),
    };
  });
}

function kindOf(entry: Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): Kind {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  return entry.isSymbolicLink() ? 'link' : 'other';
}

/** An entry that the pattern names. */
function entryOf(place: Place, name: string): Entry | undefined {
  try {
    return { name, kind: kindOf(lstatSync(join(place.path, name))) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new UnfitFile(`${place.name}${name} cannot be looked at: ${whyOf(error)}`);
  }
}

/** What a link leads to. */
function targetOf(place: Place, entry: Entry): Exclude<Kind, 'link'> {
  checkName(place, entry);
  const { name } = entry;
  try {
    const found = statSync(join(place.path, name));
    return found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' || code === 'ELOOP'
        ? 'is a broken link'
        : `is a link that cannot be followed: ${whyOf(error)}`;
    throw new UnfitFile(`${place.name}${name} ${why}`);
  }
}

function checkName(place: Place, { escaped }: Entry): void {
  if (escaped !== undefined) {
    throw new UnfitFile(`${place.name}${escaped} has a name that is not UTF-8`);
  }
}

/** A name with what is not ASCII as \xff. */
const escapedName = (name: Uint8Array): string =>
  Array.from(name, (byte) =>
    byte >= 32 && byte < 127
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('');

/** Why a file cannot be read, in words. */
export function whyOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'EACCES' || code === 'EPERM' ? 'permission denied' : (message ?? String(error));
}
