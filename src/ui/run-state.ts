// run-state.ts — what the lines of a run's journal come to, task by task, while it grows
import type { Outcome } from '../engine/model/event.ts';
import type { Named } from '../engine/model/key.ts';
import type { RunStart } from '../engine/model/record.ts';
import type { JournalEntry } from '../engine/store/journal.ts';
import type { Curve, LogPart, TaskStatus } from './forms.ts';

/** What is known of a task of a run. */
export interface TaskState {
  status: TaskStatus;
  key?: string;
  began?: number;
  ended?: number;
  slot?: number;
  node?: string;
  why?: string;
  progress?: { readonly done: number; readonly of: number; readonly note: string };
  retry?: string;
  waitsFor?: string;
}

interface Said {
  readonly head: string[];
  tail: string[];
  /** Left out between both. */
  dropped: number;
}

interface Points {
  steps: number[];
  values: (number | null)[];
}

/** As many lines as a log keeps, at its beginning and at its end. */
const LINES_MAX = 1000;
const LINE_LENGTH_MAX = 2000;
/** A longer curve loses every second of its points. */
const POINTS_MAX = 2000;
const WARNINGS_MAX = 20;
const NAMES_MAX = 64;
/** The rate is that of tasks that ended within so long. */
const RATE_WINDOW_MS = 120_000;

/** The stage of a task, by its name. */
export const stageOf = (task: string): string => {
  const open = task.indexOf('[');
  return open < 0 ? task : task.slice(0, open);
};

/** A run that goes on, or did: fed with its journal, entry by entry. */
export class RunState {
  run: RunStart;
  readonly tasks = new Map<string, TaskState>();
  /** By stage, then by status. */
  readonly counts = new Map<string, { [status in TaskStatus]?: number }>();
  readonly tally: { [status in TaskStatus]?: number } = {};
  readonly running = new Set<string>();
  readonly failed: string[] = [];
  readonly warnings: string[] = [];
  end: { readonly end: 'interrupted' | 'aborted'; readonly error?: string } | undefined;
  /** Changes with every entry. */
  revision = 0;
  /** How often tasks have reported a step. */
  measured = 0;
  private readonly said = new Map<string, Said>();
  private readonly points = new Map<string, Map<string, Points>>();
  /** When tasks ran to their end lately. */
  private recent: number[] = [];

  constructor(run: RunStart) {
    this.run = run;
  }

  /** A journal that was written anew tells everything again, but for curves. */
  restart(run: RunStart): void {
    this.run = run;
    for (const map of [this.tasks, this.counts, this.said]) map.clear();
    for (const status of Object.keys(this.tally)) delete this.tally[status as TaskStatus];
    this.running.clear();
    this.failed.length = 0;
    this.revision += 1;
  }

  apply(entry: JournalEntry): void {
    this.revision += 1;
    if ('begun' in entry) this.begin(entry);
    else if ('ended' in entry) this.finish(entry);
    else if ('log' in entry) this.note(entry.log, String(entry.line));
    else if ('dropped' in entry) this.saidBy(entry.dropped).dropped += entry.lines;
    else if ('end' in entry) this.end = entry;
    else if ('event' in entry) this.hear(entry);
  }

  /** Tasks that ran, a minute, over the last two. */
  rate(now: number): number | null {
    this.recent = this.recent.filter((at) => now - at < RATE_WINDOW_MS);
    const since = Math.max(now - RATE_WINDOW_MS, Date.parse(this.run.started) || 0);
    const minutes = (now - since) / 60_000;
    return this.recent.length === 0 || minutes <= 0 ? null : this.recent.length / minutes;
  }

  /** The lines of a task from a number on. */
  log(task: string, from: number): LogPart {
    const said = this.said.get(task) ?? { head: [], tail: [], dropped: 0 };
    const isOpen = this.running.has(task);
    return logPart([said.head, said.tail, said.dropped], from, isOpen);
  }

  /** What a task has reported of its steps. */
  curves(task: string): readonly Curve[] {
    const found = this.points.get(task) ?? new Map<string, Points>();
    return [...found].map(([name, { steps, values }]) => ({ task, name, steps, values }));
  }

  lastLines(task: string, count: number): readonly string[] {
    const { head, tail } = this.said.get(task) ?? { head: [], tail: [] };
    return [...head.slice(-count), ...tail.slice(-count)].slice(-count);
  }

  private begin(entry: Extract<JournalEntry, { begun: unknown }>): void {
    const { slot, on, node, why } = entry as Named<unknown>;
    const state: TaskState = { status: 'running', key: entry.key };
    if (typeof entry.at === 'number') state.began = entry.at;
    if (typeof slot === 'number') state.slot = slot;
    const place = [on, node].filter((one) => typeof one === 'string').join(' ');
    if (place !== '') state.node = place;
    if (typeof why === 'string') state.why = why;
    this.set(entry.begun, state);
  }

