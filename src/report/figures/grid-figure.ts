// grid-figure.ts — accuracy over sparsity, and over the CV of fan-in
import { mean } from '../../stats/summary.ts';
import { group, rangeOf } from '../data/arms.ts';
import { type Axis, type Layer, merged } from '../charts/chart.ts';
import { type Box, placeLabels, swarm } from '../charts/dodge.ts';
import { type FigureDraft, type Panel, profileLegend } from '../charts/figure.ts';
import { endLabels, labelHeight, labelRoom, pixelOf, valueAt, widthOf } from '../charts/labels.ts';
import {
  cut,
  fixed,
  listed,
  placeName,
  points as signedPoints,
  ruleName,
  sparsityName,
  widths,
} from '../markup/format.ts';
import { html } from '../markup/html.ts';
import { INK, PAPER, type Palette, paintOf } from '../markup/palette.ts';
import { meanOf } from '../charts/rows-chart.ts';
import { extent, type Interval, tickDigits, ticks } from '../charts/scale.ts';
import { ONE_SIDED_LEVEL } from '../../stats/one-sided.ts';
import { welch } from '../../stats/t-test.ts';
import { datasetAt, type Run, type Study } from '../data/study.ts';

/** Static runs that differ only in their seed. */
export interface Point {
  readonly dataset: string;
  readonly sparsity: string;
  readonly rule: string;
  readonly profile: string;
  readonly runs: readonly Run[];
  /** In percent. */
  readonly mean: number;
  readonly ci: readonly [number, number] | null;
  /** CV of fan-in as achieved, mean over hidden layers and seeds; null where no mask was measured. */
  readonly cv: number | null;
}

/** Every static arm of the study, swept ones included. */
export function staticPoints({ runs, sweep }: Study): readonly Point[] {
  const fixedMasks = [...runs.filter(({ method }) => method === 'static'), ...sweep];
  const arms = group(fixedMasks, ({ coordinates: at }) =>
    JSON.stringify([at.dataset, at.sparsity, at.rule, at.profile]),
  );
  return arms.map((ofArm) => {
    const { dataset, sparsity, rule, profile } = ofArm[0]!.coordinates;
    const summary = meanOf(ofArm.map(({ metrics }) => metrics.value.accuracy * 100));
    return { dataset, sparsity, rule, profile, runs: ofArm, ...summary, cv: cvOf(ofArm) };
  });
}

function cvOf(runs: readonly Run[]): number | null {
  const cvs = runs.flatMap(({ fanInBefore }) =>
    fanInBefore ? [mean(fanInBefore.value.layers.slice(0, -1).map(({ cv }) => cv))] : [],
  );
  return cvs.length === 0 ? null : mean(cvs);
}

const titleOf = ({ profile, mean: centre, ci, runs, cv }: Point): string =>
  `${profile}${cv === null ? '' : ` (CV ${fixed(cv, 2)})`}: mean ${fixed(centre, 2)}, ` +
  `${ci ? `95 % CI ${fixed(ci[0], 2)} to ${fixed(ci[1], 2)}` : 'one seed'}, n = ${runs.length}`;

/** Between lines that stand side by side, in px. */
const SIDE = 6;

/** Accuracy over sparsity: the profiles that were trained at several of them. Null without any. */
export function sparsityDraft(study: Study, palette: Palette): FigureDraft | null {
  const settings = group(staticPoints(study), ({ dataset, rule }) =>
    JSON.stringify([dataset, rule]),
  );
  const panels = settings.flatMap((points) => {
    const lines = group(points, ({ profile }) => profile).filter(({ length }) => length > 1);
    const peers = settings.flat().filter((one) => isPeer(one, points));
    return lines.length === 0 ? [] : [sparsityPanel(lines, { peers, study, palette })];
  });
  if (panels.length === 0) return null;
  return {
    id: 'sparsity',
    data: 'runs',
    title: 'accuracy over sparsity',
    size: 'large',
    legend: null,
    rows: [{ title: null, panels }],
    result: sparsityResult(settings),
    caption: html`Test accuracy of static networks over sparsity, means over seeds with 95 % confidence intervals. The horizontal axis is logarithmic in the share of connections that exist; dots at the same sparsity are dodged. Only
profiles that were trained at several sparsities are drawn, without infeasible settings.`,
  };
}

