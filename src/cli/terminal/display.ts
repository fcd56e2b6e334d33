// display.ts — events → what a person sees while a run goes on: live on a terminal, plain lines elsewhere
import { hostname } from 'node:os';
import type { createLogUpdate } from 'log-update';
import type { ClusterJob, Event, Listener, Outcome, Reason } from '../../engine/model/event.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { plainLog, plainName, plainText } from '../../plain-text.ts';
import {
  type Colors,
  count,
  duration,
  formatJobs,
  formatReason,
  quoted,
  shownPath,
  taskWord,
} from './format.ts';
import { rendered, renderedStream } from './ink.ts';

/** A listener that draws, and a way to take the drawing away when the run is over. */
export interface Display {
  readonly listener: Listener;
  close(): void;
}

/** What the display needs from around it. */
export interface DisplayOptions {
  readonly plan: Plan;
  readonly stream: NodeJS.WriteStream;
  readonly colors: Colors;
  readonly clock: () => number;
  readonly quiet: boolean;
  /** Options that decide what a task is, as they were given: `--set`, and what follows it. */
  readonly asked?: readonly string[];
}

interface Running {
  readonly since: number;
  /** The node of a cluster that it runs on. */
  readonly node?: string | undefined;
  readonly reason: Reason;
  done: number;
  of: number;
  note: string;
  /** When a plain progress line was printed last. */
  told: number;
}

/** What is known of the run so far. */
interface Progress {
  readonly total: number;
  /** How each task ended that has: the last word counts, as a task that was reused may lose its bytes and run after all. */
  readonly ended: Map<TaskId, Outcome>;
  readonly running: Map<TaskId, Running>;
  /** Tasks built in this run. */
  readonly made: Set<TaskId>;
  /** Options that decide what a task is, as they were given: `--set`, and what follows it. */
  readonly asked: readonly string[];
  /** Seconds per unit of work, or per task, by stage: what the time left is guessed from. */
  readonly seconds: Map<string, { tasks: number; seconds: number }>;
  /** By stage, how many tasks have not ended. */
  readonly remaining: Map<string, number>;
  /** The jobs of clusters, by executor. */
  readonly jobs: Map<string, readonly ClusterJob[]>;
  failed: number;
}

/** Without a terminal, a running task tells its progress this often. */
const PLAIN_PROGRESS_MS = 15_000;
const REDRAW_MS = 100;
const WAITING_MAX = 1000;
/** With fewer tasks built, the time left is anybody's guess. */
const TASKS_BEFORE_GUESS = 5;

function newProgress({ plan, asked }: DisplayOptions): Progress {
  const remaining = new Map<string, number>();
  for (const { stage } of plan.tasks.values())
    remaining.set(stage, (remaining.get(stage) ?? 0) + 1);
  return {
    total: plan.tasks.size,
    ended: new Map(),
    failed: 0,
    running: new Map(),
    made: new Set(),
    asked: asked ?? [],
    seconds: new Map(),
    jobs: new Map(),
    remaining,
  };
}

function note(progress: Progress, plan: Plan, event: Event, now: number): void {
  if (event.event === 'started') {
    const { reason, node } = event;
    const fresh = { since: now, reason, node, done: 0, of: 0, note: '', told: now };
    progress.running.set(event.task, fresh);
  } else if (event.event === 'jobs') {
    progress.jobs.set(event.executor, event.jobs);
  } else if (event.event === 'progress') {
    const running = progress.running.get(event.task);
    if (running) Object.assign(running, { done: event.done, of: event.of, note: event.note });
  } else if (event.event === 'metrics') {
    const running = progress.running.get(event.task);
    if (running) running.note = numbersInWords(event);
  } else if (event.event === 'retrying' || event.event === 'waiting') {
    progress.running.delete(event.task);
  } else if (isEnd(event)) {
    const stage = plan.tasks.get(event.task)?.stage ?? '';
    if (!progress.ended.has(event.task)) {
      progress.remaining.set(stage, (progress.remaining.get(stage) ?? 1) - 1);
    }
    progress.ended.set(event.task, event.event);
    progress.running.delete(event.task);
    if (event.event === 'failed') progress.failed += 1;
    if (event.event !== 'built') return;
    progress.made.add(event.task);
    const known = progress.seconds.get(stage) ?? { tasks: 0, seconds: 0 };
    known.tasks += 1;
    known.seconds += event.seconds;
    progress.seconds.set(stage, known);
  }
}

