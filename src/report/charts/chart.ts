// chart.ts — marks in, an SVG out: the one file that knows Vega
import type { LoggerInterface } from 'vega';
import type { TopLevelSpec } from 'vega-lite';
import { escapeHtml, type Html, rawHtml } from '../markup/html.ts';
import { FAINT, GRID, SOFT } from '../markup/palette.ts';
import type { Interval } from './scale.ts';

/** One axis: everything about it is decided by the caller, nothing by the chart library. */
export interface Axis {
  readonly domain: Interval;
  readonly ticks: readonly number[];
  /** What ticks are called, one for each, in place of their numbers. */
  readonly labels?: readonly string[];
  /** Digits after the point in labels; as many as are needed when left out. */
  readonly digits?: number;
  readonly title?: string;
  readonly grid?: boolean;
  readonly scale?: 'linear' | 'log';
  /** No line, ticks or labels. */
  readonly hidden?: boolean;
}

/** One mark. `title` becomes its tooltip. */
export interface Mark {
  readonly x: number;
  readonly y: number;
  readonly x2?: number;
  readonly y2?: number;
  readonly title?: string;
  readonly text?: string;
  /** Of a line with several parts: which one. */
  readonly series?: number;
}

/** Marks drawn alike, above the layers before. */
export interface Layer {
  readonly kind: 'line' | 'dot' | 'rule' | 'bar' | 'text' | 'area';
  readonly marks: readonly Mark[];
  readonly color: string;
  /** Of lines and rules in px, of dots across in px, of texts the font size in px. */
  readonly size?: number;
  readonly opacity?: number;
  readonly dash?: readonly number[];
  /** What a dot is filled with, when not with its colour. */
  readonly fill?: string;
  readonly align?: 'left' | 'center' | 'right';
  /** A text's shift in px. */
  readonly dx?: number;
  readonly dy?: number;
}

/** A chart of one view, with fixed outer measures in px. */
export interface Chart {
  /** What it shows, for those who cannot see it. */
  readonly label: string;
  /** Of the plotting area. */
  readonly width: number;
  readonly height: number;
  readonly margin: {
    readonly top: number;
    readonly right: number;
    readonly bottom: number;
    readonly left: number;
  };
  readonly x: Axis;
  readonly y: Axis;
  readonly layers: readonly Layer[];
}

/**
 * The same marks in fewer layers: those of one look stand together, where the first of them stood. Not for lines,
 * which are told apart by their layer.
 */
export function merged(layers: readonly Layer[]): readonly Layer[] {
  const looks = new Map<string, Mark[]>();
  const first: Layer[] = [];
  for (const layer of layers) {
    const { marks, ...look } = layer;
    const [sample] = marks;
    if (sample === undefined) continue;
    const name = JSON.stringify([look, sample.x2 !== undefined, sample.y2 !== undefined]);
    const known = looks.get(name);
    if (known) known.push(...marks);
    else {
      const own = [...marks];
      looks.set(name, own);
      first.push({ ...look, marks: own });
    }
  }
  return first;
}

type LayerSpec = Extract<TopLevelSpec, { layer: unknown }>['layer'][number];

/**
 * Draws a chart. The SVG is the same text for the same chart on every machine: fixed layout (no font is measured),
 * explicit domains and ticks, coordinates rounded to 2 decimals. Throws what Vega reports as an error: a bug of ours.
 */
export async function drawChart(chart: Chart): Promise<Html> {
  // Imported late: a quarter of a second that only those who draw should pay.
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  // A canvas package that happens to be installed nearby must not change a measure.
  // Vega's types lack `textMetrics`.
  (vega as unknown as TextMetrics).textMetrics.canvas(false);
  vega.resetSVGDefIds();
  const { spec } = compile(specOf(chart), { logger: strictLogger() });
  const view = new vega.View(vega.parse(spec), { renderer: 'none', logger: strictLogger() });
  const svg = await view.toSVG();
  view.finalize();
  return rawHtml(plainSvg(svg, chart));
}

/** What vega's type declarations leave out. */
interface TextMetrics {
  readonly textMetrics: { canvas(use: boolean): void };
}

/** The whole of Vega-Lite that is used here. */
function specOf(chart: Chart): TopLevelSpec {
  return {
    width: chart.width,
    height: chart.height,
    padding: chart.margin,
    autosize: 'none',
    background: 'transparent',
    view: { stroke: null },
    config: { font: 'sans-serif', axis: AXIS_STYLE },
    layer: chart.layers.filter(({ marks }) => marks.length > 0).map((l) => layerSpec(l, chart)),
  };
}

const AXIS_STYLE = {
  domainColor: FAINT.light,
  tickColor: FAINT.light,
  gridColor: GRID.light,
  labelColor: SOFT.light,
  titleColor: SOFT.light,
  labelFontSize: 11,
  titleFontSize: 11,
  titleFontWeight: 'normal',
  tickSize: 4,
  labelPadding: 3,
  titlePadding: 5,
  labelLimit: 0,
  titleLimit: 0,
  labelOverlap: false,
} as const;