/** What the sparsest networks lose to the densest of the same profile. */
function sparsityResult(settings: readonly (readonly Point[])[]): string {
  const losses = settings.flatMap((points) =>
    group(points, ({ profile }) => profile).flatMap((line) => {
      const ordered = [...line].sort((a, b) => Number(a.sparsity) - Number(b.sparsity));
      const [first, last] = [ordered[0]!, ordered[ordered.length - 1]!];
      return first === last ? [] : [{ loss: first.mean - last.mean, last }];
    }),
  );
  if (losses.length === 0) return 'No profile ran at several sparsities.';
  const most = losses.reduce((worst, one) => (one.loss > worst.loss ? one : worst));
  const { dataset, sparsity, profile } = most.last;
  if (most.loss < 0.005) return 'No profile loses accuracy to its greatest sparsity.';
  return `Sparsity costs at most ${fixed(most.loss, 2)} points (${profile} on ${placeName(dataset)}, ${sparsityName(sparsity)}).`;
}

/** How far above their baseline profiles end, and how many by more than chance. */
function cvResult(all: readonly Difference[]): string {
  const most = all.reduce((best, one) => (one.effect > best.effect ? one : best));
  const { dataset, sparsity, profile } = most.point;
  const where = `${profile} on ${placeName(dataset)}, ${sparsityName(sparsity)}`;
  const above = all.filter(({ ci }) => ci !== null && ci[0] > 0).length;
  return most.effect <= 0
    ? `No profile is more accurate than ${most.over.profile}, whatever its CV of fan-in.`
    : `Profiles exceed ${most.over.profile} by at most ${fixed(most.effect, 2)} points (${where}); ${above} of ${all.length} intervals ${above === 1 ? 'lies' : 'lie'} above 0.`;
}

/** Whether a point is of the data set of others: they share their axes. */
const isPeer = (one: Point, [first]: readonly Point[]): boolean =>
  first !== undefined && datasetAt(one.dataset) === datasetAt(first.dataset);

/** What a panel is drawn with: all points of its data set, which share its axis. */
interface Context {
  readonly peers: readonly Point[];
  readonly study: Study;
  readonly palette: Palette;
}

function sparsityPanel(
  lines: readonly (readonly Point[])[],
  { peers, study, palette }: Context,
): Panel {
  const points = lines.flat();
  const [{ dataset, rule }] = points as [(typeof points)[number]];
  const density = ({ sparsity }: Point): number => 1 - Number(sparsity);
  const at = [...new Set(points.map(({ sparsity }) => sparsity))].sort(
    (a, b) => Number(a) - Number(b),
  );
  const densities = at.map((sparsity) => 1 - Number(sparsity));
  const dense = denseMean(study, dataset);
  const severally = group(peers, ({ profile, rule: own, dataset: place }) =>
    JSON.stringify([place, own, profile]),
  ).filter(({ length }) => length > 1);
  const y = accuracyAxis(severally.flat(), dense);
  const [high, low] = [Math.max(...densities) * 1.25, Math.min(...densities) / 1.25];
  const [width, height] = [256, labelHeight(lines.length + 1, 210)];
  const x: Axis = {
    domain: [high, low],
    ticks: densities,
    labels: at.map((sparsity) => `${Number((Number(sparsity) * 100).toFixed(4))} %`),
    scale: 'log',
    title: 'sparsity of the hidden layers',
  };
  const layers = lines.flatMap((line, i): readonly Layer[] => {
    const ordered = [...line].sort((a, b) => density(b) - density(a));
    const { color, dash } = paintOf(palette, line[0]!.profile);
    // Lines stand side by side, by the width of a dot.
    const aside = (i - (lines.length - 1) / 2) * Math.min(SIDE, 24 / lines.length);
    const placeOf = (point: Point): number =>
      valueAt(x, pixelOf(x, density(point), width) - aside, width);
    const marks = ordered.map((point) => ({
      x: placeOf(point),
      y: point.mean,
      title: titleOf(point),
    }));
    return [
      ...intervals(ordered, placeOf, color),
      { kind: 'line', marks: marks.map(({ x, y: v }) => ({ x, y: v })), color, size: 1.5, dash },
      { kind: 'dot', marks, color, size: 5 },
    ];
  });
  const ends = [
    ...lines.flatMap((line) => {
      const last = [...line].sort((a, b) => density(a) - density(b))[0];
      return last
        ? [{ value: last.mean, name: last.profile, color: paintOf(palette, last.profile).color }]
        : [];
    }),
    ...(dense === null ? [] : [{ value: dense, name: 'dense', color: INK.light }]),
  ];
  return {
    name: `${dataset} ${rule}`,
    title: placeName(dataset),
    detail: html`${ruleName(rule)}; <i>n</i> = ${rangeOf(points)} seeds`,
    chart: {
      label: `Test accuracy over sparsity on ${dataset}, ${ruleName(rule)}`,
      ...{ width, height, x, y },
      margin: { top: 14, right: labelRoom(ends.map(({ name }) => name)), bottom: 40, left: 56 },
      layers: [
        ...denseLine(dense, [high, low]),
        ...layers,
        ...endLabels(ends, { x, y, width, height }),
      ],
    },
  };
}