/** The numbers of a step, as many as a line may show. */
function numbersInWords({ step, values }: Extract<Event, { event: 'metrics' }>): string {
  const shown = Object.entries(values).slice(0, NUMBERS_SHOWN);
  const numbers = shown.map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
  return [`step ${step}`, ...numbers].join('  ');
}

const NUMBERS_SHOWN = 5;

const ENDS: ReadonlySet<string> = new Set<Outcome>([
  ...(['built', 'reused', 'failed', 'skipped', 'interrupted', 'infeasible'] as const),
]);
const isEnd = (event: Event): event is Extract<Event, { event: Outcome }> => ENDS.has(event.event);

/** A guess at the seconds left, from what tasks of each stage took; a stage not seen yet counts as the average. */
function secondsLeft({ seconds, remaining, running }: Progress, now: number): number | undefined {
  const seen = [...seconds.values()];
  const tasks = seen.reduce((sum, stage) => sum + stage.tasks, 0);
  if (tasks < TASKS_BEFORE_GUESS) return undefined;
  const average = seen.reduce((sum, stage) => sum + stage.seconds, 0) / tasks;
  let sum = 0;
  for (const [stage, left] of remaining) {
    const known = seconds.get(stage);
    sum += left * (known ? known.seconds / known.tasks : average);
  }
  for (const { since } of running.values()) sum -= (now - since) / 1000;
  return Math.max(0, sum) / Math.max(1, running.size);
}

/** Draws events for people. */
export async function createDisplay(options: DisplayOptions): Promise<Display> {
  const { stream, quiet } = options;
  if (quiet) return plainDisplay({ ...options }, () => false);
  if (!stream.isTTY) return plainDisplay(options, () => true);
  // Loading this takes as long as loading the rest of the command: only a terminal needs it.
  const logUpdate = await import('log-update');
  return liveDisplay(
    options,
    logUpdate.createLogUpdate(renderedStream(stream), { showCursor: true }),
  );
}

// ---- plain lines ----

function plainDisplay(options: DisplayOptions, wanted: () => boolean): Display {
  const { plan, stream, colors, clock } = options;
  const progress = newProgress(options);
  return {
    listener(event) {
      const now = clock();
      const important = event.event === 'failed' || event.event === 'warning';
      const line = important || wanted() ? lineFor(event, progress, colors) : undefined;
      note(progress, plan, event, now);
      if (line !== undefined) stream.write(`${line}\n`);
      if (event.event !== 'progress' && event.event !== 'metrics') return;
      const running = progress.running.get(event.task);
      if (!running || !wanted()) return;
      if (now - running.told < PLAIN_PROGRESS_MS) return;
      running.told = now;
      stream.write(
        `        ${plainName(event.task)}: ${percent(running)} ${plainName(running.note)}\n`,
      );
    },
    close: () => undefined,
  };
}

const percent = ({ done, of }: { done: number; of: number }): string =>
  of > 0 ? `${Math.floor((100 * done) / of)} %` : '';

