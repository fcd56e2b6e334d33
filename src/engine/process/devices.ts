// devices.ts — the processors, the memory and the accelerators that this process may use
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { VISIBLE_DEVICES } from '../config/resources.ts';

/**
 * The devices that `CUDA_VISIBLE_DEVICES` leaves to this process, as it names them: indices, UUIDs, names of MIG
 * instances. Undefined where it is not set. As CUDA reads it, the list ends at the first name that is none.
 */
export function visibleDevices(environment: NodeJS.ProcessEnv): readonly string[] | undefined {
  const list = environment[VISIBLE_DEVICES];
  if (list === undefined) return undefined;
  const names = list.split(',').map((name) => name.trim());
  const end = names.findIndex((name) => !DEVICE.test(name));
  return [...new Set(end < 0 ? names : names.slice(0, end))];
}

const DEVICE = /^(?:\d+|(?:GPU|MIG)-[\w/-]+)$/;

/** How the devices of `CUDA_VISIBLE_DEVICES` are counted: without it, their numbers may mean others. */
export const DEVICE_ORDER = 'CUDA_DEVICE_ORDER';

/** What the machine itself has. */
export interface Hardware {
  readonly cpus: number;
  readonly memory_bytes: number;
}

/** The processors and the memory that this process may use: a container may have less than the machine. */
export function hardware(): Hardware {
  const limits = LIMITS.map((file) => Number(textOf(file).trim())).filter((most) => most > 0);
  return { cpus: availableParallelism(), memory_bytes: Math.min(totalmem(), ...limits) };
}

/** Where a container finds its limit of memory; there is no number in them where it has none. */
const LIMITS = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