function layerSpec(layer: Layer, chart: Chart): LayerSpec {
  const [sample] = layer.marks;
  const channels = {
    x: position('x', chart.x),
    y: position('y', chart.y),
    ...(sample!.x2 === undefined ? {} : { x2: { field: 'x2' } }),
    ...(sample!.y2 === undefined ? {} : { y2: { field: 'y2' } }),
    ...(sample!.series === undefined ? {} : { detail: { field: 'series', type: 'nominal' } }),
    ...(sample!.text === undefined ? {} : { text: { field: 'text', type: 'nominal' } }),
    ...(sample!.title === undefined ? {} : { description: { field: 'title', type: 'nominal' } }),
    // A line goes through its points as they come.
    ...(layer.kind === 'line' || layer.kind === 'area' ? { order: { value: null } } : {}),
  };
  const mark = { ...markSpec(layer), aria: sample!.title !== undefined };
  const spec = { data: { values: [...layer.marks] }, mark, encoding: channels };
  return spec as LayerSpec; // `type: 'nominal'` widens to string in the spreads above
}

function markSpec({ kind, color, size = 1, opacity = 1, dash, fill, align, dx, dy }: Layer) {
  const stroke = { stroke: color, strokeWidth: size, opacity, strokeDash: dash ? [...dash] : [] };
  switch (kind) {
    case 'line':
      return { type: 'line', ...stroke, strokeJoin: 'round' };
    case 'area':
      return { type: 'area', fill: color, opacity, line: false };
    case 'rule':
      return { type: 'rule', ...stroke };
    case 'bar':
      return { type: 'rect', fill: color, opacity };
    case 'dot':
      return {
        type: 'point',
        filled: false,
        stroke: color,
        strokeWidth: 1.4,
        fill: fill ?? color,
        size: size * size,
        opacity,
      };
    case 'text':
      return {
        type: 'text',
        fill: color,
        fontSize: size,
        align: align ?? 'left',
        baseline: 'middle',
        dx: dx ?? 0,
        dy: dy ?? 0,
      };
  }
}

function position(field: 'x' | 'y', axis: Axis) {
  const scale = { domain: [...axis.domain], nice: false, zero: false, type: axis.scale };
  const drawn = {
    title: axis.title ?? null,
    values: [...axis.ticks],
    grid: axis.grid ?? false,
    domain: !axis.grid,
    ticks: !axis.grid,
    format: axis.digits === undefined ? '~r' : `.${axis.digits}f`,
    ...(axis.labels && { labelExpr: namesOf(axis.ticks, axis.labels) }),
  };
  return { field, type: 'quantitative', scale, axis: axis.hidden ? null : drawn };
}

/** An expression that gives a tick its name. */
const namesOf = (ticks: readonly number[], labels: readonly string[]): string =>
  `${JSON.stringify(labels)}[indexof(${JSON.stringify(ticks)}, datum.value)]`;

/** Vega tells a logger about errors and goes on; here they stop. Warnings are about taste, and are dropped. */
function strictLogger(): LoggerInterface {
  const logger: LoggerInterface = {
    level: () => logger,
    error(...messages) {
      throw messages[0] instanceof Error ? messages[0] : new Error(messages.join(' '));
    },
    warn: () => logger,
    info: () => logger,
    debug: () => logger,
  };
  return logger;
}

/** Vega's SVG without what a page has no use for, its numbers rounded, its descriptions turned into tooltips. */
function plainSvg(svg: string, { label, width, height, margin }: Chart): string {
  const inner = svg
    .replace(/^<svg[^>]*>/, '')
    .replace(/<\/svg>$/, '')
    .replace(/<path[^>]*? class="(?:background|foreground)"[^>]*\/>/g, '')
    .replace(/<(path|line|text|rect)([^>]*) aria-label="([^"]*)"([^>]*?)\/>/g, TITLED)
    .replace(/<[a-z][^>]*>/g, plainTag)
    // Groups that say nothing are left over from the scene graph.
    .replace(/<g><\/g>/g, '');
  const w = width + margin.left + margin.right;
  const h = height + margin.top + margin.bottom;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escapeHtml(label)}"`;
  return `${head} width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">${inner}</svg>`;
}

const TITLED = '<$1$2$4><title>$3</title></$1>';

function plainTag(tag: string): string {
  return tag
    .replace(/ (?:class|role|aria-[a-z]+|pointer-events)="[^"]*"/g, '')
    .replace(/ opacity="1"/g, '')
    .replace(/ stroke-dasharray=""/g, '')
    .replace(/ (?:transform|d|x|y|x2|y2|width|height)="[^"]*"/g, roundNumbers);
}

function roundNumbers(attribute: string): string {
  return attribute.replace(/-?\d+\.?\d*(?:e[-+]?\d+)?/g, (number) =>
    String(Math.round(Number(number) * 100) / 100),
  );
}
