// table.ts — a table for a terminal, which has a width, or for a pipe, which has none

import type { TextColumn } from '../../analysis/layout.ts';
import { headlineRank } from '../../analysis/order.ts';
import { plainName } from '../../plain-text.ts';
import { elementAt } from '../../present.ts';
import type { Colors } from './format.ts';

/** What a table is drawn on. */
export interface Paper {
  /** In characters; undefined for no limit, as in a pipe. */
  readonly width: number | undefined;
  /** Show every column that is given, in several blocks where they do not fit. */
  readonly allColumns: boolean;
  readonly colors: Colors;
}

/** A drawn table. */
export interface DrawnTable {
  readonly lines: readonly string[];
  /** Columns for which there was no room. */
  readonly left: readonly string[];
  /** Axes of which every row has the same label, and which; they are not drawn. */
  readonly same: readonly (readonly [head: string, value: string])[];
}

const GAP = '  ';

interface Measured extends TextColumn {
  readonly width: number;
}

/** Draws a table. On a terminal, columns of one value are told once, and the numbers that say most are shown first. */
export function drawTable(columns: readonly TextColumn[], paper: Paper): DrawnTable {
  const plain = columns.map((column) => ({
    ...column,
    head: plainName(column.head),
    cells: column.cells.map(plainCell),
  }));
  const { width } = paper;
  if (width === undefined) {
    return { lines: linesOf(plain.map(measured), paper), left: [], same: [] };
  }
  const isSame = ({ cells }: TextColumn): boolean =>
    cells.length > 1 && cells.every((cell) => cell === cells[0]);
  const moving = new Set(plain.filter((column) => !isSame(column)).map(nameOf));
  // Numbers that are all equal are results, too.
  const areEqual = !plain.some((column) => !column.isKey && moving.has(nameOf(column)));
  const varying = plain.filter(
    (column) => moving.has(nameOf(column)) || ((paper.allColumns || areEqual) && !column.isKey),
  );
  // A table of a single row, or of equal ones, is shown as it is.
  const kept = varying.length > 0 ? varying : plain;
  const dropped = plain.filter((column) => !kept.includes(column));
  const told = dropped.flatMap(({ head, cells, isKey }) =>
    isKey ? [[head, (cells[0] ?? '').trim()] as const] : [],
  );
  const equal = dropped.filter(({ isKey }) => !isKey).map(nameOf);
  const keys = narrowed(kept.filter(({ isKey }) => isKey).map(measured), width);
  const numbers = kept.filter(({ isKey }) => !isKey).map(measured);
  const room = width - sum(keys);
  if (paper.allColumns) {
    const blocks = blocksOf(numbers, room);
    const lines = blocks.flatMap((block, at) => [
      ...(at > 0 ? [''] : []),
      ...linesOf([...keys, ...block], paper),
    ]);
    return { lines, left: [], same: told };
  }
  const shown = fitting(numbers, room);
  const hidden = numbers.filter((column) => !shown.has(column)).map(nameOf);
  const drawn = new Set([...shown].map(nameOf));
  const left = [...new Set([...hidden, ...equal])].filter((name) => !drawn.has(name));
  const lines = linesOf([...keys, ...numbers.filter((column) => shown.has(column))], paper);
  return { lines, left, same: told };
}

/** Most cells are printable ASCII, and as they are. */
const plainCell = (text: string): string => (/^[ -~]*$/.test(text) ? text : plainName(text));

const nameOf = ({ metric, head }: Pick<TextColumn, 'metric' | 'head'>): string => metric ?? head;

const sum = (columns: readonly Measured[]): number =>
  columns.reduce((total, { width }) => total + width + GAP.length, 0);

/** The columns that fit, those of one number together: the numbers that say most first. At least one. */
function fitting(numbers: readonly Measured[], room: number): ReadonlySet<Measured> {
  const groups = new Map<string, Measured[]>();
  for (const column of numbers) {
    const name = `${nameOf(column)}`;
    const group = groups.get(name);
    if (group) group.push(column);
    else groups.set(name, [column]);
  }
  const rank = (name: string): number => (name === 'n' ? -1 : headlineRank(name));
  const order = [...groups].sort(([a], [b]) => rank(a) - rank(b));
  const shown = new Set<Measured>();
  let used = 0;
  for (const [, group] of order) {
    // A pivoted number has a column for each label: as many of them as there is room for.
    const isAtom = group.length <= 3;
    const need = sum(group);
    if (isAtom && shown.size > 0 && used + need > room) continue;
    for (const column of group) {
      if (!isAtom && shown.size > 0 && used + column.width + GAP.length > room) break;
      shown.add(column);
      used += column.width + GAP.length;
    }
  }
  return shown;
}

/** Columns in blocks of which each fits. */
function blocksOf(numbers: readonly Measured[], room: number): readonly (readonly Measured[])[] {
  const blocks: Measured[][] = [[]];
  let used = 0;
  for (const column of numbers) {
    const need = column.width + GAP.length;
    const block = elementAt(blocks, blocks.length - 1);
    if (block.length > 0 && used + need > room) {
      blocks.push([column]);
      used = need;
    } else {
      block.push(column);
      used += need;
    }
  }
  return blocks;
}

/** Names of rows take at most two thirds of the width: the longest are cut. */
function narrowed(keys: readonly Measured[], width: number): readonly Measured[] {
  const most = Math.floor((width * 2) / 3);
  const widths = keys.map((key) => key.width);
  const total = (): number => widths.reduce((all, one) => all + one + GAP.length, 0);
  while (total() > most && Math.max(...widths) > KEY_WIDTH_MIN) {
    const longest = Math.max(...widths);
    widths[widths.indexOf(longest)] = longest - 1;
  }
  return keys.map((key, at) => ({
    ...key,
    width: elementAt(widths, at),
    head: cut(key.head, elementAt(widths, at)),
    cells: key.cells.map((cell) => cut(cell, elementAt(widths, at))),
  }));
}

const KEY_WIDTH_MIN = 6;

const cut = (text: string, width: number): string =>
  widthOf(text) <= width ? text : `${[...text].slice(0, width - 1).join('')}…`;

function linesOf(columns: readonly Measured[], { colors: c }: Paper): readonly string[] {
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => padded(cell, elementAt(columns, at)))
      .join(GAP)
      .trimEnd();
  const count = columns[0]?.cells.length ?? 0;
  const rows = Array.from({ length: count }, (_, row) =>
    line(columns.map(({ cells }) => elementAt(cells, row))),
  );
  return [c.bold(line(columns.map(({ head }) => head))), ...rows];
}

function padded(text: string, { width, isNumber }: Measured): string {
  const own = width + text.length - widthOf(text);
  return isNumber ? text.padStart(own) : text.padEnd(own);
}

const measured = (column: TextColumn): Measured => ({
  ...column,
  width: column.cells.reduce((most, cell) => Math.max(most, widthOf(cell)), widthOf(column.head)),
});

/** Characters of East Asian scripts and emoji, which take two places of a terminal. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/gu;
const COMBINING = /\p{Mn}/gu;

/** How many places of a terminal a text takes. */
function widthOf(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: printable ASCII is the common case
  if (/^[\x00-\x7f]*$/.test(text)) return text.length;
  const characters = [...text].length;
  return characters + (text.match(WIDE)?.length ?? 0) - (text.match(COMBINING)?.length ?? 0);
}
