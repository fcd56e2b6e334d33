// depot.ts — blobs and checkpoints where every node sees them, and how they go to stores and come from them
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { SizedBlob } from '../engine/executors/executor.ts';
import { writeAtomically } from '../engine/files/files.ts';
import { type Digest, digestOf, type Key } from '../engine/model/key.ts';
import { openBlobFiles } from '../engine/store/blob-files.ts';
import {
  type CheckpointFolder,
  type CheckpointFolders,
  checkpointFolders,
} from '../engine/store/checkpoint-folders.ts';
import type { BlobStore } from '../engine/store/store.ts';
import type { DepotLayout } from './layout.ts';

/** How long to wait for a blob that was named: a file system may show it late. */
const PATIENCE_MS = 60_000;
const [FIRST_LOOK_MS, LAST_LOOK_MS] = [100, 5000];
const DIGEST_BYTES = 32;

/** A store as far as blobs go through it. */
type Blobs = Pick<BlobStore, 'missing' | 'putStream' | 'stream'>;

/** Blobs and checkpoints in a depot. */
export interface Depot {
  /** Keeps bytes. Durable when it resolves. */
  put(bytes: Uint8Array): Promise<SizedBlob>;
  putFile(path: string): Promise<SizedBlob>;
  /** Copies a blob of a store into the depot, unless it is there. False where the store has lost it. */
  take(blob: SizedBlob, from: Blobs): Promise<boolean>;
  /** Copies a blob into a store, unless that has it. False where it is not to be had. */
  give(blob: SizedBlob, to: Blobs): Promise<boolean>;
  /** The bytes of a blob, verified; undefined where it is not to be had. */
  read(blob: SizedBlob): Promise<Uint8Array | undefined>;
  /** Lets go of a blob that is damaged. */
  forget(digest: Digest): void;
  readonly saves: Saves;
}

/** Checkpoints of unfinished actions. */
export interface Saves {
  has(key: Key): boolean;
  read(key: Key): Uint8Array | undefined;
  write(key: Key, bytes: Uint8Array): Promise<void>;
  /** Of programs. */
  readonly folders: CheckpointFolders;
  drop(key: Key): Promise<void>;
}

/** @param patience_ms how long a blob that was named is waited for */
export function openDepot(layout: DepotLayout, patience_ms = PATIENCE_MS): Depot {
  const files = openBlobFiles(layout.blobs);
  const known = new Set<Digest>();
  const has = ({ digest, bytes }: SizedBlob): boolean =>
    known.has(digest) || files.sizeOf(digest) === bytes;
  const pathOf = (digest: Digest): string => join(layout.blobs, digest.slice(0, 2), digest);
  /** Waits until a blob that was named is seen. */
  const awaited = async ({ digest, bytes }: SizedBlob): Promise<boolean> => {
    const until = performance.now() + patience_ms;
    for (let wait = FIRST_LOOK_MS; ; wait = Math.min(wait * 2, LAST_LOOK_MS)) {
      if (files.sizeOf(digest) === bytes) return true;
      if (performance.now() >= until) return false;
      await pause(wait);
    }
  };
  const forget = (digest: Digest): void => {
    known.delete(digest);
    files.drop(digest);
  };
  return {
    async put(bytes) {
      const blob = { digest: digestOf(bytes), bytes: bytes.length };
      if (!has(blob)) await files.keepBytes(blob.digest, bytes);
      else touch(pathOf(blob.digest));
      known.add(blob.digest);
      return blob;
    },
    async putFile(path) {
      const blob = await files.keepFile(path);
      touch(pathOf(blob.digest));
      known.add(blob.digest);
      return blob;
    },
    async take(blob, from) {
      if (!has(blob)) {
        if ((await from.missing([blob.digest])).length > 0) return false;
        await files.keep(from.stream(blob.digest), blob.digest);
      } else touch(pathOf(blob.digest));
      known.add(blob.digest);
      return true;
    },
    async give(blob, to) {
      if ((await to.missing([blob.digest])).length === 0) return true;
      if (!(await awaited(blob))) return false;
      try {
        await to.putStream(whole(files.stream(blob.digest)), blob.digest);
        return true;
      } catch (error) {
        if (!(error instanceof DamagedBlob) && (error as Error).name !== 'WrongContent')
          throw error;
        forget(blob.digest);
        return false;
      }
    },
    async read(blob) {
      if (!(await awaited(blob))) return undefined;
      const bytes = files.read(blob.digest);
      if (bytes === undefined) forget(blob.digest);
      return bytes;
    },
    forget,
    saves: openSaves(layout),
  };
}

class DamagedBlob extends Error {}

/** What comes, and an error at its end where it was not whole. */
async function* whole(content: AsyncGenerator<Uint8Array, boolean>): AsyncIterable<Uint8Array> {
  try {
    for (;;) {
      const next = await content.next();
      if (!next.done) yield next.value;
      else if (next.value) return;
      else throw new DamagedBlob();
    }
  } finally {
    // Whoever takes no more of it leaves no file open.
    await content.return(false);
  }
}

/** What is used is not old. */
function touch(path: string): void {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // It only lives shorter.
  }
}

function openSaves(layout: DepotLayout): Saves {
  const folders = checkpointFolders(layout.programs);
  const has = (key: Key): boolean =>
    statSync(layout.saveOf(key), { throwIfNoEntry: false }) !== undefined;
  return {
    folders,
    has,
    read(key) {
      try {
        const stored = readFileSync(layout.saveOf(key));
        const bytes = stored.subarray(DIGEST_BYTES);
        const isWhole = digestOf(bytes) === stored.subarray(0, DIGEST_BYTES).toString('hex');
        return isWhole ? bytes : undefined;
      } catch {
        return undefined;
      }
    },
    async write(key, bytes) {
      const file = layout.saveOf(key);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      await writeAtomically(file, Buffer.concat([Buffer.from(digestOf(bytes), 'hex'), bytes]));
    },
    async drop(key) {
      rmSync(layout.saveOf(key), { force: true });
      await folders.drop(key);
    },
  };
}

/** Copies what a program keeps as its checkpoint from one place to another. */
export async function copyCheckpoint(from: CheckpointFolder, to: CheckpointFolder): Promise<void> {
  await cp(from.path, to.path, { recursive: true });
  await cp(from.events, to.events).catch(() => undefined);
}
