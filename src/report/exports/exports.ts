// exports.ts — the report for papers and programs: report.md, metrics.json, tables as CSV and LaTeX, figures as SVG
import { verdictWords } from '../../claims/result.ts';
import { rounded } from '../../claims/words.ts';
import type { FileSet } from '../../file-set.ts';
import type { DatasetResults } from '../data/arms.ts';
import { effectOf } from '../figures/contrast-figure.ts';
import type { Figure } from '../charts/figure.ts';
import type { Html } from '../markup/html.ts';
import { latexFiles } from './latex.ts';
import type { Study } from '../data/study.ts';
import { type Cell, type TidyTable, tidyTables } from './tidy.ts';

/** The form of metrics.json, which docs/report.md describes. */
export const METRICS_FORM = 'metrics/1';

/** Every file of the report but the page. */
export function filesOf(
  study: Study,
  results: readonly DatasetResults[],
  lead: { readonly finding: string | null; readonly abstract: Html },
  figures: readonly Figure[],
): FileSet {
  const tables = tidyTables(study, results);
  const files: [string, string][] = [
    ['report.md', markdown(study, tables, lead, figures)],
    ['metrics.json', `${JSON.stringify(metrics(study, tables, figures), null, 1)}\n`],
    ...tables.map((table): [string, string] => [`tables/${table.name}.csv`, csv(table)]),
    ...[...latexFiles(tables)].map(([name, text]): [string, string] => [
      `tables/${name}.tex`,
      text,
    ]),
    ...figures.flatMap((figure) =>
      figure.files.map(({ name, svg }): [string, string] => [`figures/${name}.svg`, `${svg}\n`]),
    ),
  ];
  return Object.fromEntries(files);
}

/** The tables as lists of records, with what a program needs to know beside them. */
function metrics(study: Study, tables: readonly TidyTable[], figures: readonly Figure[]) {
  return {
    form: METRICS_FORM,
    title: study.title,
    hidden: study.hidden,
    training: study.training,
    rigl: study.rigl,
    figures: figures.map(({ id, number, title, files }) => ({
      id,
      number,
      title,
      files: files.map(({ name }) => `figures/${name}.svg`),
    })),
    tables: Object.fromEntries(
      tables.map(({ name, columns, rows }) => [
        name,
        rows.map((row) => Object.fromEntries(columns.map((column, i) => [column.name, row[i]]))),
      ]),
    ),
  };
}

/** RFC 4180, with line feeds. A formula of a spreadsheet is made text. */
function csv({ columns, rows }: TidyTable): string {
  const line = (cells: readonly Cell[]): string => cells.map(csvCell).join(',');
  return `${[line(columns.map(({ name }) => name)), ...rows.map(line)].join('\n')}\n`;
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell !== 'string') return String(cell);
  const text = /^[=+@\t\r-]/.test(cell) ? `'${cell}` : cell;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What a pull request shows: the abstract, the claims and the accuracies. */
function markdown(
  study: Study,
  tables: readonly TidyTable[],
  lead: { readonly finding: string | null; readonly abstract: Html },
  figures: readonly Figure[],
): string {
  const accuracy = tables.find(({ name }) => name === 'accuracy');
  const claims = study.claims?.claims ?? [];
  const parts = [
    `# ${mdText(study.title)}`,
    ...(lead.finding === null ? [] : [`**${mdText(lead.finding)}**`]),
    mdText(plain(lead.abstract)),
    ...(claims.length === 0 ? [] : ['## Claims', claimsMarkdown(study)]),
    ...(study.missing.length === 0 ? [] : ['## What is missing', missingMarkdown(study)]),
    ...(accuracy ? ['## Test accuracy (%)', accuracyMarkdown(accuracy)] : []),
    ...(figures.length === 0 ? [] : ['## Figures', figuresMarkdown(figures)]),
    'The whole report: [report.html](report.html). The numbers: [metrics.json](metrics.json).',
  ];
  return `${parts.join('\n\n')}\n`;
}

function claimsMarkdown({ claims }: Study): string {
  const rows = (claims?.claims ?? []).map((claim) => {
    const { id, title, paper, contrasts, reason } = claim;
    const measured = contrasts.filter(({ effect }) => effect !== null);
    const ours =
      measured.length > 0 && measured.length <= 4
        ? measured.map((contrast) => `${contrast.dataset}: ${effectOf(contrast)}`).join('; ')
        : `${measured.length} contrasts`;
    return [
      `**${mdText(id)}** ${mdText(title)}`,
      mdText(paper.value),
      mdText(ours),
      `${verdictWords(claim)}: ${mdText(reason)}`,
    ];
  });
  return mdTable(['Claim', 'The paper', 'Here', 'Verdict'], rows);
}

function missingMarkdown({ missing }: Study): string {
  const shown = missing
    .slice(0, 20)
    .map(
      ({ task, kind, reason }) => `- \`${task.replaceAll('`', '')}\` (${kind}): ${mdText(reason)}`,
    );
  const rest = missing.length - shown.length;
  return [...shown, ...(rest > 0 ? [`- and ${rest} more: tables/missing.csv`] : [])].join('\n');
}

function accuracyMarkdown({ columns, rows }: TidyTable): string {
  const at = (row: readonly Cell[], name: string): Cell =>
    row[columns.findIndex((c) => c.name === name)]!;
  const number = (cell: Cell): string => (typeof cell === 'number' ? rounded(cell, 2) : '–');
  return mdTable(
    ['Data set', 'Sparsity', 'Method', 'Profile', 'n', 'Mean', 'SD', 'To dense'],
    rows.map((row) => {
      const [n, expected] = [at(row, 'n'), at(row, 'n_expected')];
      const names = ['dataset', 'sparsity', 'method', 'profile'].map((name) =>
        mdText(String(at(row, name) ?? '')),
      );
      const seeds = n === expected ? String(n) : `${n} of ${expected}`;
      return [
        ...names,
        seeds,
        ...['mean', 'sd', 'less_dense'].map((name) => number(at(row, name))),
      ];
    }),
  );
}

const figuresMarkdown = (figures: readonly Figure[]): string =>
  figures
    .map(({ number, title, result, files }) => {
      const links = files.map(({ name }) => `[${name}](figures/${name}.svg)`);
      return `- Figure ${number}, ${mdText(title)}. ${mdText(result)} ${links.join(', ')}`;
    })
    .join('\n');

function mdTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Text in which Markdown finds nothing to do. */
const mdText = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/[\\`*_[\]>|#~]/g, (character) => `\\${character}`);

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&amp;': '&',
};

/** Markup of ours as text. */
const plain = ({ markup }: Html): string =>
  markup
    .replace(/<[^>]*>/g, '')
    .replace(/&(?:lt|gt|quot|#39|amp);/g, (entity) => ENTITIES[entity]!)
    .replace(/\s+/g, ' ')
    .trim();
