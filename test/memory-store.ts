// memory-store.ts — a store in memory, for tests of what is above it
import { digestOf, type Key, type TaskId } from '../src/engine/model/key.ts';
import type { ActionRecord, Lease } from '../src/engine/model/record.ts';
import { emptyStore } from '../src/engine/store/empty-store.ts';
import type { Store } from '../src/engine/store/store.ts';

/** A store, and what it holds. */
export interface MemoryStore extends Store {
  readonly content: Map<string, Uint8Array>;
  readonly records: Map<Key, ActionRecord>;
  readonly newest: Map<TaskId, Key>;
}

export function memoryStore(): MemoryStore {
  const content = new Map<string, Uint8Array>();
  const records = new Map<Key, ActionRecord>();
  const newest = new Map<TaskId, Key>();
  const saved = new Map<Key, Uint8Array>();
  const leases = new Map<Key, Lease>();
  const empty = emptyStore();
  return {
    ...empty,
    content,
    records,
    newest,
    blobs: {
      ...empty.blobs,
      get: async (digest) => content.get(digest),
      verify: async (digest) => content.has(digest),
      missing: async (digests) => [...digests].filter((digest) => !content.has(digest)),
      async put(bytes) {
        content.set(digestOf(bytes), bytes);
        return digestOf(bytes);
      },
    },
    actions: {
      get: async (key) => records.get(key),
      all: async () => records.values(),
      async put(commits) {
        for (const { record, outputs } of commits) {
          records.set(record.key, record);
          saved.delete(record.key);
          for (const { digest, content: bytes } of outputs) if (bytes) content.set(digest, bytes);
        }
      },
      latest: async (tasks) =>
        new Map(
          [...tasks].flatMap((task) => {
            const key = newest.get(task);
            return key ? [[task, key] as const] : [];
          }),
        ),
      async setLatest(entries) {
        for (const [task, key] of entries) newest.set(task, key);
      },
    },
    checkpoints: {
      get: async (key) => saved.get(key),
      has: async (key) => saved.has(key),
      put: async (key, bytes) => void saved.set(key, bytes),
      folder: async () => {
        throw new Error('no folders in memory');
      },
      drop: async (key) => void saved.delete(key),
    },
    leases: {
      acquire(key, owner, renewed) {
        const other = leases.get(key);
        if (other && other.owner !== owner) return other;
        leases.set(key, { owner, renewed });
        return undefined;
      },
      renew: () => undefined,
      release(keys) {
        for (const key of keys) leases.delete(key);
      },
      leave: () => leases.clear(),
    },
  };
}
