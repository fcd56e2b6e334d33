// groups.ts — `--group-by profile`: rows that share some labels become one, with mean, SD, n and a 95 % interval
import { elementAt } from '../present.ts';
import { summarise } from '../stats/summary.ts';
import { meanInterval } from '../stats/t-test.ts';
import {
  AnalysisError,
  type Cell,
  type Column,
  cellAt,
  columnAt,
  type Frame,
  type Statistic,
} from './frame.ts';

/** What a group says about each number. */
export const GROUP_STATISTICS = [
  'mean',
  'sd',
  'n',
  'low',
  'high',
] as const satisfies readonly Statistic[];

/** The least and the most of these columns, as the confidence of their intervals. */
export const LEVEL = 0.95;

/** A table of groups. */
export interface Grouped extends Frame {
  /** The axes over which is averaged, and how many labels each of them has. */
  readonly over: readonly { readonly axis: string; readonly labels: number }[];
}

/** Joins rows that agree in some columns. @throws AnalysisError for columns that cannot be told apart by */
export function groupRows(frame: Frame, by: readonly string[]): Grouped {
  const { columns, rows } = frame;
  const keys = by.map((word) => columnAt(columns, word));
  const wrong = keys.find((at) => elementAt(columns, at).kind === 'task');
  if (wrong !== undefined) {
    throw new AnalysisError('every task is a group of its own', 'group by an axis');
  }
  const numbers = columns.flatMap(({ kind }, at) =>
    kind === 'number' && !keys.includes(at) ? [at] : [],
  );
  const groups = new Map<string, (readonly Cell[])[]>();
  for (const row of rows) {
    const name = JSON.stringify(keys.map((at) => cellAt(row, at)));
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  const grouped = [...groups.values()].map((group) => [
    ...keys.map((at) => cellAt(group[0] ?? [], at)),
    ...numbers.flatMap((at) => statisticsOf(group.map((row) => cellAt(row, at)))),
  ]);
  const over = columns.flatMap((column, at) => {
    if (column.kind !== 'axis' || keys.includes(at)) return [];
    const labels = new Set(rows.map((row) => cellAt(row, at))).size;
    return labels > 1 ? [{ axis: column.name, labels }] : [];
  });
  const columnsOfNumber = ({ name }: Column): readonly Column[] =>
    GROUP_STATISTICS.map((statistic) => ({
      name: `${name}:${statistic}`,
      kind: 'number',
      metric: name,
      statistic,
    }));
  return {
    columns: [
      ...keys.map((at) => elementAt(columns, at)),
      ...numbers.flatMap((at) => columnsOfNumber(elementAt(columns, at))),
    ],
    rows: grouped,
    over,
  };
}

/** In the order of `GROUP_STATISTICS`. What is missing is left out; one NaN makes mean, SD and interval NaN. */
function statisticsOf(cells: readonly Cell[]): readonly Cell[] {
  const values = cells.filter((cell): cell is number => typeof cell === 'number');
  if (values.length === 0) return [null, null, 0, null, null];
  if (!values.every(Number.isFinite)) {
    const sum = values.reduce((a, b) => a + b, 0);
    return [sum / values.length, Number.NaN, values.length, Number.NaN, Number.NaN];
  }
  const { mean, sd, n } = summarise(values);
  const { ci } = meanInterval(values, LEVEL);
  return [mean, sd, n, ci?.[0] ?? null, ci?.[1] ?? null];
}
