// order.ts — `--sort -accuracy --top 10`: the order of rows
import { elementAt } from '../present.ts';
import { type Cell, cellAt, columnAt, type Frame, metricOf, numberIn } from './frame.ts';
import { isSmallerBetter } from './values.ts';

/** Sorts by columns, the first of them first; a `-` before a name turns the order round. What is missing comes last. */
export function sortRows(frame: Frame, by: readonly string[]): Frame {
  const keys = by.map((word) => {
    const isExact = frame.columns.some(({ name }) => name === word);
    const turned = !isExact && word.startsWith('-');
    const name = turned || (!isExact && word.startsWith('+')) ? word.slice(1) : word;
    return { at: columnAt(frame.columns, name), sign: turned ? -1 : 1 };
  });
  const columns = keys.map(({ at, sign }) => ({
    ranks: frame.rows.map((row) => rankOf(cellAt(row, at))),
    sign,
  }));
  const order = frame.rows.map((_, row) => row);
  order.sort((a, b) => {
    for (const { ranks, sign } of columns) {
      const difference = compareRanks(elementAt(ranks, a), elementAt(ranks, b), sign);
      if (difference !== 0) return difference;
    }
    return 0;
  });
  return { ...frame, rows: order.map((row) => elementAt(frame.rows, row)) };
}

/** Where a cell stands, read once for all comparisons: a number, a text that is none, or null for what is missing. */
type Rank = number | string | null;

function rankOf(cell: Cell): Rank {
  if (typeof cell !== 'string') return Number.isNaN(cell) ? null : cell;
  const number = numberIn(cell);
  return Number.isNaN(number) ? cell : number;
}

/** Numbers by size, before texts; NaN and nothing last, whichever way. */
function compareRanks(a: Rank, b: Rank, sign: number): number {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? 1 : -1;
  if (typeof a === 'number' && typeof b === 'number') return sign * (a < b ? -1 : 1);
  if (typeof a !== typeof b) return typeof a === 'string' ? 1 : -1;
  return sign * (a < b ? -1 : 1);
}

/** The number that tells most of a task, by its name: an accuracy before a loss, before whatever comes first. */
export function headlineOf({ columns, rows }: Frame): string | undefined {
  const numbers = columns.flatMap((column, at) => {
    const isSummary = column.statistic !== undefined && column.statistic !== 'mean';
    return column.kind === 'number' && !isSummary ? [{ column, at }] : [];
  });
  const varying = numbers.filter(({ at }) =>
    rows.some((row) => !Object.is(cellAt(row, at), cellAt(rows[0] ?? [], at))),
  );
  const [best] = (varying.length > 0 ? varying : numbers)
    .map(({ column, at }, order) => {
      const missing =
        rows.filter((row) => cellAt(row, at) === null).length / Math.max(1, rows.length);
      return { column, order, rank: headlineRank(metricOf(column)) + 5 * missing };
    })
    .sort((a, b) => a.rank - b.rank || a.order - b.order);
  return best?.column.name;
}

const HEADLINES: readonly RegExp[] = [
  /accuracy|(?:^|[ .-])acc(?:$|[ .-])/,
  /(?:^|[ .-])(?:f1|auc|auroc|bleu|rouge|r2|reward|score|dice|iou)/,
  /loss|error|(?:^|[ .-])(?:err|mse|rmse|mae|nll|perplexity|ppl|wer)/,
];
/** The word alone, without a qualification such as `test`. */
const BARE =
  /^(?:accuracy|acc|f1|auc|auroc|bleu|rouge|r2|reward|score|loss|error|mse|rmse|mae|nll|ppl)$/;

/** The smaller, the more a number says about a task: an accuracy before a loss, on test data before training data. */
export function headlineRank(name: string): number {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase();
  const kind = HEADLINES.findIndex((pattern) => pattern.test(words));
  if (kind < 0) return 10 * HEADLINES.length;
  const steps = words.split('.');
  const bare = BARE.test(steps.at(-1) ?? '') ? 0 : 1;
  const held = /train/.test(words)
    ? 4
    : /val|dev/.test(words)
      ? 1.5
      : /test|eval/.test(words)
        ? 0
        : 0.5;
  return 10 * kind + bare + held + 0.3 * Math.min(5, steps.length);
}

/** The column by which rows are ordered where nobody says, the best first. */
export function bestFirst(frame: Frame): string | undefined {
  const name = headlineOf(frame);
  if (name === undefined) return undefined;
  const column = frame.columns.find((one) => one.name === name);
  return column && isSmallerBetter(metricOf(column)) ? name : `-${name}`;
}
