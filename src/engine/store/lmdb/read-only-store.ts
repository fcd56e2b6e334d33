// read-only-store.ts — the store for somebody who may read its file and not write it
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, type Key, type TaskId } from '../../model/key.ts';
import type { Identity } from '../../model/process-identity.ts';
import { type ActionRecord, logKey } from '../../model/record.ts';
import { largeBlobs, openBlobFiles } from '../blob-files.ts';
import { blobReader } from '../blob-reader.ts';
import { checkpointFolders } from '../checkpoint-folders.ts';
import { emptyStore } from '../empty-store.ts';
import { openRunTable } from '../run-table.ts';
import { type Store, StoreError, type Table, type Tables, type Upkeep } from '../store.ts';
import { requireFormat } from '../store-format.ts';
import { STORE_FILE } from '../store-state.ts';
import { isNoFile, lmdbFault } from './lmdb-fault.ts';
import { openPages, type PageTable } from './lmdb-reader.ts';
import { checkpointIn, FORMS } from './record-forms.ts';
import { type OnDamage, type RecordForm, recordIn } from './record-table.ts';

/**
 * Whether this process may do what LMDB asks of every reader: enter itself in the lock file, which is made where it is
 * missing.
 */
export function mayOpenStore(folder: string): boolean {
  const file = join(folder, STORE_FILE);
  const lock = `${file}-lock`;
  return isWritable(file) && isWritable(existsSync(lock) ? lock : folder);
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Opens the store in a folder without a lock, beside whoever writes it. @throws StoreError when it cannot be read */
export function openStoreReadOnly(folder: string, onDamage: OnDamage, identity?: Identity): Store {
  const path = join(folder, STORE_FILE);
  if (isNoFile(path)) {
    throw new StoreError(`${path} is no file`, 'move it away, or name another folder with --cache');
  }
  // Somebody is making it right now.
  if (statSync(path).size === 0) return emptyStore();
  const fault = readable(path, () => lmdbFault(path));
  if (fault !== undefined) {
    throw new StoreError(`${path} is no store, or is cut short: --cache names another folder`);
  }
  const file = readable(path, () => openPages(path));
  const large = openBlobFiles(largeBlobs(folder));
  const programs = checkpointFolders(folder);
  const isOwn = (value: Buffer, digest: string): boolean => digestOf(value) === digest;
  const blobs = file.table('blobs', isOwn);
  const records = <V>(name: string, form: RecordForm<V>): ReadTable<V> =>
    readTable(file.table(name), (text, key) => {
      const record = recordIn(text.toString('utf8'), key, form);
      if (record === undefined) onDamage(key, form.kind);
      return record;
    });
  const meta = records('meta', FORMS.meta);
  const traces = records('traces', FORMS.traces);
  const latest = records('latest', FORMS.latest);
  const runs = records('runs', FORMS.runs);
  const logs = records('logs', FORMS.logs);
  const tables = {
    blobs: readTable(blobs, (value) => value),
    partials: readTable(file.table('partial', isCheckpoint), (value) => value),
    traces,
    latest,
    runs,
    logs,
    pins: records('pins', FORMS.pins),
  };
  try {
    requireFormat(meta, folder);
  } catch (error) {
    file.close();
    throw error;
  }
  const history = openRunTable({
    folder,
    identity,
    runs: {
      get: (id) => runs.get(id),
      doesExist: (id) => runs.doesExist(id),
      newest: (limit) =>
        [...runs.getKeys()]
          .reverse()
          .slice(0, limit)
          .flatMap((id) => runs.get(id) ?? []),
    },
    log: (run, task) => logs.get(logKey(run, task)),
    trace: (key) => traces.get(key),
    putRun: refuse,
  });
  return {
    blobs: {
      ...blobReader({
        table: { get: blobs.get, doesExist: blobs.has },
        files: large,
        fresh: () => undefined,
        onDamage: (digest) => onDamage(digest, 'blob'),
      }),
      put: refuseLater,
      putStream: refuseLater,
      takeFile: refuseLater,
      putAll: refuseLater,
      // Whoever may write does so.
      forget: async () => undefined,
    },
    actions: {
      get: async (key) => traces.get(key),
      all: async () => recordsIn(traces),
      put: refuseLater,
      async latest(tasks) {
        const keys = new Map<TaskId, Key>();
        for (const task of tasks) {
          const key = latest.get(task);
          if (key) keys.set(task, key);
        }
        return keys;
      },
      setLatest: refuseLater,
    },
    checkpoints: {
      async get(key) {
        const kept = tables.partials.get(key);
        return kept && checkpointIn(kept);
      },
      has: async (key) => tables.partials.doesExist(key) || programs.has(key),
      folder: refuseLater,
      put: refuseLater,
      drop: refuseLater,
    },
    leases: { acquire: refuse, renew: refuse, release: refuse, leave: refuse },
    history: {
      begin: refuse,
      // Whoever may write the store does that.
      settle: () => undefined,
      put: refuse,
      runs: history.all,
      run: history.one,
      putLog: refuse,
      log: history.log,
    },
    upkeep: {
      ...upkeepOf(path, tables, Object.values(tables)),
      files: large,
      checkpoints: programs,
    },
    close: async () => file.close(),
  };
}

const isCheckpoint = (kept: Buffer): boolean => checkpointIn(kept) !== undefined;

function readable<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    throw new StoreError(`${path} cannot be read: you lack the permission`);
  }
}

const refuse = (): never => {
  throw new StoreError('the store can only be read here: you lack the permission to write it');
};

const refuseLater = async (): Promise<never> => refuse();

function* recordsIn(traces: Table<ActionRecord>): Generator<ActionRecord> {
  for (const key of traces.getKeys()) {
    const record = traces.get(key);
    // Somebody may have taken it away since its key was read.
    if (record) yield record;
  }
}

/** A table that can be looked at, and how many bytes its pages have. */
interface ReadTable<V> extends Table<V> {
  bytes(): number;
}

const readTable = <V>(
  table: PageTable,
  decode: (value: Buffer, key: string) => V | undefined,
): ReadTable<V> => ({
  get(key) {
    const value = table.get(key);
    return value && decode(value, key);
  },
  putSync: refuse,
  removeSync: refuse,
  doesExist: table.has,
  getKeys: table.keys,
  bytes: table.bytes,
});

/** @param all the same tables */
function upkeepOf(
  file: string,
  tables: Tables,
  all: readonly ReadTable<unknown>[],
): Omit<Upkeep, 'files' | 'checkpoints'> {
  return {
    file,
    tables,
    leases: () => new Map(),
    write: refuse,
    bytes: () => all.reduce((sum, table) => sum + table.bytes(), 0),
    // Who else is there cannot be told without the lock file.
    shared: () => true,
    copyCompact: refuse,
  };
}
