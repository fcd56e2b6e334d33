// process-identity.ts — which process holds a lease, and whether it surely lives no more
import { readFileSync, readlinkSync } from 'node:fs';
import type { TaskId } from './key.ts';

/** A process, told apart from any other that ever has its number; and what it makes. */
export interface Holder {
  readonly task: TaskId;
  readonly host: string;
  readonly pid: number;
  /** Where the system tells (Linux): this boot of it, the space in which `pid` counts, and when the process began. */
  readonly life?: Life;
}

/** What a process number means on Linux. */
export interface Life {
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
}

/** What a process number means here and now; undefined where the system does not tell. */
export function lifeOf(pid: number): Life | undefined {
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
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Dead, and only not yet buried by its parent.
  return /[ZX]/.test(state) ? 'never' : fields[18];
}

/** What can be seen of a holder from here. */
export type Sight = 'gone' | 'alive' | 'unseen';

/** Gives a function that looks for holders. Who is in another space cannot be seen from here, and may live. */
export function sightFor({ host, pid, exists }: Identity): (holder: Omit<Holder, 'task'>) => Sight {
  const own = lifeOf(pid);
  return (holder) => {
    const { life } = holder;
    if (life === undefined || own === undefined || holder.host !== host) return 'unseen';
    if (life.boot !== own.boot || life.space !== own.space) return 'unseen';
    if (!exists(holder.pid)) return 'gone';
    try {
      return startOf(holder.pid) === life.started ? 'alive' : 'gone';
    } catch {
      return 'unseen';
    }
  };
}
