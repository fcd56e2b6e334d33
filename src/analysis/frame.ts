// frame.ts — a table as a value: columns of axes, numbers and texts, and rows of cells

import type { Diagnostic } from '../engine/model/event.ts';
import { didYouMean } from '../hint.ts';
import { elementAt } from '../present.ts';

/** null: there is nothing. */
export type Cell = number | string | null;

/** Which number of a sample, or of a comparison, a column holds. */
export type Statistic = 'mean' | 'sd' | 'n' | 'low' | 'high' | 'before' | 'difference';

/** One column. */
export interface Column {
  /** As it is called on the command line and in CSV: `profile`, `test.accuracy`, `test.accuracy:sd`. */
  readonly name: string;
  readonly kind: 'task' | 'axis' | 'number' | 'text';
  /** The number that it shows, where `name` says more than that. */
  readonly metric?: string;
  /** The label on the pivoted axis. */
  readonly label?: string;
  readonly statistic?: Statistic;
}

/** A table. Every row has a cell for each column. */
export interface Frame {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** Something that a person asked for and that cannot be. */
export class AnalysisError extends Error {
  override readonly name = 'AnalysisError';
  readonly diagnostic: Diagnostic;

  constructor(message: string, hint?: string) {
    super(message);
    this.diagnostic = { message, hint };
  }
}

/** One cell of a row. */
export const cellAt = (row: readonly Cell[], at: number): Cell => row[at] ?? null;

/** The number that a column shows. */
export const metricOf = ({ name, metric }: Column): string => metric ?? name;

/** The index of the column that a word names: its name, or the end of the one name that is least nested. @throws AnalysisError */
export function columnAt(columns: readonly Column[], word: string): number {
  const exact = columns.findIndex(({ name }) => name === word);
  if (exact >= 0) return exact;
  const means = columns.flatMap((column, at) =>
    metricOf(column) === word && column.statistic === 'mean' && !column.label ? [at] : [],
  );
  if (means.length === 1) return elementAt(means, 0);
  const ends = columns.flatMap(({ name }, at) => (name.endsWith(`.${word}`) ? [at] : []));
  const depth = (at: number): number => elementAt(columns, at).name.split('.').length;
  const least = ends.reduce((low, at) => Math.min(low, depth(at)), Number.POSITIVE_INFINITY);
  const nearest = ends.filter((at) => depth(at) === least);
  if (nearest.length === 1) return elementAt(nearest, 0);
  if (nearest.length > 1) {
    const some = nearest.map((at) => elementAt(columns, at).name).join(', ');
    throw new AnalysisError(
      `\`${word}\` may be any of ${nearest.length} columns`,
      `name one: ${some}`,
    );
  }
  throw new AnalysisError(`there is no column \`${word}\``, nearColumn(columns, word));
}

/** The column that somebody may have meant: names within an output are near, too. */
function nearColumn(columns: readonly Column[], word: string): string | undefined {
  const ends = columns.flatMap(({ name }) => name.split('.').at(-1) ?? []);
  const near = didYouMean(word, new Set(ends));
  const isNear = near?.startsWith('did you mean') === true;
  return isNear
    ? near
    : didYouMean(
        word,
        columns.map(({ name }) => name),
      );
}

/** A frame with some of its columns, in that order. */
export function pick({ columns, rows }: Frame, chosen: readonly number[]): Frame {
  return {
    columns: chosen.map((at) => elementAt(columns, at)),
    rows: rows.map((row) => chosen.map((at) => cellAt(row, at))),
  };
}

/** Whether a column holds the same in every row. */
export const isConstant = ({ rows }: Frame, at: number): boolean =>
  rows.every((row) => Object.is(cellAt(row, at), cellAt(rows[0] ?? [], at)));

/** A number in a text, as labels of axes are; NaN for anything else. */
export const numberIn = (text: string): number =>
  /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN;
