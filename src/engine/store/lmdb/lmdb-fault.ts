// lmdb-fault.ts — whether a file can be opened as LMDB: it takes the whole process down when it is damaged, so look before
import { closeSync, fstatSync, lstatSync, openSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readSealed, writeSealed } from '../../files/sealed-file.ts';
import { areMetasSound, type Meta, newestMeta } from './lmdb-file.ts';
import { walkFile } from './lmdb-walk.ts';

/** Why a file cannot be opened: it is no LMDB file, it was cut short, or its pages are inconsistent. */
export type LmdbFault = 'no file' | 'no lock file' | 'foreign' | 'truncated' | 'damaged';

/** A writer may replace pages while we read them: how often to try again. */
const TRIES = 5;
/** Pages that are checked before each opening: all of a small store, a few milliseconds' worth of a large one. */
const PAGES_LOOKED_AT = 200;
/** Checking fewer pages takes no longer than reading a note that they were checked. */
const PAGES_NOTED_MIN = 100;

/**
 * Why a file cannot be opened; undefined when it can, or when there is no file.
 * @param pagesMax how many pages are checked, unless the file is too short: then all are
 */
export function lmdbFault(path: string, pagesMax = PAGES_LOOKED_AT): LmdbFault | undefined {
  if (isNoFile(path)) return 'no file';
  if (isNoFile(`${path}-lock`)) return 'no lock file';
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  const file = openSync(path, 'r');
  try {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const meta = newestMeta(file);
      // In this order: the pages that a meta page refers to were written before it.
      const stats = fstatSync(file);
      const walked = new Walked(path, stats, meta);
      const fault = faultOf(file, meta, stats.size, { pagesMax, walked });
      if (fault === undefined) return undefined;
      const isSame = newestMeta(file)?.transaction === meta?.transaction;
      if (isSame && (meta !== undefined || attempt === TRIES)) return fault;
    }
    // Another process commits one transaction after another, so LMDB can use the file.
    return undefined;
  } finally {
    closeSync(file);
  }
}

/** Whether something lies at a path that is no file: a folder, a pipe, a link that leads nowhere. */
export function isNoFile(path: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
  return statSync(path, { throwIfNoEntry: false })?.isFile() !== true;
}

function faultOf(
  file: number,
  meta: Meta | undefined,
  size: number,
  { pagesMax, walked }: { readonly pagesMax: number; readonly walked: Walked },
): LmdbFault | undefined {
  if (size === 0) return undefined;
  if (meta === undefined) return 'foreign';
  if (!areMetasSound(file, size)) return 'damaged';
  // A caller that asks for more pages (fsck) wants them checked now, whatever was noted.
  const isOpening = pagesMax === PAGES_LOOKED_AT && meta.pages > PAGES_NOTED_MIN;
  const before = isOpening ? walked.before() : undefined;
  if (before?.isSame) return undefined;
  const isShort = size < meta.pages * meta.pageSize;
  const since = before?.transaction;
  const { faults, seen } = walkFile(file, meta, isShort ? { since } : { pagesMax, since });
  if (faults.length === 0) {
    if (before || seen.size >= PAGES_NOTED_MIN) walked.note(fstatSync(file));
    return undefined;
  }
  return faults.some(({ isBeyond }) => isBeyond) ? 'truncated' : 'damaged';
}

/** What is noted of an earlier check of a file. */
interface EarlierLook {
  /** Whether nothing was written into the file since. */
  readonly isSame: boolean;
  /** The last transaction that was checked. */
  readonly transaction: bigint;
}

/** A sealed note beside a file that it was checked and found sound. */
class Walked {
  private readonly path: string;
  private readonly stats: Stats;
  private readonly transaction: bigint;

  constructor(path: string, stats: Stats, meta: Meta | undefined) {
    this.path = path;
    this.stats = stats;
    this.transaction = meta?.transaction ?? 0n;
  }

  /** Undefined when there is no note of this very file, or the file has shrunk since. */
  before(): EarlierLook | undefined {
    try {
      const [dev, ino, size, mtime, ctime, transaction] = this.noted();
      const now = this.stateOf(this.stats);
      if (dev !== now[0] || ino !== now[1] || transaction === undefined) return undefined;
      if (this.stats.size < Number(size)) return undefined;
      const isSame =
        size === now[2] && mtime === now[3] && ctime === now[4] && transaction === now[5];
      // With no later transaction, the content was replaced by something else than a commit.
      if (!isSame && BigInt(transaction) >= this.transaction) return undefined;
      return { isSame, transaction: BigInt(transaction) };
    } catch {
      return undefined;
    }
  }

  private noted(): readonly string[] {
    return readSealed(this.noteFile, SEAL)?.toString().split(' ') ?? [];
  }

  /** @param after the file's stats after the walk */
  note(after: Stats): void {
    const state = this.stateOf(this.stats).join(' ');
    if (this.stateOf(after).join(' ') !== state) return;
    writeSealed(this.noteFile, SEAL, Buffer.from(state), NOTES_MAX);
  }

  private get noteFile(): string {
    return join(dirname(this.path), 'walked', basename(this.path));
  }

  private stateOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): readonly string[] {
    return [dev, ino, size, mtimeMs, ctimeMs, this.transaction].map(String);
  }
}

/** To be raised when a walk detects more than before: notes of earlier versions do not cover that. */
const SEAL = 'walked/1';
/** A folder has two files of LMDB. */
const NOTES_MAX = 4;
