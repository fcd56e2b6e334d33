// tabulate.ts — what `pipeline metrics` is asked for, applied in order: compare, filter, columns, group, pivot, sort, top
import { type Compared, compareFrames } from './against.ts';
import { chooseColumns } from './choose-columns.ts';
import { filterRows } from './filter.ts';
import type { Frame } from './frame.ts';
import { type Grouped, groupRows } from './groups.ts';
import { bestFirst, sortRows } from './order.ts';
import { pivotRows } from './pivot.ts';
import { TASK } from './results.ts';

/** What a table is to show. */
export interface TableRequest {
  readonly where: readonly string[];
  readonly columns?: readonly string[] | undefined;
  readonly sort?: readonly string[] | undefined;
  readonly groupBy?: readonly string[] | undefined;
  readonly pivot?: string | undefined;
  readonly top?: number | undefined;
}

/** A table as it was asked for. */
export interface Tabulated {
  readonly frame: Frame;
  /** Of a comparison: tasks that only one side has. */
  readonly only?: Compared['only'];
  /** Of groups: the axes over which is averaged. */
  readonly over?: Grouped['over'];
  /** The column by which the best rows were chosen, where nobody said. */
  readonly chosenBy?: string;
}

/** Makes a table of another. @param before what is compared with @throws AnalysisError for what cannot be meant */
export function tabulate(now: Frame, request: TableRequest, before?: Frame): Tabulated {
  const compared = before && compareFrames(now, before);
  const left = filterRows(compared ?? now, request.where);
  const isSummary = request.groupBy !== undefined || request.pivot !== undefined;
  if (!isSummary) {
    const { frame, chosenBy } = ordered(left, request);
    const shown = chooseColumns(frame, request.columns);
    return {
      frame: shown,
      ...(compared && { only: compared.only }),
      ...(chosenBy && { chosenBy }),
    };
  }
  const chosen = chooseColumns(left, request.columns && withNames(left, request.columns, request));
  const grouped = request.groupBy && groupRows(chosen, groupNames(request));
  const pivoted =
    request.pivot === undefined ? undefined : pivotRows(grouped ?? chosen, request.pivot);
  const { frame, chosenBy } = ordered(pivoted ?? grouped ?? chosen, request);
  return {
    frame: withoutTasks(frame),
    ...(compared && { only: compared.only }),
    ...(grouped && { over: grouped.over }),
    ...(chosenBy && { chosenBy }),
  };
}

/** All axes stay, whichever columns are chosen, and so does what is grouped and pivoted by. */
function withNames(
  { columns }: Frame,
  chosen: readonly string[],
  { groupBy = [], pivot }: TableRequest,
): readonly string[] {
  const axes = columns.flatMap(({ kind, name }) => (kind === 'axis' ? [name] : []));
  return [...axes, ...groupBy, ...(pivot === undefined ? [] : [pivot]), ...chosen];
}

/** The pivoted axis tells groups apart, too. */
const groupNames = ({ groupBy = [], pivot }: TableRequest): readonly string[] =>
  pivot === undefined || groupBy.includes(pivot) ? groupBy : [...groupBy, pivot];

function ordered(frame: Frame, { sort, top }: TableRequest): { frame: Frame; chosenBy?: string } {
  const best = sort === undefined && top !== undefined ? bestFirst(frame) : undefined;
  const by = sort ?? (best === undefined ? undefined : [best]);
  const sorted = by === undefined ? frame : sortRows(frame, by);
  const rows = top === undefined ? sorted.rows : sorted.rows.slice(0, top);
  return { frame: { ...sorted, rows }, ...(best !== undefined && { chosenBy: best }) };
}

function withoutTasks(frame: Frame): Frame {
  const at = frame.columns.findIndex(({ name }) => name === TASK);
  if (at < 0) return frame;
  return {
    columns: frame.columns.filter((_, index) => index !== at),
    rows: frame.rows.map((row) => row.filter((_, index) => index !== at)),
  };
}

/** The words of a list with commas; a comma within double quotes is part of a word. */
export const listOf = (text: string): readonly string[] =>
  text
    .split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/)
    .map((word) => word.trim())
    .filter((word) => word !== '');
