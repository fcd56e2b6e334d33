// run-table.ts — the runs of a store: those with a record, and those that have only a journal so far

import { byCodeUnit, type Key, type TaskId } from '../model/key.ts';
import type { Identity } from '../model/process-identity.ts';
import type { ActionRecord, RunRecord, TaskLog } from '../model/record.ts';
import {
  dropJournal,
  journalIds,
  readJournal,
  recordOf,
  stateTeller,
  type UnfinishedRun,
} from './journal.ts';

/** What the runs of a store are read from. */
export interface RunSources {
  /** Folder of the store. */
  readonly folder: string;
  readonly identity: Identity | undefined;
  readonly runs: {
    get(id: string): RunRecord | undefined;
    doesExist(id: string): boolean;
    /** Newest first; all, or so many. */
    newest(limit?: number): readonly RunRecord[];
  };
  log(run: string, task: TaskId): TaskLog | undefined;
  trace(key: Key): ActionRecord | undefined;
  putRun(run: RunRecord, logs?: readonly TaskLog[]): void;
}

/** The runs of a store. */
export interface RunTable {
  /** Newest first; all, or so many. */
  all(limit?: number): readonly RunRecord[];
  one(id: string): RunRecord | undefined;
  log(run: string, task: TaskId): TaskLog | undefined;
  /** Writes the record of every run whose process ended before it could. */
  settle(): void;
}

const NOBODY: Identity = { host: '', pid: 0, exists: () => true };

export function openRunTable(sources: RunSources): RunTable {
  const { folder, identity = NOBODY, runs } = sources;
  const recordFrom = (unfinished: UnfinishedRun): RunRecord => {
    const state = stateTeller(identity, Date.now())(unfinished);
    const { id } = unfinished.run;
    return recordOf(unfinished, state, (key) => sources.trace(key)?.made.run === id);
  };
  /** Journals of runs without a record. One that has both was killed between writing the one and dropping the other. */
  const unfinished = (): readonly UnfinishedRun[] =>
    journalIds(folder).flatMap((id) => (runs.doesExist(id) ? [] : (readJournal(folder, id) ?? [])));
  const one = (id: string): RunRecord | undefined => {
    const known = runs.get(id);
    if (known) return known;
    const journal = journalIds(folder).includes(id) ? readJournal(folder, id) : undefined;
    return journal && recordFrom(journal);
  };
  return {
    one,
    all(limit) {
      const known = runs.newest(limit);
      const open = unfinished().map(recordFrom);
      if (open.length === 0) return known;
      return [...known, ...open].sort((a, b) => byCodeUnit(b.id, a.id)).slice(0, limit);
    },
    log(run, task) {
      const known = sources.log(run, task);
      if (known || runs.doesExist(run) || !journalIds(folder).includes(run)) return known;
      const journal = readJournal(folder, run);
      return journal && logOf(journal, recordFrom(journal), task);
    },
    settle() {
      for (const id of journalIds(folder)) {
        const journal = runs.doesExist(id) ? undefined : readJournal(folder, id);
        const record = journal && recordFrom(journal);
        if (record?.state === 'running' || record?.state === 'unknown') continue;
        if (journal && record) {
          // What failed left its log at once.
          const said = journal.notes.logs.tasks().filter((task) => !sources.log(id, task));
          sources.putRun(
            record,
            said.flatMap((task) => logOf(journal, record, task) ?? []),
          );
        }
        dropJournal(folder, id);
      }
    },
  };
}

function logOf(
  { notes }: UnfinishedRun,
  { id, at, outcomes = {} }: RunRecord,
  task: TaskId,
): TaskLog | undefined {
  const outcome = Object.hasOwn(outcomes, task) ? outcomes[task] : undefined;
  return outcome && { task, run: id, at, outcome, ...notes.linesOf(task) };
}