  private finish({ ended, outcome, key, at }: Extract<JournalEntry, { ended: unknown }>): void {
    const known = this.tasks.get(ended);
    const state: TaskState = { ...known, status: outcome };
    delete state.progress;
    delete state.retry;
    delete state.waitsFor;
    if (key !== undefined) state.key = key;
    if (typeof at === 'number') state.ended = at;
    this.set(ended, state);
    if (outcome === 'failed') this.failed.push(ended);
    if (RAN.includes(outcome) && typeof at === 'number') this.recent.push(at);
  }

  private hear({ event }: Extract<JournalEntry, { event: unknown }>): void {
    if (event.event === 'warning') {
      this.warnings.push(event.task ? `${event.task}: ${event.message}` : event.message);
      if (this.warnings.length > WARNINGS_MAX) this.warnings.shift();
    } else if (event.event === 'progress') {
      const { done, of, note } = event;
      this.set(event.task, { ...this.stateOf(event.task), progress: { done, of, note } });
    } else if (event.event === 'retrying') {
      const retry = `attempt ${event.attempt} of ${event.of} after: ${event.error.message}`;
      this.set(event.task, { ...this.stateOf(event.task), retry });
    } else if (event.event === 'waiting') {
      const by = event.by ? `${event.by.task} on ${event.by.host}, pid ${event.by.pid}` : event.for;
      this.set(event.task, { ...this.stateOf(event.task), status: 'waiting', waitsFor: by });
    } else if (event.event === 'metrics') this.measure(event.task, event.step, event.values);
  }

  private stateOf(task: string): TaskState {
    return this.tasks.get(task) ?? { status: 'running' };
  }

  private set(task: string, state: TaskState): void {
    const before = this.tasks.get(task)?.status;
    this.tasks.set(task, state);
    if (before === state.status) return;
    const stage = stageOf(task);
    const counts = this.counts.get(stage) ?? {};
    this.counts.set(stage, counts);
    for (const tally of [counts, this.tally]) {
      if (before !== undefined) tally[before] = (tally[before] ?? 1) - 1;
      tally[state.status] = (tally[state.status] ?? 0) + 1;
    }
    if (state.status === 'running' || state.status === 'waiting') this.running.add(task);
    else this.running.delete(task);
    if (before === 'failed') this.failed.splice(this.failed.indexOf(task), 1);
  }

  private measure(task: string, step: number, values: Named<number>): void {
    this.measured += 1;
    const known = this.points.get(task) ?? new Map<string, Points>();
    this.points.set(task, known);
    for (const [name, value] of Object.entries(values)) {
      if (!known.has(name) && known.size >= NAMES_MAX) continue;
      const points = known.get(name) ?? { steps: [], values: [] };
      known.set(name, points);
      // A program that went on from a checkpoint tells some of its steps again.
      while (points.steps.length > 0 && (points.steps.at(-1) ?? 0) >= step) {
        points.steps.pop();
        points.values.pop();
      }
      points.steps.push(step);
      points.values.push(Number.isFinite(value) ? value : null);
      if (points.steps.length <= POINTS_MAX) continue;
      points.steps = points.steps.filter((_, at) => at % 2 === 0);
      points.values = points.values.filter((_, at) => at % 2 === 0);
    }
  }

  private saidBy(task: string): Said {
    const known = this.said.get(task) ?? { head: [], tail: [], dropped: 0 };
    this.said.set(task, known);
    return known;
  }

  private note(task: string, line: string): void {
    const known = this.saidBy(task);
    const short = line.length > LINE_LENGTH_MAX ? `${line.slice(0, LINE_LENGTH_MAX)}…` : line;
    if (known.head.length < LINES_MAX) {
      known.head.push(short);
      return;
    }
    known.tail.push(short);
    if (known.tail.length < 2 * LINES_MAX) return;
    known.tail.splice(0, LINES_MAX);
    known.dropped += LINES_MAX;
  }
}

/** Outcomes for which something was computed. */
const RAN: readonly Outcome[] = ['built', 'failed'];

/** Lines of a log that lacks some in its middle, from a number on. */
export function logPart(
  [head, tail, dropped]: readonly [readonly string[], readonly string[], number],
  from: number,
  isOpen: boolean,
): LogPart {
  const total = head.length + dropped + tail.length;
  const resume = head.length + dropped;
  if (from < head.length) {
    const gapAt = dropped > 0 ? head.length - from : null;
    return { first: from, lines: [...head.slice(from), ...tail], total, dropped, gapAt, isOpen };
  }
  const first = Math.max(from, resume);
  const gapAt = first > from ? 0 : null;
  return { first, lines: tail.slice(first - resume), total, dropped, gapAt, isOpen };
}
