// forms.ts — a table in the forms that other programs read: CSV, TSV, JSON, Markdown, LaTeX

import type { Json, Named } from '../engine/model/key.ts';
import { elementAt, entryOf } from '../present.ts';
import { type Cell, cellAt, type Frame } from './frame.ts';
import { NOTHING, type TextColumn, textColumns } from './layout.ts';

/** A number as it is, digit by digit; what JSON cannot hold by its name. */
const exact = (cell: Cell): string => (cell === null ? '' : String(cell));

/** CSV as RFC 4180 has it, with lines that end in LF. */
export function csvOf({ columns, rows }: Frame): string {
  const quoted = (text: string): string =>
    /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const line = (cells: readonly string[]): string => `${cells.map(quoted).join(',')}\n`;
  return [line(columns.map(({ name }) => name)), ...rows.map((row) => line(row.map(exact)))].join(
    '',
  );
}

/** Values with tabs between them; tabs and newlines within a text become blanks. */
export function tsvOf({ columns, rows }: Frame): string {
  const line = (cells: readonly string[]): string =>
    `${cells.map((cell) => cell.replace(/[\t\r\n]/g, ' ')).join('\t')}\n`;
  return [line(columns.map(({ name }) => name)), ...rows.map((row) => line(row.map(exact)))].join(
    '',
  );
}

/** A row as JSON: cells by column. NaN and the infinities stand as text. */
export function rowsJson({ columns, rows }: Frame): readonly Named<Json>[] {
  const value = (cell: Cell): Json =>
    typeof cell === 'number' && !Number.isFinite(cell) ? String(cell) : cell;
  return rows.map((row) =>
    Object.fromEntries(columns.map(({ name }, at) => [name, value(cellAt(row, at))])),
  );
}

const widthOf = ({ head, cells }: TextColumn): number =>
  cells.reduce((most, cell) => Math.max(most, cell.length), head.length);

/** A table of Markdown (GitHub's), aligned in its source, too. */
export function markdownOf(frame: Frame): string {
  const columns = textColumns(frame).map((column) => ({
    ...column,
    head: markdownText(column.head),
    cells: column.cells.map(markdownText),
  }));
  const widths = columns.map((column) => Math.max(3, widthOf(column)));
  const line = (cells: readonly string[]): string =>
    `| ${cells
      .map((cell, at) =>
        elementAt(columns, at).isNumber
          ? cell.padStart(elementAt(widths, at))
          : cell.padEnd(elementAt(widths, at)),
      )
      .join(' | ')} |\n`;
  const rule = columns.map(({ isNumber }, at) => {
    const dashes = '-'.repeat(elementAt(widths, at) - 1);
    return isNumber ? `${dashes}:` : `${dashes}-`;
  });
  const rows = frame.rows.map((_, row) => line(columns.map(({ cells }) => elementAt(cells, row))));
  return [line(columns.map(({ head }) => head)), `| ${rule.join(' | ')} |\n`, ...rows].join('');
}

const markdownText = (text: string): string =>
  text.replace(/[\\|*_<`]/g, (character) => `\\${character}`).replace(/[\r\n]/g, ' ');

/** A `tabular` for booktabs. */
export function latexOf(frame: Frame): string {
  const columns = textColumns(frame);
  const line = (cells: readonly string[]): string => `    ${cells.join(' & ')} \\\\\n`;
  const cell = ({ isNumber, isKey, cells }: TextColumn, row: number): string =>
    isNumber && !isKey ? latexNumber(elementAt(cells, row)) : latexText(elementAt(cells, row));
  return [
    '% \\usepackage{booktabs}\n',
    `\\begin{tabular}{${columns.map(({ isNumber }) => (isNumber ? 'r' : 'l')).join('')}}\n`,
    '  \\toprule\n',
    line(columns.map(({ head }) => latexText(head))),
    '  \\midrule\n',
    ...frame.rows.map((_, row) => line(columns.map((column) => cell(column, row)))),
    '  \\bottomrule\n',
    '\\end{tabular}\n',
  ].join('');
}

function latexNumber(text: string): string {
  const trimmed = text.trim();
  if (trimmed === NOTHING) return '--';
  const math = trimmed
    .replace(/\s+/g, ' ')
    .replace('±', '\\pm')
    .replace(
      /([\d.]+)e([+-]?)0*(\d+)/gi,
      (_, digits: string, sign: string, power: string) =>
        `${digits}\\times 10^{${sign === '-' ? '-' : ''}${power}}`,
    )
    .replace('-Infinity', '-\\infty')
    .replace('Infinity', '\\infty')
    .replace('NaN', '\\mathrm{NaN}');
  return `$${math}$`;
}

const LATEX: Named<string> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '–': '--',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
};

const latexText = (text: string): string =>
  text
    .replace(/[\\~^–<>&%$#_{}]/g, (character) =>
      Object.hasOwn(LATEX, character) ? entryOf(LATEX, character) : `\\${character}`,
    )
    .replace(/[\r\n]/g, ' ');
