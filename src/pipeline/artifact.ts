// artifact.ts — outputs as files for people: restored when deleted, never overwriting what a person edited
import { rename } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileDigest, fileStat, stampHolds, writeAtomically } from './files.ts';
import type { Digest } from './key.ts';
import type { Store } from './store.ts';

/** What happened to an artifact. `kept`: where the edited file that stood in its place was put. */
export interface ArtifactChange {
  readonly path: string;
  readonly kept?: string;
}

/**
 * Makes the file at `path` (within `folder`) hold a blob.
 * @returns what was changed; undefined when the file already held it
 */
export async function placeArtifact(
  store: Store,
  folder: string,
  path: string,
  digest: Digest,
  clock: () => number,
): Promise<ArtifactChange | undefined> {
  const file = join(folder, path);
  const now = await fileStat(file);
  const known = store.stamp(file);
  if (now && known && known.digest === digest && stampHolds(known, now, clock())) return undefined;
  const present = now && (await fileDigest(file));
  let kept: string | undefined;
  if (present !== digest) {
    const edited = present !== undefined && present !== known?.digest;
    if (edited) kept = await putAside(file);
    const bytes = store.blob(digest);
    if (bytes === undefined) throw new Error(`the store has lost blob ${digest}`);
    await writeAtomically(file, bytes);
  }
  const stamp = await fileStat(file);
  if (stamp) store.putStamp(file, { ...stamp, digest });
  if (present === digest) return undefined;
  return kept === undefined ? { path: file } : { path: file, kept };
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
