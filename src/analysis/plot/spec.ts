// spec.ts — a plot as a Vega-Lite specification, with everything about its scales decided here
import { cellAt, type Frame, numberIn } from '../frame.ts';
import { type PlotPlan, STEP } from './plan.ts';
import type { Point, Points } from './points.ts';

/** A Vega-Lite specification. */
export type PlotSpec = { readonly [name: string]: unknown };

/** After Okabe and Ito, darkened where needed: each stands out from white by 3 to 1. */
const COLORS = [
  '#0072b2',
  '#d55e00',
  '#00855f',
  '#b5558a',
  '#a67400',
  '#2e8fc9',
  '#7a1f4f',
  '#77771f',
  '#444444',
  '#8b6fd6',
];

/** What is drawn, and how it is called. */
export interface PlotDraft {
  readonly frame: Frame;
  readonly plan: PlotPlan;
  readonly points: Points;
  readonly title: string;
  readonly subtitle: string;
  readonly isXNumber: boolean;
  /** What steps are called: `epoch`. */
  readonly stepName: string;
}

const CONFIG = {
  font: 'sans-serif',
  view: { stroke: '#d8d5cc' },
  axis: {
    gridColor: '#eceae3',
    labelColor: '#55524a',
    titleColor: '#26251f',
    titleFontWeight: 'normal',
    labelLimit: 180,
  },
  legend: {
    symbolOpacity: 1,
    labelColor: '#26251f',
    titleColor: '#26251f',
    titleFontWeight: 'normal',
    labelLimit: 220,
  },
  header: {
    labelColor: '#26251f',
    titleColor: '#55524a',
    titleFontWeight: 'normal',
    labelLimit: 300,
  },
  title: {
    anchor: 'start',
    fontSize: 14,
    subtitleColor: '#55524a',
    subtitleFontSize: 11,
    offset: 12,
  },
};

/** What every plot begins with. */
export const headOf = (title: string, subtitle = ''): PlotSpec => ({
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  title: { text: title, ...(subtitle !== '' && { subtitle }) },
  background: '#ffffff',
  padding: 12,
  config: CONFIG,
});

/** The specification of a plot. */
export function specOf(draft: PlotDraft): PlotSpec {
  const { plan, points, title, subtitle } = draft;
  const unit = unitOf(draft);
  const facets = plan.facet === undefined ? [] : labelsIn(draft.frame, plan.facet);
  const isSplit = plan.facet !== undefined && facets.length > 1;
  const size = isSplit ? { width: 300, height: 220 } : { width: 560, height: 340 };
  const data = { values: [...points.tasks.map(asTask), ...points.means.map(asMean)] };
  const head = { ...headOf(title, subtitle), data };
  if (!isSplit) return { ...head, ...size, ...unit };
  const facet = { field: 'facet', type: 'nominal', title: plan.facet, sort: facets };
  return { ...head, facet, columns: Math.min(3, facets.length), spec: { ...size, ...unit } };
}

const asTask = (point: Point) => ({ ...point, of: 'task' });
const asMean = (point: Point) => ({ ...point, of: 'mean' });
const only = (of: 'task' | 'mean') => [{ filter: `datum.of === '${of}'` }];

/** The labels of an axis, in the order of the matrix. */
function labelsIn({ columns, rows }: Frame, axis: string): readonly string[] {
  const at = columns.findIndex(({ name }) => name === axis);
  return [...new Set(rows.map((row) => String(cellAt(row, at) ?? '')))];
}

function unitOf(draft: PlotDraft): PlotSpec {
  switch (draft.plan.kind) {
    case 'curves':
      return curveUnit(draft);
    case 'dots':
      return dotUnit(draft);
    case 'scatter':
      return scatterUnit(draft);
    default:
      return heatUnit(draft);
  }
}

/** Numbers over more than two powers of ten stand on a logarithmic scale. */
function xScale({ points, plan }: PlotDraft): PlotSpec {
  const numbers = points.tasks.map(({ x }) => Number(x));
  const least = numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const isLog = plan.kind === 'dots' && least > 0 && most / least >= 100;
  return isLog ? { type: 'log', nice: false } : { zero: false, nice: plan.kind !== 'curves' };
}

