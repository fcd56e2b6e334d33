// out-of-memory.ts — whether a process ended because memory ran out
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FailureCause, ProcessEnd } from '../model/failure.ts';

/** What V8, Python, C++, and libraries for GPUs print when memory runs out. */
const OUT_OF_MEMORY =
  /^(FATAL ERROR|# Fatal).*(heap|memory)|\bout of memory\b|\bcan(not|'t) allocate memory\b|^MemoryError\b|\b_?(Array)?MemoryError:|\bOutOfMemoryError\b|\bstd::bad_alloc\b/i;

/** A line among the last of a process that tells that memory ran out. */
export const memoryLine = (lines: readonly string[]): string | undefined =>
  lines.find((line) => OUT_OF_MEMORY.test(line.trim()));

/**
 * Counts, from now on, the processes that the kernel ends for want of memory (Linux). Gives a function that tells whether
 * there was one since.
 */
export function watchOutOfMemory(): () => boolean {
  const before = killsForMemory();
  return () => (killsForMemory() ?? 0) > (before ?? Number.POSITIVE_INFINITY);
}

/** Kills in this control group, where it tells; otherwise on this machine. */
function killsForMemory(): number | undefined {
  return (
    countIn(cgroupEvents(), /^oom_kill (\d+)$/m) ?? countIn('/proc/vmstat', /^oom_kill (\d+)$/m)
  );
}

let events: string | undefined;

function cgroupEvents(): string {
  events ??= join(
    '/sys/fs/cgroup',
    /^0::(.*)$/m.exec(textOf('/proc/self/cgroup'))?.[1] ?? '',
    'memory.events',
  );
  return events;
}

function countIn(file: string, pattern: RegExp): number | undefined {
  const count = pattern.exec(textOf(file))?.[1];
  return count === undefined ? undefined : Number(count);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** A shell reports a program that a signal ended as 128 and its number. */
const SIGKILL_CODE = 137;

/**
 * Why a process failed.
 * @param killedForMemory whether the kernel ended a process for want of memory meanwhile
 */
export function causeOf(
  { code, signal, last }: ProcessEnd,
  killedForMemory: () => boolean,
): Extract<FailureCause, 'exit' | 'signal' | 'memory'> {
  if (memoryLine(last) !== undefined) return 'memory';
  const isKilled = signal === 'SIGKILL' || code === SIGKILL_CODE;
  if (isKilled && killedForMemory()) return 'memory';
  return signal === null ? 'exit' : 'signal';
}
