// shell.ts — runs a program: the only file that starts one for a command stage
import type { Named } from './key.ts';

/** A program to run. No shell reads its arguments. */
export interface Program {
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Named<string>;
  readonly folder: string;
  /** Hears every line of stdout and stderr. */
  readonly line: (line: string) => void;
  /** Aborted: the program and all that it started are told to end, and ended when they do not. */
  readonly signal: AbortSignal;
}

/** How a program ended. */
export interface ProgramEnd {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  /** Its last lines. */
  readonly last: readonly string[];
}

/** After being told to end, a program has so long to do so. */
const GRACE_MS = 2000;
/** Lines of a failed program that are told as its last words. */
const LAST_LINES = 12;
/** A line longer than this is cut: a program may write anything. */
const LINE_LENGTH_MAX = 4000;

const groups = new Set<number>();

/** The process groups of all programs that run now: whoever ends this process at once ends these first. */
export const runningGroups = (): readonly number[] => [...groups];

/** Runs a program in a process group of its own, without input. */
export async function runProgram(program: Program): Promise<ProgramEnd> {
  const { argv, env, folder, line, signal } = program;
  const { $ } = await import('zx/core');
  const last: string[] = [];
  const hear = (text: string): void => {
    last.push(text);
    if (last.length > LAST_LINES) last.shift();
    line(text);
  };
  const run = $({
    cwd: folder,
    env,
    // `exec` makes the shell that zx starts become the program itself: its signals and exit code are the program's.
    shell: '/bin/sh',
    prefix: 'exec ',
    postfix: '',
    quote: quoted,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    nothrow: true,
    quiet: true,
    verbose: false,
    preferLocal: false,
  });
  const running = run`${[...argv]}`;
  const group = running.pid;
  if (group !== undefined) groups.add(group);
  const streams = [lines(running.stdout, hear), lines(running.stderr, hear)];
  let late: NodeJS.Timeout | undefined;
  const stop = (): void => {
    void running.kill('SIGTERM').catch(() => undefined);
    late = setTimeout(() => void running.kill('SIGKILL').catch(() => undefined), GRACE_MS);
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const { exitCode, signal: ended } = await running;
    for (const flush of streams) flush();
    return { code: exitCode, signal: ended, last };
  } finally {
    clearTimeout(late);
    if (group !== undefined) groups.delete(group);
    signal.removeEventListener('abort', stop);
  }
}

/** An argument as a POSIX shell takes it without reading it. */
const quoted = (argument: string): string => `'${argument.replaceAll("'", `'\\''`)}'`;

/** An argument as a person would type it. */
export const quotedWord = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : quoted(argument);

/** Splits a stream into lines. Gives a way to say the last one, which may lack its end. */
function lines(stream: NodeJS.ReadableStream, hear: (line: string) => void): () => void {
  let rest = '';
  const say = (text: string): void => {
    const line = text.replace(/\r$/, '');
    hear(line.length > LINE_LENGTH_MAX ? `${line.slice(0, LINE_LENGTH_MAX)}…` : line);
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) say(part);
  });
  return () => {
    if (rest !== '') say(rest);
    rest = '';
  };
}
