// shell.ts — runs a program: the only file that starts one for a command stage
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { StopPolicy } from '../config/program-options.ts';
import type { Named } from '../model/key.ts';
import { lineReader } from './lines.ts';
import { openMemoryGroup } from './memory-group.ts';
import { watchMemory } from './memory-use.ts';
import {
  awaitEnd,
  killProgram,
  namesOf,
  type ProgramMark,
  signalLeader,
  signalProgram,
} from './processes.ts';
import {
  ATTEMPT_VARIABLE,
  attemptValue,
  newNonce,
  startSupervisor,
  supervise,
  supervisedPrograms,
  unsupervise,
} from './supervisor.ts';

/** A program to run. No shell reads its arguments. */
export interface Program {
  readonly argv: readonly string[];
  /** The whole environment. `PIPELINE_ATTEMPT` is added to it where no variable holds `nonce`. */
  readonly env: Named<string>;
  /** By which its processes are found; a new one where there is none. */
  readonly nonce?: string;
  readonly folder: string;
  /** Hears every line of stdout and stderr. */
  readonly line: (line: string) => void;
  /** Hears, now and then, what a line says that is going to be overwritten. */
  readonly state?: (text: string) => void;
  /** Aborted: the program and all that it started are told to end, and ended when they do not. */
  readonly signal: AbortSignal;
  /** How a program that saves first is told to end. Without it all its processes get SIGTERM. */
  readonly stop?: StopPolicy | undefined;
  /** It may have so much memory, with all that it starts: beyond that it is ended. Without it, memory is only looked at. */
  readonly memory_bytes?: number | undefined;
}

/** How a program ended. Nothing that it started runs any more, as far as that can be found. */
export interface ProgramEnd {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  /** Its last lines. */
  readonly last: readonly string[];
  /** What it had left running and what was ended then, in words. */
  readonly left: readonly string[];
  /** The most memory that it was seen to have, with all that it started. */
  readonly peak_bytes?: number | undefined;
  /** It took more memory than it may. */
  readonly isOverLimit?: boolean;
  /** Why the system did not start it, where it did not; `code` is 126 then. */
  readonly refusal?: { readonly code: string | undefined; readonly message: string } | undefined;
}

/** After being told to end, a program has so long to do so. */
const GRACE_MS = 2000;
/** What a program started may end this much later by itself: helpers that notice its end. */
const AFTER_MS = 200;
/** Output may be held back by a process that was not found, for no longer than this. */
const CLOSE_MS = 500;
/** Lines of a failed program that are told as its last words. */
const LAST_LINES = 12;

/** File descriptor, in the shell that becomes the program, of the pipe that lets it start. */
const GATE = 3;

/** Ends all programs that run now, for who ends this process at once. The supervisor does the same a moment later. */
export function killProgramsNow(): void {
  for (const mark of supervisedPrograms()) signalProgram(mark, 'SIGKILL');
}

/** Runs a program in a session and process group of its own, without input. */
export async function runProgram(program: Program): Promise<ProgramEnd> {
  const { line, state, signal, nonce = newNonce(), stop } = program;
  const last: string[] = [];
  const hear = (text: string): void => {
    last.push(text);
    if (last.length > LAST_LINES) last.shift();
    line(text);
  };
  startSupervisor();
  const { child, closed } = await start(program, nonce);
  const refusal = child?.pid === undefined ? await refusalOf(child, closed) : undefined;
  if (child?.pid === undefined) {
    return { code: 126, signal: null, last: [refusal?.message ?? ''], left: [], refusal };
  }
  const readers = [child.stdout, child.stderr].map((stream) => {
    const reader = lineReader({ line: hear, ...(state && { state }) });
    stream?.on('data', (chunk: Buffer) => reader.push(chunk));
    return reader;
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve()).once('error', () => resolve());
  });
  const mark = supervise(child.pid, nonce);
  const memory = limitMemory(mark, program.memory_bytes);
  // The program starts only now: whatever ends this process from here on, the supervisor knows of it.
  const gate = child.stdio[GATE] as Writable;
  gate.on('error', () => undefined);
  gate.end('go\n');
  const stopping = stopWhenAborted(mark, signal, stop);
  try {
    await exited;
    const left = await endRest(mark, { stopped: signal.aborted });
    await Promise.race([closed, pause(CLOSE_MS, undefined, { ref: false })]);
    for (const stream of [child.stdout, child.stderr]) stream?.destroy();
    await closed;
    for (const reader of readers) reader.flush();
    const { peak_bytes, isOverLimit } = memory.end();
    return { code: child.exitCode, signal: child.signalCode, last, left, peak_bytes, isOverLimit };
  } finally {
    memory.close();
    stopping();
    unsupervise(mark);
  }
}

