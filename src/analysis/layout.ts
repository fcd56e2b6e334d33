// layout.ts — a table as texts for people: numbers aligned, and mean, SD and interval of groups in cells of their own
import { elementAt } from '../present.ts';
import { type Cell, type Column, cellAt, type Frame, metricOf } from './frame.ts';
import { type NumberStyle, numberText, styleOf, styleOfMeans } from './number-text.ts';

/** One column of texts. */
export interface TextColumn {
  readonly head: string;
  readonly isNumber: boolean;
  /** Whether it tells which row this is. */
  readonly isKey: boolean;
  /** The number that it shows; columns of one number stand and fall together. */
  readonly metric?: string;
  readonly cells: readonly string[];
}

/** What stands where there is nothing. */
export const NOTHING = '–';

const SIGNED = new Set(['difference']);

/** The columns of a table as texts. What a group says about a number shares a cell: mean ± SD, and its interval. */
export function textColumns(frame: Frame): readonly TextColumn[] {
  const { columns } = frame;
  const counts = sharedCounts(frame);
  const isPivot = columns.some(({ label }) => label !== undefined);
  const oneMetric = isPivot && new Set(columns.flatMap(headMetric)).size === 1;
  const shown: TextColumn[] = [];
  let countsShown = false;
  for (const [at, column] of columns.entries()) {
    if (column.kind !== 'number') {
      shown.push(keyColumn(frame, at));
      continue;
    }
    if (!countsShown && counts && !isPivot) {
      shown.push({ head: 'n', isNumber: true, isKey: false, cells: counts.map(String) });
      countsShown = true;
    }
    if (column.statistic === 'mean')
      shown.push(...meanColumns(frame, at, { counts, isPivot, oneMetric }));
    else if (!isOfGroup(column)) shown.push(plainColumn(frame, at, oneMetric));
  }
  return shown;
}

const headMetric = (column: Column): readonly string[] =>
  column.kind === 'number' ? [metricOf(column)] : [];

const isOfGroup = ({ statistic }: Column): boolean =>
  statistic === 'sd' || statistic === 'n' || statistic === 'low' || statistic === 'high';

function keyColumn({ columns, rows }: Frame, at: number): TextColumn {
  const cells = rows.map((row) => (cellAt(row, at) === null ? NOTHING : String(cellAt(row, at))));
  const isNumber = cells.every(
    (cell) => cell === NOTHING || /^[-+]?[\d.]+(?:e[-+]?\d+)?$/i.test(cell),
  );
  return { head: elementAt(columns, at).name, isNumber, isKey: true, cells };
}

const textOf = (cell: Cell, style: NumberStyle, isSigned = false): string => {
  if (cell === null) return NOTHING;
  if (typeof cell !== 'number') return cell;
  const text = numberText(cell, style);
  return isSigned && cell > 0 ? `+${text}` : text;
};

function plainColumn({ columns, rows }: Frame, at: number, oneMetric: boolean): TextColumn {
  const column = elementAt(columns, at);
  const cells = rows.map((row) => cellAt(row, at));
  const style = styleOf(cells);
  const isSigned = column.statistic !== undefined && SIGNED.has(column.statistic);
  return {
    head: headOf(column, oneMetric),
    isNumber: true,
    isKey: false,
    metric: metricOf(column),
    cells: cells.map((cell) => textOf(cell, style, isSigned)),
  };
}

const headOf = (column: Column, oneMetric: boolean): string => {
  if (column.label === undefined) return column.name;
  return oneMetric ? column.label : `${metricOf(column)} ${column.label}`;
};

interface MeanLayout {
  /** n of each row, where it is the same for all numbers. */
  readonly counts: readonly number[] | undefined;
  readonly isPivot: boolean;
  readonly oneMetric: boolean;
}

function meanColumns(frame: Frame, at: number, layout: MeanLayout): readonly TextColumn[] {
  const { columns, rows } = frame;
  const column = elementAt(columns, at);
  const cellsOf = (statistic: Column['statistic']): readonly Cell[] => {
    const index = columns.findIndex(
      (one) =>
        metricOf(one) === metricOf(column) &&
        one.label === column.label &&
        one.statistic === statistic,
    );
    return rows.map((row) => cellAt(row, index));
  };
  const [means, sds, ns] = [cellsOf('mean'), cellsOf('sd'), cellsOf('n')];
  const [lows, highs] = [cellsOf('low'), cellsOf('high')];
  const style = styleOfMeans(means, sds);
  const isSigned = metricOf(column).endsWith(':difference');
  const pad = padder(means.map((mean) => textOf(mean, style, isSigned)));
  const spread = padder(sds.map((sd) => textOf(sd, style)));
  const cells = means.map((mean, row) => {
    if (mean === null) return NOTHING;
    const sd = sds[row] ?? null;
    const mark =
      sd === null
        ? `  ${' '.repeat(spread(NOTHING).length + 1)}`
        : ` ± ${spread(textOf(sd, style))}`;
    const n = layout.counts ? '' : ` (${ns[row] ?? 0})`;
    return `${pad(textOf(mean, style, isSigned))}${mark}${n}`;
  });
  const metric = metricOf(column);
  const head = column.label === undefined ? metric : headOf(column, layout.oneMetric);
  const own: TextColumn = { head, isNumber: true, isKey: false, metric, cells };
  if (layout.isPivot || lows.every((low) => low === null)) return [own];
  const ends = padder([...lows, ...highs].map((end) => textOf(end, style)));
  const intervals = lows.map((low, row) =>
    low === null
      ? NOTHING
      : `[${ends(textOf(low, style))}, ${ends(textOf(highs[row] ?? null, style))}]`,
  );
  return [own, { head: '95 % interval', isNumber: true, isKey: false, metric, cells: intervals }];
}

function padder(texts: readonly string[]): (text: string) => string {
  const width = texts.reduce((most, { length }) => Math.max(most, length), 0);
  return (text) => text.padStart(width);
}

/** The n of every row, where all numbers of it have the same. */
function sharedCounts({ columns, rows }: Frame): readonly number[] | undefined {
  const at = columns.flatMap(({ statistic }, index) => (statistic === 'n' ? [index] : []));
  if (at.length === 0) return undefined;
  const counts: number[] = [];
  for (const row of rows) {
    const own = new Set(at.map((index) => Number(cellAt(row, index))).filter((n) => n > 0));
    if (own.size > 1) return undefined;
    counts.push([...own][0] ?? 0);
  }
  return counts;
}
