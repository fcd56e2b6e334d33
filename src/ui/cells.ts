// cells.ts — the table of the page: sent cells, what the engine of `pipeline metrics` makes of them, differences to a baseline
import type { Cell, Column, Frame } from '../analysis/frame.ts';
import { AnalysisError } from '../analysis/frame.ts';
import { type TableRequest, tabulate } from '../analysis/tabulate.ts';
import type { SentCell, TableAnswer } from './forms.ts';
import { formatNumber, formatSigned } from './numbers.ts';

/** JSON has no NaN and no infinity: they travel in a list. */
export const sentCell = (cell: Cell): SentCell =>
  typeof cell === 'number' && !Number.isFinite(cell) ? [String(cell)] : cell;

export const cellOf = (sent: SentCell): Cell =>
  typeof sent === 'object' && sent !== null ? Number(sent[0]) : sent;

/** A table as it was sent. */
export const frameIn = ({ columns, rows }: TableAnswer): Frame => ({
  columns,
  rows: rows.map((row) => row.map(cellOf)),
});

export type Shown =
  | { readonly ok: true; readonly frame: Frame }
  | { readonly ok: false; readonly message: string };

/** What the engine of `pipeline metrics` makes of a table; a message where it was asked for what cannot be. */
export function shownTable(frame: Frame, request: TableRequest): Shown {
  try {
    return { ok: true, frame: tabulate(frame, request).frame };
  } catch (error) {
    if (!(error instanceof AnalysisError)) throw error;
    const { message, hint } = error.diagnostic;
    return { ok: false, message: hint === undefined ? message : `${message} (${hint})` };
  }
}

/** A cell in words. @param baseline the same cell of the pinned row, where one is pinned */
export function formatCell(cell: Cell, baseline?: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'string') return cell;
  if (typeof baseline !== 'number') return formatNumber(cell);
  return `${formatNumber(cell)} (${formatSigned(cell - baseline)})`;
}

/** A standard deviation: of more digits than three, few mean anything. */
export const formatSpread = (spread: number): string => formatNumber(Number(spread.toPrecision(3)));

/** Columns that hold numbers, by name. */
export const numbersIn = (columns: readonly Column[]): readonly string[] =>
  columns.flatMap(({ kind, name }) => (kind === 'number' ? [name] : []));

/** Columns by which rows are grouped or told apart. */
export const axesIn = (columns: readonly Column[]): readonly string[] =>
  columns.flatMap(({ kind, name }) => (kind === 'axis' ? [name] : []));

/** What rows are called: tasks by their name, groups by what their rows share. */
export function rowNames({ columns, rows }: Frame): readonly string[] {
  const task = columns.findIndex(({ kind }) => kind === 'task');
  if (task >= 0) return rows.map((row) => String(row[task]));
  const keys = columns.flatMap(({ statistic }, at) => (statistic === undefined ? [at] : []));
  return rows.map((row) => keys.map((at) => row[at] ?? '').join(', '));
}

/** The row of a name: what differences are told to. */
export const rowNamed = (frame: Frame, name: string): readonly Cell[] | undefined =>
  frame.rows[rowNames(frame).indexOf(name)];
