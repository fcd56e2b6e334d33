// figure.ts — charts in their frames: panels, legends, captions
import { type Chart, drawChart } from './chart.ts';
import { type Content, type Html, html } from '../markup/html.ts';
import { INK, PAPER, type Palette, paintOf, SOFT } from '../markup/palette.ts';

/** One chart of a figure. */
export interface Panel {
  /** Of its file: letters, digits and hyphens are kept, the rest becomes hyphens. */
  readonly name: string;
  readonly title: Content;
  readonly detail?: Content;
  readonly chart: Chart | Html;
}

/** Panels under a heading of their own. */
export interface PanelRow {
  readonly title: Content;
  readonly panels: readonly Panel[];
}

/** A figure that is not drawn yet. */
export interface FigureDraft {
  /** Of the figure and its files: `accuracy`. */
  readonly id: string;
  /** In a few words, for links: `accuracy by profile`. */
  readonly title: string;
  /** How wide panels are. */
  readonly size: 'medium' | 'paired' | 'large' | 'full';
  readonly legend: Html | null;
  readonly rows: readonly PanelRow[];
  /** What is to be seen in it, in a sentence: the caption begins with it. */
  readonly result: string;
  /** How to read it. */
  readonly caption: Html;
  /** The table among the report's files that has its numbers: `accuracy`. */
  readonly data?: string;
}

/** A figure, drawn. */
export interface Figure {
  readonly id: string;
  readonly title: string;
  readonly number: number;
  /** What is to be seen in it. */
  readonly result: string;
  readonly html: Html;
  /** Its panels, one file each. */
  readonly files: readonly { readonly name: string; readonly svg: string }[];
}

/** Panels beyond these are folded away, where that saves more than a few. */
const PANELS_OPEN = 6;
const PANELS_SAVED = 3;

/** Draws a figure, one panel after another: Vega counts its definitions in a global. */
export async function drawFigure(draft: FigureDraft, number: number): Promise<Figure> {
  const { id, title, size, legend, result, caption, data } = draft;
  const files = new Map<string, string>();
  const drawn: DrawnRow[] = [];
  for (const row of draft.rows) {
    const panels: Html[] = [];
    for (const panel of row.panels) {
      const svg = 'markup' in panel.chart ? panel.chart : await drawChart(panel.chart);
      const file = fresh(`${id}-${slug(panel.name)}`, files);
      files.set(file, svg.markup);
      panels.push(panelOf(panel, svg, file, size));
    }
    drawn.push({ title: row.title, panels });
  }
  const [open, folded] = folds(drawn);
  return {
    id,
    title,
    number,
    result,
    files: [...files].map(([name, svg]) => ({ name, svg })),
    html: html`<figure class="wide" id="figure-${id}">
${legend}
${open.map((row) => rowOf(row, size))}
${folded.length === 0 ? null : foldOf(folded, size)}
<figcaption><b>Figure ${number}. ${result}</b> ${caption}${data === undefined ? null : html` <a href="tables/${data}.csv">Data (CSV)</a>`}</figcaption>
</figure>
`,
  };
}

/** Every figure by what it shows, folded: the study in as many lines, and a way to each. */
export function figureList(figures: readonly Figure[]): Html | null {
  if (figures.length < 2) return null;
  const items = figures.map(
    ({
      id,
      number,
      result,
    }) => html`<li value="${number}"><a href="#figure-${id}">${result}</a></li>
`,
  );
  return html`<details class="figure-list"><summary>What each of the ${figures.length} figures shows</summary>
<ol>${items}</ol></details>`;
}

/** Panels of a row, drawn. */
interface DrawnRow {
  readonly title: Content;
  readonly panels: readonly Html[];
}

/** What is seen at once, and what is folded away. Rows are cut where they are long. */
function folds(rows: readonly DrawnRow[]): readonly [readonly DrawnRow[], readonly DrawnRow[]] {
  const count = rows.reduce((sum, { panels }) => sum + panels.length, 0);
  if (count < PANELS_OPEN + PANELS_SAVED) return [rows, []];
  const [open, folded]: [DrawnRow[], DrawnRow[]] = [[], []];
  let left = PANELS_OPEN;
  for (const { title, panels } of rows) {
    const shown = panels.slice(0, Math.max(left, 0));
    const rest = panels.slice(shown.length);
    left -= panels.length;
    if (shown.length > 0) open.push({ title, panels: shown });
    if (rest.length > 0) folded.push({ title, panels: rest });
  }
  return [open, folded];
}

