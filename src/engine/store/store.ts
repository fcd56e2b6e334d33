// store.ts — the seam between the engine and its memory

import type { Digest, Key, TaskId } from '../model/key.ts';
import type { LeaseHolder } from '../model/process-identity.ts';
import type { ActionRecord, Lease, RunRecord, RunStart, TaskLog } from '../model/record.ts';
import type { Journal, RunNotes } from './journal.ts';

/** A commit: a trace, and every blob that it names. */
export interface Commit {
  readonly trace: ActionRecord;
  readonly blobs: readonly Uint8Array[];
}

/** The seam between the engine and its memory. All bytes that come out have been verified. */
export interface Store {
  /** The bytes of a blob, or undefined when it is absent or was damaged (then it is dropped, and told). */
  blob(digest: Digest): Uint8Array | undefined;
  hasBlob(digest: Digest): boolean;
  /** Keeps bytes that belong to no trace (the content of a fetched file). Durable when it returns. */
  putBlob(bytes: Uint8Array): Digest;
  trace(key: Key): ActionRecord | undefined;
  /** Every trace, in no order that means anything. */
  traces(): Iterable<ActionRecord>;
  /** The key with which a task was last made or reused. */
  latest(task: TaskId): Key | undefined;
  setLatest(entries: ReadonlyMap<TaskId, Key>): void;
  /** Keeps traces and their blobs in one transaction and drops their checkpoints. Durable when it returns. */
  commit(...commits: readonly Commit[]): void;
  /** The checkpoint of an unfinished action, or undefined when it is absent or was damaged. */
  partial(key: Key): Uint8Array | undefined;
  hasPartial(key: Key): boolean;
  putPartial(key: Key, bytes: Uint8Array): void;
  dropPartial(key: Key): void;
  /**
   * Leases the action to `owner`, or says who has it. A lease that has expired is taken over.
   * @param durationOf how long the lease of a holder lasts without renewal, in milliseconds; `LEASE_MS` by default
   */
  acquire(
    key: Key,
    owner: string,
    now: number,
    holder?: LeaseHolder,
    durationOf?: (holder: LeaseHolder) => number,
  ): Lease | undefined;
  renew(keys: readonly Key[], owner: string, now: number): void;
  release(key: Key, owner: string): void;
  /** Makes a run known that begins now. @param notes what has happened in it so far */
  beginRun(run: RunStart, notes: RunNotes): Journal;
  /** Writes the record of every run whose process ended before it could. */
  settleRuns(): void;
  /** Keeps a run with what its tasks said, in one transaction. */
  putRun(run: RunRecord, logs?: readonly TaskLog[]): void;
  /** Newest first, those that go on included; all, or so many. */
  runs(limit?: number): readonly RunRecord[];
  run(id: string): RunRecord | undefined;
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
  /** Who is running what, expired leases included. */
  leases(): ReadonlyMap<Key, Lease>;
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
  readonly traces: Table<ActionRecord>;
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
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}
