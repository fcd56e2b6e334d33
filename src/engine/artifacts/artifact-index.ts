// artifact-index.ts — what was written into a folder for artifacts, as the folder itself remembers it
import { join } from 'node:path';
import { readShortcut } from '../files/bounded-file.ts';
import { type Stamp, sameStamp, stampOf } from '../files/stamp.ts';
import type { Digest } from '../model/key.ts';

/** What a blob of files was made into: the blob, and its files with their digests. */
export interface Folder {
  readonly digest: Digest;
  readonly files: readonly (readonly [name: string, digest: Digest])[];
}

/** A file as it was when it was written, so that an edit by a person is told from a result of last time. */
export interface Written extends Stamp {
  readonly digest: Digest;
  /** What was about to be written: who does so may be killed before the stamp is kept. */
  readonly next?: Digest;
  /** Of a companion: whose provenance it tells. */
  readonly lineage?: Digest;
}

/** What was written into the folder. It lies there and not in the store: several stores may share a folder. */
export const INDEX = '.written.json';
/** The same for folders, which are looked at as a whole. */
export const FOLDERS = '.folders.json';

export interface Index {
  readonly files: Map<string, Written>;
  readonly folders: Map<string, Folder>;
}

/** A file of which nothing is known but what is about to be written. */
export const UNKNOWN: Written = {
  size: -1,
  mtimeMs: 0,
  ctimeMs: 0,
  inode: 0,
  digest: '' as Digest,
};

/** Whether a file is what was last written, or was about to be, and so no person's. */
export const isOurs = (known: Written | undefined, digest: Digest): boolean =>
  digest === known?.digest || digest === known?.next;

/** The files that a blob of files was last made into, with their digests. */
export function placedFiles(
  folder: string,
  path: string,
): readonly (readonly [file: string, digest: Digest])[] {
  const files = readIndex(folder).folders.get(path)?.files ?? [];
  return files.map(([name, digest]) => [join(folder, path, name), digest] as const);
}

/** The digests of files as they were last written, by path; undefined where one was never written. */
export function writtenDigests(
  folder: string,
  paths: readonly string[],
): ReadonlyMap<string, Digest> | undefined {
  const { files } = readIndex(folder);
  const found = paths.flatMap((path) => {
    const known = files.get(path);
    return known && !known.next ? [[path, known.digest] as const] : [];
  });
  return found.length === paths.length ? new Map(found) : undefined;
}

/** Gives a function that reads the index, anew only when it has changed. */
export function snapshots(folder: string): () => Index {
  let known: { readonly stamps: readonly (Stamp | null)[]; readonly index: Index } | undefined;
  return () => {
    const stamps = [INDEX, FOLDERS].map((name) => stampOf(join(folder, name)));
    const holds = known?.stamps.every((stamp, at) => sameStamp(stamp, stamps[at] ?? null));
    if (known === undefined || !holds) known = { stamps, index: readIndex(folder) };
    return known.index;
  };
}

export function readIndex(folder: string): Index {
  return { files: readMap(join(folder, INDEX)), folders: readMap(join(folder, FOLDERS)) };
}

function readMap<T>(file: string): Map<string, T> {
  try {
    const entries = Object.entries<T>(JSON.parse(readShortcut(file)));
    // Nobody of us writes a path that leads out of the folder.
    return new Map(entries.filter(([path]) => !/(^|\/)\.\.(\/|$)|^\//.test(path)));
  } catch {
    return new Map(); // Absent or damaged: then what lies there counts as a person's, and is kept.
  }
}
