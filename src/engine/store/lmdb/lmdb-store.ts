// lmdb-store.ts — the store in LMDB
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { settleFile, useStoreFolder } from '../../files/store-access.ts';
import { formatSystem, isSystemError, systemHint } from '../../files/system-error.ts';
import { type Digest, digestOf, type Key, type TaskId } from '../../model/key.ts';
import type { Identity } from '../../model/process-identity.ts';
import { logKey } from '../../model/record.ts';
import { largeBlobs, openBlobFiles } from '../blob-files.ts';
import { byteMark } from '../byte-mark.ts';
import { checkpointFolders } from '../checkpoint-folders.ts';
import { openJournal } from '../journal.ts';
import { markOpening } from '../openings.ts';
import { openRunTable } from '../run-table.ts';
import { type RunHistory, type Store, StoreError, type Tables, type Upkeep } from '../store.ts';
import { checkFormat, STORE_FORMAT } from '../store-format.ts';
import { STORE_FILE } from '../store-state.ts';
import { inodeOf, isCompacting } from './compaction.ts';
import { openLeaseTable } from './lease-table.ts';
import { lmdbBlobs, readBlob } from './lmdb-blobs.ts';
import { guards } from './lmdb-error.ts';
import { openPages } from './lmdb-reader.ts';
import { type LmdbRoot, openAlone, openRoot, transact, worded } from './lmdb-root.ts';
import { asCheckpoint, checkpointIn, FORMS } from './record-forms.ts';
import {
  bytesTable,
  type OnDamage,
  type RecordForm,
  type RecordTable,
  recordTable,
} from './record-table.ts';

/** The file, and the tables that every store has. */
function openTables(folder: string, onDamage: OnDamage) {
  const root = openRoot(folder, STORE_FILE);
  const { reading } = guards(folder);
  const table = <V>(name: string, form: RecordForm<V>): RecordTable<V> => {
    const texts = reading(() => root.openDB<string, string>({ name, encoding: 'string' }));
    return recordTable(texts, folder, form, onDamage);
  };
  const bytes = (name: string) =>
    bytesTable(
      reading(() => root.openDB<Buffer, string>({ name, encoding: 'binary' })),
      folder,
    );
  return {
    root,
    table,
    meta: table('meta', FORMS.meta),
    blobs: bytes('blobs'),
    partials: bytes('partial'),
    traces: table('traces', FORMS.traces),
    latest: table('latest', FORMS.latest),
    runs: table('runs', FORMS.runs),
  };
}

/** The tables, opened under a mark: should LMDB end this process, the next one knows. */
function openMarked(folder: string, onDamage: OnDamage, identity: Identity | undefined) {
  const inode = inodeOf(join(folder, STORE_FILE));
  const unmark = identity && inode !== undefined ? markOpening(folder, identity) : () => undefined;
  try {
    const tables = openAlone(folder, STORE_FILE, () => openTables(folder, onDamage));
    return { ...tables, inode, unmark };
  } catch (error) {
    unmark();
    throw error;
  }
}

/**
 * Opens the LMDB store in a folder, which is made when missing.
 * @param identity of this process: without it, nothing is known of the processes of runs that have no record
 * @throws StoreError when the folder cannot be written, is full, or holds a store of another format.
 */
