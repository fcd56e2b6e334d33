// finish-notice.ts — tells whoever `on-finish` names that a run has ended
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Tally } from '../../engine/model/event.ts';
import type { TaskId } from '../../engine/model/key.ts';
import { ownSettings } from '../session/own-settings.ts';
import {
  type FinishHook,
  type HookAnswer,
  type HookTask,
  shownUrl,
} from '../settings/finish-hook-setting.ts';
import { finishHookSetting } from '../settings/settings.ts';
import { duration } from '../terminal/format.ts';

/** Filled in by the build. */
declare const VERSION: string;

/** A run, as it is told of. */
export interface NoticedRun {
  readonly id: string;
  readonly name?: string | undefined;
  readonly targets: readonly string[];
  /** Folder of the pipeline. */
  readonly root: string;
}

/** How a run ended. `failed`: it went to its end, and tasks failed. `aborted`: an error ended it that was no task's own. */
export interface RunEnd {
  readonly state: 'finished' | 'failed' | 'interrupted' | 'aborted';
  /** The exit code of the command. */
  readonly exit: number;
  readonly tally?: Tally;
  readonly failed?: readonly TaskId[];
}

/** Tells of the end of a run. */
export interface FinishNotice {
  /** Gives why that failed, as a sentence; undefined when all went well. */
  tell(end: RunEnd): Promise<string | undefined>;
  /** For a process that ends now: nobody waits. */
  tellAtOnce(): void;
}

/** Failed tasks beyond this many are only counted. */
const FAILED_MAX = 20;

/** For a run that begins now. Undefined where no `on-finish` is set. */
export function finishNotice(run: NoticedRun): FinishNotice | undefined {
  const { value: hook } = finishHookSetting(ownSettings());
  if (hook === null) return undefined;
  const started = new Date();
  return {
    tell: (end) => answerOf(hook, startHelper(taskFor(hook, run, started, end), 'pipe')),
    tellAtOnce() {
      const end: RunEnd = { state: 'interrupted', exit: 130 };
      startHelper(taskFor(hook, run, started, end), 'ignore').unref();
    },
  };
}

function taskFor(hook: FinishHook, run: NoticedRun, started: Date, end: RunEnd): HookTask {
  const now = new Date();
  const seconds = (now.getTime() - started.getTime()) / 1000;
  const { id, name = '', targets, root: folder } = run;
  const { state, exit, tally, failed = [] } = end;
  const host = hostname();
  const text = sentence(run, end, seconds);
  const body = JSON.stringify({
    form: 'run-ended/1',
    text,
    run: id,
    ...(name !== '' && { name }),
    state,
    exit,
    started: started.toISOString(),
    ended: now.toISOString(),
    seconds,
    ...(tally && { tally }),
    failed: failed.slice(0, FAILED_MAX),
    targets,
    host,
    folder,
    version: VERSION,
  });
  const words: { readonly [name: string]: string | number } = {
    text,
    run: id,
    name,
    state,
    exit,
    seconds,
    host,
    folder,
  };
  const task = { folder, body, agent: `pipeline/${VERSION}` };
  return { hook: hook.kind === 'command' ? filledIn(hook, words) : hook, ...task };
}

/** Fills in `{state}` and the like; all other braces stay. */
const filledIn = (
  hook: Extract<FinishHook, { kind: 'command' }>,
  values: { readonly [name: string]: string | number },
): FinishHook => ({
  ...hook,
  words: hook.words.map((word, at) =>
    at === 0
      ? word
      : word.replace(/\{([a-z]+)\}/g, (whole, name: string) =>
          Object.hasOwn(values, name) ? String(values[name]) : whole,
        ),
  ),
});

/** One line for people. */
function sentence(
  { id, name, targets }: NoticedRun,
  { state, tally }: RunEnd,
  seconds: number,
): string {
  const counts = Object.entries(tally ?? {}).flatMap(([outcome, n]) =>
    n > 0 ? [`${n} ${outcome}`] : [],
  );
  const parts = counts.length > 0 ? `: ${counts.join(', ')}` : '';
  const what = [name ?? id, ...(targets.length > 0 ? [`(${targets.join(' ')})`] : [])].join(' ');
  return `pipeline run ${what} ${state} after ${duration(seconds)}${parts}`;
}

/** What `on-finish` names, as it may be shown. */
const shownHook = (hook: FinishHook): string =>
  hook.kind === 'post' ? shownUrl(hook.url) : (hook.words[0] ?? '');

const helper = fileURLToPath(new URL('./finish-hook.js', import.meta.url));

/** Starts the process that does it, in a session of its own: Ctrl-C does not reach it. */
function startHelper(task: HookTask, stdout: 'pipe' | 'ignore'): ChildProcess {
  // A file, so that all is written before this process may end; nobody else can read it.
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-finish-'));
  const path = join(folder, 'task.json');
  writeFileSync(path, JSON.stringify(task), { mode: 0o600 });
  const input = openSync(path, 'r');
  try {
    return spawn(process.execPath, [helper], { detached: true, stdio: [input, stdout, 'ignore'] });
  } finally {
    closeSync(input);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Beyond its own limit the process gets this long. */
const PATIENCE_MS = 5000;

function answerOf(hook: FinishHook, child: ChildProcess): Promise<string | undefined> {
  const failed = (why: string): string => `on-finish: ${shownHook(hook)} ${why}`;
  return new Promise((resolve) => {
    let said = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), hook.timeout_ms + PATIENCE_MS);
    child.on('error', () => undefined);
    child.on('close', () => {
      clearTimeout(timer);
      const answer = parsed(said);
      const fault = answer === undefined ? 'ended without a word' : answer.fault;
      resolve(fault === null ? undefined : failed(fault));
    });
  });
}

function parsed(text: string): HookAnswer | undefined {
  try {
    return JSON.parse(text) as HookAnswer;
  } catch {
    return undefined;
  }
}
