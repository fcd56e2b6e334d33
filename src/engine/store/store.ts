// store.ts — the seams between the engine and its memory: blobs, action records, checkpoints, leases, runs

import { type Digest, digestOf, type Key, type TaskId } from '../model/key.ts';
import type { LeaseHolder } from '../model/process-identity.ts';
import type {
  ActionRecord,
  KeptOutput,
  Lease,
  RunRecord,
  RunStart,
  TaskLog,
} from '../model/record.ts';
import type { BlobFiles } from './blob-files.ts';
import type { CheckpointFolder, CheckpointFolders } from './checkpoint-folders.ts';
import type { Journal, RunNotes } from './journal.ts';

/** Bytes to keep. The one place where the digest of content in memory is taken on its way to the store. */
export const keptOutput = (content: Uint8Array): KeptOutput => ({
  digest: digestOf(content),
  bytes: content.length,
  content,
});

/** Blobs by digest. Whatever comes out has been verified. */
export interface BlobStore {
  /** The bytes of a blob, or undefined when it is absent or was damaged (then it is dropped, and told). */
  get(digest: Digest): Promise<Uint8Array | undefined>;
  /** Those of some blobs that are absent. Reads no content. */
  missing(digests: Iterable<Digest>): Promise<readonly Digest[]>;
  /** Whether a blob is there and whole: large ones are read piece by piece. A damaged one is dropped, and told. */
  verify(digest: Digest): Promise<boolean>;
  /**
   * Gives a blob piece by piece; each piece holds until the next is asked for.
   * @throws LostBlob when it is absent, or at its end when it was damaged: what came of it is worth nothing then
   */
  stream(digest: Digest): AsyncIterable<Uint8Array>;
  /** Writes a blob to a new file, piece by piece. False, and there is no file, when it is absent or was damaged. */
  copyTo(digest: Digest, path: string): Promise<boolean>;
  /** Makes a new read-only file that shares its space with the blob: a hard link. False where there can be none. */
  linkTo?(digest: Digest, path: string): Promise<boolean>;
  /** Keeps bytes that belong to no record (the content of a fetched file). Durable when it resolves. @throws StoreError */
  put(bytes: Uint8Array): Promise<Digest>;
  /**
   * Keeps what comes, piece by piece, whatever its size. Durable when it resolves.
   * @param expected what its digest must be; anything else is not kept
   * @throws StoreError, WrongContent
   */
  putStream(content: AsyncIterable<Uint8Array>, expected?: Digest): Promise<KeptOutput>;
  /**
   * Takes the content of a file, read once: a large one is kept at once, piece by piece; a small one comes back with its
   * content, to be kept together with the record that names it. @throws StoreError
   */
  takeFile(path: string, options?: TakeOptions): Promise<KeptOutput>;
  /** Keeps small contents in one transaction. Durable when it resolves. @throws StoreError */
  putAll(contents: readonly KeptOutput[]): Promise<void>;
  /** Lets go of a blob that is worth nothing: the task that made it makes it again when it is needed. */
  forget(digest: Digest): Promise<void>;
  /** Writes a blob to a new file as `copyTo` does, or makes it share its space with the blob. Says which; false as there. */
  lendTo?(digest: Digest, path: string, options: LendOptions): Promise<Lent | false>;
  /** Removes a file that was lent as another name of a blob. */
  takeBack?(digest: Digest, path: string): Promise<void>;
}

/** How a file may be taken. */
export interface TakeOptions {
  /** Nobody needs the file any more and nobody writes to it: it may become the blob itself. */
  readonly mayMove?: boolean;
}

/** How a blob may be lent. */
export interface LendOptions {
  /** Whether the new file may be another name of the blob, read-only: whoever gets it must not be able to write it. */
  readonly mayLink: boolean;
}

/** How a blob was lent: by reference, as another name of it, or as a copy. */
export type Lent = 'cloned' | 'linked' | 'copied';

/** As much of a store of blobs as takes fetched files. */
export type BlobSink = Pick<BlobStore, 'missing' | 'putStream'>;

/** A record, and the outputs that it names. */
export interface Commit {
  readonly record: ActionRecord;
  /** An output that the store has already may be left out. */
  readonly outputs: readonly KeptOutput[];
}

