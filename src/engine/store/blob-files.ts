// blob-files.ts — blobs as files named by their digests: one layout for large blobs, shared caches and depots
import { createHash, randomUUID } from 'node:crypto';
import { constants, lstatSync, rmSync, statSync } from 'node:fs';
import { chmod, copyFile, type FileHandle, link, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestInPieces } from '../files/files.ts';
import { makeFolder } from '../files/make-folder.ts';
import { type Stamp, sameStamp, stampOf } from '../files/stamp.ts';
import { newFileMode, settleFile } from '../files/store-access.ts';
import type { Digest } from '../model/key.ts';
import {
  chunksOf,
  cloned,
  copied,
  flushFile,
  flushFolder,
  lookedAt,
  modeOfNew,
  namesIn,
  readVerified,
  writeAll,
  written,
} from './blob-io.ts';

/** A blob of this size or more lies in a file of its own; smaller ones lie in the database. */
export const LARGE_BLOB_BYTES = 8 * 2 ** 20;

/** Content that has another digest than was expected of it. */
export class WrongContent extends Error {
  override readonly name = 'WrongContent';

  constructor(actual: Digest, expected: Digest) {
    super(`SHA-256 is ${actual}, expected ${expected}`);
  }
}

/** A file was written to while it was taken. */
export class FileChanged extends Error {
  override readonly name = 'FileChanged';

  constructor() {
    super('it changed while it was taken: something still writes to it');
  }
}

/** A blob that lies in a file. */
export interface BlobFile {
  readonly digest: Digest;
  readonly bytes: number;
}

/**
 * Blobs below a folder: `ab/abcdef…`, by the first two digits of their digests. A blob is written to a draft in `tmp/`,
 * flushed, renamed, and its folder flushed: a file that bears a digest is whole, whenever the power fails.
 */
export interface BlobFiles {
  /** How many bytes a blob has; undefined when it is absent. Reads no content. */
  sizeOf(digest: Digest): number | undefined;
  /** Every blob, in no order that means anything. */
  list(): Iterable<BlobFile>;
  /** Keeps content as it comes. Durable when it resolves. @throws WrongContent when it is not what was expected */
  keep(content: AsyncIterable<Uint8Array>, expected?: Digest): Promise<BlobFile>;
  /** Keeps content whose digest is known. Durable when it resolves. */
  keepBytes(digest: Digest, content: Uint8Array): Promise<void>;
  /** Keeps the content of a file, read once. */
  keepFile(path: string): Promise<BlobFile>;
  /**
   * Makes a file the blob of its content, by renaming it. Undefined, and the file is as it was, where that cannot be: it
   * has other names, or lies on another file system. @throws FileChanged when somebody wrote to it meanwhile
   */
  moveFile(path: string): Promise<BlobFile | undefined>;
  /** The content of a blob, verified; undefined when it is absent or damaged. @throws RangeError beyond a buffer's size */
  read(digest: Digest): Uint8Array | undefined;
  /** Gives the content of a blob piece by piece, and at the end whether it was whole; nothing when it is absent. */
  stream(digest: Digest): AsyncGenerator<Uint8Array, boolean>;
  /** Writes a verified copy to a new file. False, and there is no file, when the blob is absent or damaged. */
  copyTo(digest: Digest, path: string): Promise<boolean>;
  /**
   * Gives a blob another name, a hard link, after verifying it; it is read-only from then on. False, and there is no file, when it
   * is absent or damaged, and where there can be no link.
   */
  linkTo(digest: Digest, path: string): Promise<boolean>;
  /** Removes such a name. */
  unlink(digest: Digest, path: string): Promise<void>;
  /** Makes a new file that shares its space with the blob until one of both is changed. False, and there is no file, where that cannot be. */
  cloneTo(digest: Digest, path: string): Promise<boolean>;
  /** Whether this process has read all of a blob, and its file is as it was then. */
  isKnown(digest: Digest): boolean;
  /** Whether a blob is there and has its digest: reads all of it. */
  verify(digest: Digest): Promise<boolean>;
  drop(digest: Digest): void;
}

