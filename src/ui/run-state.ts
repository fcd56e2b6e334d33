// run-state.ts — what the lines of a run's journal come to, task by task, while it grows
import type { Outcome } from '../engine/model/event.ts';
import type { Named } from '../engine/model/key.ts';
import type { RunStart } from '../engine/model/record.ts';
import type { JournalEntry } from '../engine/store/journal.ts';
import { type KeptLines, TaskLogs } from '../engine/store/task-logs.ts';
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

interface Points {
  steps: number[];
  values: (number | null)[];
}

/** How much of a run is kept in memory. */
export interface RunBounds {
  /** Characters of logs. Beyond, the tasks that ended first lose theirs: the journal has them. */
  readonly characters: number;
  /** Points of curves. Beyond, those of tasks that have ended lose every second one. */
  readonly points: number;
}

const BOUNDS: RunBounds = { characters: 2 ** 25, points: 2 ** 22 };
/** A curve of so few points loses none of them. */
const POINTS_LEFT = 16;
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
  private readonly logs = new TaskLogs();
  /** Characters in logs. */
  private characters = 0;
  /** Tasks that have ended and whose log is kept, in the order in which they ended. */
  private readonly endedLogs = new Set<string>();
  private readonly forgotten = new Set<string>();
  private pointCount = 0;
  /** Number of points from which on they are thinned. */
  private thinAt: number;
  private readonly bounds: RunBounds;
  private readonly points = new Map<string, Map<string, Points>>();
  /** When tasks ran to their end lately. */
  private recent: number[] = [];

  constructor(run: RunStart, bounds = BOUNDS) {
    this.run = run;
    this.bounds = bounds;
    this.thinAt = bounds.points;
  }

  /** A journal that was written anew tells everything again, but for curves. */
  restart(run: RunStart): void {
    this.run = run;
    for (const map of [this.tasks, this.counts]) map.clear();
    this.releaseLogs();
    for (const status of Object.keys(this.tally)) delete this.tally[status as TaskStatus];
    this.running.clear();
    this.failed.length = 0;
    this.recent = [];
    this.revision += 1;
  }

  apply(entry: JournalEntry): void {
    this.revision += 1;
    if ('begun' in entry) this.begin(entry);
    else if ('ended' in entry) this.finish(entry);
    else if ('log' in entry) this.note(entry.log, String(entry.line));
    else if ('dropped' in entry) this.logs.leaveOut(entry.dropped, entry.lines);
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

  /** The lines of a task from a number on. Undefined when there were too many lines of others to keep them. */
  log(task: string, from: number): LogPart | undefined {
    if (this.forgotten.has(task)) return undefined;
    return logPart(this.logs.of(task), from, this.running.has(task));
  }

  /** Lets go of all logs: the record of the run is in the store, and they are with it. */
  releaseLogs(): void {
    this.logs.clear();
    this.forgotten.clear();
    this.endedLogs.clear();
    this.characters = 0;
  }

  /** What a task has reported of its steps. */
  curves(task: string): readonly Curve[] {
    const found = this.points.get(task) ?? new Map<string, Points>();
    return [...found].map(([name, { steps, values }]) => ({ task, name, steps, values }));
  }

  lastLines(task: string, count: number): readonly string[] {
    return this.logs.lastLines(task, count);
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
    this.endedLogs.delete(entry.begun);
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
    this.endedLogs.add(ended);
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
        this.pointCount -= 1;
      }
      points.steps.push(step);
      points.values.push(Number.isFinite(value) ? value : null);
      this.pointCount += 1;
      if (points.steps.length > POINTS_MAX) this.pointCount -= halve(points);
    }
    if (this.pointCount > this.thinAt) this.thin();
  }

  /** Halves the curves of tasks that have ended. Where that gains little, it is tried again much later. */
  private thin(): void {
    for (const [task, curves] of this.points) {
      if (this.running.has(task)) continue;
      for (const points of curves.values()) {
        if (points.steps.length > POINTS_LEFT) this.pointCount -= halve(points);
      }
    }
    this.thinAt = Math.max(this.bounds.points, 1.5 * this.pointCount);
  }

  private note(task: string, line: string): void {
    if (this.forgotten.has(task)) return;
    this.characters += this.logs.add(task, line);
    for (const ended of this.endedLogs) {
      if (this.characters <= this.bounds.characters) return;
      this.endedLogs.delete(ended);
      this.characters -= this.logs.forget(ended);
      this.forgotten.add(ended);
    }
  }
}

/** Drops every second point. Returns how many those were. */
function halve(points: Points): number {
  const before = points.steps.length;
  points.steps = points.steps.filter((_, at) => at % 2 === 0);
  points.values = points.values.filter((_, at) => at % 2 === 0);
  return before - points.steps.length;
}

/** Outcomes for which something was computed. */
const RAN: readonly Outcome[] = ['built', 'failed'];

/** Lines of a log that lacks some in its middle, from a number on. */
export function logPart(
  { head, tail, dropped }: KeptLines,
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
