// history.ts — what a run leaves behind: a record of it, and what each of its tasks said
import type { Event, Listener, Outcome, Tally } from './event.ts';
import { type Json, type Key, type Named, shellTaskId, type TaskId } from './key.ts';
import type { RunRecord, TaskLog, Trace } from './record.ts';
import { type Store, StoreError } from './store.ts';

/** What is known of a run before it begins. */
export interface RunFacts {
  readonly id: string;
  readonly host: string;
  readonly command: string;
  readonly targets: readonly string[];
  readonly presets: readonly string[];
  readonly sets: readonly string[];
  /** All params of the pipeline, after presets and `--set`. */
  readonly params: Named<Json>;
  readonly versions: Named<string>;
}

/** How a run ended. */
interface Ended {
  readonly tally: Tally;
  readonly seconds: number;
  /** How many tasks ran, whatever came of it. */
  readonly ran: number;
  /** Traces of tasks that were found infeasible. */
  readonly infeasible: ReadonlyMap<TaskId, Trace>;
}

/** Hears a run, and writes it down. */
export interface Recorder {
  readonly listener: Listener;
  /** Keeps the run, unless nothing ran in it. One write. @throws StoreError */
  close(result: Ended): void;
}

/** The first and the last lines of a task that says very much are kept, each so many, and each line so long. */
const LINES_MAX = 1000;
const LINE_LENGTH_MAX = 2000;

interface Said {
  readonly head: string[];
  readonly tail: string[];
  dropped: number;
}

/** Writes down what is heard of a run: failures at once, the rest when it is over. */
export function recordRun(store: Store, facts: RunFacts, clock: () => number): Recorder {
  const outcomes: Record<string, Outcome> = Object.create(null);
  const keys: Record<string, Key> = Object.create(null);
  const begun: Record<string, Key> = Object.create(null);
  const said = new Map<TaskId, Said>();
  const logs = new Map<TaskId, TaskLog>();
  const logOf = (task: TaskId, outcome: Outcome): TaskLog => {
    const { head, tail, dropped } = said.get(task) ?? { head: [], tail: [], dropped: 0 };
    said.delete(task);
    return {
      task,
      run: facts.id,
      at: new Date(clock()).toISOString(),
      outcome,
      lines: [...head, ...tail],
      ...(dropped > 0 && { dropped }),
    };
  };
  const ended = (task: TaskId, outcome: Outcome): void => {
    outcomes[task] = outcome;
    if (said.has(task)) logs.set(task, logOf(task, outcome));
  };
  const listener = (event: Event): void => {
    if (event.event === 'started') begun[event.task] = event.key;
    else if (event.event === 'log') note(said, event.task, event.line);
    else if (event.event === 'built' || event.event === 'reused') {
      // A task that was reused and then lost its bytes is built after all.
      ended(event.task, event.event);
      keys[event.task] = event.key;
      delete begun[event.task];
    } else if (event.event === 'failed') {
      outcomes[event.task] = 'failed';
      const { error, params } = event;
      const key = begun[event.task] && { key: begun[event.task] };
      const log = { ...logOf(event.task, 'failed'), error, params, ...key };
      delete begun[event.task];
      logs.delete(event.task);
      // A history that cannot be written loses no result: it is tried again with the rest.
      if (!written(() => store.putLog(log))) logs.set(event.task, log);
    } else if (event.event === 'skipped' || event.event === 'interrupted') {
      ended(event.task, event.event);
    } else if (event.event === 'infeasible') {
      ended(event.task, 'infeasible');
      delete begun[event.task];
    }
  };
  return {
    listener,
    close({ tally, seconds, ran, infeasible }) {
      if (ran === 0) return;
      for (const [task, { key }] of infeasible) keys[task] = key;
      const record: RunRecord = {
        ...facts,
        at: new Date(clock()).toISOString(),
        seconds,
        tally: { ...tally },
        tasks: { ...keys },
        begun: { ...begun },
        outcomes: { ...outcomes },
      };
      store.putRun(record, [...logs.values()]);
    },
  };
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

function note(said: Map<TaskId, Said>, task: TaskId, line: string): void {
  const known = said.get(task) ?? { head: [], tail: [], dropped: 0 };
  said.set(task, known);
  const short = line.length > LINE_LENGTH_MAX ? `${line.slice(0, LINE_LENGTH_MAX)}…` : line;
  if (known.head.length < LINES_MAX) {
    known.head.push(short);
    return;
  }
  known.tail.push(short);
  // Cut by halves: shifting a line at a time would be quadratic.
  if (known.tail.length < 2 * LINES_MAX) return;
  known.tail.splice(0, LINES_MAX);
  known.dropped += LINES_MAX;
}

/** The runs that a word names: an id, the beginning of one or of its random end, `last`, or `last~1`. */
export function findRuns(runs: readonly RunRecord[], word: string): readonly RunRecord[] {
  const back = /^last(?:~(\d+))?$/.exec(word);
  if (back) return runs.slice(Number(back[1] ?? 0), Number(back[1] ?? 0) + 1);
  const exact = runs.filter(({ id }) => id === word);
  if (exact.length > 0) return exact;
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