const rowOf = ({ title, panels }: DrawnRow, size: string): Html =>
  html`${title === null ? null : html`<p class="row-title">${title}</p>`}<div class="panels ${size}">${panels}</div>`;

function foldOf(rows: readonly DrawnRow[], size: string): Html {
  const count = rows.reduce((sum, { panels }) => sum + panels.length, 0);
  return html`<details class="more"><summary>${count} more panels</summary>
${rows.map((row) => rowOf(row, size))}</details>`;
}

/** Charts that are wider than a phone are reached by keyboard. */
/** A chart that is narrower has words below nine pixels: on a phone it scrolls. */
const leastWidth = ({ markup }: Html): number =>
  Math.ceil(Number(/^<svg[^>]* width="([\d.]+)"/.exec(markup)?.[1] ?? 0) * SMALLEST);
const SMALLEST = 0.91;

const SCROLLS = html` tabindex="0" role="group" aria-label="A wide chart"`;

function panelOf({ title, detail = null }: Panel, svg: Html, file: string, size: string): Html {
  const small = detail === null ? null : html`<small>${detail}</small>`;
  const link = html`<a class="permalink" href="figures/${file}.svg" tabindex="-1">SVG</a>`;
  return html`<div><p class="panel-title">${title} ${link}${small}</p><div class="chart" style="--least: ${leastWidth(svg)}px"${size === 'full' ? SCROLLS : null}>${svg}</div></div>
`;
}

/** A name as part of a file's. */
export const slug = (name: string): string =>
  name
    .replace(/[^A-Za-z0-9.]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 100) || 'panel';

/** A name that no file has yet, whatever case it is written in. */
export function fresh(name: string, taken: ReadonlyMap<string, unknown>): string {
  const used = new Set([...taken.keys()].map((key) => key.toLowerCase()));
  for (let n = 1; ; n++) {
    const free = n === 1 ? name : `${name}-${n}`;
    if (!used.has(free.toLowerCase())) return free;
  }
}

/** A list of what marks mean. */
export const legendOf = (items: readonly Content[]): Html =>
  html`<ul class="legend">${items.map((item) => html`<li>${item}</li>`)}</ul>`;

/** More profiles than these are not listed: their colours repeat, and panels name them. */
const LEGEND_PROFILES = 24;

/** The profiles in their colours, and whatever else there is. */
export function profileLegend(
  profiles: readonly string[],
  palette: Palette,
  more: readonly Content[] = [],
): Html {
  const items = profiles.slice(0, LEGEND_PROFILES).map((profile) => {
    const { color, dash } = paintOf(palette, profile);
    return html`${lineSwatch(color, dash)} ${profile}`;
  });
  const rest = profiles.length - LEGEND_PROFILES;
  return legendOf([...items, ...(rest > 0 ? [`and ${rest} more`] : []), ...more]);
}

/** The dense network in a legend. */
export const denseItem = (): Html => html`${lineSwatch(INK.light, [4, 3])} dense`;

/** A piece of line. */
export function lineSwatch(color: string, dash: readonly number[]): Html {
  return html`<svg width="22" height="8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" stroke="${color}"
stroke-width="2" stroke-dasharray="${dash.length > 0 ? dash.join(' ') : 'none'}"/></svg>`;
}

/** A piece of area. */
export function barSwatch(color: string): Html {
  return html`<svg width="14" height="11" aria-hidden="true"><rect width="14" height="11" fill="${color}"
fill-opacity="0.75"/></svg>`;
}

/** A dot: full, or a ring. */
export function dotSwatch(color: string = SOFT.light, fill: string = color): Html {
  return html`<svg width="11" height="11" aria-hidden="true"><circle cx="5.5" cy="5.5" r="4" fill="${fill}"
stroke="${color}" stroke-width="1.4"/></svg>`;
}

/** A ring. */
export const ringSwatch = (color: string = SOFT.light): Html => dotSwatch(color, PAPER.light);
