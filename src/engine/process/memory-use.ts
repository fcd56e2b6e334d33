// memory-use.ts — how much memory programs have, with all that they started: sampled
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type LiveProcess, liveProcesses, type ProgramMark, processesOf } from './processes.ts';

/** A program whose memory is looked at now and then. */
export interface MemoryWatch {
  /** The most that was seen, in bytes; undefined where nothing was. */
  readonly peak_bytes: () => number | undefined;
  close(): void;
}

interface Watched {
  readonly mark: ProgramMark;
  readonly hear: (bytes: number) => void;
  readonly since_ms: number;
  /** Which processes carry its nonce. */
  readonly known: Map<string, boolean>;
  peak: number | undefined;
}

/** How often to look: a young program may be over soon. */
const [YOUNG_MS, EVERY_MS] = [30, 250];
/** A program is young for so long. */
const YOUTH_MS = 1000;
/** The time of a look is followed by so many times as much without one, but for no longer than `REST_MS`. */
const [YOUNG_REST, REST, REST_MS] = [2, 10, 500];
/** `ps` is slower than /proc. */
const PS_EVERY_MS = 1000;

const watched = new Set<Watched>();
let timer: NodeJS.Timeout | undefined;

/**
 * Looks at the memory of a program from now on. What counts is what only more memory could take the place of: anonymous
 * and shared memory, the latter once for all who share it. Mapped files do not: the system drops them when it needs to.
 * @param hear is told after each look
 */
export function watchMemory(mark: ProgramMark, hear: (bytes: number) => void): MemoryWatch {
  const one: Watched = {
    mark,
    hear,
    since_ms: performance.now(),
    known: new Map(),
    peak: undefined,
  };
  watched.add(one);
  lookIn(YOUNG_MS);
  return {
    peak_bytes: () => one.peak,
    close: () => void watched.delete(one),
  };
}

function lookIn(pause_ms: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void look(), pause_ms).unref();
}

/** One look at all programs: the table of processes is read once for them. */
async function look(): Promise<void> {
  if (watched.size === 0) return;
  const start = performance.now();
  const all = liveProcesses();
  if (all === undefined) await lookByPs();
  else {
    for (const one of watched) {
      note(one, memoryOf(processesOf(one.mark, all, one.known) ?? [], one.peak));
    }
  }
  const now = performance.now();
  const isYoung = [...watched].some(({ since_ms }) => now - since_ms < YOUTH_MS);
  const every = all === undefined ? PS_EVERY_MS : isYoung ? YOUNG_MS : EVERY_MS;
  lookIn(Math.max(every, Math.min(REST_MS, (now - start) * (isYoung ? YOUNG_REST : REST))));
}

function note(one: Watched, bytes: number): void {
  if (bytes === 0 || !watched.has(one)) return;
  one.peak = Math.max(one.peak ?? 0, bytes);
  one.hear(bytes);
}

/** @param known memory below which nobody asks how much of it is shared */
function memoryOf(processes: readonly LiveProcess[], known = 0): number {
  const sum = processes.reduce((all, { pid }) => all + unshared(pid), 0);
  // Pages that several processes have are counted once, which takes a walk through all of them.
  if (processes.length < 2 || sum <= known) return sum;
  return processes.reduce((all, { pid }) => all + proportional(pid), 0);
}

const unshared = (pid: number): number =>
  sumOf(`/proc/${pid}/status`, /^(?:RssAnon|RssShmem):\s+(\d+) kB$/gm);

/** What a process has, with its share of what others have, too. */
function proportional(pid: number): number {
  const file = `/proc/${pid}/smaps_rollup`;
  return sumOf(file, /^(?:Pss_Anon|Pss_Shmem):\s+(\d+) kB$/gm) || unshared(pid);
}

function sumOf(file: string, pattern: RegExp): number {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch {
    return 0; // It has just ended, or is another user's.
  }
  return [...text.matchAll(pattern)].reduce((sum, [, kib]) => sum + Number(kib) * 1024, 0);
}

// ---- where there is no /proc ----

/** A line of `ps`. */
interface ListedProcess {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly bytes: number;
}

async function lookByPs(): Promise<void> {
  const listed = await listProcesses();
  for (const one of watched) note(one, listedMemory(listed, one.mark.leader));
}

/** All processes, as `ps` tells them. */
export function listProcesses(): Promise<readonly ListedProcess[]> {
  return new Promise((resolve) => {
    execFile('ps', ['-axo', 'pid=,ppid=,pgid=,rss='], (_, text) => {
      const rows = text.split('\n').flatMap((line) => {
        const [pid, parent, group, kib] = line.trim().split(/\s+/).map(Number);
        if (pid === undefined || kib === undefined || group === undefined) return [];
        return [{ pid, parent: parent ?? 0, group, bytes: kib * 1024 }];
      });
      resolve(rows);
    });
  });
}

/** The memory of a process group, with the descendants of its processes. */
export function listedMemory(listed: readonly ListedProcess[], leader: number): number {
  const found = new Set(listed.filter(({ group }) => group === leader));
  for (let before = -1; before < found.size; ) {
    before = found.size;
    const parents = new Set([...found].map(({ pid }) => pid));
    for (const one of listed) if (parents.has(one.parent)) found.add(one);
  }
  return [...found].reduce((sum, { bytes }) => sum + bytes, 0);
}
