// folder-blobs.ts — outputs that are folders, in a store of blobs: their lists, and the files that these name
import { decodeFolder, FOLDER, type FolderFile } from '../model/folder-manifest.ts';
import type { Digest } from '../model/key.ts';
import type { Output } from '../model/record.ts';
import type { BlobStore } from './store.ts';

/** The list of a folder; undefined when the store has lost it, or it is none. */
export async function folderIn(
  blobs: Pick<BlobStore, 'get'>,
  digest: Digest,
): Promise<readonly FolderFile[] | undefined> {
  const content = await blobs.get(digest);
  return content && folderFrom(content);
}

/** The files in a list of a folder; undefined for what is none. */
export function folderFrom(content: Uint8Array): readonly FolderFile[] | undefined {
  try {
    return decodeFolder(content);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * Those of some outputs that are absent, by digest. A folder is absent when one of its files is. Reads no content but the
 * lists of folders.
 */
export async function missingOutputs(
  blobs: Pick<BlobStore, 'get' | 'missing'>,
  outputs: Iterable<Pick<Output, 'digest' | 'kind'>>,
): Promise<ReadonlySet<Digest>> {
  const digests = new Set<Digest>();
  const folders = new Set<Digest>();
  for (const { digest, kind } of outputs) {
    digests.add(digest);
    if (kind === FOLDER) folders.add(digest);
  }
  const missing = new Set(await blobs.missing(digests));
  for (const digest of folders) {
    if (missing.has(digest)) continue;
    const files = await folderIn(blobs, digest);
    const isWhole = files !== undefined && (await lacks(blobs, files)) === 0;
    if (!isWhole) missing.add(digest);
  }
  return missing;
}

async function lacks(
  blobs: Pick<BlobStore, 'missing'>,
  files: readonly FolderFile[],
): Promise<number> {
  return (await blobs.missing(new Set(files.map(({ digest }) => digest)))).length;
}

/**
 * Whether all of an output can be read: content is verified. A folder that is not whole is forgotten, so that its task makes
 * it again.
 */
export async function verifyOutput(
  blobs: Pick<BlobStore, 'get' | 'verify' | 'forget'>,
  { digest, kind }: Pick<Output, 'digest' | 'kind'>,
): Promise<boolean> {
  if (kind !== FOLDER) return blobs.verify(digest);
  const files = await folderIn(blobs, digest);
  if (files === undefined) {
    await blobs.forget(digest);
    return false;
  }
  for (const file of new Set(files.map((one) => one.digest))) {
    if (await blobs.verify(file)) continue;
    await blobs.forget(digest);
    return false;
  }
  return true;
}

/** The parts of a store in which blobs lie, as `gc` and `fsck` read them. */
export interface BlobTables {
  readonly tables: { readonly blobs: { get(digest: string): Uint8Array | undefined } };
  readonly files: { read(digest: Digest): Uint8Array | undefined };
}

/** The files of an output: none, unless it is a folder whose list is there. */
export function filesOfOutput(
  { tables, files }: BlobTables,
  { digest, kind }: Pick<Output, 'digest' | 'kind'>,
): readonly FolderFile[] {
  if (kind !== FOLDER) return [];
  const content = tables.blobs.get(digest) ?? files.read(digest);
  return (content && folderFrom(content)) ?? [];
}
