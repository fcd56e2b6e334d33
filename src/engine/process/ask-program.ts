// ask-program.ts — what a short program prints, as text: within a time and a size
import type { Named } from '../model/key.ts';
import { type ProgramEnd, runProgram } from './shell.ts';

/** A program that is asked for something short, such as the version of a tool. */
export interface AskedProgram {
  readonly argv: readonly string[];
  readonly env: Named<string>;
  readonly folder: string;
  readonly signal?: AbortSignal;
}

export interface ProgramAnswer {
  /** Its lines, stdout and stderr, without blank ends. */
  readonly text: string;
  readonly end: ProgramEnd;
  /** Why it was ended before it ended by itself, in words that follow its name; undefined when it was not. */
  readonly excess?: string;
}

/** How long it may take. */
const ANSWER_MS = 30_000;
/** How much it may print: the version of a tool with all its parts, and no log. */
const ANSWER_CHARACTERS = 65_536;

/** Runs a program and gives what it printed. One that prints or takes too much is ended. */
export async function askProgram({
  argv,
  env,
  folder,
  signal,
}: AskedProgram): Promise<ProgramAnswer> {
  const lines: string[] = [];
  const stop = new AbortController();
  const late = AbortSignal.timeout(ANSWER_MS);
  let left = ANSWER_CHARACTERS;
  const end = await runProgram({
    argv,
    env,
    folder,
    line(line) {
      left -= line.length + 1;
      if (left >= 0) lines.push(line);
      else stop.abort();
    },
    signal: AbortSignal.any([stop.signal, late, ...(signal ? [signal] : [])]),
  });
  const text = lines.join('\n').trim();
  if (left < 0) return { text, end, excess: `prints more than ${ANSWER_CHARACTERS} characters` };
  if (late.aborted) return { text, end, excess: `takes more than ${ANSWER_MS / 1000} s` };
  return { text, end };
}
