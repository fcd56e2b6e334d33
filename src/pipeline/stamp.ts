// stamp.ts — what files look like without their content: how a change is noticed without reading
import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, digestOf } from './key.ts';

/** What a file looks like, without its content. */
export interface Stamp {
  readonly size: number;
  readonly mtimeMs: number;
  /** When anything about the file changed last: unlike `mtimeMs`, nobody sets it. */
  readonly ctimeMs: number;
  readonly inode: number;
}

/** A file that was touched so shortly before it was stamped may have been touched again within its clock's grain. */
const SETTLES_MS = 2000;
/** File systems date changes by a clock that ticks at most so coarsely. */
const TICK_MS = 20;

/** What a file looks like now; null when there is none. */
export function stampOf(path: string): Stamp | null {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) return null;
  return { size: found.size, mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs, inode: found.ino };
}

/** Whether two stamps are of the same content, as far as stamps can tell. */
export function sameStamp(a: Stamp | null, b: Stamp | null): boolean {
  if (a === null || b === null) return a === b;
  const sameTimes = a.mtimeMs === b.mtimeMs && a.ctimeMs === b.ctimeMs;
  return sameTimes && a.size === b.size && a.inode === b.inode;
}

/**
 * Whether a file was surely not touched between `since` and when it was stamped, nor so shortly before that a later
 * change could bear the same date: what was read of it in that time is what the stamp stands for.
 */
export function isSettled({ mtimeMs, ctimeMs }: Stamp, since: number): boolean {
  return mtimeMs < since - SETTLES_MS && ctimeMs < since - TICK_MS;
}

/** What a folder looks like: whatever comes into it, goes or is renamed there changes it. Null when there is none. */
export function folderStamp(path: string): Stamp | null {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isDirectory()) return null;
  return { size: found.size, mtimeMs: found.mtimeMs, ctimeMs: found.ctimeMs, inode: found.ino };
}

/**
 * What of a folder can decide which file an import means: the names of sources, and where links lead. Null when there is
 * no such folder.
 */
export function namesIn(folder: string): Digest | null {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    const names = entries.flatMap((entry) => {
      if (entry.isSymbolicLink())
        return `${entry.name} → ${readlinkSync(join(folder, entry.name))}`;
      return SOURCE_NAME.test(entry.name) ? entry.name : [];
    });
    const self = lstatSync(folder).isSymbolicLink() ? readlinkSync(folder) : '';
    return digestOf([self, ...names.sort()].join('\n'));
  } catch {
    return null;
  }
}

/** Whether an import may mean a file of this name. */
export const isSourceName = (name: string): boolean => SOURCE_NAME.test(name);

const SOURCE_NAME = /\.([cm]?[jt]sx?|json|wasm)$|^node_modules$/;
