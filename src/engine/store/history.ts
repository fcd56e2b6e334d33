// history.ts — what a run leaves behind: a record of it, and what each of its tasks said
import { entryOf } from '../../present.ts';
import type { Event, Listener, Outcome, Reason, Tally } from '../model/event.ts';
import { type Key, type Named, shellTaskId, type TaskId } from '../model/key.ts';
import type { RunRecord, RunStart, TaskLog } from '../model/record.ts';
import { type Journal, type JournalEntry, type NotedEvent, RunNotes } from './journal.ts';
import { type RunHistory, StoreError } from './store.ts';

/** Progress and metrics of a task are noted this often at most, the newest then: a loop may report every step. */
const PROGRESS_MS = 1000;

/** How a run ended. */
interface Ended {
  readonly tally: Tally;
  readonly seconds: number;
  /** How many tasks ran, whatever came of it. */
  readonly ran: number;
  /** Traces of tasks that were found infeasible. */
  readonly infeasible: ReadonlyMap<TaskId, { readonly key: Key }>;
  /** Whether its user stopped it. */
  readonly interrupted: boolean;
  /** How many results came from a remote, by the name of their maker. */
  readonly makers?: Named<number>;
}

/** Hears a run, and writes it down. */
export interface Recorder {
  readonly listener: Listener;
  /** Keeps the run, unless nothing ran in it and nothing came from a remote. One write. @throws StoreError */
  close(result: Ended): void;
  /** Notes at once that the run ends without a result. Never throws; after `close` it does nothing. */
  cut(end: { readonly state: 'interrupted' | 'aborted'; readonly error?: string }): void;
}

/**
 * Writes down what is heard of a run: from its first task on in its journal, which is there whatever ends the process,
 * and as one record when it is over. Failures have their log in the store at once.
 */
export function recordRun(store: RunHistory, run: RunStart, clock: () => number): Recorder {
  const notes = new RunNotes();
  const failed = new Map<TaskId, TaskLog>();
  /** When progress and metrics of each task were noted last, and what is to be noted when the pause is over. */
  const told = new Map<string, number>();
  const held = new Map<string, { newest: NotedEvent; readonly timer: NodeJS.Timeout }>();
  let journal: Journal | undefined;
  let isOver = false;
  const note = (entry: JournalEntry): void => {
    notes.apply(entry);
    if (journal) journal.note(entry);
    // A run that only finds that there is nothing to do leaves no trace of itself.
    else if ('begun' in entry || 'event' in entry) journal = store.begin(run, notes);
  };
  const noteNewest = (name: string, event: NotedEvent): void => {
    const waiting = held.get(name);
    if (waiting) waiting.newest = event;
    const pause = (told.get(name) ?? Number.NEGATIVE_INFINITY) + PROGRESS_MS - clock();
    if (pause <= 0 && waiting) release(name);
    else if (pause <= 0) {
      told.set(name, clock());
      note({ event, at: clock() });
    } else if (waiting === undefined) {
      held.set(name, { newest: event, timer: setTimeout(() => release(name), pause).unref() });
    }
  };
  const release = (name: string): void => {
    const waiting = held.get(name);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    held.delete(name);
    told.set(name, clock());
    note({ event: waiting.newest, at: clock() });
  };
  /** What a task said last stands before its end. */
  const noteEnd = (entry: Extract<JournalEntry, { ended: TaskId }>): void => {
    if (held.size > 0) for (const name of [entry.ended, metricsOf(entry.ended)]) release(name);
    note(entry);
  };
  const logOf = (task: TaskId, outcome: Outcome): TaskLog => {
    const at = new Date(clock()).toISOString();
    return { task, run: run.id, at, outcome, ...notes.linesOf(task) };
  };
  const noteFailure = ({ task, error, params }: Extract<Event, { event: 'failed' }>): void => {
    const key = notes.begun[task] && { key: notes.begun[task] };
    const log = { ...logOf(task, 'failed'), error, params, ...key };
    noteEnd({ ended: task, outcome: 'failed', at: clock() });
    notes.logs.forget(task);
    // A history that cannot be written loses no result: it is tried again with the rest.
    if (!written(() => store.putLog(log))) failed.set(task, log);
  };
  const listener = (event: Event): void => {
    const at = clock();
    if (event.event === 'started') {
      const { task, key, slot, reason, on, node } = event;
      const place = { slot, ...(on !== undefined && { on }), ...(node !== undefined && { node }) };
      note({ begun: task, key, at, ...place, why: reasonWords(reason) });
    } else if (event.event === 'log') note({ log: event.task, line: event.line });
    else if (event.event === 'built' || event.event === 'reused') {
      // A task that was reused and then lost its bytes is built after all.
      noteEnd({ ended: event.task, outcome: event.event, key: event.key, at });
    } else if (event.event === 'waiting' || event.event === 'retrying') note({ event, at });
    else if (event.event === 'progress') noteNewest(event.task, event);
    else if (event.event === 'metrics') noteNewest(metricsOf(event.task), event);
    else if (event.event === 'jobs' && event.jobs.length > 0) note({ event, at });
    else if (['warning', 'artifact', 'jobs'].includes(event.event)) {
      // Nothing to do may come with warnings, and with artifacts that are put right.
      if (journal) note({ event: event as NotedEvent, at });
    } else if (event.event === 'failed') noteFailure(event);
    else if (['skipped', 'interrupted', 'infeasible'].includes(event.event)) {
      const { task, event: outcome } = event as Extract<Event, { event: Outcome }>;
      noteEnd({ ended: task, outcome, at });
    }
  };
  return {
    listener,
    close({ tally, seconds, ran, infeasible, interrupted, makers = {} }) {
      isOver = true;
      for (const { timer } of held.values()) clearTimeout(timer);
      const isFetched = Object.keys(makers).length > 0;
      if (ran > 0 || journal || isFetched) {
        const { keys, begun, outcomes } = notes;
        for (const [task, { key }] of infeasible) keys[task] = key;
        const record: RunRecord = {
          ...run,
          at: new Date(clock()).toISOString(),
          seconds,
          tally: { ...tally },
          tasks: { ...keys },
          begun: { ...begun },
          outcomes: { ...outcomes },
          state: interrupted ? 'interrupted' : 'finished',
          ...(isFetched && { makers: { ...makers } }),
        };
        const logs = notes.logs
          .tasks()
          .flatMap((task) => (task in outcomes ? [logOf(task, entryOf(outcomes, task))] : []));
        try {
          store.put(record, [...logs, ...failed.values()]);
        } catch (error) {
          // The journal stays, and stands for the run until its record can be written.
          journal?.noteNow({ end: interrupted ? 'interrupted' : 'aborted', error: String(error) });
          journal?.close({ keep: true });
          throw error;
        }
      }
      journal?.close({ keep: false });
    },
    cut({ state, error }) {
      if (isOver) return;
      isOver = true;
      for (const { timer } of held.values()) clearTimeout(timer);
      journal?.noteNow({ end: state, ...(error !== undefined && { error }) });
      journal?.close({ keep: true });
    },
  };
}

