// way-figure.ts — what rewiring does to fan-in: before, during and after
import type { JudgedClaim } from '../../claims/result.ts';
import type { ConvergenceRow } from '../../sparse/convergence.ts';
import type { FanInMoment, HistoryRow } from '../../sparse/history.ts';
import { group } from '../data/arms.ts';
import type { Layer, Mark } from '../charts/chart.ts';
import type { FigureDraft, Panel } from '../charts/figure.ts';
import { endLabels, labelHeight, labelRoom } from '../charts/labels.ts';
import { count, cut, fixed, placeName, ruleName, signed, sparsityName } from '../markup/format.ts';
import { html } from '../markup/html.ts';
import { FAINT, INK, type Palette, paintOf, SOFT } from '../markup/palette.ts';
import { countBins, extent, tickDigits, ticks } from '../charts/scale.ts';
import type { Study } from '../data/study.ts';

/** The claim that decides whether a start is forgotten; undefined where none is declared. */
const forgetting = ({ claims }: Study): JudgedClaim | undefined =>
  claims?.claims.find(({ kind }) => kind === 'convergence');

/** W1 to uniformly random starts over training, a panel for each data set and layer; null without any. */
export function contractionDraft(study: Study, palette: Palette): FigureDraft | null {
  const rows = study.convergence.flatMap((result) => result.rows);
  const claim = forgetting(study);
  const margin = claim?.margin ?? null;
  const layers = group(rows, (row) =>
    JSON.stringify([row.dataset, row.sparsity, row.rule, row.layer]),
  );
  if (layers.length === 0) return null;
  return {
    id: 'contraction',
    data: 'convergence',
    title: 'contraction over training',
    size: 'large',
    legend: null,
    rows: [
      {
        title: null,
        panels: layers.map((layer) => {
          const peers = rows.filter((row) => row.dataset === layer[0]!.dataset);
          return contractionPanel(layer, { peers, margin, palette });
        }),
      },
    ],
    result: contractionResult(rows, claim),
    caption: html`Mean first Wasserstein distance of relative fan-in to runs that began with uniformly random masks, after
each rewiring, means over seeds. The dashed line is the noise floor: the mean of the same distance between two such runs at
their ends. ${
      margin === null
        ? null
        : html`The band reaches ${fixed(margin, 2)} above it, the margin of the test: a start whose line
ends in or below the band is forgotten, as far as a mean can tell. `
    }Panels of a data set share their axes.`,
  };
}

/** How many starts end less than the margin of the rule above the floor: of those that the claim compares. */
function contractionResult(
  rows: readonly ConvergenceRow[],
  claim: JudgedClaim | undefined,
): string {
  const margin = claim?.margin ?? null;
  // What stays where it began is measured otherwise, and is no end of a line.
  const ends = (claim?.contrasts ?? []).flatMap(({ effect, label }) =>
    effect === null || label.endsWith(' stays') ? [] : [effect],
  );
  if (margin === null || ends.length === 0) return distanceResult(rows);
  const inside = ends.filter((effect) => effect < margin).length;
  return `${inside} of ${ends.length} combinations of start and layer end less than ${fixed(margin, 2)} above the noise floor.`;
}

/** How far from the noise floor starts end; where there is none, how far from uniform starts. */
function distanceResult(rows: readonly ConvergenceRow[]): string {
  const over = rows.flatMap(({ noiseFloor, w1End }) =>
    noiseFloor ? [w1End - noiseFloor.mean] : [],
  );
  const span = (values: readonly number[], show: typeof fixed): string =>
    [...new Set([Math.min(...values), Math.max(...values)].map((one) => show(one, 3)))].join(
      ' to ',
    );
  return over.length > 0
    ? `Starts end ${span(over, signed)} from the noise floor.`
    : `Starts end ${span(
        rows.map(({ w1End }) => w1End),
        fixed,
      )} from uniform ones (W1 of relative fan-in).`;
}

interface ContractionContext {
  /** All rows of the data set: they share their axes. */
  readonly peers: readonly ConvergenceRow[];
  readonly margin: number | null;
  readonly palette: Palette;
}

