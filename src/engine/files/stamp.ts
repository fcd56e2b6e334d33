// stamp.ts — what files look like without their content: how a change is noticed without reading
import { type Stats, statSync } from 'node:fs';

/** What a file looks like, without its content. */
export interface Stamp {
  readonly size: number;
  readonly mtimeMs: number;
  /** When anything about the file changed last: unlike `mtimeMs`, nobody sets it. */
  readonly ctimeMs: number;
  readonly inode: number;
}

/** A file that was touched so shortly before it was stamped may have been touched again within its clock's grain. */
const STABLE_AFTER_MS = 2000;
/** File systems date changes by a clock that ticks at most so coarsely. */
const TICK_MS = 20;

/** What a file looks like now; null when there is none. */
export function stampOf(path: string): Stamp | null {
  const found = statOf(path);
  if (!found?.isFile()) return null;
  return { size: found.size, mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs, inode: found.ino };
}

/** What nobody can reach is not there: below a file, behind links that lead in a circle, in a closed folder. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Whether two stamps are of the same content, as far as stamps can tell. */
export function sameStamp(a: Stamp | null, b: Stamp | null): boolean {
  if (a === null || b === null) return a === b;
  const sameTimes = a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;
  return sameTimes && a.size === b.size && a.inode === b.inode;
}

/**
 * True if mtime and ctime precede `since` by more than the clock's granularity (git's "racy" check): what was read of the
 * file from `since` until it was stamped is what the stamp stands for.
 */
export function isStable({ mtimeMs, ctimeMs }: Stamp, since: number): boolean {
  return mtimeMs < since - STABLE_AFTER_MS && ctimeMs < since - TICK_MS;
}

/** What a folder looks like: whatever comes into it, goes or is renamed there changes it. Null when there is none. */
export function folderStamp(path: string): Stamp | null {
  const found = statOf(path);
  if (!found?.isDirectory()) return null;
  return { size: found.size, mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs, inode: found.ino };
}

/** Whether an import may mean a file of this name. */
export const isSourceName = (name: string): boolean => SOURCE_NAME.test(name);

const SOURCE_NAME = /\.([cm]?[jt]sx?|json|wasm)$|^node_modules$/;
