// lmdb-fault.ts — whether a file can be opened as LMDB: it takes the whole process down when it is damaged, so look before
import { closeSync, fstatSync, lstatSync, openSync, statSync } from 'node:fs';
import { areMetasSound, type Meta, newestMeta } from './lmdb-file.ts';
import { walkFile } from './lmdb-walk.ts';

/** What keeps a file from being opened: it is of something else, it ends early, or pages of it make no sense. */
export type LmdbFault = 'no file' | 'no lock file' | 'foreign' | 'truncated' | 'damaged';

/** A writer may change pages while we read them: then look again, so often. */
const TRIES = 5;
/** Pages of trees that are looked at before each opening: all of a small store, and a few milliseconds in a large one. */
const PAGES_LOOKED_AT = 200;

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
      const size = fstatSync(file).size;
      const fault = faultOf(file, meta, size, pagesMax);
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
  pagesMax: number,
): LmdbFault | undefined {
  if (size === 0) return undefined;
  if (meta === undefined) return 'foreign';
  if (!areMetasSound(file, size)) return 'damaged';
  const isShort = size < meta.pages * meta.pageSize;
  const { faults } = walkFile(file, meta, isShort ? {} : { pagesMax });
  if (faults.length === 0) return undefined;
  return faults.some(({ isBeyond }) => isBeyond) ? 'truncated' : 'damaged';
}
