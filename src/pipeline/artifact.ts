// artifact.ts — outputs as files for people: restored when deleted, never overwriting what a person edited
import { readFileSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileSet } from '../file-set.ts';
import { fileDigest, fileStat, stampHolds, writeAtomically } from './files.ts';
import { type Digest, digestOf } from './key.ts';
import type { Stamp } from './stamp.ts';

/** What happened to an artifact. `kept`: where the edited file that stood in its place was put. */
export interface ArtifactChange {
  readonly path: string;
  readonly kept?: string;
}

/** Puts outputs into a folder. */
export interface Shelf {
  /** Makes the file at `path` hold a blob; undefined when it already did. `bytes` is asked only when needed. */
  place(
    path: string,
    digest: Digest,
    bytes: () => Promise<Uint8Array>,
  ): Promise<ArtifactChange | undefined>;
  /**
   * The same for a blob of files, below the folder at `path`: each by itself. Files of an earlier blob that this one
   * lacks go, unless a person edited them.
   */
  placeAll(
    path: string,
    digest: Digest,
    bytes: () => Promise<Uint8Array>,
  ): Promise<readonly ArtifactChange[]>;
}

/** What a blob of files was made into: the blob, and its files with their digests. */
interface Folder {
  readonly digest: Digest;
  readonly files: readonly (readonly [name: string, digest: Digest])[];
}

/** A file as it was when it was written, so that an edit by a person is told from a result of last time. */
interface Written extends Stamp {
  readonly digest: Digest;
}

/** What was written into the folder. It lies there and not in the store: several stores may share a folder. */
const INDEX = '.written.json';
/** The same for folders, which are looked at as a whole. */
const FOLDERS = '.folders.json';

/** @param folder where artifacts go; it need not exist */
export async function openShelf(folder: string, clock: () => number): Promise<Shelf> {
  const index = await readIndex<Written>(join(folder, INDEX));
  const folders = await readIndex<Folder>(join(folder, FOLDERS));
  // One after another, so that an older index never lands on a newer one.
  let writing: Promise<unknown> = Promise.resolve();
  const writeIndex = (): Promise<void> => {
    const write = async (): Promise<void> => {
      await writeAtomically(join(folder, INDEX), JSON.stringify(Object.fromEntries(index)));
      if (folders.size === 0) return;
      await writeAtomically(join(folder, FOLDERS), JSON.stringify(Object.fromEntries(folders)));
    };
    const written = writing.then(write, write);
    writing = written.catch(() => undefined);
    return written;
  };
  const shelf: Shelf = {
    async place(path, digest, bytes) {
      const file = join(folder, path);
      const now = await fileStat(file);
      const known = index.get(path);
      if (now && known?.digest === digest && stampHolds(known, now, clock())) return undefined;
      const present = now && (await fileDigest(file));
      let kept: string | undefined;
      if (present !== digest) {
        const edited = present !== undefined && present !== known?.digest;
        const content = await bytes();
        if (edited) kept = await putAside(file);
        await writeAtomically(file, content);
      }
      const stamp = await fileStat(file);
      if (stamp) index.set(path, { ...stamp, digest });
      await writeIndex();
      if (present === digest) return undefined;
      return kept === undefined ? { path: file } : { path: file, kept };
    },
    async placeAll(path, digest, bytes) {
      const before = folders.get(path);
      const read = async (): Promise<Readonly<Record<string, string>>> =>
        fileSet().decode(await bytes());
      const content =
        before?.digest === digest ? undefined : Object.entries(await read()).map(encoded);
      const now = content?.map(([name, text]) => [name, digestOf(text)] as const) ?? before?.files;
      const changes: (ArtifactChange | undefined)[] = [];
      for (const [name, own] of now ?? []) {
        const text = async (): Promise<Uint8Array> =>
          new TextEncoder().encode((await read())[name]);
        changes.push(await shelf.place(join(path, name), own, text));
      }
      const gone = (before?.files ?? []).filter(([name]) => !now?.some(([kept]) => kept === name));
      for (const [name, own] of gone) await drop(join(path, name), own);
      if (content) {
        folders.set(path, { digest, files: now ?? [] });
        await writeIndex();
      }
      const made = changes.filter((change) => change !== undefined);
      const kept = made.filter((change) => change.kept !== undefined);
      // One word for all of them; files that a person edited are told one by one.
      return made.length > kept.length ? [{ path: join(folder, path) }, ...kept] : kept;
    },
  };
  /** Removes what an earlier run wrote, and leaves what a person made of it. */
  const drop = async (path: string, digest: Digest): Promise<void> => {
    const file = join(folder, path);
    if (index.delete(path) && (await fileStat(file)) && (await fileDigest(file)) === digest) {
      await rm(file);
    }
  };
  return shelf;
}

/** The files that a blob of files was last made into, with their digests. */
export function placedFiles(
  folder: string,
  path: string,
): readonly (readonly [file: string, digest: Digest])[] {
  try {
    const folders: Record<string, Folder> = JSON.parse(readFileSync(join(folder, FOLDERS), 'utf8'));
    return folders[path].files.map(([name, digest]) => [join(folder, path, name), digest] as const);
  } catch {
    return []; // Nothing was placed there, or what is told of it is damaged: the next make mends that.
  }
}

const encoded = ([name, text]: [string, string]): readonly [string, Uint8Array] => [
  name,
  new TextEncoder().encode(text),
];

async function readIndex<T>(file: string): Promise<Map<string, T>> {
  try {
    return new Map(Object.entries(JSON.parse(await readFile(file, 'utf8'))));
  } catch {
    return new Map(); // Absent or damaged: then what lies there counts as a person's, and is kept.
  }
}

/** Renames an edited file to the first free name beside it: report.edited-1.html. */
async function putAside(file: string): Promise<string> {
  const extension = extname(file);
  const stem = file.slice(0, file.length - extension.length);
  for (let count = 1; ; count++) {
    const aside = `${stem}.edited-${count}${extension}`;
    if (await fileStat(aside)) continue;
    await rename(file, aside);
    return aside;
  }
}