/** The profile that others are compared with, where it is there; else the first of a setting. */
const BASELINE = 'uniform';

/** A static arm less the baseline of its setting, in points. */
export interface Difference {
  readonly point: Point;
  readonly over: Point;
  readonly effect: number;
  /** Welch's, 90 % as in the claims: its ends are one-sided 95 % bounds. Null where an arm has one seed. */
  readonly ci: Interval | null;
}

/** Every arm of a setting but the baseline, less the baseline. */
export function differencesOf(points: readonly Point[]): readonly Difference[] {
  const over = points.find(({ profile }) => profile === BASELINE) ?? points[0];
  if (over === undefined) return [];
  const values = ({ runs }: Point): readonly number[] =>
    runs.map(({ metrics }) => metrics.value.accuracy * 100);
  return points
    .filter((point) => point !== over)
    .map((point) => {
      const { difference, ci } = welch(values(point), values(over), ONE_SIDED_LEVEL);
      return { point, over, effect: difference, ci };
    });
}

/** The id of the figure of differences over CV. */
export const CV_FIGURE = 'cv';

/** Differences to the baseline over CV: a panel for each data set and sparsity at which several CVs were trained. */
export function cvDraft(study: Study, palette: Palette): FigureDraft | null {
  const settings = group(staticPoints(study), ({ dataset, sparsity, rule }) =>
    JSON.stringify([dataset, sparsity, rule]),
  ).map((points) => points.filter(({ cv }) => cv !== null));
  const drawn = settings.filter(({ length }) => length > 1);
  if (drawn.length === 0) return null;
  // All networks of a setting stand in one panel: each of its points is a difference to uniform on its own network.
  const all = group(drawn, ([first]) =>
    JSON.stringify([datasetAt(first!.dataset), first!.sparsity, first!.rule]),
  ).map((networks) => ({ points: networks.flat(), differences: networks.flatMap(differencesOf) }));
  const rows = group(all, ({ points: [first] }) => datasetAt(first!.dataset)).map((ofDataset) => {
    const axes = cvAxes(ofDataset.flatMap(({ differences }) => differences));
    const ordered = [...ofDataset].sort(
      (a, b) => Number(a.points[0]!.sparsity) - Number(b.points[0]!.sparsity),
    );
    const panels = ordered.map((one) => cvPanel(one, { axes, palette }));
    return { title: datasetAt(ofDataset[0]!.points[0]!.dataset), panels };
  });
  const differences = all.flatMap((one) => one.differences);
  // A profile has to be named somewhere: beside one of its dots, or above the figure.
  const named = new Set(rows.flatMap(({ panels }) => panels.flatMap((one) => one.named)));
  const unnamed = [...new Set(differences.map(({ point }) => point.profile))].filter(
    (profile) => !named.has(profile),
  );
  const baselines = [...new Set(differences.map(({ over }) => over.profile))];
  return {
    id: CV_FIGURE,
    data: 'runs',
    title: 'accuracy over CV of fan-in',
    size: 'medium',
    legend: unnamed.length > 0 ? profileLegend(unnamed, palette) : null,
    rows: rows.map(({ title, panels }) => ({ title, panels: panels.map(({ panel }) => panel) })),
    result: cvResult(differences),
    caption: html`Test accuracy of static networks minus that of ${listed(baselines)} in the same setting, over the achieved CV of
fan-in (mean over hidden layers and seeds).${differences.some(isFurther) ? ' Hollow dots are networks of other widths.' : null} Dots are differences of means, bars Welch’s
90 % confidence intervals, cut at the frame. Dots at the same CV are dodged. Panels of a data set share their axes.`,
  };
}

