// store.ts — what the pipeline remembers: an interface, and LMDB behind it (the only file that imports it)
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { inodeOf, isCompacting } from './compaction.ts';
import type { Outcome, TaskError } from './event.ts';
import { bootId, type Holder } from './holder.ts';
import {
  type Digest,
  digestOf,
  type Json,
  type Key,
  type KeyParts,
  type Named,
  type TaskId,
} from './key.ts';
import { lmdbFault } from './lmdb-file.ts';
import { STORE_FILE } from './memo.ts';

/** The form of everything in the store. A store of another form is refused, never guessed at. */
export const STORE_FORMAT = 1;

/** An output as a trace remembers it. */
export interface Output {
  readonly digest: Digest;
  readonly bytes: number;
  /** The codec that wrote it: json, tensors, text or bytes. */
  readonly kind: string;
}

/** Who made something, when and with what. Told by `why`, never part of a key. */
export interface Maker {
  readonly run: string;
  readonly host: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Versions of node, pipeline and esbuild. */
  readonly versions: Named<string>;
  /** Operating system, architecture and processor. Absent in what older versions made. */
  readonly machine?: Named<string>;
}

/** What the store remembers of an action that ran. */
export interface Trace {
  readonly key: Key;
  /** The task for which it ran first. */
  readonly task: TaskId;
  readonly parts: KeyParts;
  readonly outputs: Named<Output>;
  readonly cost: { readonly seconds: number; readonly work: number | null };
  readonly made: Maker;
  /** Inexact: another run of the same action may differ by so much, relatively. Absent: the same bits everywhere. */
  readonly tolerance?: number;
  /** What the action asks for cannot be done, and why: then it has no outputs. Absent otherwise. */
  readonly infeasible?: string;
}

/** Who is running an action now. A claim that is not renewed for `CLAIM_LEASE_MS` may be taken over. */
export interface Claim {
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly renewed: number;
  /** The process that has it, and for which of its tasks. */
  readonly holder?: Holder;
}

/** A claim of a process that has not renewed it for this long is dead: pids lie across containers. */
export const CLAIM_LEASE_MS = 5000;

/** One invocation, as the history keeps it. */
export interface RunRecord {
  readonly id: string;
  readonly at: string;
  readonly host: string;
  readonly command: string;
  readonly seconds: number;
  readonly tally: Named<number>;
  /** Key of every task that was made or reused. */
  readonly tasks: Named<Key>;
  /** Key of every task that was begun and not ended: its checkpoint is kept for as long as the run is. */
  readonly begun?: Named<Key>;
  readonly outcomes?: Named<Outcome>;
  readonly targets?: readonly string[];
  readonly presets?: readonly string[];
  readonly sets?: readonly string[];
  /** All params of the pipeline, after presets and `--set`. */
  readonly params?: Named<Json>;
  readonly versions?: Named<string>;
}

/** What a task said in a run, and how it ended there. */
export interface TaskLog {
  readonly task: TaskId;
  readonly run: string;
  readonly at: string;
  readonly outcome: Outcome;
  readonly lines: readonly string[];
  /** Lines that were left out from the middle, because there were too many. */
  readonly dropped?: number;
  readonly error?: TaskError;
  readonly params?: Named<Json>;
}

/** A commit: a trace, and every blob that it names. */
export interface Commit {
  readonly trace: Trace;
  readonly blobs: readonly Uint8Array[];
}

/** The seam between the engine and its memory. All bytes that come out have been verified. */
export interface Store {
  /** The bytes of a blob, or undefined when it is absent or was damaged (then it is dropped, and told). */
  blob(digest: Digest): Uint8Array | undefined;
  hasBlob(digest: Digest): boolean;
  /** Keeps bytes that belong to no trace (the content of a fetched file). Durable when it returns. */
  putBlob(bytes: Uint8Array): Digest;
  trace(key: Key): Trace | undefined;
  /** Every trace, in no order that means anything. */
  traces(): Iterable<Trace>;
  /** The key with which a task was last made or reused. */
  latest(task: TaskId): Key | undefined;
  setLatest(entries: ReadonlyMap<TaskId, Key>): void;
  /** Keeps traces and their blobs in one transaction and drops their checkpoints. Durable when it returns. */
  commit(...commits: readonly Commit[]): void;
  /** The checkpoint of an unfinished action, or undefined when it is absent or was damaged. */
  partial(key: Key): Uint8Array | undefined;
  putPartial(key: Key, bytes: Uint8Array): void;
  dropPartial(key: Key): void;
  /**
   * Takes the action for `owner`, or says who has it. A claim that was not renewed in time is taken over; one whose
   * holder `isGone` knows to be gone, at once.
   */
  claim(
    key: Key,
    owner: string,
    now: number,
    holder?: Holder,
    isGone?: (holder: Holder) => boolean,
  ): Claim | undefined;
  renew(keys: readonly Key[], owner: string, now: number): void;
  release(key: Key, owner: string): void;
  /** Keeps a run with what its tasks said, in one transaction. */
  putRun(run: RunRecord, logs?: readonly TaskLog[]): void;
  /** Newest first; all, or so many. */
  runs(limit?: number): readonly RunRecord[];
  /** Keeps what a task said before its run is over: a failure is told even when the run is killed. */
  putLog(log: TaskLog): void;
  log(run: string, task: TaskId): TaskLog | undefined;
  /** What `gc`, `fsck` and `du` work on; absent for a store that only remembers, such as one that does not exist yet. */
  readonly upkeep?: Upkeep;
  close(): Promise<void>;
}

