// plan.ts — what a plot shows: asked for, or chosen from the matrix and the shape of the numbers
import { didYouMean } from '../../hint.ts';
import { elementAt } from '../../present.ts';
import { AnalysisError, type Column, cellAt, columnAt, type Frame, numberIn } from '../frame.ts';
import { headlineOf, headlineRank } from '../order.ts';

/** Kinds of plots. */
export const PLOT_KINDS = ['curves', 'dots', 'scatter', 'heatmap', 'parallel'] as const;
export type PlotKind = (typeof PLOT_KINDS)[number];

/** What somebody asks of a plot; what is left out is chosen. */
export interface PlotRequest {
  readonly kind?: PlotKind | undefined;
  readonly x?: string | undefined;
  readonly y?: string | undefined;
  readonly color?: string | undefined;
  readonly facet?: string | undefined;
  /** The axis over which means and intervals are taken. */
  readonly band?: string | undefined;
  readonly title?: string | undefined;
}

/** What a plot shows. Columns are named as in the table. */
export interface PlotPlan {
  readonly kind: PlotKind;
  readonly x?: string;
  readonly y: string;
  readonly color?: string;
  readonly facet?: string;
  /** Axes over which means are taken. */
  readonly over: readonly string[];
  /** Axes that tell lines or points apart and have neither colour nor facet. */
  readonly apart: readonly string[];
}

/** The x of a curve: the steps of its series. */
export const STEP = 'step';

/** Axes whose labels are repetitions of one thing. */
const REPETITION =
  /^(?:.*[_-])?(?:seeds?|folds?|reps?|repeats?|repetitions?|trials?|replicas?|pilots?|splits?|runs?)$/i;
/** Whether the labels of an axis are repetitions of one thing, by its name: seeds are. */
export const isRepetition = (axis: string): boolean => REPETITION.test(axis);
/** More colours than this cannot be told apart. */
const COLORS_MAX = 10;
const FACETS_MAX = 12;

/** Decides what a plot shows. @param series names of the columns that are series @throws AnalysisError */
export function planPlot(
  frame: Frame,
  series: ReadonlySet<string>,
  request: PlotRequest,
): PlotPlan {
  const named = namesOf(frame, series, request);
  const varying = varyingAxes(frame);
  const kind = request.kind ?? kindOf(frame, series, named, varying);
  const y = named.y ?? metricFor(frame, series, kind);
  if (kind === 'curves' && !series.has(y)) {
    const hint = didYouMean(y, series);
    throw new AnalysisError(`\`${y}\` is not a series: curves need lists of numbers`, hint);
  }
  const used = new Set([named.x, named.y, named.color, named.facet, named.band]);
  const free = varying.filter((axis) => !used.has(axis));
  if (kind === 'heatmap') return planHeatmap(frame, named, free);
  const over = named.band ? [named.band] : free.filter((axis) => REPETITION.test(axis));
  const rest = free.filter((axis) => !over.includes(axis));
  if (kind === 'parallel') {
    const y = named.color ?? named.y ?? headline(frame);
    return { kind, y, over: [], apart: varying };
  }
  const x = kind === 'curves' ? STEP : (named.x ?? xFor(frame, rest, kind, y));
  const left = rest.filter((axis) => axis !== x);
  const [color, facet, apart] = paint(frame, left, named);
  return {
    kind,
    x,
    y,
    ...(color !== undefined && { color }),
    ...(facet !== undefined && { facet }),
    over: over.filter((axis) => axis !== x),
    apart,
  };
}

type Named = { readonly [part in 'x' | 'y' | 'color' | 'facet' | 'band']?: string };

/** The columns that are named, whole. */
function namesOf({ columns }: Frame, series: ReadonlySet<string>, request: PlotRequest): Named {
  const nameOf = (word: string | undefined): string | undefined =>
    word === undefined ? undefined : elementAt(columns, columnAt(columns, word)).name;
  const isStep =
    request.x === STEP || (request.x !== undefined && series.size > 0 && request.x === 'epoch');
  const band = axisNamed(columns, request.band, '--band');
  const facet = axisNamed(columns, request.facet, '--facet');
  const parts = {
    x: isStep ? STEP : nameOf(request.x),
    y: nameOf(request.y),
    color: nameOf(request.color),
    facet,
    band,
  };
  return Object.fromEntries(Object.entries(parts).filter(([, name]) => name !== undefined));
}

function axisNamed(
  columns: readonly Column[],
  word: string | undefined,
  option: string,
): string | undefined {
  if (word === undefined) return undefined;
  const column = elementAt(columns, columnAt(columns, word));
  if (column.kind === 'axis' || column.kind === 'text') return column.name;
  const axes = columns.filter(({ kind }) => kind === 'axis').map(({ name }) => name);
  throw new AnalysisError(
    `${option} takes an axis, and \`${column.name}\` is a number`,
    didYouMean(word, axes),
  );
}

/** The axes with more than one label, in the order of the matrix. */
export function varyingAxes({ columns, rows }: Frame): readonly string[] {
  return columns.flatMap(({ kind, name }, at) =>
    kind === 'axis' && new Set(rows.map((row) => cellAt(row, at))).size > 1 ? [name] : [],
  );
}

