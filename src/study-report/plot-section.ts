// plot-section.ts — a plot of results, drawn into the page
import { filterRows } from '../analysis/filter.ts';
import { drawSvg } from '../analysis/plot/draw.ts';
import { makePlot } from '../analysis/plot/plot.ts';
import { frameOf } from '../analysis/results.ts';
import { escapeHtml, type Html, html, rawHtml } from '../report/markup/html.ts';
import { GRID, INK, SOFT } from '../report/markup/palette.ts';
import type { ReportResults } from './collected.ts';
import { atOf, type SectionOf } from './section-params.ts';

/** Colours of plots as the style sheet knows them, so that they change in the dark. */
const COLORS: ReadonlyMap<string, string> = new Map([
  ['#55524a', SOFT.light],
  ['#d8d5cc', GRID.light],
  ['#eceae3', GRID.light],
  ['#444444', INK.light],
]);

/** Draws a plot. @param number of the figure @throws AnalysisError for what is not there */
export async function plotSection(
  section: SectionOf<'plot'>,
  given: ReportResults,
  number: number,
): Promise<Html> {
  const { stage, output, where, plot: request } = section;
  const results = given.of(stage, output);
  const whole = frameOf(results, atOf(request.at));
  if (whole.rows.length === 0) return html`<p class="note">No task of ${stage} gave a result.</p>`;
  const plot = makePlot(stage, filterRows(whole, where), results, request);
  const { title: head, background: _, ...spec } = plot.spec;
  const subtitle = subtitleOf(head);
  const svg = await drawSvg({ ...spec, background: null });
  const notes = [
    ...(section.note === undefined ? [] : [section.note]),
    ...plot.notes.map((note) => `${note}.`),
  ];
  return html`<figure class="wide" id="figure-${number}"><div class="chart plot" tabindex="0" role="group" aria-label="Figure ${number}">${rawHtml(fitted(svg, plot.title, `f${number}-`))}</div>
<figcaption><b>Figure ${number}. ${plot.title}${subtitle === '' ? '' : ':'}</b> ${subtitle === '' ? '' : `${subtitle}.`} ${notes.join(' ')}</figcaption></figure>
`;
}

function subtitleOf(head: unknown): string {
  const subtitle =
    typeof head === 'object' && head !== null && 'subtitle' in head ? head.subtitle : '';
  return typeof subtitle === 'string' ? subtitle : '';
}

/** A drawing with ids of its own, a name, and colours that the style sheet knows. */
function fitted(svg: string, label: string, prefix: string): string {
  return svg
    .trim()
    .replace(/<[a-z][^>]*>/g, (tag) =>
      tag
        .replace(
          / (id|href|xlink:href|clip-path|fill|stroke|mask)="([^"]*)"/g,
          (_, name: string, value: string) => {
            if (name === 'id') return ` id="${prefix}${value}"`;
            const own = value.replace(/^#(?=[a-z])|^url\(#/, (start) => `${start}${prefix}`);
            return ` ${name}="${name.endsWith('href') || value.startsWith('url') ? own : (COLORS.get(value) ?? value)}"`;
          },
        )
        .replace(/ style="cursor: [^"]*"/, ''),
    )
    .replace(/^<svg /, `<svg role="img" aria-label="${escapeHtml(label)}" `);
}