function contractionPanel(
  rows: readonly ConvergenceRow[],
  { peers, margin, palette }: ContractionContext,
): Panel {
  const [{ dataset, sparsity, rule, layer, noiseFloor }] = rows as readonly [ConvergenceRow];
  const values = peers.flatMap(({ curve }) => curve.map(({ w1 }) => w1));
  const limits = peers.flatMap((row) =>
    row.noiseFloor ? [row.noiseFloor.mean + (margin ?? 0)] : [],
  );
  const x = extent(peers.flatMap(({ curve }) => curve.map(({ step }) => step)));
  const y = extent([0, ...values, ...limits], 0.04);
  const floor = [0, y[1]] as const;
  const [xs, ys] = [ticks(x, 4), ticks(floor, 4)];
  const title = `noise floor ${noiseFloor ? fixed(noiseFloor.mean, 3) : ''}`;
  const line = noiseFloor ? [{ x: x[0], x2: x[1], y: noiseFloor.mean, title }] : [];
  const band =
    noiseFloor && margin !== null
      ? [{ x: x[0], x2: x[1], y: noiseFloor.mean, y2: noiseFloor.mean + margin }]
      : [];
  const lines = rows.flatMap(({ start, curve, n, contraction }): readonly Layer[] => {
    const { color, dash } = paintOf(palette, start);
    const left = contraction === null ? '' : `, contraction ${fixed(contraction, 2)}`;
    const title = `${start}: ${fixed(curve[curve.length - 1]!.w1, 3)} at the end${left}, n = ${n}`;
    const marks = curve.map(({ step, w1 }) => ({ x: step, y: w1 }));
    return [
      { kind: 'line', marks, color, size: 1.6, dash: [...dash] },
      { kind: 'dot', marks: marks.slice(-1).map((mark) => ({ ...mark, title })), color, size: 5 },
    ];
  });
  const seeds = [...new Set(rows.map(({ n }) => n))].join(' or ');
  const ends = [
    ...rows.map(({ start, curve }) => ({
      value: curve[curve.length - 1]!.w1,
      name: start,
      color: paintOf(palette, start).color,
    })),
    ...(noiseFloor ? [{ value: noiseFloor.mean, name: 'noise floor', color: SOFT.light }] : []),
  ];
  const [width, height] = [256, labelHeight(ends.length, 180)];
  const axes = {
    x: { domain: x, ticks: xs, digits: tickDigits(xs), title: 'batches seen' },
    y: {
      domain: floor,
      ticks: ys,
      digits: tickDigits(ys),
      title: 'W1 of relative fan-in',
      grid: true,
    },
  };
  return {
    name: `${dataset} ${sparsity} ${rule} layer ${layer + 1}`,
    title: html`${placeName(dataset ?? '')}, hidden layer ${layer + 1}`,
    detail: html`${sparsityName(sparsity ?? '')}, ${ruleName(rule ?? '')}; <i>n</i> = ${seeds} seeds`,
    chart: {
      label: `Distance of fan-in to uniformly random starts over training, ${dataset}, hidden layer ${layer + 1}`,
      ...{ width, height, ...axes },
      margin: { top: 8, right: labelRoom(ends.map(({ name }) => name)), bottom: 40, left: 52 },
      layers: [
        { kind: 'bar', marks: band, color: FAINT.light, opacity: 0.3 },
        { kind: 'rule', marks: line, color: SOFT.light, size: 1.2, dash: [4, 3] },
        ...lines,
        ...endLabels(ends, { ...axes, width, height }),
      ],
    },
  };
}

/** Fan-in at a few moments: rows are starts, columns moments. Null without any. */
export function historyDraft({ histories }: Study, palette: Palette): FigureDraft | null {
  const rows = histories.flatMap((result) => result.rows);
  const layers = group(rows, (row) =>
    JSON.stringify([row.dataset, row.sparsity, row.rule, row.layer]),
  );
  if (layers.length === 0) return null;
  return {
    id: 'fan-in',
    data: 'fan-in',
    title: 'fan-in before, during and after RigL',
    size: 'full',
    legend: null,
    rows: [{ title: null, panels: layers.map((layer) => historyPanel(layer, palette)) }],
    result: historyResult(rows),
    caption: html`Fan-in of hidden layers during RigL: before the first rewiring, at some points between, and after the last one,
pooled over seeds. All cells of a panel share the fan-in axis; its last bar holds everything beyond. Heights are shares of
neurons, scaled cell by cell.`,
  };
}

/** From where to where the CV of fan-in goes: starts that differ arrive at about the same. */
function historyResult(rows: readonly HistoryRow[]): string {
  const ways = rows.flatMap(({ moments }) => {
    const [first, last] = [moments[0], moments[moments.length - 1]];
    return first && last ? [[cvOf(first), cvOf(last)] as const] : [];
  });
  const span = (side: 0 | 1): string => {
    const all = ways.map((way) => way[side]);
    const ends = [Math.min(...all), Math.max(...all)].map((one) => fixed(one, 2));
    return [...new Set(ends)].join(' to ');
  };
  return `The CV of fan-in is ${span(0)} before RigL, and ${span(1)} after it.`;
}

/** The CV of pooled fan-in at a moment. */
function cvOf({ counts }: FanInMoment): number {
  const n = counts.reduce((sum, [, neurons]) => sum + neurons, 0);
  const mean = counts.reduce((sum, [fanIn, neurons]) => sum + fanIn * neurons, 0) / n;
  const squares = counts.reduce((sum, [k, neurons]) => sum + neurons * (k - mean) * (k - mean), 0);
  return mean > 0 ? Math.sqrt(squares / n) / mean : 0;
}

