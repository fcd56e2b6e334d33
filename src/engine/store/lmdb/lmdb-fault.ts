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
  const isShort = size < meta.pages * meta.pageSize;
  // Whoever asks for more than what an opening looks at wants to have it looked at now.
  if (pagesMax === PAGES_LOOKED_AT && meta.pages > PAGES_NOTED_MIN && walked.isNoted()) {
    return undefined;
  }
  const { faults, seen } = walkFile(file, meta, isShort ? {} : { pagesMax });
  if (faults.length === 0) {
    if (seen.size >= PAGES_NOTED_MIN) walked.note(fstatSync(file));
    return undefined;
  }
  return faults.some(({ isBeyond }) => isBeyond) ? 'truncated' : 'damaged';
}

/** Whether a file was looked at as it is now, and found sound: noted in a sealed file beside it. */
class Walked {
  private readonly path: string;
  private readonly state: string;
  private readonly transaction: bigint | undefined;

  constructor(path: string, stats: Stats, meta: Meta | undefined) {
    this.path = path;
    this.transaction = meta?.transaction;
    this.state = this.stateOf(stats);
  }

  isNoted(): boolean {
    try {
      return readSealed(this.noteFile, SEAL)?.toString() === this.state;
    } catch {
      return false;
    }
  }

  /** @param after what the file looks like after the walk */
  note(after: Stats): void {
    const { state } = this;
    if (this.stateOf(after) === state) writeSealed(this.noteFile, SEAL, Buffer.from(state), 4);
  }

  private get noteFile(): string {
    return join(dirname(this.path), 'walked', basename(this.path));
  }

  /** Every commit changes it, and so does whoever else writes into the file. */
  private stateOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
    return [dev, ino, size, mtimeMs, ctimeMs, this.transaction].join(' ');
  }
}

const SEAL = 'walked file';
