// files.ts — files that people see: digests, stamps, atomic writes
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Digest } from '../model/key.ts';
import { makeFolder } from './make-folder.ts';
import { type Stamp, sameStamp, stampOf } from './stamp.ts';
import { newFileMode } from './store-access.ts';

/** A stamp younger than this is not trusted: the file may change again within the clock's grain. */
const STAMP_SETTLES_MS = 2000;

/** A file of so many bytes is hashed in a thread, so that whoever waits for other things goes on. */
const LARGE_BYTES = 8 * 2 ** 20;

/** Files are hashed in pieces of this size. */
const PIECE_BYTES = 2 ** 18;

/** A file that is not larger is read at once: each way through the thread pool takes longer than that. */
const SMALL_BYTES = 2 ** 16;

/** SHA-256 of a file's content. */
export async function fileDigest(path: string): Promise<Digest> {
  const looked = statSync(path);
  if (looked.isFile() && looked.size <= SMALL_BYTES) {
    return createHash('sha256').update(readFileSync(path)).digest('hex') as Digest;
  }
  if (!looked.isFile() || looked.size < LARGE_BYTES) return digestInPieces(path);
  const { hashFile } = await import('hasha');
  return (await hashFile(path, { algorithm: 'sha256' })) as Digest;
}

/** The same through one buffer, in little memory: pieces of a stream are garbage that piles up faster than it is collected. */
export async function digestInPieces(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const buffer = Buffer.allocUnsafe(Math.max(4096, Math.min(PIECE_BYTES, size + 1)));
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return hash.digest('hex') as Digest;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** What a file looks like now, without its content; undefined when it is not there. */
export async function fileStat(path: string): Promise<Stamp | undefined> {
  return stampOf(path) ?? undefined;
}

/** Whether a file surely still has the content it had when the stamp was taken. */
export function stampHolds(stamp: Stamp, now: Stamp, clock: number): boolean {
  return sameStamp(stamp, now) && clock - now.mtimeMs > STAMP_SETTLES_MS;
}

/** What a file is to hold: its content, or what writes that to a new file. */
export type FileContent = Uint8Array | string | ((draft: string) => Promise<void>);

/** Writes a file so that it is there whole or not at all. Folders are made. */
export async function writeAtomically(path: string, content: FileContent): Promise<void> {
  makeFolder(dirname(path));
  // A name of its own: with an ending, a long name might be too long.
  const draft = join(dirname(path), `.${randomUUID()}.tmp`);
  try {
    if (typeof content === 'function') await content(draft);
    const mode = newFileMode(path);
    const file = await open(draft, typeof content === 'function' ? 'r+' : 'wx', mode);
    try {
      if (mode !== undefined) await file.chmod(mode);
      if (typeof content !== 'function') await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    // Of the draft nobody knows.
    throw Object.assign(error as Error, { path, dest: undefined });
  }
}
