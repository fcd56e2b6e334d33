// finish-hook.ts — a process that does what `on-finish` says: it also serves a run that ends at once
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hasPipes } from '../../engine/process/pipes.ts';
import type { HookAnswer, HookTask } from '../settings/finish-hook-setting.ts';

/** So much of what a program said last is told. */
const SAID_MAX = 4000;
/** Between SIGTERM and SIGKILL. */
const GRACE_MS = 1000;

const seconds = (ms: number): string => `${ms / 1000} s`;

/** Runs a program. Gives why it failed. */
function runProgram({ hook, folder, body }: HookTask): Promise<string | null> {
  if (hook.kind !== 'command') return Promise.resolve(null);
  const { words, timeout_ms } = hook;
  const [program = '', ...rest] = words;
  return new Promise((resolve) => {
    const child = spawn(program, rest, { cwd: folder, detached: true, stdio: 'pipe' });
    let said = '';
    let isLate = false;
    const streams = hasPipes(child) ? [child.stdout, child.stderr] : [];
    for (const stream of streams) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-SAID_MAX);
      });
    }
    // It need not read what it is told.
    if (hasPipes(child)) child.stdin.on('error', () => undefined).end(body);
    const timer = setTimeout(() => {
      isLate = true;
      end(child, 'SIGTERM');
      setTimeout(() => end(child, 'SIGKILL'), GRACE_MS);
    }, timeout_ms);
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const why = error.code === 'ENOENT' ? 'there is no such program' : error.message;
      resolve(`cannot be started: ${why}`);
    });
    // Not `close`: what it leaves in the background may hold its pipes.
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      setImmediate(() => {
        const last = said.trim().split('\n').at(-1) ?? '';
        const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`;
        if (isLate) resolve(`took longer than ${seconds(timeout_ms)}, and was stopped`);
        else resolve(code === 0 ? null : `${how}${last === '' ? '' : `: ${last}`}`);
      });
    });
  });
}

/** Ends a program with what it started. */
function end({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

/** Posts JSON. Gives why that failed, without a word of the URL, which may hold a secret. */
async function post({ hook, body, agent }: HookTask): Promise<string | null> {
  if (hook.kind !== 'post') return null;
  const url = new URL(hook.url);
  const { username, password } = url;
  // A request may not hold them in its URL.
  url.username = '';
  url.password = '';
  const who = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers = {
    'content-type': 'application/json',
    'user-agent': agent,
    ...(username !== '' && { authorization: `Basic ${Buffer.from(who).toString('base64')}` }),
  };
  const signal = AbortSignal.timeout(hook.timeout_ms);
  try {
    const answer = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' });
    await answer.body?.cancel();
    return answer.ok ? null : `answered ${answer.status}`;
  } catch (error) {
    if (signal.aborted) return `took longer than ${seconds(hook.timeout_ms)}`;
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    return `cannot be reached${code === undefined ? '' : ` (${code})`}`;
  }
}

const task = JSON.parse(readFileSync(0, 'utf8')) as HookTask;
// Whoever started it may be gone.
process.stdout.on('error', () => undefined);
const fault = task.hook.kind === 'command' ? await runProgram(task) : await post(task);
process.stdout.write(JSON.stringify({ fault } satisfies HookAnswer), () => process.exit(0));
