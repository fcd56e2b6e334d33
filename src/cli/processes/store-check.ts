// store-check.ts — the process that checks or repairs a store: LMDB may crash it, and its parent judges by that
import { readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DamagedStore } from '../../engine/store/lmdb/lmdb-error.ts';
import { openStore } from '../../engine/store/lmdb/lmdb-store.ts';
import { mayOpenStore, openStoreReadOnly } from '../../engine/store/lmdb/read-only-store.ts';
import { pagesFault } from '../../engine/store/lmdb/salvage.ts';
import { checkStore, type Defect, repairStore } from '../../engine/store/maintenance/fsck.ts';
import { rebuildStore } from '../../engine/store/maintenance/rebuild.ts';
import { type Store, StoreError, type Upkeep } from '../../engine/store/store.ts';
import { STORE_FILE } from '../../engine/store/store-state.ts';
import type { StoreReport } from '../session/store-process.ts';

/** A sign of life in this interval, where the process is not busy. */
const BEAT_MS = 5000;
/** Blobs between two lines about how far the check is. */
const TELL_EACH = 50;

/** One line to whoever started this process, at once: the process may end at the next page. */
const report = (line: StoreReport): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};

const ignore = (): void => undefined;

function opened(cache: string): { readonly store: Store; readonly upkeep: Upkeep } {
  const store = mayOpenStore(cache) ? openStore(cache, ignore) : openStoreReadOnly(cache, ignore);
  const { upkeep } = store;
  if (upkeep === undefined) throw new StoreError(`there is no store in ${cache}`);
  return { store, upkeep };
}

/** Everything but the content of blobs, as LMDB reads it; and the list of free pages, as a write does. */
function readAll({ tables, leases, write }: Upkeep, cache: string): void {
  for (const table of Object.values(tables)) {
    for (const key of table.getKeys()) if (table !== tables.blobs) table.get(key);
  }
  leases();
  if (mayOpenStore(cache)) write(() => undefined);
}

const MODES: { readonly [mode: string]: (cache: string, into: string) => Promise<void> } = {
  async probe(cache) {
    const why = pagesFault(join(cache, STORE_FILE));
    if (why !== undefined) {
      report({ damaged: why });
      return;
    }
    const { store, upkeep } = opened(cache);
    readAll(upkeep, cache);
    await store.close();
  },
  async check(cache) {
    const why = pagesFault(join(cache, STORE_FILE));
    if (why !== undefined) {
      report({ damaged: why });
      return;
    }
    const { store, upkeep } = opened(cache);
    readAll(upkeep, cache);
    report({ progress: [0, 0] });
    const defects = await checkStore(upkeep, (done, of) => {
      if (done % TELL_EACH === 0 || done === of) report({ progress: [done, of] });
    });
    for (const defect of defects) report({ defect });
    await store.close();
  },
  async drop(cache) {
    const { store, upkeep } = opened(cache);
    repairStore(upkeep, JSON.parse(readFileSync(0, 'utf8')) as readonly Defect[]);
    await store.close();
  },
  async rebuild(cache, into) {
    report({ saved: await rebuildStore(join(cache, STORE_FILE), into) });
  },
};

const [mode = '', cache = '', into = ''] = process.argv.slice(2);
const beat = setInterval(() => report({ beat: true }), BEAT_MS);
try {
  await MODES[mode]?.(cache, into);
  report({ end: true });
} catch (error) {
  if (!(error instanceof StoreError)) throw error;
  if (error instanceof DamagedStore) report({ damaged: error.message });
  else report({ error: error.message, ...(error.hint !== undefined && { hint: error.hint }) });
} finally {
  clearInterval(beat);
}