export function openStore(folder: string, onDamage: OnDamage, identity?: Identity): Store {
  useStoreFolder(folder, STORE_FILE);
  const opened = openMarked(folder, onDamage, identity);
  const { root, table, meta, blobs, partials, traces, latest, runs } = opened;
  /** Opening a table drops our reader slot; any read registers it again. */
  const enlist = (): unknown => meta.get('format');
  const late = <V>(name: string, form: RecordForm<V>) =>
    lazy(() => {
      const opened = table(name, form);
      enlist();
      return opened;
    });
  // Opened when they are needed first: a make that says nothing never needs them.
  const logs = late('logs', FORMS.logs);
  const pins = late('pins', FORMS.pins);
  const { reading } = guards(folder);
  const storedTraces = lazy(() => {
    const stored = reading(() =>
      root.openDB<Buffer, string>({ name: 'traces', encoding: 'binary' }),
    );
    enlist();
    return stored;
  });
  try {
    if (enlist() !== STORE_FORMAT) root.transactionSync(() => checkFormat(meta, folder));
    enlist();
    checkNotCompacting(folder, opened.inode);
  } catch (error) {
    void root.close();
    opened.unmark();
    throw error instanceof StoreError ? error : worded(error, folder);
  }

  /** Every write: one transaction, flushed to disk before it returns, an error worded for people. */
  const write = <T>(action: () => T, bytes = 0): T => transact(root, folder, action, bytes);
  const remove = <T>(action: () => T): T => write(action, -1);
  // Who had an action before may have committed since we last looked: reads keep to one state of the store for a while.
  const leases = openLeaseTable(folder, () => root.resetReadTxn(), onDamage);
  const files = openBlobFiles(largeBlobs(folder));
  const programs = checkpointFolders(folder);
  const content = lmdbBlobs({ folder, table: blobs, files, write, remove, onDamage });
  const putRun: RunHistory['put'] = (run, said = []) => {
    // A table cannot be opened within a transaction.
    const kept = said.length > 0 ? logs() : undefined;
    write(() => {
      runs.putSync(run.id, run);
      for (const log of said) kept?.putSync(logKey(log.run, log.task), log);
    });
  };
  const history = openRunTable({
    folder,
    identity,
    runs: {
      get: (id) => runs.get(id),
      doesExist: (id) => runs.doesExist(id),
      newest: (limit) => [...runs.values({ reverse: true, ...(limit !== undefined && { limit }) })],
    },
    log: (run, task) => logs().get(logKey(run, task)),
    trace: (key) => traces.get(key),
    putRun,
  });

  return {
    blobs: content.store,
    actions: {
      get: async (key) => traces.get(key),
      mark(key) {
        // The bytes hold until the next read.
        const stored = reading(() => storedTraces().getBinaryFast(key));
        return stored && byteMark(stored);
      },
      all: async () => traces.values(),
      put: (commits) =>
        content
          .keep(
            commits.flatMap(({ outputs }) => outputs),
            () => {
              for (const { record } of commits) {
                traces.putSync(record.key, record);
                latest.putSync(record.task, record.key);
                partials.removeSync(record.key);
              }
            },
          )
          .then(async () => {
            for (const { record } of commits) {
              if (record.parts.command !== undefined) await programs.drop(record.key);
            }
          }),
      async latest(tasks) {
        const keys = new Map<TaskId, Key>();
        for (const task of tasks) {
          const key = latest.get(task);
          if (key) keys.set(task, key);
        }
        return keys;
      },
      async setLatest(entries) {
        const changed = [...entries].filter(([task, key]) => latest.get(task) !== key);
        if (changed.length > 0) {
          write(() => {
            for (const [task, key] of changed) latest.putSync(task, key);
          });
        }
      },
    },
    checkpoints: {
      async get(key) {
        const kept = partials.get(key);
        if (kept === undefined) return undefined;
        const bytes = checkpointIn(kept);
        if (bytes !== undefined) return bytes;
        onDamage(key, 'checkpoint');
        remove(() => partials.removeSync(key));
        return undefined;
      },
      has: async (key) => partials.doesExist(key) || programs.has(key),
      async put(key, bytes) {
        write(() => partials.putSync(key, asCheckpoint(bytes)), bytes.length);
      },
      async drop(key) {
        if (partials.doesExist(key)) remove(() => partials.removeSync(key));
        await programs.drop(key);
      },
      folder: programs.open,
    },
    leases,
    history: {
      begin: (run, notes) => openJournal(folder, run, notes),
      settle: history.settle,
      put: putRun,
      runs: history.all,
      run: history.one,
      putLog(log) {
        const kept = logs();
        write(() => kept.putSync(logKey(log.run, log.task), log));
      },
      log: history.log,
    },
    get upkeep() {
      const tables = { blobs, partials, traces, latest, runs, logs: logs(), pins: pins() };
      return {
        ...upkeepOf(root, join(folder, STORE_FILE), tables),
        files,
        checkpoints: programs,
        shared() {
          enlist();
          return isShared(root);
        },
        write: remove,
        leases: () => leases.all(),
      };
    },
    close: lazy(async () => {
      await leases.close();
      await root.close();
      opened.unmark();
    }),
  };
}

/** Whether a folder holds a store. @throws StoreError where that cannot be told, as for a folder that cannot be entered */
export function hasStore(folder: string): boolean {
  const path = join(folder, STORE_FILE);
  try {
    // A link that leads nowhere is there, too.
    lstatSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || !isSystemError(error)) return false;
    throw new StoreError(`${path} cannot be looked at: ${formatSystem(error)}`, systemHint(error));
  }
}

function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Page counts of a table, as lmdb gives them. */
interface PageStats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

function upkeepOf(
  root: LmdbRoot,
  file: string,
  tables: Tables,
): Omit<Upkeep, 'write' | 'shared' | 'leases' | 'files' | 'checkpoints'> {
  const bytesOf = (table: { getStats(): object }): number => {
    const stats = table.getStats() as PageStats;
    const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
    return pages * stats.pageSize;
  };
  return {
    file,
    tables,
    bytes: () => Object.values(tables).reduce((sum, table) => sum + bytesOf(table), 0),
    async copyCompact(path) {
      await root.backup(path, true);
      settleFile(path);
    },
  };
}

/** Whether a file has other readers than this one. Those that died are struck off first. */
function isShared(root: LmdbRoot): boolean {
  root.readerCheck();
  // A line for each, below a line of titles.
  return root.readerList().trim().split('\n').length - 1 > 1;
}

/**
 * Reads blobs of the store in a folder, verified, beside the process that has it open. It never writes, and reads pages
 * itself: LMDB would end this process, and with it a task, where they are damaged.
 */
export function openBlobs(folder: string): (digest: Digest) => Uint8Array | undefined {
  const pages = openPages(join(folder, STORE_FILE));
  const blobs = pages.table('blobs', (value, digest) => digestOf(value) === digest);
  const files = openBlobFiles(largeBlobs(folder));
  return (digest) => readBlob(blobs, files, digest);
}

/**
 * Refuses a store that is being rewritten: what we wrote to the old file would be lost. Called when we are among its
 * readers: who sets the mark after that finds us there, and leaves the store as it is.
 */
function checkNotCompacting(folder: string, before: number | undefined): void {
  const path = join(folder, STORE_FILE);
  const replaced = before !== undefined && before !== inodeOf(path);
  if (!replaced && !isCompacting(path, Date.now())) return;
  throw new StoreError(`the store in ${folder} is being compacted: try again when that is over`);
}
