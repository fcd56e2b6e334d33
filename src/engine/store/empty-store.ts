// empty-store.ts — the store of a folder that has none
import type { Store } from './store.ts';

/** It remembers nothing, and takes nothing. Commands that only read make no file. */
export function emptyStore(): Store {
  const refuse = (): never => {
    throw new Error('bug: a command that only reads wrote to the store');
  };
  return {
    blob: () => undefined,
    hasBlob: () => false,
    putBlob: refuse,
    trace: () => undefined,
    traces: () => [],
    latest: () => undefined,
    setLatest: refuse,
    commit: refuse,
    partial: () => undefined,
    hasPartial: () => false,
    putPartial: refuse,
    dropPartial: refuse,
    acquire: refuse,
    renew: refuse,
    release: refuse,
    beginRun: refuse,
    settleRuns: () => undefined,
    putRun: refuse,
    runs: () => [],
    run: () => undefined,
    putLog: refuse,
    log: () => undefined,
    close: async () => undefined,
  };
}