/** The line that stays, for events that leave one. What others said in it is harmless to show. */
export function lineFor(
  event: Event,
  progress: Pick<Progress, 'running' | 'made'> & Partial<Pick<Progress, 'asked'>>,
  c: Colors,
): string | undefined {
  if (event.event === 'log') {
    return c.dim(`        ${plainName(event.task)}: ${plainLog(event.line)}`);
  }
  const { running, made } = progress;
  const sameAs = event.event === 'reused' ? event.sameAs : undefined;
  // Of a task that was up to date, twins are, too: only what was made just now is worth a line.
  const isTwin = sameAs !== undefined && made.has(sameAs);
  // Most events of a large run are of these kinds, and leave no line.
  if (event.event === 'started' || (event.event === 'reused' && !isTwin)) return undefined;
  const reason = event.event === 'built' ? running.get(event.task)?.reason : undefined;
  const around = { reason, isTwin, asked: progress.asked ?? [] };
  return lineOf(harmless(event), around, c);
}

/** The same with every text in it harmless to show. */
const harmless = <T>(value: T): T => (isHarmless(value) ? value : madeHarmless(value));

function isHarmless(value: unknown): boolean {
  if (typeof value === 'string') return plainText(value) === value;
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, item]) => isHarmless(name) && isHarmless(item));
}

function madeHarmless<T>(value: T): T {
  if (typeof value === 'string') return plainText(value) as T;
  if (Array.isArray(value)) return value.map(madeHarmless) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [plainText(name), madeHarmless(item)]),
  ) as T;
}

function lineOf(
  event: Event,
  {
    reason,
    isTwin,
    asked,
  }: {
    readonly reason: Reason | undefined;
    readonly isTwin: boolean;
    readonly asked: readonly string[];
  },
  c: Colors,
): string | undefined {
  switch (event.event) {
    case 'built': {
      const same = event.unchanged ? c.dim(' (came out the same)') : '';
      const why = reason && reason.kind !== 'new' ? c.dim(` — ${formatReason(reason)}`) : '';
      return `${c.green('built')}   ${event.task} ${c.dim(`in ${duration(event.seconds)}`)}${same}${why}`;
    }
    case 'reused':
      return isTwin
        ? `${c.cyan('reused')}  ${event.task} ${c.dim(`same as ${event.sameAs}`)}`
        : undefined;
    case 'failed':
      return failureText(event, asked, c);
    case 'infeasible':
      // Those that follow, and those that were known, are counted at the end.
      return event.known
        ? undefined
        : `${c.yellow('left out')} ${event.task} ${c.dim(`— infeasible: ${event.message}`)}`;
    case 'interrupted':
      return `${c.yellow('stopped')} ${event.task}${event.checkpoint ? c.dim(' the next make continues it') : ''}`;
    case 'waiting':
      return `${c.yellow('waiting')} ${event.task} ${c.dim(formatWaiting(event))}`;
    case 'retrying': {
      const { attempt, of, pause } = event;
      const words = `retry ${attempt} of ${of} in ${duration(pause)}: ${event.error.message}`;
      return `${c.yellow('failed')}  ${event.task} ${c.dim(words)}`;
    }
    case 'warning':
      return `${c.yellow('warning')} ${warningPlace(event)}${event.message}${event.hint ? ` (${event.hint})` : ''}`;
    case 'note':
      return c.dim(event.message);
    case 'artifact':
      return event.kept
        ? `${c.yellow('warning')} ${shownPath(event.path)} had been edited: the edited file is now ${shownPath(event.kept)}`
        : `${c.green('wrote')}   ${shownPath(event.path)}`;
    default:
      return undefined;
  }
}

function formatWaiting({ for: run, by }: Extract<Event, { event: 'waiting' }>): string {
  if (by === undefined) return `for run ${run}, which is making it`;
  if (by.pid === process.pid && by.host === hostname()) {
    return `for ${by.task}, which is made again: the store lacks what it gave`;
  }
  return `for ${by.task}, which process ${by.pid} on ${by.host} is making (run ${run})`;
}

