// blobs.ts — verified blobs in the memory of a worker, which serves many tasks

import type { Digest } from '../model/key.ts';
import type { GivenBlob } from './protocol.ts';

/** Reads a blob from the store and verifies it; undefined when it is absent or damaged. */
export type ReadBlob = (digest: Digest) => Uint8Array | undefined;

/** Blobs in memory. Nobody may write to them: the worker looks after each task whether its stage did. */
export interface Blobs {
  /** The bytes of a blob, or undefined when the store lacks it. */
  get(blob: GivenBlob, read: ReadBlob): Uint8Array | undefined;
  /** Forgets all: they are read and verified anew. */
  clear(): void;
}

/** Keeps the blobs used last, up to `bytesMax`: each is read and verified once while it stays. */
export function keptBlobs(bytesMax: number): Blobs {
  const kept = new Map<Digest, Uint8Array>();
  let total = 0;
  return {
    get({ digest, bytes: sent }, read) {
      // A copy, so that a stage finds a buffer that holds this blob and nothing else.
      if (sent) return sent.slice();
      const known = kept.get(digest);
      if (known) {
        kept.delete(digest);
        kept.set(digest, known);
        return known;
      }
      const bytes = read(digest);
      if (bytes === undefined) return undefined;
      kept.set(digest, bytes);
      total += bytes.length;
      for (const [oldest, { length }] of kept) {
        if (total <= bytesMax || oldest === digest) break;
        kept.delete(oldest);
        total -= length;
      }
      return bytes;
    },
    clear() {
      kept.clear();
      total = 0;
    },
  };
}