interface Axes {
  readonly x: Axis;
  readonly y: Axis;
}

/** Whether a difference is of a network other than the study's first. */
const isFurther = ({ point }: Difference): boolean => networkOf(point) !== '';

const networkOf = ({ dataset }: Point): string => dataset.split(' ').slice(1).join(' ');

/** A profile, and its network where that is not the study's first. */
const nameOf = (point: Point): string =>
  [point.profile, widths(networkOf(point))].filter((name) => name !== '').join(', ');

/** One bar may be many times as long as all differences: axes are made for these, and for intervals of the usual length. */
const BEYOND = 3;

function cvAxes(all: readonly Difference[]): Axes {
  const effects = all.map(({ effect }) => effect);
  const most = Math.max(0.1, ...effects.map(Math.abs));
  const ends = all.flatMap(({ ci }) => ci ?? []);
  const near = ends.map((end) => Math.max(-BEYOND * most, Math.min(BEYOND * most, end)));
  const x = extent([0, ...all.map(({ point: { cv } }) => cv ?? 0)], 0.08);
  const y = extent([0, ...effects, ...near], 0.04);
  const [xs, ys] = [ticks(x, 5), ticks(y, 5)];
  return {
    x: { domain: x, ticks: xs, digits: tickDigits(xs), title: 'CV of fan-in' },
    y: { domain: y, ticks: ys, digits: tickDigits(ys), title: 'difference (points)', grid: true },
  };
}

const CV = { width: 226, height: 190, dot: 6 } as const;

/** A panel, and the profiles that are named in it. */
interface NamedPanel {
  readonly panel: Panel;
  readonly named: readonly string[];
}

function cvPanel(
  { points, differences }: { points: readonly Point[]; differences: readonly Difference[] },
  { axes, palette }: { readonly axes: Axes; readonly palette: Palette },
): NamedPanel {
  const [{ dataset, sparsity, rule }] = points as readonly [(typeof points)[number]];
  const { x, y } = axes;
  const { width, height } = CV;
  const at = differences.map(({ point, effect }) => ({
    x: width - pixelOf(x, point.cv ?? 0, width),
    y: pixelOf(y, effect, height),
  }));
  // Bars are long: dots of one CV stand beside each other as if all were as high.
  const shifts = swarm(
    at.map((one) => ({ x: one.x, y: 0 })),
    CV.dot + 1.4,
    CV.dot * 6,
  );
  const placed = differences.map((difference, i) => ({
    ...difference,
    px: (at[i]?.x ?? 0) + (shifts[i] ?? 0),
    py: at[i]?.y ?? 0,
  }));
  const layers = placed.flatMap(({ point, over, effect, ci, px }): readonly Layer[] => {
    const { color } = paintOf(palette, point.profile);
    const title = `${nameOf(point)} (CV ${fixed(point.cv ?? 0, 2)}) minus ${over.profile}: ${signedPoints(effect / 100)} points${ci ? `, 90 % CI ${signedPoints(ci[0] / 100)} to ${signedPoints(ci[1] / 100)}` : ''}, n = ${point.runs.length}`;
    const place = valueAt(x, width - px, width);
    const within = (value: number): number => Math.max(y.domain[0], Math.min(y.domain[1], value));
    const bar = ci ? [{ x: place, y: within(ci[0]), y2: within(ci[1]), title }] : [];
    return [
      { kind: 'rule', marks: bar, color, size: 1.2, opacity: 0.8 },
      {
        kind: 'dot',
        marks: [{ x: place, y: effect, title }],
        color,
        size: CV.dot,
        ...(networkOf(point) === '' ? {} : { fill: PAPER.light }),
      },
    ];
  });
  const { names, named } = cvNames(placed, axes);
  const zero = [{ x: x.domain[0], x2: x.domain[1], y: 0 }];
  const baseline = differences[0]?.over.profile ?? BASELINE;
  const panel: Panel = {
    name: `${datasetAt(dataset)} ${sparsity} ${rule}`,
    title: sparsityName(sparsity),
    detail: html`${ruleName(rule)}; <i>n</i> = ${rangeOf(points)} seeds`,
    chart: {
      label: `Test accuracy minus that of ${baseline} over CV of fan-in on ${datasetAt(dataset)}, ${sparsityName(sparsity)}`,
      ...{ width, height, x, y },
      margin: { top: 12, right: 28, bottom: 40, left: 60 },
      layers: [
        { kind: 'rule', marks: zero, color: INK.light, size: 1, dash: [4, 3] },
        ...merged(layers),
        { kind: 'text', marks: names, color: INK.light, size: 10, align: 'left' },
      ],
    },
  };
  return { panel, named };
}

