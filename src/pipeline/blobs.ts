// blobs.ts — verified blobs in memory that all threads share
import type { Digest } from './key.ts';
import type { Store } from './store.ts';

/** Blobs in shared memory. Nobody may write to them: the worker looks after each task whether its stage did. */
export interface SharedBlobs {
  /** The bytes of a blob, or undefined when the store lacks it. */
  get(digest: Digest): Uint8Array | undefined;
  /** Forgets all: they are read and verified anew. */
  clear(): void;
}

/** Keeps the blobs used last, up to `bytesMax`: each is read and verified once while it stays. */
export function sharedBlobs(store: Store, bytesMax: number): SharedBlobs {
  const kept = new Map<Digest, Uint8Array>();
  let total = 0;
  return {
    get(digest) {
      const known = kept.get(digest);
      if (known) {
        kept.delete(digest);
        kept.set(digest, known);
        return known;
      }
      const bytes = store.blob(digest);
      if (bytes === undefined) return undefined;
      const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
      shared.set(bytes);
      kept.set(digest, shared);
      total += shared.length;
      for (const [oldest, { length }] of kept) {
        if (total <= bytesMax || oldest === digest) break;
        kept.delete(oldest);
        total -= length;
      }
      return shared;
    },
    clear() {
      kept.clear();
      total = 0;
    },
  };
}
