// empty-store.ts — the store of a folder that has none
import { LostBlob, type Store } from './store.ts';

/** It remembers nothing, and takes nothing. Commands that only read make no file. */
export function emptyStore(): Store {
  const refuse = (): never => {
    throw new Error('bug: a command that only reads wrote to the store');
  };
  const refuseLater = async (): Promise<never> => refuse();
  return {
    blobs: {
      get: async () => undefined,
      missing: async (digests) => [...digests],
      verify: async () => false,
      // biome-ignore lint/correctness/useYield: it has nothing to give
      async *stream(digest) {
        throw new LostBlob(digest);
      },
      copyTo: async () => false,
      put: refuseLater,
      putStream: refuseLater,
      takeFile: refuseLater,
      putAll: refuseLater,
      forget: async () => undefined,
    },
    actions: {
      get: async () => undefined,
      all: async () => [],
      put: refuseLater,
      latest: async () => new Map(),
      setLatest: refuseLater,
    },
    checkpoints: {
      get: async () => undefined,
      has: async () => false,
      put: refuseLater,
      folder: refuseLater,
      drop: refuseLater,
    },
    leases: { acquire: refuse, renew: refuse, release: refuse, leave: refuse },
    history: {
      begin: refuse,
      settle: () => undefined,
      put: refuse,
      runs: () => [],
      run: () => undefined,
      putLog: refuse,
      log: () => undefined,
    },
    close: async () => undefined,
  };
}
