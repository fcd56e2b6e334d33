// brief-store.ts — reads the store of a running study for moments, page by page: no lock, no reader that gc would wait for
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { TaskId } from '../../engine/model/key.ts';
import { logKey, type RunRecord, type TaskLog } from '../../engine/model/record.ts';
import { emptyStore } from '../../engine/store/empty-store.ts';
import { hasStore } from '../../engine/store/lmdb/lmdb-store.ts';
import { openStoreReadOnly } from '../../engine/store/lmdb/read-only-store.ts';
import { type Store, StoreError } from '../../engine/store/store.ts';
import { STORE_FILE } from '../../engine/store/store-state.ts';
import { identity } from '../session/this-process.ts';

/** A store that is open no longer than it is used. */
export interface BriefStore {
  /** Reads. @throws StoreError where there is something that cannot be read */
  read<T>(action: (store: Store) => Promise<T>): Promise<T>;
  /** Whether there is a store, and what is wrong with it. */
  state(): Promise<{ readonly state: 'ok' | 'none' | 'unreadable'; readonly problem?: string }>;
  close(): Promise<void>;
}

/** One that was not used for so long is closed. */
const IDLE_MS = 1000;

interface Opened {
  readonly store: Store;
  readonly inode: number;
  readonly size: number;
  users: number;
}

/**
 * LMDB is not asked: a reader in its table would keep `gc` and compaction from their work, and entering it writes a file.
 * What is read is of a committed state, and a blob proves itself by its digest.
 */
export function briefStore(cache: string): BriefStore {
  let opened: Opened | undefined;
  let timer: NodeJS.Timeout | undefined;
  const fileNow = (): Pick<Opened, 'inode' | 'size'> => {
    const { ino, size } = statSync(join(cache, STORE_FILE));
    return { inode: ino, size };
  };
  const drop = async (one: Opened): Promise<void> => {
    if (opened === one) opened = undefined;
    if (one.users === 0) await one.store.close();
  };
  const acquire = async (): Promise<Opened> => {
    clearTimeout(timer);
    // Another file in its place: it was compacted, or removed and made anew. None that is whole becomes shorter.
    const file = fileNow();
    const isOther = opened && (opened.inode !== file.inode || opened.size > file.size);
    if (opened && isOther) await drop(opened);
    opened ??= { store: openStoreReadOnly(cache, () => undefined, identity), ...file, users: 0 };
    opened.users += 1;
    return opened;
  };
  /** Undefined where it was removed a moment ago. */
  const acquired = async (): Promise<Opened | undefined> => {
    try {
      return await acquire();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return undefined;
    }
  };
  const release = async (one: Opened): Promise<void> => {
    one.users -= 1;
    if (one.users > 0) return;
    if (one !== opened) {
      await one.store.close();
      return;
    }
    clearTimeout(timer);
    timer = setTimeout(() => void drop(one), IDLE_MS);
    timer.unref();
  };
  const read = async <T>(action: (store: Store) => Promise<T>): Promise<T> => {
    const one = hasStore(cache) ? await acquired() : undefined;
    if (one === undefined) return action(emptyStore());
    try {
      return await action(inTurns(one.store));
    } finally {
      await release(one);
    }
  };
  return {
    read,
    async state() {
      if (!hasStore(cache)) return { state: 'none' };
      try {
        await read(async (store) => newestRecords(store, 1));
        return { state: 'ok' };
      } catch (error) {
        return { state: 'unreadable', problem: problemOf(error) };
      }
    },
    async close() {
      clearTimeout(timer);
      if (opened) await drop(opened);
    },
  };
}

/** Reading yields to pages and signals after this time. */
const TURN_MS = 20;

/** A store that lets go of the process now and then: what is read of very many tasks would hold up every page. */
function inTurns(store: Store): Store {
  let began = performance.now();
  const turn = async (): Promise<void> => {
    if (performance.now() - began < TURN_MS) return;
    await setImmediate();
    began = performance.now();
  };
  const { blobs, actions } = store;
  return {
    ...store,
    blobs: { ...blobs, get: (digest) => turn().then(() => blobs.get(digest)) },
    actions: { ...actions, get: (key) => turn().then(() => actions.get(key)) },
  };
}

/** The record of a run. One that has only a journal is followed: the history would read its journal anew, each time. */
export const recordedRun = ({ upkeep }: Store, id: string): RunRecord | undefined =>
  upkeep?.tables.runs.get(id);

/** The log of a task, where the store has it: of a task that failed at once, of others when their run has ended. */
export const recordedLog = ({ upkeep }: Store, run: string, task: string): TaskLog | undefined =>
  upkeep?.tables.logs.get(logKey(run, task as TaskId));

/**
 * Runs that have a record, the newest first, so many. Those that go on are followed by their journals: the history of a store
 * would read these from their beginnings, each time.
 */
export function newestRecords({ upkeep }: Store, limit: number): readonly RunRecord[] {
  if (upkeep === undefined) return [];
  const { runs } = upkeep.tables;
  return [...runs.getKeys()]
    .reverse()
    .slice(0, limit)
    .flatMap((id) => runs.get(id) ?? []);
}

/** An error in words for the page: what the system says of a file, or what is wrong with the store. */
export function problemOf(error: unknown): string {
  if (error instanceof StoreError) {
    return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  }
  return error instanceof Error ? error.message : String(error);
}