/** The store from below: whole tables, and what lies around them. */
export interface Upkeep {
  /** Path of the LMDB file. */
  readonly file: string;
  readonly tables: Tables;
  /** Who is running what, the dead included. */
  claims(): ReadonlyMap<Key, Claim>;
  dropClaims(keys: readonly Key[]): void;
  /** Several changes in one transaction, durable when it returns. */
  write<T>(action: () => T): T;
  /** Bytes of the pages in use: what the file would need at least. */
  bytes(): number;
  /** Whether another process (or another opening in this one) has the store open. */
  shared(): boolean;
  /** Writes a copy without free pages. */
  copyCompact(path: string): Promise<void>;
}

/** The tables of the store, by name. */
export interface Tables {
  readonly blobs: Table<Uint8Array>;
  readonly partials: Table<Uint8Array>;
  readonly traces: Table<Trace>;
  readonly latest: Table<Key>;
  readonly runs: Table<RunRecord>;
  readonly logs: Table<TaskLog>;
  /** Runs that `gc` keeps, by id, and since when. */
  readonly pins: Table<string>;
}

/** One table. Keys come in the order of their bytes. */
export interface Table<V> {
  get(key: string): V | undefined;
  putSync(key: string, value: V): unknown;
  removeSync(key: string): boolean;
  doesExist(key: string): boolean;
  getKeys(): Iterable<string>;
}

/** A store that could not be opened or written, said so that a person can act on it. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

/** What to tell about damage that was found while reading. */
export type OnDamage = (digest: Digest) => void;

/**
 * Opens the LMDB store in a folder, which is made when missing.
 * @throws StoreError when the folder cannot be written, is full, or holds a store of another format.
 */