/** Rows beyond these are left to the table. */
const STARTS = 16;
const ROW = 46;
const BINS = 30;
/** A cell is one unit wide; this much of it is drawn on. */
const FILL = 0.86;

function historyPanel(rows: readonly HistoryRow[], palette: Palette): Panel {
  const [{ dataset, sparsity, rule, layer, moments, neurons }] = rows as readonly [HistoryRow];
  const shown = rows.slice(0, STARTS);
  const edges = countBins(reachOf(shown), BINS);
  const columns = moments.length;
  const cells = shown.flatMap(({ start, moments: all }, r): readonly Layer[] =>
    all.map((moment, c) => ({
      kind: 'area',
      color: paintOf(palette, start).color,
      opacity: 0.8,
      marks: silhouette(moment, edges, c, r),
    })),
  );
  const base = shown.map((_, r) => ({ x: 0, x2: columns - 1 + FILL, y: r + 0.94 }));
  const names = shown.map(({ start }, r) => ({
    x: 0,
    y: r + 0.6,
    text: cut(start, 18),
    title: start,
  }));
  const heads = moments.map(({ step }, c) => ({
    x: c + FILL / 2,
    y: 0,
    text:
      step === 0
        ? 'before'
        : c === columns - 1
          ? `after ${count(step)} batches`
          : `${count(step)} batches`,
  }));
  const bottom = shown.length;
  const zeros = moments.map((_, c) => ({ x: c, y: bottom, text: '0' }));
  const reach = `${Math.round(edges[edges.length - 2]! + 0.5)}+`;
  const ends = moments.map((_, c) => ({ x: c + FILL, y: bottom, text: reach }));
  const unit = { x: (columns - 1 + FILL) / 2, y: bottom, text: 'fan-in (connections per neuron)' };
  const seeds = [...new Set(rows.map(({ runs }) => runs))].join(' or ');
  const rest = rows.length > STARTS ? `; the first ${STARTS} of ${rows.length} starts` : '';
  return {
    name: `${dataset} ${sparsity} ${rule} layer ${layer + 1}`,
    title: html`${placeName(dataset ?? '')}, hidden layer ${layer + 1}`,
    detail: html`${sparsityName(sparsity ?? '')}, ${ruleName(rule ?? '')}; ${neurons} neurons in each of ${seeds} runs${rest}`,
    chart: {
      label: `Distribution of fan-in before, during and after RigL, by start, ${dataset}, hidden layer ${layer + 1}`,
      width: 640,
      height: ROW * shown.length,
      margin: { top: 22, right: 12, bottom: 40, left: 124 },
      x: { domain: [0, columns - 1 + FILL], ticks: [], hidden: true },
      y: { domain: [bottom, 0], ticks: [], hidden: true },
      layers: [
        ...cells,
        { kind: 'rule', marks: base, color: FAINT.light },
        { kind: 'text', marks: names, color: INK.light, size: 12, align: 'right', dx: -10 },
        { kind: 'text', marks: heads, color: SOFT.light, size: 11, align: 'center', dy: -10 },
        { kind: 'text', marks: zeros, color: SOFT.light, size: 10, align: 'left', dy: 9 },
        { kind: 'text', marks: ends, color: SOFT.light, size: 10, align: 'right', dy: 9 },
        { kind: 'text', marks: [unit], color: SOFT.light, size: 11, align: 'center', dy: 26 },
      ],
    },
  };
}

/** Up to where fan-in is drawn: where 98 % of neurons lie, at the moment that reaches farthest. */
function reachOf(rows: readonly HistoryRow[]): number {
  return rows
    .flatMap(({ moments }) => moments)
    .reduce((most, { counts }) => {
      const all = counts.reduce((sum, [, neurons]) => sum + neurons, 0);
      let seen = 0;
      for (const [fanIn, neurons] of counts) {
        seen += neurons;
        if (seen >= 0.98 * all) return Math.max(most, fanIn);
      }
      return most;
    }, 1);
}

/** A histogram as one outline over its row's base line. */
function silhouette(
  { counts }: FanInMoment,
  edges: readonly number[],
  c: number,
  r: number,
): Mark[] {
  const heights = new Array<number>(edges.length - 1).fill(0);
  const width = edges[1]! - edges[0]!;
  for (const [fanIn, neurons] of counts) {
    heights[Math.min(Math.floor((fanIn - edges[0]!) / width), heights.length - 1)]! += neurons;
  }
  const top = heights.reduce((a, b) => Math.max(a, b), 1);
  const base = r + 0.94;
  return heights.flatMap((height, i) => {
    const y = base - (0.86 * height) / top;
    const at = (bin: number): number => c + (FILL * bin) / heights.length;
    return [
      { x: at(i), y, y2: base },
      { x: at(i + 1), y, y2: base },
    ];
  });
}
