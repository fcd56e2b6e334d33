// compaction.ts — a mark beside the store while it is rewritten, so that nobody opens it meanwhile
import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';

/** A mark that was not renewed for this long is of a process that died: it ends with its process, like a lease. */
const MARK_LEASE_MS = 10_000;
const RENEW_MS = 2000;

const markOf = (file: string): string => `${file}.compacting`;

/** Whether somebody is rewriting the store. */
export function isCompacting(file: string, now: number): boolean {
  const mark = statSync(markOf(file), { throwIfNoEntry: false });
  return mark !== undefined && now - mark.mtimeMs < MARK_LEASE_MS;
}

/** The identity of the file: another one after a compaction. */
export function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch {
    return undefined; // Not there; whoever opens it says why.
  }
}

/** Sets the mark and keeps it fresh; undefined when somebody else has. Gives what takes it away. */
export function beginCompaction(file: string, now: number): (() => void) | undefined {
  const mark = markOf(file);
  if (!isCompacting(file, now)) rmSync(mark, { force: true });
  try {
    writeFileSync(mark, '', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
  const renewal = setInterval(() => {
    const seconds = Date.now() / 1000;
    utimesSync(mark, seconds, seconds);
  }, RENEW_MS);
  return () => {
    clearInterval(renewal);
    rmSync(mark, { force: true });
  };
}
