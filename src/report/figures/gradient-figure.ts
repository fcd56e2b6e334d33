// gradient-figure.ts — gradient concentration at hubs over the CV of fan-in, beside what counting alone gives
import { type Correlation, pearson } from '../../stats/correlation.ts';
import { mean } from '../../stats/summary.ts';
import type { Contrast } from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import type { Layer, Mark } from '../charts/chart.ts';
import {
  dotSwatch,
  type FigureDraft,
  legendOf,
  lineSwatch,
  type Panel,
  ringSwatch,
} from '../charts/figure.ts';
import { cut, fixed, placeName, ruleName, sparsityName } from '../markup/format.ts';
import { type Html, html } from '../markup/html.ts';
import { FAINT, INK, PAPER, type Palette, paintOf, SOFT } from '../markup/palette.ts';
import { type Box, placeLabels, swarm } from '../charts/dodge.ts';
import { pixelOf, valueAt, widthOf } from '../charts/labels.ts';
import { extent, type Interval, tickDigits, ticks } from '../charts/scale.ts';
import type { GradientRun, Study } from '../data/study.ts';

/** One hidden layer of one configuration: means over its runs. */
export interface GradientPoint {
  readonly dataset: string;
  readonly sparsity: string;
  readonly rule: string;
  readonly profile: string;
  /** From 0. */
  readonly layer: number;
  readonly n: number;
  readonly cv: number;
  readonly ratio: number;
  readonly counted: number | null;
  readonly runs: readonly GradientRun[];
}

/** Every configuration and layer in which hubs have a ratio in every run. */
export function gradientPoints({ gradients }: Study): readonly GradientPoint[] {
  const arms = group(gradients, ({ coordinates: at }) =>
    JSON.stringify([at.dataset, at.sparsity, at.rule, at.profile]),
  );
  return arms.flatMap((runs) => {
    const { dataset, sparsity, rule, profile } = runs[0]!.coordinates;
    return runs[0]!.layers.flatMap((_, layer): readonly GradientPoint[] => {
      const all = runs.map(({ layers }) => layers[layer]!);
      const ratios = all.flatMap(({ ratio }) => (ratio === null ? [] : [ratio]));
      const counted = all.flatMap((one) => (one.counted === null ? [] : [one.counted]));
      if (ratios.length < runs.length) return [];
      const at = { dataset, sparsity, rule, profile, layer, n: runs.length, runs };
      const cv = mean(all.map((one) => one!.cv));
      return [
        { ...at, cv, ratio: mean(ratios), counted: counted.length > 0 ? mean(counted) : null },
      ];
    });
  });
}

/** r of the points of one panel. */
export const correlationOf = (points: readonly GradientPoint[]): Correlation =>
  pearson(
    points.map(({ cv }) => cv),
    points.map(({ ratio }) => ratio),
  );

/** What a claim says of the correlation of some points; nothing where its r is of other points. */
function contrastOf(
  { claims }: Study,
  dataset: string | undefined,
  { r }: Correlation,
): Contrast | undefined {
  const all = (claims?.claims ?? []).filter(({ kind }) => kind === 'correlation');
  return all
    .flatMap(({ contrasts }) => contrasts)
    .find(
      (one) =>
        one.dataset === dataset &&
        one.ci !== null &&
        one.effect !== null &&
        r !== null &&
        fixed(one.effect, 3) === fixed(r, 3),
    );
}