/** Names beside dots, where there is room: on no bar, dot or other name. */
function cvNames(
  placed: readonly (Difference & { readonly px: number; readonly py: number })[],
  { x, y }: Axes,
) {
  const { width, height } = CV;
  const clamp = (value: number): number => Math.max(0, Math.min(height, value));
  const points = placed.map(({ px, py }): Box => [px - 4, py - 4, px + 4, py + 4]);
  const bars = placed.flatMap(({ px, ci }): readonly Box[] =>
    ci === null
      ? []
      : [[px - 1.5, clamp(pixelOf(y, ci[1], height)), px + 1.5, clamp(pixelOf(y, ci[0], height))]],
  );
  const labels = placed.map(({ px, py, point }) => ({
    x: px,
    y: py,
    width: widthOf(nameOf(point)),
  }));
  const found = placeLabels(labels, { points, bars }, [0, 0, width + 4, height]);
  const names = placed.flatMap(({ point }, i) => {
    const place = found[i];
    return place
      ? [
          {
            x: valueAt(x, width - place.x, width),
            y: valueAt(y, place.y, height),
            text: cut(nameOf(point), 26),
            profile: point.profile,
          },
        ]
      : [];
  });
  return {
    names: names.map(({ x: left, y: top, text }) => ({ x: left, y: top, text })),
    named: names.map(({ profile }) => profile),
  };
}

function intervals(points: readonly Point[], at: (point: Point) => number, color: string): Layer[] {
  const marks = points.flatMap((point) =>
    point.ci ? [{ x: at(point), y: point.ci[0], y2: point.ci[1], title: titleOf(point) }] : [],
  );
  return [{ kind: 'rule', marks, color, size: 1.2, opacity: 0.8 }];
}

function denseMean({ runs }: Study, dataset: string): number | null {
  const dense = runs.filter((run) => run.method === 'dense' && run.coordinates.dataset === dataset);
  return dense.length === 0 ? null : 100 * mean(dense.map(({ metrics }) => metrics.value.accuracy));
}

function denseLine(dense: number | null, [low, high]: readonly [number, number]): readonly Layer[] {
  if (dense === null) return [];
  const marks = [{ x: low, x2: high, y: dense, title: `dense, mean ${fixed(dense, 2)}` }];
  return [{ kind: 'rule', marks, color: INK.light, dash: [4, 3] }];
}

function accuracyAxis(points: readonly Point[], dense: number | null): Axis {
  const values = points.flatMap(({ mean: centre, ci }) => [centre, ...(ci ?? [])]);
  const all = dense === null ? values : [...values, dense];
  const domain = extent(all, 0.05);
  const marks = ticks(domain, 4);
  return {
    domain,
    ticks: marks,
    digits: tickDigits(marks),
    title: 'test accuracy (%)',
    grid: true,
  };
}