function xChannel(draft: PlotDraft): PlotSpec {
  const { plan, isXNumber, frame, stepName } = draft;
  const title = plan.x === STEP ? stepName : plan.x;
  if (isXNumber) return { field: 'x', type: 'quantitative', title, scale: xScale(draft) };
  const sort = labelsIn(frame, plan.x ?? '');
  return {
    field: 'x',
    type: 'nominal',
    title,
    sort,
    axis: { labelAngle: sort.length > 6 ? -40 : 0 },
  };
}

const yChannel = ({ plan }: PlotDraft): PlotSpec => ({
  field: 'y',
  type: 'quantitative',
  title: plan.y,
  scale: { zero: false },
});

/** The colour of a label, by the order of the matrix; of a number, by its size. */
function colorChannel({ plan, frame }: PlotDraft): PlotSpec {
  if (plan.color === undefined) return { value: COLORS[0] };
  const column = frame.columns.find(({ name }) => name === plan.color);
  const title = plan.color;
  if (column?.kind === 'number') {
    return { field: 'color', type: 'quantitative', title, scale: { scheme: 'viridis' } };
  }
  const domain = labelsIn(frame, plan.color);
  const range = domain.map((_, at) => COLORS[at % COLORS.length]);
  return { field: 'color', type: 'nominal', title, scale: { domain, range } };
}

/** A click on the legend shows one label alone; with shift, more of them. */
const toggle = ({ plan, frame }: PlotDraft): PlotSpec => {
  const column = frame.columns.find(({ name }) => name === plan.color);
  if (plan.color === undefined || column?.kind === 'number') return {};
  return {
    params: [{ name: 'shown', select: { type: 'point', fields: ['color'] }, bind: 'legend' }],
  };
};

const opacity = (draft: PlotDraft, value: number): PlotSpec =>
  'params' in toggle(draft)
    ? { condition: { param: 'shown', value, empty: true }, value: 0.04 }
    : { value };

const tooltip = (draft: PlotDraft, of: 'task' | 'mean'): readonly PlotSpec[] => [
  ...(of === 'task' ? [{ field: 'task', type: 'nominal' }] : []),
  {
    field: 'x',
    type: draft.isXNumber ? 'quantitative' : 'nominal',
    title: draft.plan.x === STEP ? draft.stepName : draft.plan.x,
  },
  {
    field: 'y',
    type: 'quantitative',
    title: of === 'mean' ? `mean ${draft.plan.y}` : draft.plan.y,
  },
  ...(draft.plan.color === undefined ? [] : [{ field: 'color', title: draft.plan.color }]),
  ...(of === 'mean'
    ? [
        { field: 'n', type: 'quantitative' },
        { field: 'low', type: 'quantitative', title: '95 % from' },
        { field: 'high', type: 'quantitative', title: '95 % to' },
      ]
    : []),
];

const line = { field: 'line', type: 'nominal' };

function bandLayer(draft: PlotDraft): PlotSpec {
  return {
    transform: [{ filter: "datum.of === 'mean' && isValid(datum.low)" }],
    mark: { type: 'area', line: false },
    encoding: {
      x: xChannel(draft),
      y: { ...yChannel(draft), field: 'low' },
      y2: { field: 'high' },
      color: colorChannel(draft),
      detail: line,
      opacity: opacity(draft, 0.18),
    },
  };
}

function lineLayer(draft: PlotDraft, of: 'task' | 'mean', width: number, shade: number): PlotSpec {
  return {
    transform: only(of),
    mark: { type: 'line', strokeWidth: width },
    encoding: {
      x: xChannel(draft),
      y: yChannel(draft),
      color: colorChannel(draft),
      detail: of === 'task' ? [line, { field: 'task', type: 'nominal' }] : line,
      opacity: opacity(draft, shade),
    },
  };
}

function pointLayer(
  draft: PlotDraft,
  of: 'task' | 'mean',
  mark: PlotSpec,
  shade: number,
): PlotSpec {
  return {
    transform: only(of),
    mark: { type: 'point', filled: true, ...mark },
    encoding: {
      x: xChannel(draft),
      y: yChannel(draft),
      color: colorChannel(draft),
      opacity: opacity(draft, shade),
      tooltip: tooltip(draft, of),
    },
  };
}

