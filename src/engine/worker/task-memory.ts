// task-memory.ts — the peak memory of a worker process during a task (Linux)
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';

/** Memory of a process, in bytes. */
interface MemoryState {
  /** What only more memory could take the place of: anonymous and shared memory. */
  readonly own: number;
  /** Mapped files, which the system drops when it needs to. */
  readonly files: number;
  /** The most of both since it was looked at anew. */
  readonly peak: number;
}

/** Looks at the memory of one worker process. Where the system does not tell, nothing is known. */
export interface TaskMemory {
  /** A task is about to be given to it. */
  begin(): void;
  /** It has taken up the task. */
  begun(): void;
  /** The most that it had for the task; undefined where that is not known. */
  peak_bytes(): number | undefined;
}

/** What earlier tasks left behind may make so much of what is seen, and no more: the peak would not be the task's. */
const LEFT_SHARE_MAX = 0.1;
const LEFT_BYTES_MAX = 16 * 2 ** 20;
/** A process has no more by itself: where it was looked at late, its first task had some of what was seen. */
const BARE_BYTES_MAX = 96 * 2 ** 20;
/** Written to `clear_refs`, it has the kernel count the peak anew. */
const COUNT_ANEW = '5';
/** Where the peak is no more above what is there than this, it is not counted anew: tasks may take a millisecond. */
const PEAK_OVER_MAX = 2 ** 18;

export function taskMemoryOf(pid: number | undefined): TaskMemory {
  /** What the process has by itself, before its first task. */
  let bare: number | undefined;
  let start: MemoryState | undefined;
  /** As it was when the task before ended: a process that waits changes little. */
  let before: MemoryState | undefined;
  let isFirst = true;
  return {
    begin() {
      start = isFirst || pid === undefined ? undefined : countedFrom(pid, before);
      before = undefined;
    },
    begun() {
      if (!isFirst || pid === undefined) return;
      isFirst = false;
      start = stateOf(pid);
      bare = start && Math.min(start.own, BARE_BYTES_MAX);
    },
    peak_bytes() {
      const end = pid === undefined ? undefined : stateOf(pid);
      before = end;
      if (start === undefined || end === undefined || bare === undefined) return undefined;
      const peak = end.peak - Math.min(start.files, end.files);
      const left = start.own - bare;
      const isOwn = left <= Math.max(LEFT_BYTES_MAX, LEFT_SHARE_MAX * peak);
      return isOwn && peak > 0 ? peak : undefined;
    },
  };
}

/** Its memory when a task begins, from which on the peak is counted. @param before when it was last looked at, if at all */
function countedFrom(pid: number, before: MemoryState | undefined): MemoryState | undefined {
  const isAtPeak = before && before.peak - before.own - before.files <= PEAK_OVER_MAX;
  return isAtPeak ? before : countedAnew(pid);
}

function countedAnew(pid: number): MemoryState | undefined {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, COUNT_ANEW);
  } catch {
    return undefined; // Another system, or a kernel without it.
  }
  return stateOf(pid);
}

/** What the kernel writes is shorter. */
const status = Buffer.alloc(8192);
const FIELDS =
  /^VmHWM:\s+(\d+) kB\n(?:.*\n)*?RssAnon:\s+(\d+) kB\nRssFile:\s+(\d+) kB\nRssShmem:\s+(\d+) kB$/m;

/** Before and after each task, of which some take a millisecond: one read, and no more. */
function stateOf(pid: number): MemoryState | undefined {
  let file: number | undefined;
  try {
    file = openSync(`/proc/${pid}/status`, 'r');
    const text = status.toString('latin1', 0, readSync(file, status));
    const found = FIELDS.exec(text);
    if (found === null) return undefined;
    const [peak, anonymous, files, shared] = found.slice(1).map((kB) => 1024 * Number(kB));
    if (peak === undefined || anonymous === undefined) return undefined;
    if (files === undefined || shared === undefined) return undefined;
    return { own: anonymous + shared, files, peak };
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
