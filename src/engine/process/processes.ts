// processes.ts — finds and ends a program with everything that it started
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** What tells the processes of one program from all others. */
export interface ProgramMark {
  /** Process id of the program. It leads a process group and a session of that number. */
  readonly leader: number;
  /** When the leader started, in ticks since boot (Linux); undefined where the system does not tell. */
  readonly started: number | undefined;
  /** Unique text in the environment of the program, which what it starts inherits. */
  readonly nonce: string;
}

/** A process that runs. */
export interface LiveProcess {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** In ticks since boot. */
  readonly started: number;
}

/** A process that does not end within this time after SIGKILL hangs in the kernel: it is left alone. */
const KILL_MS = 2000;
const NAME_LENGTH_MAX = 60;

/** All processes that are not yet dead; undefined where the system has no Linux-like /proc. */
export function liveProcesses(): readonly LiveProcess[] | undefined {
  let names: readonly string[];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return undefined;
  }
  const found = names.flatMap((name) => liveProcess(Number(name)) ?? []);
  return found.length > 0 ? found : undefined;
}

/** One process; undefined when it is dead (a zombie, too) or cannot be seen. */
export function liveProcess(pid: number): LiveProcess | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name, which may hold anything.
    const [state = 'X', parent, group, session, ...rest] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ');
    if (/[ZX]/.test(state)) return undefined;
    const ids = { parent: Number(parent), group: Number(group), session: Number(session) };
    return { pid, ...ids, started: Number(rest[15]) };
  } catch {
    return undefined;
  }
}

/**
 * What runs of a program: its group, its session, whatever carries its nonce, and the descendants of these. Undefined
 * where the system does not tell. A process that has left the session and cleared its environment is not found once its
 * parent is gone. @param all that run @param known which of them carry the nonce: kept from
 * one look to the next
 */
export function processesOf(
  mark: ProgramMark,
  all: readonly LiveProcess[] | undefined = liveProcesses(),
  known: Map<string, boolean> = new Map(),
): readonly LiveProcess[] | undefined {
  const { leader, started = 0, nonce } = mark;
  // Nothing that the program started is older than it: the environments of most processes need not be read.
  const young = all?.filter((one) => one.started >= started && one.pid !== process.pid);
  if (young === undefined) return undefined;
  const carriesAsKnown = ({ pid, started: since }: LiveProcess): boolean => {
    const name = `${pid} ${since}`;
    const answer = known.get(name) ?? carries(pid, nonce);
    known.set(name, answer);
    return answer;
  };
  const found = new Map<number, LiveProcess>();
  for (const one of young) {
    const { pid, group, session } = one;
    if (group === leader || session === leader || carriesAsKnown(one)) found.set(pid, one);
  }
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const one of young) if (found.has(one.parent)) found.set(one.pid, one);
  }
  return [...found.values()];
}

function carries(pid: number, nonce: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`).includes(nonce);
  } catch {
    // It has just ended, or is another user's.
    return false;
  }
}

/** Sends a signal to everything that runs of a program. Gives how many processes there are to hear it. */
export function signalProgram(mark: ProgramMark, signal: NodeJS.Signals): number {
  const found = processesOf(mark);
  const inGroup = send(-mark.leader, signal);
  if (found === undefined) return inGroup ? 1 : 0;
  for (const { pid, group } of found) if (group !== mark.leader) send(pid, signal);
  return found.length;
}

/** Sends a signal to the first process of a program alone: those that it started may know nothing of it. */
export const signalLeader = ({ leader }: ProgramMark, signal: NodeJS.Signals): boolean =>
  send(leader, signal);

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    // It has just ended, or belongs to another user.
    return false;
  }
}

/** Waits until nothing runs of a program. Gives what still does after `most_ms`. */
export async function awaitEnd(
  mark: ProgramMark,
  most_ms: number,
): Promise<readonly LiveProcess[] | 'unknown' | undefined> {
  const until = performance.now() + most_ms;
  for (let wait_ms = 1; ; wait_ms = Math.min(2 * wait_ms, 50)) {
    const left = processesOf(mark) ?? (groupExists(mark.leader) ? 'unknown' : []);
    if (left.length === 0) return undefined;
    if (performance.now() >= until) return left;
    await pause(wait_ms);
  }
}

function groupExists(leader: number): boolean {
  try {
    return process.kill(-leader, 0);
  } catch {
    return false;
  }
}

/** Ends everything that runs of a program at once. It may go on starting processes meanwhile: those, too. */
export async function killProgram(mark: ProgramMark): Promise<void> {
  const until = performance.now() + KILL_MS;
  while (signalProgram(mark, 'SIGKILL') > 0 && performance.now() < until) await pause(2);
}

/** Processes by the command lines with which they were started. */
export const namesOf = (found: readonly LiveProcess[]): readonly string[] =>
  found.map(({ pid }) => `${commandLine(pid)} (process ${pid})`);

function commandLine(pid: number): string {
  const read = (file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8');
    } catch {
      return '';
    }
  };
  const words = read('cmdline').replace(/\0+$/, '').replaceAll('\0', ' ') || read('comm').trim();
  const short = words.length > NAME_LENGTH_MAX ? `${words.slice(0, NAME_LENGTH_MAX)}…` : words;
  return short === '' ? 'a process' : `\`${short}\``;
}
