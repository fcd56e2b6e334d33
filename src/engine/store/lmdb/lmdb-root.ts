// lmdb-root.ts — one file of LMDB: how it is opened and written, its errors in words (the only file that imports lmdb)
import { closeSync, existsSync, openSync, rmSync, statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { makeFolder } from '../../files/make-folder.ts';
import { newFileMode, settleFile } from '../../files/store-access.ts';
import { isSystemError, systemHint, systemSentence } from '../../files/system-error.ts';
import { StoreError } from '../store.ts';
import { DamagedStore, damagedStore, isDamage, REPAIR } from './lmdb-error.ts';
import { lmdbFault } from './lmdb-fault.ts';

/** A file of LMDB: tables, and transactions over all of them. */
export type LmdbRoot = RootDatabase;
/** One table of it. */
export type LmdbTable<V> = Database<V, string>;

/** Loaded by the first command that opens a store: others start a tenth sooner without it. */
const loadLmdb = (): typeof import('lmdb') => createRequire(import.meta.url)('lmdb');

/** Loads LMDB for a store that is about to be opened. Faults are reported by the opening. */
export function loadLmdbAhead(): void {
  try {
    loadLmdb();
  } catch {
    // Tried again by whoever opens a store.
  }
}

/** Opens a file of LMDB in a folder; both are made when missing. @throws StoreError */
export function openRoot(
  folder: string,
  name: string,
  options: { readonly noSync?: boolean } = {},
): LmdbRoot {
  const path = join(folder, name);
  try {
    makeFolder(folder);
    checkFile(path);
    // Tables are made in transactions of their own.
    const isNew = !existsSync(path);
    if (isNew) checkRoom(folder, ROOM);
    // LMDB's own modes follow the umask: an empty file is as good as none to it.
    for (const made of [path, `${path}-lock`]) madeWithMode(made);
    return loadLmdb().open({ path, noSubdir: true, maxDbs: 16, ...options });
  } catch (error) {
    throw error instanceof StoreError ? error : worded(error, folder);
  }
}

/** Makes an empty file, where there is none, in the folder of a store. */
function madeWithMode(path: string): void {
  const mode = newFileMode(path);
  if (mode === undefined || existsSync(path)) return;
  closeSync(openSync(path, 'a', mode));
  settleFile(path);
}

/** Milliseconds after which a file that is being made must be of a process that died over it. */
const PATIENCE = 2000;

/**
 * Opens a file and its tables, alone among processes while the file is new: LMDB now and then gives up (MDB_PROBLEM), or
 * goes round in circles, where several make the first tables of a file at once. Who makes it leaves a mark beside it
 * meanwhile, for which others wait.
 */
export function openAlone<T>(folder: string, name: string, openAll: () => T): T {
  const path = join(folder, name);
  const mark = `${path}.new`;
  for (;;) {
    waitFor(mark);
    if (existsSync(path)) return openAll();
    const left = leaveMark(folder, mark);
    if (left === 'another') continue;
    try {
      return openAll();
    } finally {
      if (left === 'ours') rmSync(mark, { force: true });
    }
  }
}

/** Returns when there is no mark; one that stays is taken away. */
function waitFor(mark: string): void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; existsSync(mark); waited += 5) {
    if (waited >= PATIENCE) {
      rmSync(mark, { force: true });
      // Not looked at again: the next one may already be of somebody who lives.
      return;
    }
    Atomics.wait(clock, 0, 0, 5);
  }
}

/** Leaves a mark, unless another has; none where the folder cannot be written, which LMDB then tells. */
function leaveMark(folder: string, mark: string): 'ours' | 'another' | 'none' {
  try {
    makeFolder(folder);
  } catch {
    return 'none';
  }
  try {
    closeSync(openSync(mark, 'wx'));
    return 'ours';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST' ? 'another' : 'none';
  }
}

/** What a transaction may write beside its values: the pages of the trees that lead to them. */
const ROOM = 128 * 1024;

/**
 * One transaction, flushed to disk before it returns. What has no room is refused beforehand: lmdb 3.5 writes its own
 * words for a write that fails (ENOSPC) beyond the memory that it set aside for them, and the process may die of that.
 * @param bytes of the values that it writes; below zero where it takes away more than that
 * @throws StoreError worded for people
 */
export function transact<T>(root: LmdbRoot, folder: string, action: () => T, bytes = 0): T {
  try {
    if (bytes >= 0) checkRoom(folder, bytes + ROOM);
    return root.transactionSync(action);
  } catch (error) {
    throw worded(error, folder);
  }
}

/** @throws Error worded as the system does, where a folder's disk has less room than that */
function checkRoom(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= bytes) return;
  const kib = (size: number): string => `${Math.ceil(size / 1024)} KiB`;
  throw new Error(`no space left: ${kib(bytes)} are needed, ${kib(bavail * bsize)} are free`);
}

/** Refuses a file that LMDB could not survive. */
function checkFile(path: string): void {
  const fault = lmdbFault(path);
  if (fault === undefined) return;
  const isInPlace = fault !== 'no file' && fault !== 'no lock file';
  const of = isInPlace ? DamagedStore : StoreError;
  throw new of(`${path} ${FAULTS[fault]}`, HINTS[fault]);
}

const FAULTS = {
  'no file': 'is no file: a folder, a pipe or a link that leads nowhere is in its place',
  'no lock file': 'cannot be locked: its lock file is no file',
  foreign: 'is no store, or its beginning is damaged',
  truncated: 'is cut short: it refers to pages beyond its end (a copy that broke off?)',
  damaged: 'is damaged: some of its pages make no sense',
} as const;
const HINTS = {
  'no file': '`pipeline fsck --repair` moves it aside; or name another folder with --cache',
  'no lock file': '`pipeline fsck --repair` moves it aside',
  foreign: `${REPAIR}; or name another folder with --cache`,
  truncated: REPAIR,
  damaged: REPAIR,
} as const;

/** LMDB says EIO for a full disk: say what a person can do. */
export function worded(error: unknown, folder: string): StoreError {
  if (isSystemError(error) && error.code !== 'ENOSPC') {
    return new StoreError(
      `the store in ${folder} cannot be opened: ${systemSentence(error)}`,
      systemHint(error),
    );
  }
  const text = error instanceof Error ? error.message : String(error);
  if (isDamage(error)) return damagedStore(folder, text);
  const full = /ENOSPC|No space left|MDB_MAP_FULL|EIO|Input\/output error/i.test(text);
  if (/ENOMEM|Cannot allocate memory/i.test(text)) {
    const hint = 'close other programs, or raise the limit (`ulimit -v`)';
    return new StoreError(
      `the store in ${folder} cannot be opened: there is not enough memory`,
      hint,
    );
  }
  const advice = full
    ? 'the disk is full or failing: free some space and make again (nothing half-written was kept)'
    : 'check that the folder can be written';
  return new StoreError(`the store in ${folder} cannot be written (${text}): ${advice}`);
}

/** Whether a folder lies on a network file system, where LMDB's locks cannot be relied on. */
export function isNetworkFolder(folder: string): boolean {
  // NFS, SMB, CIFS, SMB2 (statfs(2), "f_type").
  return [0x6969, 0x517b, 0xff534d42, 0xfe534d42].includes(statfsSync(folder).type >>> 0);
}
