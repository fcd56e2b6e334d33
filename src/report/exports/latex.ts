// latex.ts — tables for a paper: booktabs, and text in which TeX finds nothing to do
import { rounded } from '../../claims/words.ts';
import { group } from '../data/arms.ts';
import { fresh, slug } from '../charts/figure.ts';
import type { Cell, Column, TidyTable } from './tidy.ts';

/** Tables that a paper has no room for. */
const LEFT_OUT = ['runs', 'sources', 'missing'];

/** The columns that fit a page, where that is not all of them; the others are in the CSV file. */
const SHOWN: { readonly [table: string]: readonly string[] } = {
  claims: ['claim', 'title', 'paper', 'verdict', 'qualifiers'],
  contrasts: [
    ...[
      'claim',
      'dataset',
      'contrast',
      'seeds',
      'effect',
      'ci_low',
      'ci_high',
      'p_for',
      'p_against_holm',
      'd',
    ],
    'verdict',
  ],
  accuracy: [
    ...['dataset', 'sparsity', 'rule', 'method', 'profile', 'n', 'mean', 'sd', 'ci_low', 'ci_high'],
    'less_dense',
  ],
  convergence: [
    ...['dataset', 'sparsity', 'rule', 'start', 'layer', 'n', 'w1_start', 'w1_end', 'noise_floor'],
  ],
  equilibrium: [
    ...['dataset', 'sparsity', 'rule', 'layer', 'pilots', 'mu', 'sigma', 'cv', 'cv_fit'],
    'best_fit',
  ],
};

/** Long tables come in parts as well: one for each value of this column, which is then left out. */
const PARTS: { readonly [table: string]: string } = { contrasts: 'claim', accuracy: 'dataset' };

/** Text that takes several lines, as a share of the width of the text. */
const PARAGRAPHS: { readonly [column: string]: number } = { title: 0.3, paper: 0.32 };

/** Tables as files of `tables/`: `accuracy.tex`, and `accuracy-mnist.tex` for its part on MNIST. */
export function latexFiles(tables: readonly TidyTable[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const shown = tables.filter(({ name }) => !LEFT_OUT.includes(name));
  for (const table of shown) files.set(table.name, latex(table, SHOWN[table.name]));
  for (const table of shown) {
    const by = table.columns.findIndex(({ name }) => name === PARTS[table.name]);
    const parts = by < 0 ? [] : group(table.rows, (row) => String(row[by]));
    if (parts.length < 2) continue;
    for (const rows of parts) {
      const name = fresh(`${table.name}-${slug(String(rows[0]![by]))}`, files);
      const columns = (SHOWN[table.name] ?? []).filter((column) => column !== PARTS[table.name]);
      const caption = `${table.caption} ${oneLine(String(rows[0]![by]))}`;
      files.set(name, latex({ ...table, caption, rows }, columns));
    }
  }
  return files;
}

/** A table of the package booktabs, alone: `\input` it into a table environment. Columns without a value are left out. */
function latex({ caption, columns, rows }: TidyTable, names: readonly string[] = []): string {
  const shown = columns.flatMap((column, i) =>
    (names.length === 0 || names.includes(column.name)) && rows.some((row) => row[i] !== null)
      ? [{ column, i }]
      : [],
  );
  const kinds = shown.map(({ column: { name, digits } }) => {
    const share = PARAGRAPHS[name];
    return share ? `p{${share}\\textwidth}` : digits === undefined ? 'l' : 'r';
  });
  const expected = columns.findIndex(({ name }) => name === 'n_expected');
  const body = rows.map((row) =>
    shown.map(({ column, i }) => {
      const short = column.name === 'n' && expected >= 0 && row[i] !== row[expected];
      return short ? `${row[i]} of ${row[expected]}` : latexCell(row[i]!, column);
    }),
  );
  const headings = shown.map(({ column: { heading } }) =>
    heading.includes('$') ? heading : texText(heading),
  );
  return `${[
    `% ${caption}`,
    `\\begin{tabular}{${kinds.join('')}}`,
    '\\toprule',
    `${headings.join(' & ')} \\\\`,
    '\\midrule',
    ...body.map((cells) => `${cells.join(' & ')} \\\\`),
    '\\bottomrule',
    '\\end{tabular}',
  ].join('\n')}\n`;
}

function latexCell(cell: Cell, { digits, name }: Column): string {
  if (cell === null) return '--';
  if (typeof cell === 'boolean') return cell ? 'yes' : 'no';
  if (typeof cell === 'string') return texText(cell);
  if (name.startsWith('p') && digits === 3 && cell < 0.001) return '$<0.001$';
  const text = digits === undefined ? String(cell) : rounded(Math.abs(cell), digits);
  const negative = cell < 0 && /[1-9]/.test(text);
  return digits === undefined ? text : negative ? `$-${text}$` : `$${text}$`;
}

/** What TeX would take as its own. `[` and `*` are arguments after the end of a row; `|` is a dash in old fonts. */
const TEX: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '|': '\\textbar{}',
  '[': '{[}',
  ']': '{]}',
  '*': '{*}',
  '"': "''",
  '−': '$-$',
  '±': '$\\pm$',
  '×': '$\\times$',
  '≤': '$\\leq$',
  '≥': '$\\geq$',
  '√': '$\\surd$',
  σ: '$\\sigma$',
  μ: '$\\mu$',
  '–': '--',
  '—': '---',
  '’': "'",
  '‘': '`',
  '“': '``',
  '”': "''",
  '…': '\\dots{}',
};

/** Characters that TeX sets as they are, given UTF-8: ASCII, and letters of the West. */
const PLAIN = /[ -~À-ÖØ-öø-ÿ]/;

/** Text as TeX prints it. A character that no font of pdfTeX has is named by its number and never lost. */
export const texText = (text: string): string =>
  [...oneLine(text)]
    .map((character) => {
      if (Object.hasOwn(TEX, character)) return TEX[character];
      if (/[#$%&_{}]/.test(character)) return `\\${character}`;
      return PLAIN.test(character) ? character : `{[}U+${codeOf(character)}{]}`;
    })
    .join('');

const codeOf = (character: string): string =>
  (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');

/** White space of all kinds is one space: a comment ends with its line. */
const oneLine = (text: string): string => text.replace(/\s+/g, ' ');
