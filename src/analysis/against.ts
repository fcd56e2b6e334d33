// against.ts — `--against RUN`: what each number was in another run, and by how much it differs
import { elementAt } from '../present.ts';
import { type Cell, type Column, cellAt, type Frame } from './frame.ts';
import { TASK } from './results.ts';

/** A table beside an earlier one. */
export interface Compared extends Frame {
  /** How many of the tasks are only in one of the two. */
  readonly only: { readonly now: number; readonly before: number };
}

/** The rows that two tables share, by task; every number with what it was and the difference. */
export function compareFrames(now: Frame, before: Frame): Compared {
  const taskAt = (frame: Frame): number => frame.columns.findIndex(({ name }) => name === TASK);
  const [nowTask, beforeTask] = [taskAt(now), taskAt(before)];
  const earlier = new Map(before.rows.map((row) => [cellAt(row, beforeTask), row]));
  const numbers = now.columns.flatMap(({ kind, name }, at) => {
    if (kind !== 'number') return [];
    return [{ at, index: before.columns.findIndex((column) => column.name === name) }];
  });
  const kept = now.columns.flatMap(({ kind }, at) => (kind === 'number' ? [] : [at]));
  const shared = now.rows.filter((row) => earlier.has(cellAt(row, nowTask)));
  const rows = shared.map((row) => {
    const then = earlier.get(cellAt(row, nowTask)) ?? [];
    return [
      ...kept.map((at) => cellAt(row, at)),
      ...numbers.flatMap(({ at, index }): Cell[] => {
        const value = index < 0 ? null : (then[index] ?? null);
        const both = typeof cellAt(row, at) === 'number' && typeof value === 'number';
        return [cellAt(row, at), value, both ? Number(cellAt(row, at)) - Number(value) : null];
      }),
    ];
  });
  const triple = ({ name }: Column): readonly Column[] => [
    { name, kind: 'number' },
    { name: `${name}:before`, kind: 'number', metric: name, statistic: 'before' },
    { name: `${name}:difference`, kind: 'number', metric: name, statistic: 'difference' },
  ];
  const only = {
    now: now.rows.length - shared.length,
    before: before.rows.length - shared.length,
  };
  return {
    columns: [
      ...kept.map((at) => elementAt(now.columns, at)),
      ...numbers.flatMap(({ at }) => triple(elementAt(now.columns, at))),
    ],
    rows,
    only,
  };
}