/** A panel for each data set and layer rule; null where no gradient was measured. */
export function gradientDraft(study: Study, palette: Palette): FigureDraft | null {
  const settings = group(gradientPoints(study), ({ dataset, rule }) =>
    JSON.stringify([dataset, rule]),
  );
  if (settings.length === 0) return null;
  // The claim about these points has an interval for the same correlation: the figure shows that one.
  const told = (points: readonly GradientPoint[]): Correlation => {
    const own = correlationOf(points);
    const contrast = contrastOf(study, points[0]?.dataset, own);
    return contrast === undefined ? own : { ...own, ci: contrast.ci };
  };
  const isClaimed = settings.some(
    (points) => contrastOf(study, points[0]?.dataset, correlationOf(points)) !== undefined,
  );
  return {
    id: 'gradients',
    data: 'gradients',
    title: 'gradient concentration over CV',
    size: 'large',
    legend: legendOf([
      html`${dotSwatch()} measured, in the colour of the profile`,
      html`${ringSwatch(SOFT.light)} what counting connections alone gives`,
      html`${lineSwatch(SOFT.light, [4, 3])} same as all neurons`,
    ]),
    rows: [
      { title: null, panels: settings.map((points) => panelOf(points, palette, told(points))) },
    ],
    result: gradientResult(settings),
    caption: html`L2 norm of the gradient at a hub’s incoming weights over that at all neurons, in the last epochs, over
the CV of fan-in. Hubs are the tenth of neurons with the greatest fan-in. A dot is one configuration (a profile and a hidden
layer), mean over seeds; the ring below or above it is the ratio of √fan-in, which equal gradients at all
connections would give. Overlapping dots are dodged. <i>r</i> is Pearson’s over the dots drawn, with ${isClaimed ? 'the 90 %' : 'Fisher’s 95 %'} confidence
interval${isClaimed ? ' of the claim' : null}; layers of one network are not independent of each other.`,
  };
}

function gradientResult(settings: readonly (readonly GradientPoint[])[]): string {
  const rs = settings.flatMap((points) => correlationOf(points).r ?? []);
  const ratios = settings.flat().map(({ ratio }) => ratio);
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((one) => fixed(one, 2));
  const told = `Gradients at hubs are ${low} to ${high} times the mean gradient`;
  if (rs.length === 0) return `${told}.`;
  const [least, most] = [Math.min(...rs), Math.max(...rs)];
  if (rs.length === 1) {
    return least > 0
      ? `${told} and grow with the CV of fan-in (r = ${fixed(least, 3)}).`
      : `${told}; they do not grow with the CV of fan-in (r = ${fixed(least, 3)}).`;
  }
  // Rounded down: a bound that is rounded up would not hold.
  return least > 0
    ? `${told} and grow with the CV of fan-in (r ≥ ${fixed(Math.floor(least * 100) / 100, 2)}).`
    : `${told}; their r with the CV of fan-in is ${fixed(least, 2)} to ${fixed(most, 2)}.`;
}

/** Of the plotting area; how large dots are, and how far they move aside. */
const SIZE = { width: 330, height: 230 } as const;
const [DOT, REACH] = [6.5, 14];

/** Where dots stand across: at their CV, or beside it where they would hide each other. */
function placesOf(
  points: readonly GradientPoint[],
  [x, y]: readonly [Interval, Interval],
): ReadonlyMap<GradientPoint, number> {
  const at = points.map(({ cv, ratio }) => ({
    x: ((cv - x[0]) / (x[1] - x[0])) * SIZE.width,
    y: ((ratio - y[0]) / (y[1] - y[0])) * SIZE.height,
  }));
  const shifts = swarm(at, DOT + 1.4, REACH);
  const perPixel = (x[1] - x[0]) / SIZE.width;
  return new Map(points.map((point, i) => [point, point.cv + (shifts[i] ?? 0) * perPixel]));
}

/** The name of each profile beside one of its dots, where there is room: the highest first. */
function namesOf(
  points: readonly GradientPoint[],
  placeOf: (point: GradientPoint) => number,
  [x, y]: readonly [Interval, Interval],
): readonly Mark[] {
  const { width, height } = SIZE;
  const [across, down] = [
    { domain: x, ticks: [] },
    { domain: y, ticks: [] },
  ];
  const at = (point: GradientPoint, value: number) => ({
    x: width - pixelOf(across, placeOf(point), width),
    y: pixelOf(down, value, height),
  });
  const boxes = points.flatMap((point): readonly Box[] => {
    const dot = at(point, point.ratio);
    const ring = at(point, point.counted ?? point.ratio);
    return [dot, ring].map((one): Box => [one.x - 4, one.y - 4, one.x + 4, one.y + 4]);
  });
  const links = points.flatMap((point): readonly Box[] => {
    const [dot, ring] = [at(point, point.ratio), at(point, point.counted ?? point.ratio)];
    return [[dot.x - 1, Math.min(dot.y, ring.y), dot.x + 1, Math.max(dot.y, ring.y)]];
  });
  const ordered = [...points].sort((a, b) => b.ratio - a.ratio);
  const labels = group(ordered, ({ profile }) => profile).flatMap(([highest]) =>
    highest ? [{ ...at(highest, highest.ratio), width: widthOf(highest.profile), highest }] : [],
  );
  const found = placeLabels(labels, { points: boxes, bars: links }, [0, 0, width + 8, height]);
  return labels.flatMap(({ highest }, i) => {
    const place = found[i];
    return place
      ? [
          {
            x: valueAt(across, width - place.x, width),
            y: valueAt(down, place.y, height),
            text: cut(highest.profile, 18),
          },
        ]
      : [];
  });
}

