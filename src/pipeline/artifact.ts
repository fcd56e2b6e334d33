// artifact.ts — outputs as files for people: restored when deleted, never overwriting what a person edited
import { readFile, rename } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileDigest, fileStat, stampHolds, writeAtomically } from './files.ts';
import type { Digest } from './key.ts';
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
}

/** A file as it was when it was written, so that an edit by a person is told from a result of last time. */
interface Written extends Stamp {
  readonly digest: Digest;
}

/** What was written into the folder. It lies there and not in the store: several stores may share a folder. */
const INDEX = '.written.json';

/** @param folder where artifacts go; it need not exist */
export async function openShelf(folder: string, clock: () => number): Promise<Shelf> {
  const index = await readIndex(join(folder, INDEX));
  // One after another, so that an older index never lands on a newer one.
  let writing: Promise<unknown> = Promise.resolve();
  const writeIndex = (): Promise<void> => {
    const write = (): Promise<void> =>
      writeAtomically(join(folder, INDEX), JSON.stringify(Object.fromEntries(index)));
    const written = writing.then(write, write);
    writing = written.catch(() => undefined);
    return written;
  };
  return {
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
  };
}

async function readIndex(file: string): Promise<Map<string, Written>> {
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