/** Parameters stand in the first layer that can hold them. */
const layered = (draft: PlotDraft, layers: readonly PlotSpec[]): PlotSpec => ({
  layer: layers.map((layer, at) => (at === 0 ? { ...toggle(draft), ...layer } : layer)),
});

function curveUnit(draft: PlotDraft): PlotSpec {
  const hasMeans = draft.points.means.length > 0;
  const of = hasMeans ? 'mean' : 'task';
  const own = lineLayer(draft, of, 2, 1);
  const dots = pointLayer(draft, of, { size: 22 }, 1);
  return layered(draft, hasMeans ? [bandLayer(draft), own, dots] : [own, dots]);
}

function dotUnit(draft: PlotDraft): PlotSpec {
  const dots = pointLayer(draft, 'task', { size: 30 }, 0.55);
  const means = pointLayer(draft, 'mean', { size: 90, shape: 'diamond' }, 1);
  if (draft.isXNumber) {
    return layered(draft, [bandLayer(draft), lineLayer(draft, 'mean', 2, 1), dots, means]);
  }
  const intervals = {
    transform: [{ filter: "datum.of === 'mean' && isValid(datum.low)" }],
    mark: { type: 'rule', strokeWidth: 2 },
    encoding: {
      x: xChannel(draft),
      y: { ...yChannel(draft), field: 'low' },
      y2: { field: 'high' },
      color: colorChannel(draft),
      opacity: opacity(draft, 0.8),
      ...offsetOf(draft),
    },
  };
  const shifted = (layer: PlotSpec): PlotSpec => ({
    ...layer,
    encoding: { ...(layer.encoding as PlotSpec), ...offsetOf(draft) },
  });
  return layered(draft, [intervals, shifted(dots), shifted(means)]);
}

/** Colours of one label stand side by side. */
function offsetOf({ plan, frame }: PlotDraft): PlotSpec {
  const column = frame.columns.find(({ name }) => name === plan.color);
  if (plan.color === undefined || plan.color === plan.x || column?.kind === 'number') return {};
  return { xOffset: { field: 'color', type: 'nominal', sort: labelsIn(frame, plan.color) } };
}

const scatterUnit = (draft: PlotDraft): PlotSpec =>
  layered(draft, [pointLayer(draft, 'task', { size: 50 }, 0.75)]);

/** Cells show their numbers where there is room. */
const CELLS_WITH_TEXT = 150;

function heatUnit({ plan, points, frame }: PlotDraft): PlotSpec {
  const sorted = (axis: string): readonly string[] => {
    const labels = labelsIn(frame, axis);
    const isNumber = labels.every((label) => !Number.isNaN(numberIn(label)));
    return isNumber ? [...labels].sort((a, b) => numberIn(a) - numberIn(b)) : labels;
  };
  const x = {
    field: 'x',
    type: 'nominal',
    title: plan.x,
    sort: sorted(plan.x ?? ''),
    axis: { labelAngle: 0 },
  };
  const y = { field: 'line', type: 'nominal', title: plan.y, sort: sorted(plan.y) };
  const values = points.means.map((point) => Number(point.y));
  const middle =
    (values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY) +
      values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)) /
    2;
  const color = {
    field: 'y',
    type: 'quantitative',
    title: plan.color,
    scale: { scheme: 'viridis', zero: false },
  };
  const tip = [
    { field: 'x', title: plan.x },
    { field: 'line', title: plan.y },
    { field: 'y', type: 'quantitative', title: `mean ${plan.color}` },
    { field: 'n', type: 'quantitative' },
  ];
  const cells = { transform: only('mean'), mark: 'rect', encoding: { x, y, color, tooltip: tip } };
  const texts = {
    transform: only('mean'),
    mark: { type: 'text', fontSize: 10 },
    encoding: {
      x,
      y,
      text: { field: 'y', type: 'quantitative', format: '.3~g' },
      color: { condition: { test: `datum.y > ${middle}`, value: '#1a1a1a' }, value: '#ffffff' },
    },
  };
  return { layer: points.means.length <= CELLS_WITH_TEXT ? [cells, texts] : [cells] };
}