function panelOf(
  points: readonly GradientPoint[],
  palette: Palette,
  correlation: Correlation,
): Panel {
  const [{ dataset, rule }] = points as readonly [(typeof points)[number]];
  const x = extent([0, ...points.map(({ cv }) => cv)], 0.05);
  const values = points.flatMap(({ ratio, counted }) =>
    counted === null ? [ratio] : [ratio, counted],
  );
  const y = extent([...values, 1], 0.06);
  const [xs, ys] = [ticks(x, 5), ticks(y, 5)];
  const places = placesOf(points, [x, y]);
  const placeOf = (point: GradientPoint): number => places.get(point) ?? point.cv;
  const links = points.flatMap((point) =>
    point.counted === null ? [] : [{ x: placeOf(point), y: point.counted, y2: point.ratio }],
  );
  const rings = points.flatMap((point): readonly Mark[] =>
    point.counted === null
      ? []
      : [
          {
            x: placeOf(point),
            y: point.counted,
            title: `${nameOf(point)}: by counting ${fixed(point.counted, 2)}`,
          },
        ],
  );
  const dots = group(points, ({ profile }) => profile).map(
    (ofProfile): Layer => ({
      kind: 'dot',
      color: paintOf(palette, ofProfile[0]!.profile).color,
      size: DOT,
      opacity: 0.9,
      marks: ofProfile.map((point) => ({
        x: placeOf(point),
        y: point.ratio,
        title: `${nameOf(point)}: ratio ${fixed(point.ratio, 2)} at CV ${fixed(point.cv, 2)}, n = ${point.n}`,
      })),
    }),
  );
  const one = [{ x: x[0], x2: x[1], y: 1 }];
  return {
    name: `${dataset} ${rule}`,
    title: placeName(dataset),
    detail: html`${sparsities(points)}, ${ruleName(rule)}; ${rWords(correlation)}`,
    chart: {
      label: `Gradient at hubs over gradient at all neurons, over the CV of fan-in, on ${dataset}`,
      ...SIZE,
      margin: { top: 8, right: 12, bottom: 40, left: 52 },
      x: { domain: x, ticks: xs, digits: tickDigits(xs), title: 'CV of fan-in, as achieved' },
      y: {
        domain: y,
        ticks: ys,
        digits: tickDigits(ys),
        title: 'hub gradient / mean gradient',
        grid: true,
      },
      layers: [
        { kind: 'rule', marks: one, color: SOFT.light, dash: [4, 3] },
        { kind: 'rule', marks: links, color: FAINT.light, size: 1 },
        { kind: 'dot', marks: rings, color: SOFT.light, size: 5, fill: PAPER.light },
        ...dots,
        {
          kind: 'text',
          marks: namesOf(points, placeOf, [x, y]),
          color: INK.light,
          size: 10,
          align: 'left',
        },
      ],
    },
  };
}

const nameOf = ({ profile, layer }: GradientPoint): string => `${profile}, layer ${layer + 1}`;

const sparsities = (points: readonly GradientPoint[]): string =>
  [...new Set(points.map(({ sparsity }) => sparsityName(sparsity)))].join(', ');

/** The correlation in words, or why there is none. */
export function rWords({ r, ci, n, reason }: Correlation): Html {
  if (r === null) return html`no correlation: ${reason ?? 'not defined'}`;
  const interval =
    ci === null ? `, ${reason ?? 'no interval'}` : ` [${fixed(ci[0], 3)}, ${fixed(ci[1], 3)}]`;
  return html`<i>r</i> = ${fixed(r, 3)}${interval}, ${n} configurations`;
}
