// blob-io.ts — files read, copied and written piece by piece, for blobs that lie in files
import { constants as bufferLimits } from 'node:buffer';
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { chmod, copyFile, type FileHandle, open, rm } from 'node:fs/promises';
import { newFileMode } from '../files/store-access.ts';
import type { Digest } from '../model/key.ts';

/** Files are read and written in pieces of this size. */
const CHUNK_BYTES = 2 ** 20;

/** Undefined for what is not there, or below a file. */
export function lookedAt(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Whether a file could be copied by reference, which takes no space until one of both is changed. */
export async function cloned(from: string, to: string): Promise<boolean> {
  const mode = await modeOfNew(to);
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
    await chmod(to, mode);
    return true;
  } catch {
    await rm(to, { force: true });
    return false;
  }
}

/**
 * The mode of a new file, which is made. A copy has that of every file that its maker makes, and not that of the store,
 * where a blob may be private, or read-only as it has links.
 */
export async function modeOfNew(path: string): Promise<number> {
  const file = await open(path, 'wx');
  try {
    return (await file.stat()).mode & 0o7777;
  } finally {
    await file.close();
  }
}

export async function written(
  draft: string,
  write: (draft: FileHandle) => Promise<Digest>,
): Promise<Digest> {
  const file = await open(draft, 'wx', newFileMode(draft));
  try {
    const digest = await write(file);
    await file.sync();
    return digest;
  } finally {
    await file.close();
  }
}

/** Copies a file in pieces, and gives the digest of what was copied. */
export async function copied(from: string, to: string): Promise<Digest> {
  const hash = createHash('sha256');
  const copy = await open(to, 'wx');
  try {
    for await (const chunk of chunksOf(from)) {
      hash.update(chunk);
      await writeAll(copy, chunk);
    }
  } finally {
    await copy.close();
  }
  return hash.digest('hex') as Digest;
}

/** The content of a file, piece by piece; each piece holds until the next is asked for. */
export async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

export async function writeAll(file: FileHandle, content: Uint8Array): Promise<void> {
  for (let at = 0; at < content.length; ) {
    const part = content.subarray(at, at + CHUNK_BYTES);
    at += (await file.write(part)).bytesWritten;
  }
}

/** Reads a whole file, if it has a digest. Node's own way reads no file of more than 2 GiB. */
export function readVerified(path: string, digest: Digest): Uint8Array | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    if (size > bufferLimits.MAX_LENGTH) {
      throw new RangeError(
        `a blob of ${size} bytes does not fit into memory: a command can read it, as a file`,
      );
    }
    const content = Buffer.allocUnsafeSlow(size);
    const hash = createHash('sha256');
    let at = 0;
    while (at < content.length) {
      const read = readSync(file, content, at, Math.min(CHUNK_BYTES, content.length - at), at);
      if (read === 0) return undefined;
      hash.update(content.subarray(at, at + read));
      at += read;
    }
    return hash.digest('hex') === digest ? content : undefined;
  } finally {
    closeSync(file);
  }
}

/** What was written into a file is on the disk when it resolves. */
export async function flushFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A name that was just given is kept, even if the power fails now. */
export async function flushFolder(folder: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(folder, 'r');
  } catch {
    return; // Some systems open no folders.
  }
  try {
    await handle.sync();
  } catch {
    // Some file systems flush none.
  } finally {
    await handle.close();
  }
}

export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
