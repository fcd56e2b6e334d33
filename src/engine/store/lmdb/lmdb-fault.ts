// lmdb-fault.ts — whether a file can be opened as LMDB: it takes the whole process down when it is damaged, so look before
import { closeSync, fstatSync, lstatSync, openSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readSealed, writeSealed } from '../../files/sealed-file.ts';
import { areMetasSound, type Meta, newestMeta } from './lmdb-file.ts';
import { walkFile } from './lmdb-walk.ts';

/** What keeps a file from being opened: it is of something else, it ends early, or pages of it make no sense. */
export type LmdbFault = 'no file' | 'no lock file' | 'foreign' | 'truncated' | 'damaged';

/** A writer may change pages while we read them: then look again, so often. */
const TRIES = 5;
/** Pages of trees that are looked at before each opening: all of a small store, and a few milliseconds in a large one. */
const PAGES_LOOKED_AT = 200;
/** A look at fewer takes no longer than to read that there was one. */
const PAGES_NOTED_MIN = 100;

/**
 * What keeps a file from being opened; undefined when nothing does, or when there is no file.
 * @param pagesMax how much is looked at in a file that is as long as it should be
 */
export function lmdbFault(path: string, pagesMax = PAGES_LOOKED_AT): LmdbFault | undefined {
  if (isNoFile(path)) return 'no file';
  if (isNoFile(`${path}-lock`)) return 'no lock file';
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  const file = openSync(path, 'r');
  try {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const meta = newestMeta(file);
      // In this order: what a description refers to was written before it.
      const stats = fstatSync(file);
      const walked = new Walked(path, stats, meta);
      const fault = faultOf(file, meta, stats.size, { pagesMax, walked });
      if (fault === undefined) return undefined;
      const isSame = newestMeta(file)?.transaction === meta?.transaction;
      if (isSame && (meta !== undefined || attempt === TRIES)) return fault;
    }
    // Somebody writes one transaction after the other, and so survives what the file is.
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
  // Whoever asks for more than what an opening looks at wants to have it looked at now.
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

/** What was noted of an earlier look at a file. */
interface EarlierLook {
  /** Whether nothing was written into the file since. */
  readonly isSame: boolean;
  /** The last transaction that was looked at. */
  readonly transaction: bigint;
}

/** When a file was looked at and found sound: noted in a sealed file beside it. */
class Walked {
  private readonly path: string;
  private readonly stats: Stats;
  private readonly transaction: bigint;

  constructor(path: string, stats: Stats, meta: Meta | undefined) {
    this.path = path;
    this.stats = stats;
    this.transaction = meta?.transaction ?? 0n;
  }

  /** Undefined where nothing is noted of this file, or it has lost pages since. */
  before(): EarlierLook | undefined {
    try {
      const [dev, ino, size, mtime, ctime, transaction] = this.noted();
      const now = this.stateOf(this.stats);
      if (dev !== now[0] || ino !== now[1] || transaction === undefined) return undefined;
      if (this.stats.size < Number(size)) return undefined;
      const isSame =
        size === now[2] && mtime === now[3] && ctime === now[4] && transaction === now[5];
      // A file that has fewer transactions than it had is another one, in its place.
      if (!isSame && BigInt(transaction) >= this.transaction) return undefined;
      return { isSame, transaction: BigInt(transaction) };
    } catch {
      return undefined;
    }
  }

  private noted(): readonly string[] {
    return readSealed(this.noteFile, SEAL)?.toString().split(' ') ?? [];
  }

  /** @param after what the file looks like after the walk */
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

/** Counts up when a walk notices more than it did: a note of an earlier version says nothing of that. */
const SEAL = 'walked/1';
/** A folder has two files of LMDB. */
const NOTES_MAX = 4;
