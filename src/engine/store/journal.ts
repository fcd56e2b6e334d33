// journal.ts — what a run has done so far, in a file beside the store, until its record is written
import {
  closeSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../files/make-folder.ts';
import { newFileMode, settleFile } from '../files/store-access.ts';
import type { Event, Outcome, Tally } from '../model/event.ts';
import type { Key, Named, TaskId } from '../model/key.ts';
import { type Identity, livenessFor } from '../model/process-identity.ts';
import { LEASE_ALIVE_MS, type RunRecord, type RunStart, type TaskLog } from '../model/record.ts';
import { TaskLogs } from './task-logs.ts';

/** What a journal notes as it was said; of other events it notes what a record of the run keeps. */
export type NotedEvent = Extract<
  Event,
  { event: 'waiting' | 'retrying' | 'progress' | 'metrics' | 'warning' | 'artifact' | 'jobs' }
>;

/**
 * One thing that happened in a run. Journals are lines of these, after a first line of the form `run/1`. Who reads them
 * leaves out lines of a kind that it does not know. `at`: when, in milliseconds since 1970.
 */
export type JournalEntry =
  | {
      readonly begun: TaskId;
      readonly key: Key;
      readonly at?: number;
      /** The slot in which it runs, from 0. */
      readonly slot?: number;
      /** The executor and its class, and the node, where it does not run on this machine. */
      readonly on?: string;
      readonly node?: string;
      /** Why it runs: the kind of its reason, and the first paths that changed. */
      readonly why?: string;
    }
  | {
      readonly ended: TaskId;
      readonly outcome: Outcome;
      readonly key?: Key;
      readonly at?: number;
    }
  /** Progress comes at a bounded rate. Only the latest of each task outlives a journal that is written anew. */
  | { readonly event: NotedEvent; readonly at?: number }
  | { readonly log: TaskId; readonly line: string }
  /** Lines that were left out of a task's log. */
  | { readonly dropped: TaskId; readonly lines: number }
  /** The run ended, and its record could not be written. */
  | { readonly end: 'interrupted' | 'aborted'; readonly error?: string };

const FORM = 'run/1';

/** What the entries of a journal come to. */
export class RunNotes {
  readonly outcomes: Record<string, Outcome> = Object.create(null);
  /** Key of every task that was made or reused. */
  readonly keys: Record<string, Key> = Object.create(null);
  /** Key of every task that was begun and not ended. */
  readonly begun: Record<string, Key> = Object.create(null);
  readonly logs = new TaskLogs<TaskId>();
  /** When, where and why tasks began, and when they ended: for whoever reads a journal that was written anew. */
  private readonly starts = new Map<string, JournalEntry>();
  private readonly ends = new Map<string, number>();
  /** How far the tasks that run have said they are. */
  readonly progress = new Map<TaskId, JournalEntry>();
  /** The jobs of clusters as they were told last, by executor. */
  readonly jobs = new Map<string, JournalEntry>();
  end: Extract<JournalEntry, { end: string }> | undefined;

  apply(entry: JournalEntry): void {
    if ('begun' in entry) {
      this.begun[entry.begun] = entry.key;
      this.starts.set(entry.begun, entry);
      this.ends.delete(entry.begun);
      // One that was reused, and runs after all as its bytes were lost.
      delete this.outcomes[entry.begun];
    } else if ('log' in entry) this.logs.add(entry.log, entry.line);
    else if ('dropped' in entry) this.logs.leaveOut(entry.dropped, entry.lines);
    else if ('ended' in entry) {
      const { ended: task, outcome, key, at } = entry;
      if (at !== undefined) this.ends.set(task, at);
      this.outcomes[task] = outcome;
      this.progress.delete(task);
      if (key) this.keys[task] = key;
      // What was stopped keeps its checkpoint for as long as the run is kept.
      if (outcome !== 'interrupted' && outcome !== 'skipped') delete this.begun[task];
    } else if ('end' in entry) this.end = entry;
    else if ('event' in entry && entry.event.event === 'progress') {
      this.progress.set(entry.event.task, entry);
    } else if ('event' in entry && entry.event.event === 'jobs') {
      this.jobs.set(entry.event.executor, entry);
    }
  }

  /** How a task began, whether or not it has ended. */
  startOf(task: TaskId): Extract<JournalEntry, { begun: TaskId }> | undefined {
    const entry = this.starts.get(task);
    return entry && 'begun' in entry ? entry : undefined;
  }

  /** The fewest entries that come to the same. */
  *entries(): Generator<JournalEntry> {
    const unended = (task: string): boolean => Object.hasOwn(this.begun, task);
    for (const [task, entry] of this.starts) {
      if (unended(task) || this.ends.has(task)) yield entry;
    }
    for (const [task, outcome] of Object.entries(this.outcomes)) {
      const key = this.keys[task];
      const at = this.ends.get(task);
      yield {
        ended: task as TaskId,
        outcome,
        ...(key && { key }),
        ...(at !== undefined && { at }),
      };
    }
    for (const [task, { head, tail, dropped }] of this.logs) {
      for (const line of [...head, ...tail]) yield { log: task, line };
      if (dropped > 0) yield { dropped: task, lines: dropped };
    }
    yield* this.progress.values();
    yield* this.jobs.values();
    if (this.end) yield this.end;
  }

  /** The lines of a task, as its log keeps them. */
  linesOf(task: TaskId): Pick<TaskLog, 'lines' | 'dropped'> {
    const { head, tail, dropped } = this.logs.of(task);
    return { lines: [...head, ...tail], ...(dropped > 0 && { dropped }) };
  }
}

// ---- writing ----

/** The journal of a run that goes on. Nothing here throws: a journal that cannot be written costs no result. */
export interface Journal {
  /** Keeps an entry. It is in the file when this returns, or within `GATHER_MS` where many come. */
  note(entry: JournalEntry): void;
  /** Keeps an entry now: the process may end at once. */
  noteNow(entry: JournalEntry): void;
  /** Ends it. @param keep whether the file stays, for who looks later */
  close(options: { readonly keep: boolean }): void;
}

/** Entries that follow each other sooner than this are written together. */
const GATHER_MS = 10;
/** Entries that are written one by one within that time. */
const WRITES_MAX = 64;
/** A sign of life in this interval: the file's date tells when the run was last seen. */
const BEAT_MS = 1000;
/** A journal that has grown by so much is written anew, without the lines that a log does not keep. */
const REWRITE_BYTES = 32 * 2 ** 20;

const journalsFolder = (cache: string): string => join(cache, 'runs');
/** Path of a run's journal. It is there while the run goes on, and until its record is written. */
export const journalFile = (cache: string, id: string): string =>
  join(journalsFolder(cache), `${id}.jsonl`);

/** @param notes what has been noted so far, which the file begins with; it is applied by the caller */
export function openJournal(cache: string, run: RunStart, notes: RunNotes): Journal {
  const path = journalFile(cache, run.id);
  let file: number | undefined;
  let waiting: string[] = [];
  let written = 0;
  /** When the span of `GATHER_MS` began in which writes are counted, and how many there were. */
  let began = Number.NEGATIVE_INFINITY;
  let writes = 0;
  const quietly = (action: () => void): void => {
    try {
      action();
    } catch {
      // A full disk, or a folder that is gone: the run goes on, and its record is written at its end.
    }
  };
  const start = (to: string): void => {
    const opened = openSync(to, 'w', newFileMode(to));
    settleFile(to);
    const lines = [{ form: FORM, run }, ...notes.entries()].map((one) => JSON.stringify(one));
    writeSync(opened, `${lines.join('\n')}\n`);
    if (file !== undefined) closeSync(file);
    file = opened;
    written = 0;
  };
  const flush = (): void => {
    const text = waiting.join('');
    waiting = [];
    if (file === undefined || text === '') return;
    written += writeSync(file, text);
    if (written < REWRITE_BYTES) return;
    start(`${path}.tmp`);
    renameSync(`${path}.tmp`, path);
  };
  quietly(() => {
    makeFolder(journalsFolder(cache));
    start(path);
    if (file !== undefined) fsyncSync(file);
  });
  const beat = setInterval(() => {
    if (file === undefined) return;
    const now = Date.now() / 1000;
    quietly(() => file !== undefined && futimesSync(file, now, now));
  }, BEAT_MS);
  beat.unref();
  return {
    note(entry) {
      if (waiting.push(`${JSON.stringify(entry)}\n`) > 1) return;
      const pause = began + GATHER_MS - performance.now();
      if (pause <= 0) [began, writes] = [performance.now(), 0];
      writes += 1;
      // Before anybody is told of it, unless very many come at once.
      if (writes <= WRITES_MAX) quietly(flush);
      else setTimeout(() => quietly(flush), Math.max(0, pause));
    },
    noteNow(entry) {
      waiting.push(`${JSON.stringify(entry)}\n`);
      quietly(flush);
    },
    close({ keep }) {
      clearInterval(beat);
      quietly(flush);
      quietly(() => file !== undefined && closeSync(file));
      file = undefined;
      if (!keep) quietly(() => rmSync(path, { force: true }));
    },
  };
}

// ---- reading ----

/** A run without a record: it goes on, or its process ended before it could write one. */
export interface UnfinishedRun {
  readonly run: RunStart;
  readonly notes: RunNotes;
  /** When its process was seen last, in milliseconds since 1970. */
  readonly seen: number;
}

/** Ids of the runs that have a journal. */
export function journalIds(cache: string): readonly string[] {
  try {
    const names = readdirSync(journalsFolder(cache));
    return names.flatMap((name) => (name.endsWith('.jsonl') ? [name.slice(0, -6)] : []));
  } catch {
    return []; // Most folders have none.
  }
}

/** Reads a journal; undefined when there is none, or it was cut off before its first line was whole. */
export function readJournal(cache: string, id: string): UnfinishedRun | undefined {
  const path = journalFile(cache, id);
  let lines: readonly string[];
  let seen: number;
  try {
    const file = openSync(path, 'r');
    try {
      seen = fstatSync(file).mtimeMs;
      lines = readFileSync(file, 'utf8').split('\n');
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
  const [head, ...rest] = lines.map(parsed);
  if (!isJournalHead(head, id)) return undefined;
  const notes = new RunNotes();
  for (const entry of rest) if (entry) notes.apply(entry as JournalEntry);
  return { run: head.run, notes, seen };
}

/** Whether a first line begins the journal of a run, in a form that this version reads. */
export function isJournalHead(
  head: object | undefined,
  id: string,
): head is { readonly run: RunStart } {
  const first = head as { readonly form?: string; readonly run?: RunStart } | undefined;
  return first?.form === FORM && isStart(first.run) && first.run.id === id;
}

function isStart(run: RunStart | undefined): run is RunStart {
  if (typeof run !== 'object' || run === null) return false;
  const { process: self } = run;
  const texts = [run.id, run.host, run.command, run.started, self?.host];
  const lists = [run.targets, run.presets, run.paramsFiles ?? [], run.sets];
  return (
    texts.every((text) => typeof text === 'string') &&
    lists.every((list) => Array.isArray(list) && list.every((one) => typeof one === 'string')) &&
    Number.isInteger(self.pid)
  );
}

/** A line that was cut off by the end of its process is left out. */
function parsed(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

export const dropJournal = (cache: string, id: string): void =>
  rmSync(journalFile(cache, id), { force: true });

/** Gives a function that tells how far an unfinished run is, by what can be seen of its process from here. */
export function stateTeller(
  identity: Identity,
  now: number,
): (run: UnfinishedRun) => NonNullable<RunRecord['state']> {
  const liveness = livenessFor(identity);
  return ({ run: { process: self }, notes, seen }) => {
    if (notes.end) return notes.end.end;
    const seenAs = liveness(self);
    if (seenAs === 'alive') return 'running';
    if (seenAs === 'dead') return 'killed';
    return now - seen > LEASE_ALIVE_MS ? 'killed' : 'unknown';
  };
}

/** @param madeHere whether an action that was begun was made by this run: its result was kept, and nobody could note it */
export function recordOf(
  { run, notes, seen }: UnfinishedRun,
  state: NonNullable<RunRecord['state']>,
  madeHere: (key: Key) => boolean,
): RunRecord {
  const tasks: Record<string, Key> = { ...notes.keys };
  const begun: Record<string, Key> = {};
  const outcomes: Record<string, Outcome | 'running'> = { ...notes.outcomes };
  const isOver = state !== 'running' && state !== 'unknown';
  for (const [task, key] of Object.entries(notes.begun)) {
    if (madeHere(key)) {
      tasks[task] = key;
      outcomes[task] = 'built';
    } else {
      begun[task] = key;
      outcomes[task] ??= isOver ? 'interrupted' : 'running';
    }
  }
  const { error } = notes.end ?? {};
  return {
    ...run,
    at: new Date(seen).toISOString(),
    seconds: Math.max(0, (seen - Date.parse(run.started)) / 1000),
    tally: tallyOf(outcomes),
    tasks,
    begun,
    outcomes,
    state,
    ...(error !== undefined && { error }),
  };
}

function tallyOf(outcomes: Named<Outcome | 'running'>): Named<number> {
  const none = { built: 0, reused: 0, failed: 0, skipped: 0, interrupted: 0, infeasible: 0 };
  const tally: Record<string, number> = { ...(none satisfies Tally) };
  for (const outcome of Object.values(outcomes)) tally[outcome] = (tally[outcome] ?? 0) + 1;
  return tally;
}
