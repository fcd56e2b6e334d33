// sandboxed-run.ts — the near side of a process that runs one action and ends: what it says is not believed, only compared
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { frameOf } from '../../engine/process/frame.ts';
import { killProgram } from '../../engine/process/processes.ts';
import {
  ATTEMPT_VARIABLE,
  attemptValue,
  newNonce,
  startSupervisor,
  supervise,
  unsupervise,
} from '../../engine/process/supervisor.ts';
import type { ActionRequest } from '../../engine/worker/protocol.ts';
import { printable } from '../form/finding.ts';
import type { Walls } from './walls.ts';

/** How such a process is started. */
export interface Launcher {
  /** Path of node. */
  readonly node: string;
  /** Path of the script that ends as `src/cli/processes/sandbox.ts`. */
  readonly script: string;
  /** Node's flags that restrict it: those of its permission model and beyond; null for code that is our own. */
  readonly restrictions: readonly string[] | null;
  /** The system's walls around it; null for code that is our own. */
  readonly walls: Walls | null;
  /** All of its environment. */
  readonly environment: { readonly [name: string]: string };
}

/** One action to run, and within what. */
export interface SandboxedRun {
  readonly request: Omit<ActionRequest, 'ask' | 'cache' | 'checkpoint'>;
  /** Files and folders that it may read, beside the script. */
  readonly readable: readonly string[];
  /** Whether packages may bring native code. */
  readonly addons: boolean;
  readonly cwd: string;
  readonly outputBytesMax: number;
  readonly signal: AbortSignal;
}

/** How it ended. */
export type SandboxedResult =
  | { readonly end: 'done'; readonly outputs: ReadonlyMap<string, Uint8Array> }
  | { readonly end: 'failed'; readonly message: string; readonly infeasible: boolean }
  | { readonly end: 'stopped' };

/** What the process says: a JSON text, then the bytes that it announces. */
export interface Answer {
  readonly say: 'done' | 'failed' | 'progress';
  readonly outputs?: readonly (readonly [name: string, bytes: number])[];
  readonly message?: string;
  readonly infeasible?: boolean;
}

/** File descriptor, in the process, of its pipe to us. */
export const ANSWERS = 3;
const HEADER_BYTES_MAX = 2 ** 20;
const WORDS_MAX = 4000;

/** Runs an action in a process and session of its own. It ends when this process does, however that ends. */
export async function runSandboxed(
  launcher: Launcher,
  run: SandboxedRun,
): Promise<SandboxedResult> {
  const nonce = newNonce();
  startSupervisor();
  const { program, args } = enclosed(launcher, run);
  const child = spawn(program, args, {
    cwd: run.cwd,
    env: { ...launcher.environment, [ATTEMPT_VARIABLE]: attemptValue(nonce) },
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const mark = child.pid === undefined ? undefined : supervise(child.pid, nonce);
  const kill = (): void => void child.kill('SIGKILL');
  // Walls that are ended while they are being put up leave their inside behind, which would hold the pipes open.
  child.once('exit', () => mark && void killProgram(mark));
  run.signal.addEventListener('abort', kill);
  if (run.signal.aborted) kill();
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-WORDS_MAX);
  });
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(frameOf({ ...run.request, ask: 'run', cache: '', checkpoint: null }));
  const died = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  try {
    const heard = await hear(child, run.outputBytesMax).catch((error: unknown) => {
      kill();
      return error instanceof Error ? error.message : String(error);
    });
    if (run.signal.aborted) return { end: 'stopped' };
    if (typeof heard === 'object') return heard;
    const how = await died;
    const last = lastLine(words);
    const message =
      heard ?? `the process ended (${how})${last === '' ? '' : `: ${printable(last)}`}`;
    return { end: 'failed', message, infeasible: false };
  } finally {
    run.signal.removeEventListener('abort', kill);
    if (mark) {
      await killProgram(mark);
      unsupervise(mark);
    }
  }
}

/** The line of an uncaught error, where there is one: Node says more after it. */
function lastLine(text: string): string {
  const lines = text.trim().split('\n');
  return lines.findLast((line) => /^(\w*Error|node:|FATAL)\b/.test(line)) ?? lines.at(-1) ?? '';
}

/** The program to start: Node with its own restrictions, behind the system's walls. */
function enclosed(launcher: Launcher, run: SandboxedRun): { program: string; args: string[] } {
  const { node, script, walls } = launcher;
  const args = [...flagsOf(launcher, run), script, '--sandbox'];
  if (walls === null) return { program: node, args };
  const { cwd } = run;
  // The permission model takes patterns for folders, walls take the folders.
  const readable = run.readable.map((path) => path.replace(/\/\*$/, ''));
  const command = { program: node, args, cwd, readable: [script, cwd, ...readable], writable: [] };
  const behind = walls.enclose(command);
  return { program: behind.program, args: [...behind.args] };
}

function flagsOf({ restrictions, script }: Launcher, { readable, addons }: SandboxedRun): string[] {
  if (restrictions === null) return [];
  return [
    ...restrictions,
    ...[script, ...readable].map((path) => `--allow-fs-read=${path}`),
    ...(addons ? ['--allow-addons'] : []),
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
  ];
}

/** Reads answers until the last; undefined when the pipe ended before it. @throws when one breaks the rules */
async function hear(child: ChildProcess, bytesMax: number): Promise<SandboxedResult | undefined> {
  const pipes: readonly unknown[] = child.stdio;
  const source = new Pieces(pipes[ANSWERS] as Readable);
  for (;;) {
    const head = await source.take(4);
    if (head === undefined) return undefined;
    const length = head.readUInt32LE();
    if (length > HEADER_BYTES_MAX) throw new Error('the process says more than it may');
    const text = await source.take(length);
    if (text === undefined) return undefined;
    const answer = JSON.parse(text.toString()) as Answer;
    if (answer.say === 'failed') {
      const message = printable(String(answer.message));
      return { end: 'failed', message, infeasible: answer.infeasible === true };
    }
    if (answer.say !== 'done' || !Array.isArray(answer.outputs)) continue;
    const outputs = new Map<string, Uint8Array>();
    let total = 0;
    for (const [name, bytes] of answer.outputs) {
      // A negative length would make room for more than there may be.
      if (!Number.isSafeInteger(bytes) || bytes < 0) throw new Error('an output has no size');
      total += bytes;
      if (total > bytesMax) throw new Error(`the outputs have more than ${bytesMax} bytes`);
      const content = await source.take(bytes);
      if (content === undefined) return undefined;
      outputs.set(String(name), content);
    }
    return { end: 'done', outputs };
  }
}

/** A stream, read piece by piece. */
class Pieces {
  private readonly iterator: AsyncIterator<Buffer>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** So many bytes; undefined when the stream ends before. */
  async take(count: number): Promise<Buffer | undefined> {
    const parts = [this.rest];
    let total = this.rest.length;
    while (total < count) {
      const { done, value } = await this.iterator.next();
      if (done) return undefined;
      parts.push(value);
      total += value.length;
    }
    const [first] = parts;
    const all = first && parts.length === 1 ? first : Buffer.concat(parts, total);
    this.rest = all.subarray(count);
    return all.subarray(0, count);
  }
}
