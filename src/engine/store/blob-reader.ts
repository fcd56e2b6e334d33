// blob-reader.ts — blobs of a store, verified: small ones in its database, large ones in files beside it
import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type Digest, digestOf } from '../model/key.ts';
import type { BlobFiles } from './blob-files.ts';
import { type BlobStore, LostBlob } from './store.ts';

/** Where blobs are read from. */
export interface BlobSources {
  /** Earlier versions kept blobs of every size here. */
  readonly table: {
    get(digest: string): Uint8Array | undefined;
    doesExist(digest: string): boolean;
  };
  readonly files: BlobFiles;
  /** Content that needs no verification. */
  fresh(digest: Digest): Uint8Array | undefined;
  /** Hears of a blob that is not what its digest says. */
  onDamage(digest: Digest): void;
}

/** The half of a store of blobs that reads. */
export type BlobReader = Pick<
  BlobStore,
  'get' | 'missing' | 'verify' | 'stream' | 'copyTo' | 'linkTo' | 'lendTo' | 'takeBack'
>;

export function blobReader({ table, files, fresh, onDamage }: BlobSources): BlobReader {
  /** A blob of the database. A damaged one is told, and counts as absent. */
  const inTable = (digest: Digest): Uint8Array | undefined => {
    const bytes = fresh(digest) ?? table.get(digest);
    if (bytes === undefined || bytes === fresh(digest) || digestOf(bytes) === digest) return bytes;
    onDamage(digest);
    return undefined;
  };
  const isDamaged = (digest: Digest): false => {
    if (files.sizeOf(digest) !== undefined) onDamage(digest);
    return false;
  };
  return {
    async get(digest) {
      const bytes = inTable(digest) ?? files.read(digest);
      if (bytes === undefined) isDamaged(digest);
      return bytes;
    },
    missing: async (digests) =>
      [...digests].filter(
        (digest) => !table.doesExist(digest) && files.sizeOf(digest) === undefined,
      ),
    async verify(digest) {
      if (inTable(digest) !== undefined) return true;
      return files.isKnown(digest) || (await files.verify(digest)) || isDamaged(digest);
    },
    async *stream(digest) {
      const bytes = inTable(digest);
      if (bytes !== undefined) yield bytes;
      else if (!(yield* files.stream(digest))) {
        isDamaged(digest);
        throw new LostBlob(digest);
      }
    },
    async copyTo(digest, path) {
      const bytes = inTable(digest);
      if (bytes === undefined) return (await files.copyTo(digest, path)) || isDamaged(digest);
      await writeFile(path, bytes, { flag: 'wx' });
      return true;
    },
    linkTo: (digest, path) => files.linkTo(digest, path),
    async lendTo(digest, path, { mayLink }) {
      const bytes = inTable(digest);
      if (bytes !== undefined) {
        writeFileSync(path, bytes, { flag: 'wx' });
        return 'copied';
      }
      if (await files.cloneTo(digest, path)) return 'cloned';
      if (mayLink && (await files.linkTo(digest, path))) return 'linked';
      return (await files.copyTo(digest, path)) ? 'copied' : isDamaged(digest);
    },
    takeBack: (digest, path) => files.unlink(digest, path),
  };
}
