// order.ts — `--sort -accuracy --top 10`: the order of rows
import { type Cell, columnAt, type Frame, metricOf, numberIn } from './frame.ts';
import { isSmallerBetter } from './values.ts';

/** Sorts by columns, the first of them first; a `-` before a name turns the order round. What is missing comes last. */
export function sortRows(frame: Frame, by: readonly string[]): Frame {
  const keys = by.map((word) => {
    const isExact = frame.columns.some(({ name }) => name === word);
    const turned = !isExact && word.startsWith('-');
    const name = turned || (!isExact && word.startsWith('+')) ? word.slice(1) : word;
    return { at: columnAt(frame.columns, name), sign: turned ? -1 : 1 };
  });
  const rows = [...frame.rows].sort((a, b) => {
    for (const { at, sign } of keys) {
      const order = compareCells(a[at], b[at], sign);
      if (order !== 0) return order;
    }
    return 0;
  });
  return { ...frame, rows };
}

/** Numbers by size, before texts; NaN and nothing last, whichever way. */
function compareCells(a: Cell, b: Cell, sign: number): number {
  const [x, y] = [rankOf(a), rankOf(b)];
  if (x.isMissing || y.isMissing) return Number(x.isMissing) - Number(y.isMissing);
  if (!Number.isNaN(x.number) && !Number.isNaN(y.number)) return sign * (x.number - y.number);
  if (Number.isNaN(x.number) !== Number.isNaN(y.number)) return Number.isNaN(x.number) ? 1 : -1;
  return x.text === y.text ? 0 : sign * (x.text < y.text ? -1 : 1);
}

function rankOf(cell: Cell): { isMissing: boolean; number: number; text: string } {
  if (cell === null || (typeof cell === 'number' && Number.isNaN(cell))) {
    return { isMissing: true, number: Number.NaN, text: '' };
  }
  const number = typeof cell === 'number' ? cell : numberIn(cell);
  return { isMissing: false, number, text: String(cell) };
}

/** The number that tells most of a task, by its name: an accuracy before a loss, before whatever comes first. */
export function headlineOf({ columns, rows }: Frame): string | undefined {
  const numbers = columns.flatMap((column, at) => {
    const isSummary = column.statistic !== undefined && column.statistic !== 'mean';
    return column.kind === 'number' && !isSummary ? [{ column, at }] : [];
  });
  const varying = numbers.filter(({ at }) => rows.some((row) => !Object.is(row[at], rows[0][at])));
  const [best] = (varying.length > 0 ? varying : numbers)
    .map(({ column }, order) => ({ column, order, rank: headlineRank(metricOf(column)) }))
    .sort((a, b) => a.rank - b.rank || a.order - b.order);
  return best?.column.name;
}

const HEADLINES: readonly RegExp[] = [
  /accuracy|(?:^|[._-])acc(?:$|[._-])/i,
  /(?:^|[._-])(?:f1|auc|auroc|map|bleu|rouge|r2|reward|score|dice|iou)/i,
  /loss|error|(?:^|[._-])(?:err|mse|rmse|mae|nll|perplexity|ppl|wer)/i,
];
const HELD_OUT = /test|val|eval|dev|final/i;
const TRAINING = /train/i;

/** The smaller, the more a number says about a task. */
export function headlineRank(name: string): number {
  const kind = HEADLINES.findIndex((pattern) => pattern.test(name));
  const base = 10 * (kind < 0 ? HEADLINES.length : kind);
  const depth = Math.min(3, name.split('.').length - 1);
  if (kind < 0) return base;
  return base + (HELD_OUT.test(name) ? 0 : TRAINING.test(name) ? 5 : 2) + depth / 10;
}

/** The column by which rows are ordered where nobody says, the best first. */
export function bestFirst(frame: Frame): string | undefined {
  const name = headlineOf(frame);
  if (name === undefined) return undefined;
  const column = frame.columns.find((one) => one.name === name);
  return column && isSmallerBetter(metricOf(column)) ? name : `-${name}`;
}
