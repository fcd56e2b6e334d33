// pivot.ts — `--pivot sparsity`: the labels of an axis become columns
import { elementAt } from '../present.ts';
import {
  AnalysisError,
  type Cell,
  type Column,
  cellAt,
  columnAt,
  type Frame,
  metricOf,
} from './frame.ts';

/** Spreads one axis over columns, its labels in the order in which they come. @throws AnalysisError */
export function pivotRows(frame: Frame, word: string): Frame {
  const { columns, rows } = frame;
  const axis = columnAt(columns, word);
  if (elementAt(columns, axis).kind === 'task' || elementAt(columns, axis).kind === 'number') {
    const axes = columns.filter(({ kind }) => kind === 'axis').map(({ name }) => name);
    const message = `\`${elementAt(columns, axis).name}\` is not an axis: columns come from labels`;
    throw new AnalysisError(message, `axes: ${axes.join(', ')}`);
  }
  const keys = columns.flatMap(({ kind }, at) => (kind === 'axis' && at !== axis ? [at] : []));
  const numbers = columns.flatMap(({ kind }, at) => (kind === 'number' ? [at] : []));
  const labels = [...new Set(rows.map((row) => String(cellAt(row, axis) ?? '')))];
  if (labels.length > LABELS_MAX) {
    const message = `\`${elementAt(columns, axis).name}\` has ${labels.length} values: too many for columns`;
    throw new AnalysisError(message, `at most ${LABELS_MAX}; --where picks some`);
  }
  const groups = new Map<string, { keys: readonly Cell[]; cells: Map<string, readonly Cell[]> }>();
  for (const row of rows) {
    const own = keys.map((at) => cellAt(row, at));
    const name = JSON.stringify(own);
    const group = groups.get(name) ?? { keys: own, cells: new Map() };
    const label = String(cellAt(row, axis) ?? '');
    if (group.cells.has(label)) {
      const hint = '--group-by names the axes that stay';
      throw new AnalysisError('several tasks would share a cell of this table', hint);
    }
    group.cells.set(label, row);
    groups.set(name, group);
  }
  // All labels of one number stand together; its statistics stay side by side.
  const metrics = [...new Set(numbers.map((at) => metricOf(elementAt(columns, at))))];
  const spread = metrics.flatMap((metric) => {
    const own = numbers.filter((at) => metricOf(elementAt(columns, at)) === metric);
    return labels.flatMap((label) => own.map((at) => ({ at, label })));
  });
  return {
    columns: [
      ...keys.map((at) => elementAt(columns, at)),
      ...spread.map(({ at, label }) =>
        spreadColumn(elementAt(columns, at), elementAt(columns, axis).name, label),
      ),
    ],
    rows: [...groups.values()].map((group) => [
      ...group.keys,
      ...spread.map(({ at, label }) => group.cells.get(label)?.[at] ?? null),
    ]),
  };
}

/** More columns than this are no table. */
const LABELS_MAX = 200;

function spreadColumn(column: Column, axis: string, label: string): Column {
  const metric = metricOf(column);
  const end = column.statistic ? `:${column.statistic}` : '';
  return { ...column, name: `${metric}@${axis}=${label}${end}`, metric, label };
}
