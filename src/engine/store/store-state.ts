// store-state.ts — the file of a store, and what tells its states apart
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../model/key.ts';

/** The store's file within its folder. */
export const STORE_FILE = 'store.lmdb';

/** LMDB's meta pages stand at the beginning, and the number of the last transaction in them. */
const META_BYTES = 8192;

/**
 * Identifies the state of a store: it differs after each commit, and when another file takes the place of this one.
 * It is read without LMDB, which takes longer to load than all else that a no-op does. Null when there is no readable store; the
 * command that opens it says why.
 */
export function storeState(cache: string): string | null {
  let file: number;
  try {
    const path = join(cache, STORE_FILE);
    // A pipe would be waited for.
    if (!statSync(path).isFile()) return null;
    file = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    const meta = Buffer.alloc(META_BYTES);
    const digest = digestOf(meta.subarray(0, readSync(file, meta, 0, META_BYTES, 0)));
    const { size, mtimeMs, ctimeMs, birthtimeMs, ino, dev } = fstatSync(file);
    // Others may be let in by the mode of the folder alone.
    const { mode } = statSync(cache);
    return [size, mtimeMs, ctimeMs, birthtimeMs, ino, dev, mode, digest].join(' ');
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}

/**
 * Identifies the state of records and blobs: the store's file, and the names of the blobs beside it. Null when there is no
 * store.
 */
export function contentState(cache: string): string | null {
  const store = storeState(cache);
  return store && `${store} ${digestOf(namesIn(join(cache, 'blobs')).join('\n'))}`;
}

/**
 * Identifies the state of all that is stored: the store's file, the names of blobs and bundles beside it, the size and date of
 * each run's journal. Null when there is no store.
 */
export function memoryState(cache: string): string | null {
  const history = historyState(cache);
  const beside = ['blobs', 'bundles'].flatMap((folder) => namesIn(join(cache, folder)));
  return history && `${history} ${digestOf(beside.join('\n'))}`;
}

/** Identifies the state of records and runs: the store's file, and the size and date of each run's journal. */
export function historyState(cache: string): string | null {
  const store = storeState(cache);
  if (store === null) return null;
  const journals = namesIn(join(cache, 'runs')).map((name) => {
    const found = statSync(join(cache, 'runs', name), { throwIfNoEntry: false });
    return [name, found?.size, found?.mtimeMs].join(' ');
  });
  return `${store} ${digestOf(journals.join('\n'))}`;
}

/** What lies in a folder, sorted; nothing when there is none. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  } catch {
    return [];
  }
}