const labelsOf = ({ columns, rows }: Frame, axis: string): readonly string[] => {
  const at = columns.findIndex(({ name }) => name === axis);
  return [...new Set(rows.map((row) => String(cellAt(row, at) ?? '')))];
};

/** Whether all labels of an axis are numbers. */
export const isNumeric = (frame: Frame, axis: string): boolean =>
  labelsOf(frame, axis).every((label) => !Number.isNaN(numberIn(label)));

function kindOf(
  frame: Frame,
  series: ReadonlySet<string>,
  { x, y, color }: Named,
  varying: readonly string[],
): PlotKind {
  const columnKind = (name: string): Column['kind'] | undefined =>
    frame.columns.find((column) => column.name === name)?.kind;
  if (x === STEP) return 'curves';
  if (x !== undefined && y !== undefined && columnKind(x) === 'axis' && columnKind(y) === 'axis') {
    return 'heatmap';
  }
  if (x !== undefined) return columnKind(x) === 'number' ? 'scatter' : 'dots';
  if (y !== undefined) return series.has(y) ? 'curves' : 'dots';
  if (curveOf(frame, series) !== undefined) return 'curves';
  const plain = varying.filter((axis) => !REPETITION.test(axis));
  const isGrid = plain.length === 2 && plain.every((axis) => labelsOf(frame, axis).length >= 3);
  return isGrid && (color === undefined || columnKind(color) === 'number') ? 'heatmap' : 'dots';
}

const headline = (frame: Frame): string => {
  const name = headlineOf(frame);
  if (name === undefined) throw new AnalysisError('there is no number to plot');
  return name;
};

/** The series that says most, where one is a metric by its name or stands beside steps. */
function curveOf({ columns }: Frame, series: ReadonlySet<string>): string | undefined {
  const isStep = (name: string): boolean =>
    /(?:^|\.)(?:epochs?|steps?|iter(?:ation)?s?|global_step|batch(?:es)?)$/i.test(name);
  const [best] = columns
    .filter(({ name }) => series.has(name) && !isStep(name))
    .map(({ name }, order) => ({ name, order, rank: headlineRank(name) }))
    .filter(({ rank }) => rank < 30)
    .sort((a, b) => a.rank - b.rank || a.order - b.order);
  return best?.name;
}

function metricFor(frame: Frame, series: ReadonlySet<string>, kind: PlotKind): string {
  if (kind !== 'curves') return headline(frame);
  const curve = curveOf(frame, series) ?? [...series][0];
  if (curve !== undefined) return curve;
  throw new AnalysisError('no output has a series: curves need lists of numbers');
}

/** The axis along which a metric is shown: one of numbers, else the one with the most labels. */
function xFor(frame: Frame, axes: readonly string[], kind: PlotKind, y: string): string {
  if (kind === 'scatter') {
    const other = frame.columns.find(({ kind: of, name }) => of === 'number' && name !== y);
    if (other) return other.name;
  }
  const count = (axis: string): number => labelsOf(frame, axis).length;
  const numeric = axes.filter((axis) => isNumeric(frame, axis));
  const [best] = [...(numeric.length > 0 ? numeric : axes)].sort((a, b) => count(b) - count(a));
  const any = best ?? frame.columns.find(({ kind: of }) => of === 'axis')?.name;
  return any ?? elementAt(frame.columns, 0).name;
}

/** Colour for the axis that tells most, a facet for the next; the others stay apart. */
function paint(
  frame: Frame,
  axes: readonly string[],
  { color: asked, facet: wanted }: Named,
): readonly [color: string | undefined, facet: string | undefined, apart: readonly string[]] {
  const count = (axis: string): number => labelsOf(frame, axis).length;
  const byCount = [...axes].sort((a, b) => count(b) - count(a));
  const color = asked ?? byCount.find((axis) => count(axis) <= COLORS_MAX);
  const facet = wanted ?? byCount.find((axis) => axis !== color && count(axis) <= FACETS_MAX);
  return [color, facet, axes.filter((axis) => axis !== color && axis !== facet)];
}

function planHeatmap(frame: Frame, named: Named, free: readonly string[]): PlotPlan {
  const { columns } = frame;
  const isAxis = (name: string | undefined): boolean =>
    columns.some((column) => column.name === name && column.kind === 'axis');
  const axes = free.filter((axis) => !REPETITION.test(axis));
  const x = named.x ?? axes.find((axis) => axis !== named.y) ?? free[0];
  const second = isAxis(named.y) ? named.y : axes.find((axis) => axis !== x);
  if (x === undefined || second === undefined) {
    throw new AnalysisError('a heat map needs two axes', 'name them with --x and --y');
  }
  const metric = named.color ?? (isAxis(named.y) ? undefined : named.y) ?? headline(frame);
  const rest = free.filter((axis) => axis !== x && axis !== second && !REPETITION.test(axis));
  const facet = named.facet ?? rest[0];
  const over = free.filter((axis) => axis !== x && axis !== second && axis !== facet);
  // Here y is the second axis, and the colour the number.
  return { kind: 'heatmap', x, y: second, color: metric, ...(facet && { facet }), over, apart: [] };
}