/**
 * Starts a shell that waits for a line on `GATE` and then becomes the program: signals and exit code are the program's.
 * zx runs it, with two changes. Its command is fixed, and the arguments come after it, each as one argument of the
 * system: within the command they would all have to fit into 128 KiB. And it keeps no output: it would keep all of it.
 */
async function start(
  { argv, env, folder }: Program,
  nonce: string,
): Promise<{ readonly child: ChildProcess | undefined; readonly closed: Promise<unknown> }> {
  const { $ } = await import('zx/core');
  let child: ChildProcess | undefined;
  const withArguments = (command: string, _: unknown, options: object): ChildProcess => {
    child = spawn('/bin/sh', ['-c', command, 'sh', ...argv], { ...options, shell: false });
    return child;
  };
  // zx stores output in arrays; this one stays empty, and has what zx calls.
  const nothing = { push: () => 0, length: 0 } as unknown as string[];
  const run = $({
    cwd: folder,
    env: withNonce(env, nonce),
    // Of the many overloads of spawn, zx uses this one.
    spawn: withArguments as unknown as typeof spawn,
    store: { stdout: nothing, stderr: nothing, stdall: nothing },
    shell: '/bin/sh',
    prefix: '',
    postfix: '',
    quote: quoted,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    nothrow: true,
    quiet: true,
    verbose: false,
    preferLocal: false,
  });
  const closed = run`read -r pipeline_gate <&3 || exit 125; exec 3<&-; exec "$@"`;
  return { child, closed };
}

/** An environment by which a program is found. What it holds already stays as it is. */
function withNonce(env: Named<string>, nonce: string): Record<string, string> {
  if (Object.values(env).some((value) => value.includes(nonce))) return { ...env };
  const isTaken = Object.hasOwn(env, ATTEMPT_VARIABLE);
  return {
    [isTaken ? `${ATTEMPT_VARIABLE}_NONCE` : ATTEMPT_VARIABLE]: attemptValue(nonce),
    ...env,
  };
}

/** Why the system did not start a shell: Node throws some errors of it, and reports others later. zx catches both. */
async function refusalOf(
  child: ChildProcess | undefined,
  closed: Promise<unknown>,
): Promise<ProgramEnd['refusal']> {
  // A process that did not start closes nothing.
  const told = new Promise<unknown>((resolve) => child?.once('error', resolve));
  const ended = closed.then((output) => (output as { cause?: unknown }).cause);
  const error = await Promise.race([told, ended]);
  const { code, message } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  return { code, message: message ?? 'the system does not start it' };
}

/** Looks at the memory of a program, and ends it when it takes more than it may: the kernel does where it can be told to. */
function limitMemory(
  mark: ProgramMark,
  limit_bytes: number | undefined,
): {
  end(): { readonly peak_bytes: number | undefined; readonly isOverLimit: boolean };
  close(): void;
} {
  const unique = `${mark.leader}-${mark.started ?? 0}`;
  const group = limit_bytes === undefined ? undefined : openMemoryGroup(limit_bytes, unique);
  const isGrouped = group?.add(mark.leader) ?? false;
  let isOver = false;
  const watch = watchMemory(mark, (bytes) => {
    if (isGrouped || limit_bytes === undefined || bytes <= limit_bytes || isOver) return;
    isOver = true;
    void killProgram(mark);
  });
  return {
    end: () => ({
      peak_bytes: watch.peak_bytes(),
      isOverLimit: isOver || (isGrouped && group?.ranOut() === true),
    }),
    close() {
      watch.close();
      group?.close();
    },
  };
}

/** Tells a program to end when it is aborted, and ends it when it does not. Gives what lets go of it. */
function stopWhenAborted(
  mark: ProgramMark,
  signal: AbortSignal,
  policy: StopPolicy | undefined,
): () => void {
  let late: NodeJS.Timeout | undefined;
  const stop = (): void => {
    if (policy) signalLeader(mark, policy.signal);
    else signalProgram(mark, 'SIGTERM');
    // One that is suspended hears it only when it goes on.
    signalProgram(mark, 'SIGCONT');
    late = setTimeout(() => void killProgram(mark), policy?.grace_ms ?? GRACE_MS);
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return () => {
    clearTimeout(late);
    signal.removeEventListener('abort', stop);
  };
}

/** Ends what a program left running when it ended. Gives what that was. */
async function endRest(
  mark: ProgramMark,
  { stopped }: { readonly stopped: boolean },
): Promise<readonly string[]> {
  const left = await awaitEnd(mark, stopped ? GRACE_MS : AFTER_MS);
  if (left === undefined) return [];
  const names = left === 'unknown' ? ['a process'] : namesOf(left);
  await killProgram(mark);
  return names;
}

/** An argument as a POSIX shell takes it without reading it. */
const quoted = (argument: string): string => `'${argument.replaceAll("'", `'\\''`)}'`;

/** An argument as a person would type it. */
export const quotedWord = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : quoted(argument);
