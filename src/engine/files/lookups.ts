// lookups.ts — file system lookups, recorded: which names were asked for in which folders, and what was found
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join, parse, relative, sep } from 'node:path';

/**
 * One lookup: a name that was asked for in a folder, and what stood there. Names that differ in case only are one, as
 * esbuild compares them so. Links are facts of their own: what a link leads to is looked up in the folders on its way.
 */
export interface Lookup {
  /** Relative to the project's folder. */
  readonly folder: string;
  /** In lower case where the folder can be read. `SELF` is the folder itself, `ALL` its whole listing. */
  readonly name: string;
  /** `file`, `folder`, `link TARGET`, a list where names differ in case; empty when there is nothing. */
  readonly found: string;
}

/** What an entry of a folder is, links followed. */
export interface FoundEntry {
  readonly kind: 'folder' | 'file';
  /** The real path, when the entry itself is a link. */
  readonly link: string | undefined;
}

/** Name of the lookup of a folder itself: the error that reading it gives, or nothing. */
const SELF = '';
/** Name of the lookup of everything in a folder. No file is called so. */
const ALL = '/';
/** So many links in one path are followed, as the system does. */
const LINKS_MAX = 255;

interface Folder {
  /** The code of the error that reading it gave; empty when it could be read. */
  readonly error: string;
  readonly kinds: ReadonlyMap<string, Kind>;
  readonly byLower: ReadonlyMap<string, readonly string[]>;
}

type Kind = 'file' | 'folder' | 'link';

/** Folders as they are now. Each is read once. */
export class Folders {
  private readonly known = new Map<string, Folder>();

  read(path: string): Folder {
    const known = this.known.get(path);
    if (known) return known;
    const folder = readFolder(path);
    this.known.set(path, folder);
    return folder;
  }

  /** What a lookup gives now. */
  found(path: string, name: string): string {
    const { error, kinds, byLower } = this.read(path);
    if (name === SELF) return error;
    if (name === ALL) {
      return [...kinds].map(([entry, kind]) => `${stateOf(path, entry, kind)} ${entry}`).join('\n');
    }
    // Whoever may not list a folder may still reach what is in it, by its exact name.
    if (error === 'ENOENT' || error === 'ENOTDIR') return '';
    if (error !== '') return stateOf(path, name, kindOf(path, name));
    const names = byLower.get(name) ?? [];
    const states = names.map((entry) => {
      const state = stateOf(path, entry, kinds.get(entry));
      return entry === name ? state : `${state} ${entry}`;
    });
    return states.join('\n');
  }
}

function readFolder(path: string): Folder {
  const kinds = new Map<string, Kind>();
  const byLower = new Map<string, string[]>();
  try {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      kinds.set(entry.name, entryKind(entry));
      const lower = entry.name.toLowerCase();
      const others = byLower.get(lower);
      if (others) others.push(entry.name);
      else byLower.set(lower, [entry.name]);
    }
    return { error: '', kinds, byLower };
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    return { error: code, kinds: new Map(), byLower: new Map() };
  }
}

const entryKind = (entry: { isDirectory(): boolean; isSymbolicLink(): boolean }): Kind =>
  entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'file';

function kindOf(folder: string, name: string): Kind | undefined {
  try {
    return entryKind(lstatSync(join(folder, name)));
  } catch {
    return undefined;
  }
}

function stateOf(folder: string, name: string, kind: Kind | undefined): string {
  if (kind !== 'link') return kind ?? '';
  try {
    return `link ${readlinkSync(join(folder, name))}`;
  } catch {
    return '';
  }
}

/** What something rests on. */
export interface Recording {
  readonly lookups: Lookup[];
  /** Configuration files that were read, absolute and real. */
  readonly files: string[];
  /** What was worked out before, and is used here. */
  readonly parts: Set<Recording>;
}

/** A value that was worked out, and what it rests on. */
export interface Recorded<T> extends Recording {
  readonly value: T;
}

const emptyRecording = (): Recording => ({ lookups: [], files: [], parts: new Set() });

/** Everything that some recordings come to. */
export function allOf(recordings: Iterable<Recording>): {
  readonly lookups: ReadonlySet<Lookup>;
  readonly files: ReadonlySet<string>;
} {
  const lookups = new Set<Lookup>();
  const files = new Set<string>();
  const all = new Set(recordings);
  for (const recording of all) {
    for (const lookup of recording.lookups) lookups.add(lookup);
    for (const path of recording.files) files.add(path);
    for (const part of recording.parts) all.add(part);
  }
  return { lookups, files };
}

/** The file system, as something that writes down what it is asked. */
export class LookupRecorder {
  readonly folders = new Folders();
  private readonly known = new Map<string, KnownFolder>();
  private current = emptyRecording();
  private readonly realPaths = new Map<string, Recorded<string | undefined>>();
  private readonly root: string;
  /** Why what was recorded may not be all; undefined when it is. */
  doubt: string | undefined;

