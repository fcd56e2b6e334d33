// process-identity.ts — tells processes apart, and whether one is alive, dead or unknown

import { readFileSync, readlinkSync } from 'node:fs';
import { elementAt } from '../../present.ts';
import type { TaskId } from './key.ts';

/** A process, told apart from any other that ever has its number. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** Where the system tells (Linux): its boot, the namespace in which `pid` counts, and when the process began. */
  readonly life?: ProcessInstance;
}

/** A process that holds a lease, and for which of its tasks. */
export interface LeaseHolder extends ProcessIdentity {
  readonly task: TaskId;
}

/** What a process number means on Linux. */
export interface ProcessInstance {
  readonly boot: string;
  readonly space: string;
  readonly started: string;
}

/** How a process tells itself and others apart. */
export interface Identity {
  readonly host: string;
  readonly pid: number;
  /** Whether the system has a process of that number, its own or a stranger's. */
  readonly exists: (pid: number) => boolean;
  /** Has something done when this process ends by itself. */
  readonly onExit?: (action: () => void) => void;
}

/** What a process number means here and now; undefined where the system does not tell. */
export function instanceOf(pid: number): ProcessInstance | undefined {
  const boot = bootId();
  if (boot === undefined) return undefined;
  try {
    return {
      boot,
      space: readlinkSync('/proc/self/ns/pid'),
      started: startOf(pid),
    };
  } catch {
    return undefined;
  }
}

/** Names this boot of the machine; undefined where the system does not tell. */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** When a process began, in ticks since the system did: proc(5), field 22. The second field may hold spaces. */
function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [state = 'X', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Zombie: exited, not yet reaped.
  return /[ZX]/.test(state) ? 'never' : elementAt(fields, 18);
}

/** Whether a process is suspended (SIGSTOP, Ctrl-Z, a debugger). False where the system does not tell. */
export function isSuspended(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return /^[Tt]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

/** Whether a process lives, as far as this one can see. */
export type Liveness = 'dead' | 'alive' | 'unknown';

/** Returns a function that tells whether a process lives. One in another pid namespace is `unknown`: it may live. */
export function livenessFor({
  host,
  pid,
  exists,
}: Identity): (holder: ProcessIdentity) => Liveness {
  const own = instanceOf(pid);
  return (holder) => {
    const { life } = holder;
    if (life === undefined || own === undefined || holder.host !== host) return 'unknown';
    if (life.boot !== own.boot || life.space !== own.space) return 'unknown';
    if (!exists(holder.pid)) return 'dead';
    try {
      return startOf(holder.pid) === life.started ? 'alive' : 'dead';
    } catch {
      return 'unknown';
    }
  };
}