const metricsOf = (task: TaskId): string => `metrics ${task}`;

/** Paths that are named where a reason has more. */
const PATHS_NOTED = 6;

/** A reason as a journal notes it: short, whatever changed. */
function reasonWords(reason: Reason): string {
  if (reason.kind !== 'changed') return reason.kind;
  const paths = reason.changes.map(({ path }) => path);
  const more = paths.length > PATHS_NOTED ? `, and ${paths.length - PATHS_NOTED} more` : '';
  return `changed: ${paths.slice(0, PATHS_NOTED).join(', ')}${more}`;
}

function written(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof StoreError) return false;
    throw error;
  }
}

/**
 * The runs that a word names: an id, a tag, a name (the newest of several), the beginning of an id or of its random end,
 * `last`, or `last~1`.
 */
export function findRuns(runs: readonly RunRecord[], word: string): readonly RunRecord[] {
  const back = /^last(?:~(\d+))?$/.exec(word);
  if (back) return runs.slice(Number(back[1] ?? 0), Number(back[1] ?? 0) + 1);
  const exact = runs.filter(({ id }) => id === word);
  if (exact.length > 0) return exact;
  const called =
    runs.find(({ tags }) => tags?.includes(word)) ?? runs.find(({ name }) => name === word);
  if (called) return [called];
  return runs.filter(({ id }) => id.startsWith(word) || id.split('-').at(-1)?.startsWith(word));
}

/** The newest of some runs in which a task did something, however it ended. */
export function lastRunOf(runs: readonly RunRecord[], task: TaskId): RunRecord | undefined {
  return runs.find(({ outcomes }) => {
    const outcome = outcomes && Object.hasOwn(outcomes, task) ? outcomes[task] : undefined;
    return outcome !== undefined && !['reused', 'skipped', 'infeasible'].includes(outcome);
  });
}

/** The tasks of some runs that a word names: `rigl[a,b]` or `rigl/a/b`. */
export function taskInRuns(runs: readonly RunRecord[], word: string): TaskId | undefined {
  for (const { outcomes = {} } of runs) {
    for (const task of Object.keys(outcomes) as TaskId[]) {
      if (task === word || shellTaskId(task) === word) return task;
    }
  }
  return undefined;
}