/** What is known of actions that ran, by key. */
export interface ActionCache {
  get(key: Key): Promise<ActionRecord | undefined>;
  /**
   * Tells the record of a key, as it is stored, from what it was before; undefined when there is none. Much cheaper than
   * `get`. Absent where that cannot be told.
   */
  mark?(key: Key): number | undefined;
  /** Every record, in no order that means anything. */
  all(): Promise<Iterable<ActionRecord>>;
  /**
   * Keeps records with their outputs in one transaction and drops their checkpoints. Durable when it resolves.
   * @throws StoreError
   */
  put(commits: readonly Commit[]): Promise<void>;
  /** The keys with which tasks were last made or reused; a task that never was is left out. */
  latest(tasks: Iterable<TaskId>): Promise<ReadonlyMap<TaskId, Key>>;
  /** @throws StoreError */
  setLatest(entries: ReadonlyMap<TaskId, Key>): Promise<void>;
}

/** Checkpoints of unfinished actions, by key. */
export interface CheckpointStore {
  /** Undefined when it is absent or was damaged (then it is dropped, and told). */
  get(key: Key): Promise<Uint8Array | undefined>;
  /** Whether there is one: bytes, or a folder in which a program has left something. */
  has(key: Key): Promise<boolean>;
  /** @throws StoreError */
  put(key: Key, bytes: Uint8Array): Promise<void>;
  /** The folder in which the program of an action keeps its checkpoint. @throws Error when it cannot be made */
  folder(key: Key): Promise<CheckpointFolder>;
  drop(key: Key): Promise<void>;
}

/** Which process runs which action. */
export interface LeaseStore {
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
  /** Renews all that an owner has: one write, however many actions these are. */
  renew(owner: string, now: number): void;
  /** Gives back actions, in one write. */
  release(keys: readonly Key[], owner: string): void;
  /** Gives back all that an owner has, and clears away what has expired long ago. */
  leave(owner: string, now: number): void;
}

/** The runs that were, and those that go on. */
export interface RunHistory {
  /** Makes a run known that begins now. @param notes what has happened in it so far */
  begin(run: RunStart, notes: RunNotes): Journal;
  /** Writes the record of every run whose process ended before it could. */
  settle(): void;
  /** Keeps a run with what its tasks said, in one transaction. @throws StoreError */
  put(run: RunRecord, logs?: readonly TaskLog[]): void;
  /** Newest first, those that go on included; all, or so many. */
  runs(limit?: number): readonly RunRecord[];
  run(id: string): RunRecord | undefined;
  /** Keeps what a task said before its run is over: a failure is told even when the run is killed. @throws StoreError */
  putLog(log: TaskLog): void;
  log(run: string, task: TaskId): TaskLog | undefined;
}

/** The engine's memory: five parts, each of which may lie elsewhere. */
export interface Store {
  readonly blobs: BlobStore;
  readonly actions: ActionCache;
  readonly checkpoints: CheckpointStore;
  readonly leases: LeaseStore;
  readonly history: RunHistory;
  /** What `gc`, `fsck` and `du` work on; absent for a store that only remembers, such as one that does not exist yet. */
  readonly upkeep?: Upkeep;
  close(): Promise<void>;
}

/** The store from below: whole tables, and what lies around them. */
export interface Upkeep {
  /** Path of the LMDB file. */
  readonly file: string;
  readonly tables: Tables;
  /** The large blobs. */
  readonly files: BlobFiles;
  /** The checkpoints of programs. */
  readonly checkpoints: CheckpointFolders;
  /** Who is running what, expired leases included. */
  leases(): ReadonlyMap<Key, Lease>;
  /** Several changes in one transaction, durable when it returns. */
  write<T>(action: () => T): T;
  /** Bytes of the pages in use: what the LMDB file would need at least. */
  bytes(): number;
  /** Whether another process (or another opening in this one) has the store open. */
  shared(): boolean;
  /** Writes a copy without free pages. */
  copyCompact(path: string): Promise<void>;
}

/** What a store takes up at least: pages in use, and the files of large blobs. */
export function storedBytes({ bytes, files }: Upkeep): number {
  let sum = bytes();
  for (const blob of files.list()) sum += blob.bytes;
  return sum;
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

/** A blob that a store has not, or not whole. */
export class LostBlob extends Error {
  override readonly name = 'LostBlob';

  constructor(digest: Digest) {
    super(`the store has lost the blob ${digest}`);
  }
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