export function openStore(folder: string, onDamage: OnDamage): Store {
  const before = inodeOf(join(folder, STORE_FILE));
  const root = openRoot(folder, STORE_FILE);
  const table = <V>(name: string) => root.openDB<V, string>({ name, encoding: 'json' });
  const meta = table<number>('meta');
  try {
    if (meta.get('format') !== STORE_FORMAT) root.transactionSync(() => checkFormat(meta, folder));
    checkNotCompacting(folder, before);
  } catch (error) {
    void root.close();
    throw error instanceof StoreError ? error : worded(error, folder);
  }
  const blobs = root.openDB<Buffer, string>({ name: 'blobs', encoding: 'binary' });
  const partials = root.openDB<Buffer, string>({ name: 'partial', encoding: 'binary' });
  const traces = table<Trace>('traces');
  const latest = table<Key>('latest');
  const runs = table<RunRecord>('runs');
  // Opened when they are needed first: a make that says nothing never needs them.
  const logs = lazy(() => table<TaskLog>('logs'));
  const pins = lazy(() => table<string>('pins'));

  /** Every write: one transaction, flushed to disk before it returns, an error worded for people. */
  const write = <T>(action: () => T): T => transact(root, folder, action);
  const claims = openClaims(folder);

  return {
    blob(digest) {
      const bytes = blobs.get(digest);
      if (bytes === undefined) return undefined;
      if (digestOf(bytes) === digest) return bytes;
      onDamage(digest);
      write(() => blobs.removeSync(digest));
      return undefined;
    },
    hasBlob: (digest) => blobs.doesExist(digest),
    putBlob(bytes) {
      const digest = digestOf(bytes);
      if (!blobs.doesExist(digest)) write(() => blobs.putSync(digest, asBuffer(bytes)));
      return digest;
    },
    trace: (key) => traces.get(key),
    traces: () => traces.getRange().map(({ value }) => value),
    latest: (task) => latest.get(task),
    setLatest(entries) {
      const changed = [...entries].filter(([task, key]) => latest.get(task) !== key);
      if (changed.length > 0) {
        write(() => {
          for (const [task, key] of changed) latest.putSync(task, key);
        });
      }
    },
    commit(...commits) {
      const named = commits.flatMap(({ blobs: parts }) =>
        parts.map((bytes) => [digestOf(bytes), bytes] as const),
      );
      write(() => {
        for (const [digest, bytes] of named) {
          if (!blobs.doesExist(digest)) blobs.putSync(digest, asBuffer(bytes));
        }
        for (const { trace } of commits) {
          traces.putSync(trace.key, trace);
          latest.putSync(trace.task, trace.key);
          partials.removeSync(trace.key);
        }
      });
    },
    partial(key) {
      const kept = partials.get(key);
      if (kept === undefined) return undefined;
      const [digest, bytes] = [kept.toString('latin1', 0, 64), kept.subarray(64)];
      if (digestOf(bytes) === digest) return bytes;
      onDamage(digest as Digest);
      write(() => partials.removeSync(key));
      return undefined;
    },
    putPartial(key, bytes) {
      // A checkpoint has no name that would verify it: its digest stands before it.
      const digest = Buffer.from(digestOf(bytes), 'latin1');
      write(() => partials.putSync(key, Buffer.concat([digest, bytes])));
    },
    dropPartial(key) {
      if (partials.doesExist(key)) write(() => partials.removeSync(key));
    },
    claim: (key, owner, now, holder, isGone = () => false) =>
      claims.write((table) => {
        const held = table.get(key);
        if (held && held.owner !== owner && now - held.renewed < CLAIM_LEASE_MS) {
          if (held.holder === undefined || !isGone(held.holder)) return held;
        }
        table.putSync(key, { owner, renewed: now, ...(holder && { holder }) });
        return undefined;
      }),
    renew: (keys, owner, now) =>
      claims.write((table) => {
        for (const key of keys) {
          const held = table.get(key);
          if (held?.owner === owner) table.putSync(key, { ...held, renewed: now });
        }
      }),
    release: (key, owner) =>
      claims.write((table) => {
        if (table.get(key)?.owner === owner) table.removeSync(key);
      }),
    putRun(run, said = []) {
      // A table cannot be opened within a transaction.
      const kept = said.length > 0 ? logs() : undefined;
      write(() => {
        runs.putSync(run.id, run);
        for (const log of said) kept?.putSync(logKey(log.run, log.task), log);
      });
    },
    runs: (limit) =>
      [...runs.getRange({ reverse: true, ...(limit !== undefined && { limit }) })].map(
        ({ value }) => value,
      ),
    putLog(log) {
      const kept = logs();
      write(() => kept.putSync(logKey(log.run, log.task), log));
    },
    log: (run, task) => logs().get(logKey(run, task)),
    get upkeep() {
      const tables = { blobs, partials, traces, latest, runs, logs: logs(), pins: pins() };
      return {
        ...upkeepOf(root, join(folder, STORE_FILE), tables as unknown as Tables),
        write,
        claims: () => claims.all(),
        dropClaims(keys: readonly Key[]) {
          claims.write((table) => {
            for (const key of keys) table.removeSync(key);
          });
        },
      };
    },
    close: lazy(async () => {
      await claims.close();
      await root.close();
    }),
  };
}

/** Whether a folder holds a store. */
export const hasStore = (folder: string): boolean => existsSync(join(folder, STORE_FILE));

/** The key of a task's log. Tasks stand in it by digest: keys have a greatest length. */
export const logKey = (run: string, task: TaskId): string => `${run}/${digestOf(task)}`;

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
  root: RootDatabase,
  file: string,
  tables: Tables,
): Omit<Upkeep, 'write' | 'claims' | 'dropClaims'> {
  const bytesOf = (table: { getStats(): object }): number => {
    const stats = table.getStats() as PageStats;
    const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
    return pages * stats.pageSize;
  };
  return {
    file,
    tables,
    bytes: () =>
      Object.values(tables).reduce(
        (sum, table) => sum + bytesOf(table as unknown as RootDatabase),
        0,
      ),
    shared() {
      // Readers that died are struck off first; the rest has a line each, below a line of titles.
      root.readerCheck();
      return root.readerList().trim().split('\n').length - 1 > 1;
    },
    copyCompact: (path) => root.backup(path, true),
  };
}

function transact<T>(root: RootDatabase, folder: string, action: () => T): T {
  try {
    return root.transactionSync(action);
  } catch (error) {
    throw worded(error, folder);
  }
}

/** The table of claims. */
interface ClaimsTable {
  all(): ReadonlyMap<Key, Claim>;
  write<T>(action: (table: Database<Claim, string>) => T): T;
  close(): Promise<void>;
}

/**
 * Claims lie in a file of their own that is never flushed: they end with their processes, and so with the machine. What
 * a machine that lost its power left of such a file cannot be trusted, so each of its boots has another.
 */
