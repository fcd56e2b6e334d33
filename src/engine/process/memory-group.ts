// memory-group.ts — a control group that keeps a program within its memory (Linux, cgroup v2), where one can be made
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A control group with a limit. */
export interface MemoryGroup {
  /** Puts a process into it, with all that it will start. False when it cannot be. */
  add(pid: number): boolean;
  /** Whether the kernel ended a process in it for want of memory. */
  ranOut(): boolean;
  /** Removes it, when all that was in it has ended. */
  close(): void;
}

/** Where control groups are looked for: another place in tests. */
export interface GroupPlace {
  /** As /proc/self/mountinfo. */
  readonly mounts: string;
  /** As /proc/self/cgroup. */
  readonly own: string;
}

/** Groups of ours begin so. */
const PREFIX = 'pipeline-';

/**
 * Makes a group with a limit. Undefined where none can be made: cgroup v2 lacks, its memory controller is not handed on,
 * or this user may not write there. A group is made no higher than where nothing limits what this process takes.
 */
export function openMemoryGroup(
  limit_bytes: number,
  unique: string,
  place: GroupPlace = { mounts: '/proc/self/mountinfo', own: '/proc/self/cgroup' },
): MemoryGroup | undefined {
  const found = ownGroup(place);
  if (found === undefined) return undefined;
  const { top, folder } = found;
  for (let above = folder; ; above = dirname(above)) {
    const handsOn = textOf(join(above, 'cgroup.subtree_control')).split(/\s+/).includes('memory');
    const made = handsOn ? groupIn(above, `${PREFIX}${unique}`, limit_bytes) : undefined;
    if (made) return made;
    if (above === top || isLimited(above)) return undefined;
  }
}

/** Whether what runs in a group is limited: outside of it, it would not be. */
const isLimited = (folder: string): boolean =>
  ['memory.max', 'cpu.max'].some((file) => !/^(?:max\b|$)/.test(textOf(join(folder, file)).trim()));

/** The group of this process, and the highest that can be seen. */
function ownGroup({ mounts, own }: GroupPlace): { top: string; folder: string } | undefined {
  const path = /^0::(.*)$/m.exec(textOf(own))?.[1];
  const mount = textOf(mounts)
    .split('\n')
    .find((line) => / - cgroup2 /.test(line));
  const [, , , root = '/', top] = mount?.split(' ') ?? [];
  if (path === undefined || top === undefined || path.includes('..')) return undefined;
  const within = path === root ? '' : path.startsWith(`${root}/`) ? path.slice(root.length) : path;
  return { top, folder: within === '' || within === '/' ? top : join(top, within) };
}

function groupIn(above: string, name: string, limit_bytes: number): MemoryGroup | undefined {
  const folder = join(above, name);
  removeEmpty(above);
  try {
    mkdirSync(folder);
  } catch {
    return undefined;
  }
  const write = (file: string, text: string): boolean => {
    try {
      writeFileSync(join(folder, file), text);
      return true;
    } catch {
      return false;
    }
  };
  const close = (): void => removeGroup(folder);
  if (!write('memory.max', String(Math.floor(limit_bytes)))) {
    close();
    return undefined;
  }
  // Swap would only make it slow; and of a program that lost a process nothing comes.
  write('memory.swap.max', '0');
  write('memory.oom.group', '1');
  return {
    add: (pid) => write('cgroup.procs', String(pid)),
    ranOut: () => Number(/^oom_kill (\d+)$/m.exec(textOf(join(folder, 'memory.events')))?.[1]) > 0,
    close,
  };
}

/** Groups that makes left which were killed: one in which something runs is not removed. */
function removeEmpty(above: string): void {
  let names: readonly string[];
  try {
    names = readdirSync(above);
  } catch {
    return;
  }
  for (const name of names) if (name.startsWith(PREFIX)) removeGroup(join(above, name));
}

function removeGroup(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Something runs in it: the next make removes it.
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
