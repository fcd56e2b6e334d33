// runs.ts — runs as a table, for `runs --where`, and what each of them changed
import type { RunRecord } from '../engine/model/record.ts';
import { type Difference, differences } from '../engine/store/compare.ts';
import { type FileChange, filesBetween } from './causes.ts';
import { filterRows } from './filter.ts';
import type { Cell, Column, Frame } from './frame.ts';
import { valuesOf } from './values.ts';

/** What a run changed since the one before it. */
export interface RunChanges {
  readonly params: readonly Difference[];
  /** Empty where one of both did not note its sources. */
  readonly sources: readonly FileChange[];
}

/** Compares what two runs noted. */
export function changesSince(before: RunRecord, run: RunRecord): RunChanges {
  return {
    params: differences('', before.params ?? {}, run.params ?? {}),
    sources: before.sources && run.sources ? filesBetween(before.sources, run.sources) : [],
  };
}

/** The runs that meet conditions on their state, name, tag, target, outcomes and params. @throws AnalysisError */
export function filterRuns(
  runs: readonly RunRecord[],
  where: readonly string[],
): readonly RunRecord[] {
  if (where.length === 0) return runs;
  const left = filterRows(runsFrame(runs), where, 'run');
  const ids = new Set(left.rows.map(([id]) => id));
  return runs.filter(({ id }) => ids.has(id));
}

const FACTS = ['id', 'state', 'name', 'tag', 'target', 'command', 'started', 'seconds'] as const;

/** A row for each run, and for each of its tags and targets. */
function runsFrame(runs: readonly RunRecord[]): Frame {
  const rows = runs.map((run) => ({ run, cells: cellsOf(run) }));
  const names = [...new Set([...FACTS, ...rows.flatMap(({ cells }) => [...cells.keys()])])];
  const columns = names.map((name): Column => ({ name, kind: 'text' }));
  return {
    columns,
    rows: rows.flatMap(({ run, cells }) =>
      orNone(run.tags).flatMap((tag) =>
        orNone(run.targets).map((target): readonly Cell[] => {
          const own = new Map(cells).set('tag', tag).set('target', target);
          return names.map((name) => own.get(name) ?? null);
        }),
      ),
    ),
  };
}

const orNone = (words: readonly string[] = []): readonly (string | null)[] =>
  words.length > 0 ? words : [null];

function cellsOf(run: RunRecord): Map<string, Cell> {
  const { id, state = 'finished', name = null, command, started = run.at, seconds } = run;
  const cells = new Map<string, Cell>(
    Object.entries({ id, state, name, command, started, seconds }),
  );
  for (const [outcome, n] of Object.entries(run.tally)) cells.set(outcome, n);
  const { numbers, texts } = valuesOf(run.params ?? {});
  for (const [path, value] of [...numbers, ...texts]) {
    cells.set(cells.has(path) ? `params.${path}` : path, value);
  }
  return cells;
}