function openClaims(folder: string): ClaimsTable {
  const boot = bootId();
  const name = boot === undefined ? 'claims.lmdb' : `claims-${boot.slice(0, 8)}.lmdb`;
  let opened: { root: RootDatabase; table: Database<Claim, string> } | undefined;
  const openNow = (): { root: RootDatabase; table: Database<Claim, string> } => {
    for (const other of readdirSync(folder)) {
      if (/^claims.*\.lmdb/.test(other) && !other.startsWith(name)) rmSync(join(folder, other));
    }
    const root = openRoot(folder, name, { noSync: boot !== undefined });
    return { root, table: root.openDB<Claim, string>({ name: 'claims', encoding: 'json' }) };
  };
  return {
    all() {
      if (opened === undefined && !existsSync(join(folder, name))) return new Map();
      opened ??= openNow();
      const { table } = opened;
      return new Map([...table.getRange()].map(({ key, value }) => [key as Key, value] as const));
    },
    write(action) {
      // Commands that only read never get here, and make no file.
      opened ??= openNow();
      const { root, table } = opened;
      return transact(root, folder, () => action(table));
    },
    close: async () => opened?.root.close(),
  };
}

/** Reads blobs of the store in a folder, verified, beside the process that has it open. It never writes. */
export function openBlobs(folder: string): (digest: Digest) => Uint8Array | undefined {
  const path = join(folder, 'store.lmdb');
  const root = open({ path, noSubdir: true, maxDbs: 16, readOnly: true });
  const blobs = root.openDB<Buffer, string>({ name: 'blobs', encoding: 'binary' });
  return (digest) => {
    // What was committed since the last look belongs to it.
    root.resetReadTxn();
    const bytes = blobs.get(digest);
    return bytes && digestOf(bytes) === digest ? new Uint8Array(bytes) : undefined;
  };
}

/** Whether a folder lies on a network file system, where LMDB's locks cannot be relied on. */
export function isNetworkFolder(folder: string): boolean {
  // NFS, SMB, CIFS, SMB2 (statfs(2), "f_type").
  return [0x6969, 0x517b, 0xff534d42, 0xfe534d42].includes(statfsSync(folder).type >>> 0);
}

function openRoot(folder: string, name: string, options: { noSync?: boolean } = {}): RootDatabase {
  const path = join(folder, name);
  try {
    mkdirSync(folder, { recursive: true });
    checkFile(path);
    return open({ path, noSubdir: true, maxDbs: 16, ...options });
  } catch (error) {
    throw error instanceof StoreError ? error : worded(error, folder);
  }
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

/** Refuses a file that LMDB could not survive. */
function checkFile(path: string): void {
  const fault = lmdbFault(path);
  if (fault === undefined) return;
  const what =
    fault === 'foreign'
      ? 'is no store, or its beginning is damaged'
      : 'is cut short: it refers to pages beyond its end (a copy that broke off?)';
  throw new StoreError(
    `${path} ${what}: move it away and make again, or name another folder with --cache`,
  );
}

interface MetaTable {
  get(name: string): number | undefined;
  putSync(name: string, value: number): unknown;
}

/** Brings what an earlier version wrote into the next form. */
export type Upgrade = () => void;

/** By the format that each starts from: a store is taken from form to form, in one transaction. None is needed yet. */
const UPGRADES: ReadonlyMap<number, Upgrade> = new Map();

/**
 * Makes sure that a store has the form that this version reads: a new one is given it, an earlier one is brought to it.
 * @throws StoreError when it was written by a newer version, or there is no way to it
 */
export function checkFormat(
  meta: MetaTable,
  folder: string,
  current = STORE_FORMAT,
  upgrades = UPGRADES,
): void {
  const format = meta.get('format');
  if (format === current) return;
  let reached = format ?? current;
  while (reached < current && upgrades.has(reached)) {
    upgrades.get(reached)?.();
    reached += 1;
  }
  if (reached !== current) {
    const writer = reached > current ? 'a newer' : 'another';
    throw new StoreError(
      `the store in ${folder} was written by ${writer} version of pipeline (format ${format}; this version ` +
        `reads ${current}): update pipeline, or name another folder with --cache`,
    );
  }
  meta.putSync('format', current);
}

/** LMDB says EIO for a full disk: say what a person can do. */
function worded(error: unknown, folder: string): StoreError {
  const text = error instanceof Error ? error.message : String(error);
  const full = /ENOSPC|No space left|MDB_MAP_FULL|EIO|Input\/output error/i.test(text);
  const advice = full
    ? 'the disk is full or failing: free some space and make again (nothing half-written was kept)'
    : 'check that the folder can be written';
  return new StoreError(`the store in ${folder} cannot be written (${text}): ${advice}`);
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
