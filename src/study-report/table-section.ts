// table-section.ts — results over the matrix as a table: a row for labels, means with SD and n
import { filterRows } from '../analysis/filter.ts';
import { AnalysisError, columnAt, type Frame } from '../analysis/frame.ts';
import { type TextColumn, textColumns } from '../analysis/layout.ts';
import { headlineOf } from '../analysis/order.ts';
import { isRepetition, varyingAxes } from '../analysis/plot/plan.ts';
import { axesOf, frameOf, TASK } from '../analysis/results.ts';
import { tabulate } from '../analysis/tabulate.ts';
import { elementAt } from '../present.ts';
import { tableFrame } from '../report/markup/document.ts';
import { counted, listed } from '../report/markup/format.ts';
import { type Html, html } from '../report/markup/html.ts';
import type { ReportResults } from './collected.ts';
import { atOf, type SectionOf } from './section-params.ts';

/** More rows than this are no table for a page: the section says what was left out. */
const ROWS_MAX = 2000;

/** Draws a table. @throws AnalysisError for what is not there */
export function tableSection(section: SectionOf<'table'>, given: ReportResults): Html {
  const { stage, output, where, sort, top, columns } = section;
  const results = given.of(stage, output);
  const whole = frameOf(results, atOf(section.at));
  if (whole.rows.length === 0) return html`<p class="note">No task of ${stage} gave a result.</p>`;
  const values = section.value.length > 0 ? section.value : [headlineIn(whole, stage)];
  for (const value of values) columnAt(whole.columns, value);
  const rows = rowsOf(section, filterRows(whole, where), axesOf(results));
  const summarised = columns !== undefined || rows.length < axesOf(results).length;
  const made = tabulate(whole, {
    where,
    columns: summarised ? values : [...rows, ...values],
    ...(sort.length > 0 && { sort }),
    ...(top !== undefined && { top }),
    ...(summarised && { groupBy: rows }),
    ...(columns !== undefined && { pivot: columns }),
  });
  const frame = withoutTasks(made.frame);
  const shown = { ...frame, rows: frame.rows.slice(0, ROWS_MAX) };
  const name = section.title ?? `${listed(values)} of ${stage}`;
  const over = (made.over ?? []).map(({ axis }) => axis);
  return html`<div class="wide">${tableFrame(name, captionOf(section, values, over, frame.rows.length - shown.rows.length), drawn(textColumns(shown), columns))}</div>`;
}

function headlineIn(frame: Frame, stage: string): string {
  const name = headlineOf(frame);
  if (name === undefined) throw new AnalysisError(`stage \`${stage}\` gave no number`);
  return name;
}

/** The axes of rows: those that are asked for, or all that vary and are no repetitions. */
function rowsOf(
  { rows, columns }: SectionOf<'table'>,
  frame: Frame,
  axes: readonly string[],
): readonly string[] {
  if (rows.length > 0) return rows;
  const varying = varyingAxes(frame).filter((axis) => axis !== columns && !isRepetition(axis));
  return varying.length > 0 ? varying : axes.filter((axis) => axis !== columns).slice(0, 1);
}

function captionOf(
  { note, columns }: SectionOf<'table'>,
  values: readonly string[],
  over: readonly string[],
  left: number,
): Html | null {
  const parts = [
    ...(note === undefined ? [] : [note]),
    ...(columns === undefined ? [] : [`Columns: ${columns}.`]),
    ...(over.length > 0
      ? [`${values.length === 1 ? `${values[0]}: mean` : 'Mean'} ± SD over ${listed(over)}.`]
      : []),
    ...(left > 0 ? [`${counted(left, 'further row')} are left out.`] : []),
  ];
  return parts.length > 0 ? html`${parts.join(' ')}` : null;
}

function withoutTasks({ columns, rows }: Frame): Frame {
  const kept = columns.flatMap(({ name }, at) => (name === TASK ? [] : [at]));
  return {
    columns: kept.map((at) => elementAt(columns, at)),
    rows: rows.map((row) => kept.map((at) => row[at] ?? null)),
  };
}

function drawn(columns: readonly TextColumn[], axis: string | undefined): Html {
  const count = columns[0]?.cells.length ?? 0;
  const keys = columns.filter(({ isKey }) => isKey).length;
  const heads = columns.map(
    ({ head, isNumber, isKey }) =>
      html`<th scope="col" class="${isNumber && !isKey ? 'right' : 'words'}">${head}</th>`,
  );
  const over =
    axis === undefined
      ? null
      : html`<tr>${keys > 0 ? html`<td colspan="${keys}"></td>` : null}<th scope="colgroup" colspan="${columns.length - keys}">${axis}</th></tr>`;
  const rows = Array.from({ length: count }, (_, row) => {
    const cells = columns.map(({ cells: own, isKey, isNumber }, at) => {
      const text = (own[row] ?? '').replaceAll('-', isNumber && !isKey ? '−' : '-').trim();
      if (at === 0 && isKey) return html`<th scope="row">${text}</th>`;
      return html`<td class="${isNumber && !isKey ? 'right' : 'words'}">${text}</td>`;
    });
    return html`<tr>${cells}</tr>\n`;
  });
  return html`<table class="numbers"><thead>${over}<tr>${heads}</tr></thead><tbody>\n${rows}</tbody></table>`;
}