const NAME = /^[0-9a-f]{64}$/;
const SHARD = /^[0-9a-f]{2}$/;

/** @param folder made with the first blob */
export function openBlobFiles(folder: string): BlobFiles {
  /**
   * Files that this process has hashed, as they were then: one that is as it was is not hashed again. So an output is
   * hashed once on its way to the store and to its artifact.
   */
  const hashed = new Map<Digest, Stamp>();
  /** Whether the file system may be one that copies by reference: it has not refused yet. */
  let mayClone = true;
  const shardOf = (digest: Digest): string => join(folder, digest.slice(0, 2));
  const pathOf = (digest: Digest): string => join(shardOf(digest), digest);
  const sizeOf = (digest: Digest): number | undefined => {
    const found = lookedAt(pathOf(digest));
    return found?.isFile() ? found.size : undefined;
  };
  const note = (digest: Digest): void => {
    const stamp = stampOf(pathOf(digest));
    if (stamp) hashed.set(digest, stamp);
  };
  const isKnown = (digest: Digest): boolean => {
    const known = hashed.get(digest);
    return known !== undefined && sameStamp(known, stampOf(pathOf(digest)));
  };
  /** Whether a blob was dropped while it was about to be read: another reader found it damaged. */
  const isGone = (error: unknown, digest: Digest): boolean =>
    (error as NodeJS.ErrnoException).code === 'ENOENT' && sizeOf(digest) === undefined;
  const unlessGone = async (digest: Digest, read: () => Promise<boolean>): Promise<boolean> => {
    if (sizeOf(digest) === undefined) return false;
    try {
      return await read();
    } catch (error) {
      if (isGone(error, digest)) return false;
      throw error;
    }
  };
  /** Gives a blob a name, or takes one away: that changes the time of change, and nothing else. */
  const renamed = async (digest: Digest, change: () => Promise<void>): Promise<void> => {
    const before = isKnown(digest) ? hashed.get(digest) : undefined;
    await change();
    const now = stampOf(pathOf(digest));
    const isSame = before?.mtimeMs === now?.mtimeMs && before?.size === now?.size;
    if (before && isSame && before.inode === now?.inode) note(digest);
  };
  /** Gives a draft its name. Durable when it resolves. */
  const settle = async (draft: string, digest: Digest): Promise<void> => {
    const shard = shardOf(digest);
    const isNew = statSync(shard, { throwIfNoEntry: false }) === undefined;
    makeFolder(shard);
    settleFile(draft);
    await rename(draft, pathOf(digest));
    await flushFolder(shard);
    if (isNew) await flushFolder(folder);
    note(digest);
  };
  /** Writes a draft, and renames it to the digest that `write` gives. */
  const place = async (write: (draft: FileHandle) => Promise<Digest>): Promise<Digest> => {
    const drafts = join(folder, 'tmp');
    makeFolder(drafts);
    const draft = join(drafts, `${randomUUID()}.tmp`);
    try {
      const digest = await written(draft, write);
      await settle(draft, digest);
      return digest;
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  };
  const keep = async (content: AsyncIterable<Uint8Array>, expected?: Digest): Promise<BlobFile> => {
    let bytes = 0;
    const digest = await place(async (draft) => {
      const hash = createHash('sha256');
      for await (const chunk of content) {
        hash.update(chunk);
        await writeAll(draft, chunk);
        bytes += chunk.length;
      }
      return asExpected(hash.digest('hex') as Digest, expected);
    });
    return { digest, bytes };
  };
  const verify = (digest: Digest): Promise<boolean> =>
    unlessGone(digest, async () => {
      if ((await digestInPieces(pathOf(digest))) !== digest) return false;
      note(digest);
      return true;
    });
  const copyOf = async (digest: Digest, path: string): Promise<boolean> => {
    const from = pathOf(digest);
    if (isKnown(digest)) {
      const mode = await modeOfNew(path);
      await copyFile(from, path, constants.COPYFILE_FICLONE);
      await chmod(path, mode);
      // What changed meanwhile may be what was copied.
      if (isKnown(digest)) return true;
    } else if (await cloned(from, path)) {
      if ((await digestInPieces(path)) === digest) return true;
    } else if ((await copied(from, path)) === digest) return true;
    await rm(path, { force: true });
    return false;
  };
  return {
    sizeOf,
    *list() {
      for (const shard of namesIn(folder)) {
        if (!SHARD.test(shard)) continue;
        for (const name of namesIn(join(folder, shard))) {
          if (!NAME.test(name) || !name.startsWith(shard)) continue;
          const bytes = sizeOf(name as Digest);
          if (bytes !== undefined) yield { digest: name as Digest, bytes };
        }
      }
    },
    keep,
    keepFile: (path) => keep(chunksOf(path)),
    async moveFile(path) {
      if (lstatSync(path).nlink > 1) return undefined;
      // What was written through a map of memory counts as a change from here on.
      await flushFile(path);
      const before = stampOf(path);
      const digest = await digestInPieces(path);
      if (before === null || !sameStamp(before, stampOf(path))) throw new FileChanged();
      if (isKnown(digest)) return { digest, bytes: before.size };
      const drafts = join(folder, 'tmp');
      const draft = join(drafts, `${randomUUID()}.tmp`);
      makeFolder(drafts);
      try {
        await rename(path, draft);
      } catch (error) {
        if (NO_LINK.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
        throw error;
      }
      try {
        await chmod(draft, newFileMode(draft) ?? WRITABLE);
        // A new name and mode change the time of change, and nothing else.
        const now = stampOf(draft);
        if (now?.mtimeMs !== before.mtimeMs || now.size !== before.size) throw new FileChanged();
        await settle(draft, digest);
      } catch (error) {
        await rename(draft, path).catch(() => undefined);
        throw error;
      }
      return { digest, bytes: before.size };
    },
    async keepBytes(digest, content) {
      await place(async (draft) => {
        await writeAll(draft, content);
        return digest;
      });
    },
    read: (digest) => readVerified(pathOf(digest), digest),
    async *stream(digest) {
      if (sizeOf(digest) === undefined) return false;
      const hash = createHash('sha256');
      try {
        for await (const chunk of chunksOf(pathOf(digest))) {
          hash.update(chunk);
          yield chunk;
        }
      } catch (error) {
        if (isGone(error, digest)) return false;
        throw error;
      }
      return hash.digest('hex') === digest;
    },
    copyTo: (digest, path) => unlessGone(digest, () => copyOf(digest, path)),
    async linkTo(digest, path) {
      const from = pathOf(digest);
      if (!isKnown(digest) && !(await verify(digest))) return false;
      try {
        await renamed(digest, async () => {
          // Before anybody else has a name for it.
          if ((statSync(from).mode & ANY_WRITE) !== 0) await chmod(from, READ_ONLY);
          await link(from, path);
        });
        return true;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (NO_LINK.has(code ?? '') || isGone(error, digest)) return false;
        throw error;
      }
    },
    unlink: (digest, path) => renamed(digest, () => rm(path, { force: true })),
    async cloneTo(digest, path) {
      if (!mayClone || sizeOf(digest) === undefined) return false;
      if (!(await cloned(pathOf(digest), path))) {
        // It cannot here, or not to there: a copy is tried anyway.
        mayClone = false;
        return false;
      }
      if (isKnown(digest) || (await digestInPieces(path)) === digest) return true;
      await rm(path, { force: true });
      return false;
    },
    isKnown,
    verify,
    drop(digest) {
      hashed.delete(digest);
      rmSync(pathOf(digest), { force: true });
    },
  };
}

const READ_ONLY = 0o444;
const ANY_WRITE = 0o222;
const WRITABLE = 0o644;
/** Another file system, one without links, somebody else's file. */
const NO_LINK = new Set(['EXDEV', 'EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'EROFS']);

/** A digest, if it is the one that was expected. @throws WrongContent */
export function asExpected(actual: Digest, expected: Digest | undefined): Digest {
  if (expected !== undefined && actual !== expected) throw new WrongContent(actual, expected);
  return actual;
}

/** Folder of the large blobs of a store. */
export const largeBlobs = (cache: string): string => join(cache, 'blobs');