  /** @param root folder of the project, absolute and real: the way to it is not looked at */
  constructor(root: string) {
    this.root = root;
  }

  /** Works something out, and tells what it rests on. */
  record<T>(work: () => T): Recorded<T> {
    const outer = this.current;
    const inner = emptyRecording();
    this.current = inner;
    try {
      return { value: work(), ...inner };
    } finally {
      this.current = outer;
    }
  }

  /** Works something out once. Whatever rests on it later rests on what it rests on. */
  once<T>(known: Map<string, Recorded<T>>, key: string, work: () => T): T {
    let recorded = known.get(key);
    if (recorded === undefined) {
      recorded = this.record(work);
      known.set(key, recorded);
    }
    this.current.parts.add(recorded);
    return recorded.value;
  }

  /** What stands in a folder under a name, in any case. */
  entry(folder: string, name: string): FoundEntry | undefined {
    const { error, kinds, byLower } = this.folders.read(folder);
    if (error !== '') {
      this.note(folder, SELF);
      return undefined;
    }
    this.note(folder, name.toLowerCase());
    const names = byLower.get(name.toLowerCase()) ?? [];
    const [first] = names;
    if (first === undefined) return undefined;
    // esbuild takes the one that the system lists last, and systems list in an order of their own.
    if (names.length > 1) this.doubt ??= `${folder} has ${names.join(' and ')}`;
    const kind = kinds.get(first);
    if (kind !== 'link') return { kind: kind === 'folder' ? 'folder' : 'file', link: undefined };
    const link = this.real(join(folder, first));
    if (link === undefined) return undefined;
    return { kind: this.kindAt(link), link };
  }

  private kindAt(real: string): 'folder' | 'file' {
    if (dirname(real) === real) return 'folder';
    return this.exact(dirname(real), basename(real)) === 'folder' ? 'folder' : 'file';
  }

  /** Whether anything stands in a folder under a name, in any case, wherever it leads. */
  has(folder: string, name: string): boolean {
    this.entry(folder, name);
    return this.folders.read(folder).byLower.has(name.toLowerCase());
  }

  /** The error of reading a folder; empty when it can be read. */
  errorOf(folder: string): string {
    const { error } = this.folders.read(folder);
    this.note(folder, SELF);
    return error;
  }

  /** Everything in a folder, in order. */
  listing(folder: string): readonly string[] {
    this.note(folder, ALL);
    return [...this.folders.read(folder).kinds.keys()].sort();
  }

  /** A path without links; undefined when it leads nowhere. */
  real(path: string): string | undefined {
    return this.once(this.realPaths, path, () => this.walk(path));
  }

  private walk(path: string): string | undefined {
    let at = isWithin(this.root, path) ? this.root : parse(path).root;
    let links = 0;
    const rest = path.slice(at.length).split(sep).reverse();
    for (let step = rest.pop(); step !== undefined; step = rest.pop()) {
      if (step === '' || step === '.') continue;
      if (step === '..') {
        at = dirname(at);
        continue;
      }
      const state = this.exact(at, step);
      if (state === '') return undefined;
      if (!state.startsWith('link ')) {
        if (state === 'file' && rest.some((other) => other !== '')) return undefined;
        at = join(at, step);
        continue;
      }
      links += 1;
      if (links > LINKS_MAX) return undefined;
      const target = state.slice('link '.length);
      const { root } = parse(target);
      if (root !== '') at = root;
      rest.push(...target.slice(root.length).split(sep).reverse());
    }
    return at;
  }

  /** What stands under an exact name, as the system itself sees it. */
  private exact(folder: string, name: string): string {
    const { error, kinds } = this.folders.read(folder);
    this.note(folder, error === '' ? name.toLowerCase() : name);
    const kind = error === '' ? kinds.get(name) : undefined;
    return stateOf(folder, name, kind ?? kindOf(folder, name));
  }

  /** The text of a configuration file; undefined when there is no such file. */
  read(path: string): string | undefined {
    const real = this.real(path);
    if (real === undefined || this.kindAt(real) === 'folder') return undefined;
    this.current.files.push(real);
    try {
      return readFileSync(real, 'utf8');
    } catch (error) {
      this.doubt ??= `${real} cannot be read: ${(error as Error).message}`;
      return undefined;
    }
  }

  private note(folder: string, name: string): void {
    let known = this.known.get(folder);
    if (known === undefined) {
      known = { shown: relative(this.root, folder), lookups: new Map() };
      this.known.set(folder, known);
    }
    let lookup = known.lookups.get(name);
    if (lookup === undefined) {
      lookup = { folder: known.shown, name, found: this.folders.found(folder, name) };
      known.lookups.set(name, lookup);
    }
    this.current.lookups.push(lookup);
  }
}

/** What was looked up in a folder. */
interface KnownFolder {
  /** Its path, relative to the project. */
  readonly shown: string;
  readonly lookups: Map<string, Lookup>;
}

/** Whether a path is a folder, or leads into it. */
export const isWithin = (folder: string, path: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