function failureText(
  event: Extract<Event, { event: 'failed' }>,
  asked: readonly string[],
  c: Colors,
): string {
  const { task, error, params } = event;
  const text = error.stack?.includes(error.message) ? error.stack : `${error.message}`;
  return [
    `${c.red('failed')}  ${c.bold(task)}${event.allowed ? c.dim(' (allowed to)') : ''}`,
    ...text.split('\n').map((line) => `        ${line}`),
    `        ${c.dim(`params: ${JSON.stringify(params)}`)}`,
    `        ${c.dim(`run only this task: ${['pipeline make', taskWord(task), ...asked.map(quoted)].join(' ')}`)}`,
  ].join('\n');
}

// ---- the live display ----

function liveDisplay(options: DisplayOptions, update: ReturnType<typeof createLogUpdate>): Display {
  const { plan, stream, colors, clock } = options;
  const progress = newProgress(options);
  const start = clock();
  let drawn = 0;
  /** Lines that stay and are not written yet: drawing after each would take longer than the work itself. */
  let waiting: string[] = [];
  const draw = (): void => {
    drawn = clock();
    if (waiting.length > 0) {
      update.clear();
      stream.write(`${waiting.join('\n')}\n`);
      waiting = [];
    }
    const next = frame(progress, stream.columns ?? 80, clock() - start, clock(), colors);
    // What is drawn goes past what renders texts: the library moves the cursor.
    update(rendered(next));
  };
  const timer = setInterval(draw, REDRAW_MS);
  timer.unref();
  return {
    listener(event) {
      const line = lineFor(event, progress, colors);
      note(progress, plan, event, clock());
      if (line !== undefined) waiting.push(line);
      if (clock() - drawn >= REDRAW_MS || waiting.length >= WAITING_MAX) draw();
    },
    close() {
      clearInterval(timer);
      if (waiting.length > 0) draw();
      update.clear();
      update.done();
    },
  };
}

function bar(fraction: number, width: number, c: Colors): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return c.green('━'.repeat(full)) + c.dim('─'.repeat(width - full));
}

/** The moving part: a bar for the whole, then a line per running task. */
function frame(
  progress: Progress,
  columns: number,
  elapsed_ms: number,
  now: number,
  c: Colors,
): string {
  const { total, failed, running } = progress;
  const partial = [...running.values()].reduce(
    (sum, { done, of }) => sum + (of > 0 ? done / of : 0),
    0,
  );
  const ended = progress.ended.size;
  const left = secondsLeft(progress, now);
  const words = [
    `${ended}/${count(total, 'task')}`,
    duration(Math.floor(elapsed_ms / 1000)).replace('.0', ''),
    ...(left === undefined ? [] : [`about ${duration(Math.ceil(left)).replace('.0', '')} left`]),
    ...(failed > 0 ? [c.red(`${failed} failed`)] : []),
  ];
  const head = `${bar((ended + partial) / Math.max(1, total), 24, c)} ${words.join(c.dim(' · '))}`;
  const shown = [...running].slice(0, RUNNING_SHOWN);
  const more = running.size > shown.length ? [`  … and ${running.size - shown.length} more`] : [];
  const jobs = [...progress.jobs].flatMap(([name, all]) => formatJobs(name, all));
  const lines = shown.map(([task, state]) => {
    const where = state.node === undefined ? '' : `on ${state.node} `;
    const text = plainName(`  ${task} ${where}${state.note} ${percent(state)}`).slice(
      0,
      Math.max(20, columns - 16),
    );
    return `${bar(state.of > 0 ? state.done / state.of : 0, 8, c)} ${text}`;
  });
  return [head, ...jobs.map(plainName), ...lines, ...more].join('\n');
}

/** A terminal has so many lines for tasks that run: on a cluster there may be hundreds. */
const RUNNING_SHOWN = 16;

function warningPlace({ task, file, line, column }: Extract<Event, { event: 'warning' }>): string {
  if (file !== undefined) return `${file}${line === undefined ? '' : `:${line}:${column}`}: `;
  return task === undefined ? '' : `${task}: `;
}
