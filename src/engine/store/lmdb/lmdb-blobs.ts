// lmdb-blobs.ts — blobs of a store in LMDB: small ones in a table, large ones in files beside it
import { readFile, stat } from 'node:fs/promises';
import { type Digest, digestOf } from '../../model/key.ts';
import type { KeptOutput } from '../../model/record.ts';
import {
  asExpected,
  type BlobFile,
  type BlobFiles,
  FileChanged,
  LARGE_BLOB_BYTES,
  WrongContent,
} from '../blob-files.ts';
import { chunksOf } from '../blob-io.ts';
import { blobReader } from '../blob-reader.ts';
import { FreshContent } from '../fresh-content.ts';
import { type BlobStore, keptOutput } from '../store.ts';
import { worded } from './lmdb-root.ts';
import type { OnDamage } from './record-table.ts';

/** What the blobs of a store lie in. */
export interface LmdbBlobsOptions {
  /** Folder of the store. */
  readonly folder: string;
  readonly table: {
    get(digest: string): Buffer | undefined;
    doesExist(digest: string): boolean;
    putSync(digest: string, content: Uint8Array): unknown;
    removeSync(digest: string): unknown;
  };
  readonly files: BlobFiles;
  /** One transaction over the database. @param bytes that it writes */
  write(action: () => void, bytes: number): void;
  /** One that only takes away. */
  remove(action: () => void): void;
  readonly onDamage: OnDamage;
}

/** The blobs of a store, and what commits need of them. */
export interface LmdbBlobs {
  readonly store: BlobStore;
  /** Keeps outputs together with what `also` writes, in one transaction; large ones are durable before it. */
  keep(outputs: readonly KeptOutput[], also: () => void): Promise<void>;
}

export function lmdbBlobs(options: LmdbBlobsOptions): LmdbBlobs {
  const { folder, table, files, write, remove, onDamage } = options;
  const fresh = new FreshContent();
  const reader = blobReader({
    table,
    files,
    fresh: (digest) => fresh.get(digest),
    onDamage(digest) {
      onDamage(digest, 'blob');
      if (table.doesExist(digest)) remove(() => table.removeSync(digest));
      files.drop(digest);
    },
  });
  const isThere = (digest: Digest): boolean =>
    table.doesExist(digest) || files.sizeOf(digest) !== undefined;
  const keepFile = async (
    content: AsyncIterable<Uint8Array>,
    expected?: Digest,
  ): Promise<BlobFile> => {
    const source = new Guarded(content);
    try {
      return await files.keep(source, expected);
    } catch (error) {
      throw error === source.error || error instanceof WrongContent ? error : worded(error, folder);
    }
  };
  const moveFile = async (path: string): Promise<BlobFile | undefined> => {
    try {
      return await files.moveFile(path);
    } catch (error) {
      throw error instanceof FileChanged ? error : worded(error, folder);
    }
  };
  const keepLarge = async (digest: Digest, content: Uint8Array): Promise<void> => {
    try {
      await files.keepBytes(digest, content);
    } catch (error) {
      throw worded(error, folder);
    }
  };
  const keep = async (outputs: readonly KeptOutput[], also: () => void): Promise<void> => {
    const small: [Digest, Uint8Array][] = [];
    for (const { digest, content } of outputs) {
      if (content === undefined || isThere(digest)) continue;
      if (content.length < LARGE_BLOB_BYTES) small.push([digest, content]);
      else await keepLarge(digest, content);
    }
    const bytes = small.reduce((sum, [, content]) => sum + content.length, 0);
    write(() => {
      for (const [digest, content] of small) table.putSync(digest, content);
      also();
    }, bytes);
    for (const [digest, content] of small) fresh.add(digest, content);
  };
  const keepSmall = async (output: KeptOutput): Promise<Digest> => {
    if (!isThere(output.digest)) await keep([output], () => undefined);
    return output.digest;
  };
  return {
    keep,
    store: {
      ...reader,
      put: (bytes) => keepSmall(keptOutput(bytes)),
      async putStream(content, expected) {
        const { beginning, all } = await begun(content);
        if (all !== undefined) return keepFile(all, expected);
        const { digest, bytes } = keptOutput(beginning);
        asExpected(digest, expected);
        await keepSmall({ digest, bytes, content: beginning });
        return { digest, bytes };
      },
      async takeFile(path, { mayMove = false } = {}) {
        const { size } = await stat(path);
        if (size < LARGE_BLOB_BYTES) return keptOutput(await readFile(path));
        return (mayMove && (await moveFile(path))) || keepFile(chunksOf(path));
      },
      putAll: (contents) => keep(contents, () => undefined),
      async forget(digest) {
        if (table.doesExist(digest)) remove(() => table.removeSync(digest));
        fresh.drop(digest);
        files.drop(digest);
      },
    },
  };
}

/** Takes content as far as it may be small: all of it comes as `beginning`, or as a stream where it is large. */
async function begun(
  content: AsyncIterable<Uint8Array>,
): Promise<{ readonly beginning: Uint8Array; readonly all?: AsyncIterable<Uint8Array> }> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const iterator = content[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await iterator.next();
    if (done) return { beginning: Buffer.concat(pieces, bytes) };
    // Not `slice`, which of a Buffer makes no copy: each piece holds until the next is asked for.
    pieces.push(Buffer.from(value));
    bytes += value.length;
    if (bytes < LARGE_BLOB_BYTES) continue;
    const all = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (let piece = pieces.shift(); piece; piece = pieces.shift()) yield piece;
        yield* { [Symbol.asyncIterator]: () => iterator };
      } finally {
        await iterator.return?.();
      }
    };
    return { beginning: new Uint8Array(0), all: all() };
  }
}

/** Content on its way, which remembers the error that it ended with: that one is no fault of the store. */
class Guarded {
  error: unknown;
  private readonly content: AsyncIterable<Uint8Array>;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.content = content;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.content;
    } catch (error) {
      this.error = error;
      throw error;
    }
  }
}

/** Reads a blob as a whole, verified, from a table or from its file. */
export const readBlob = (
  table: { get(digest: string): Uint8Array | undefined },
  files: BlobFiles,
  digest: Digest,
): Uint8Array | undefined => {
  const bytes = table.get(digest);
  if (bytes === undefined) return files.read(digest);
  return digestOf(bytes) === digest ? new Uint8Array(bytes) : undefined;
};
