// text-table.ts — outputs that are tables: CSV, TSV, and JSON lists of flat maps
import type { Json } from '../engine/model/key.ts';

/** A table of texts, as much of it as is shown. */
export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly more: number;
}

const ROWS_SHOWN = 200;
const COLUMNS_MAX = 60;

/** A list of flat maps as a table; undefined for anything else. */
export function rowsOfJson(json: Json): TextTable | undefined {
  if (!Array.isArray(json) || json.length === 0) return undefined;
  const columns = new Set<string>();
  for (const item of json as readonly Json[]) {
    if (item === null || typeof item !== 'object' || Array.isArray(item)) return undefined;
    for (const [name, value] of Object.entries(item)) {
      if (value !== null && typeof value === 'object') return undefined;
      columns.add(name);
    }
    if (columns.size > COLUMNS_MAX) return undefined;
  }
  const head = [...columns];
  const rows = (json as readonly { readonly [name: string]: Json }[]).slice(0, ROWS_SHOWN);
  return {
    head,
    rows: rows.map((item) =>
      head.map((name) => textOf(Object.hasOwn(item, name) ? item[name] : null)),
    ),
    more: json.length - rows.length,
  };
}

const textOf = (value: Json | undefined): string =>
  value === null || value === undefined
    ? ''
    : typeof value === 'string'
      ? value
      : JSON.stringify(value);

/** Lines with as many commas or tabs each as a table; undefined for other texts. */
export function rowsOfText(text: string): TextTable | undefined {
  const lines = text.split(/\r?\n/, ROWS_SHOWN + 2).filter((line) => line !== '');
  const [first = ''] = lines;
  const mark = first.includes('\t') ? '\t' : ',';
  const head = cellsIn(first, mark);
  if (head.length < 2 || head.length > COLUMNS_MAX || lines.length < 2) return undefined;
  const rows = lines.slice(1, ROWS_SHOWN + 1).map((line) => cellsIn(line, mark));
  // The last line may be cut off.
  if (!rows.slice(0, -1).every((row) => row.length === head.length)) return undefined;
  if (rows.length === 1 && rows[0]?.length !== head.length) return undefined;
  const count = text.split('\n').filter((line) => line.trim() !== '').length - 1;
  return { head, rows, more: Math.max(0, count - rows.length) };
}

/** Cells of a line; what stands in double quotes may hold the mark. */
function cellsIn(line: string, mark: string): readonly string[] {
  const cells: string[] = [];
  let cell = '';
  let isQuoted = false;
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at);
    if (character === '"') {
      if (isQuoted && line.charAt(at + 1) === '"') {
        cell += '"';
        at += 1;
      } else isQuoted = !isQuoted;
    } else if (character === mark && !isQuoted) {
      cells.push(cell);
      cell = '';
    } else cell += character;
  }
  return [...cells, cell];
}
