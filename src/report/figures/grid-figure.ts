// grid-figure.ts — accuracy over sparsity, and over the CV of fan-in
import { mean } from '../../stats/summary.ts';
import { group, rangeOf } from '../data/arms.ts';
import { type Axis, type Layer, merged } from '../charts/chart.ts';
import { denseItem, type FigureDraft, type Panel, profileLegend } from '../charts/figure.ts';
import { fixed, ruleName, sparsityName } from '../markup/format.ts';
import { html } from '../markup/html.ts';
import { INK, type Palette, paintOf } from '../markup/palette.ts';
import { meanOf } from '../charts/rows-chart.ts';
import { extent, tickDigits, ticks } from '../charts/scale.ts';
import type { Run, Study } from '../data/study.ts';

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

/** Accuracy over sparsity: the profiles that were trained at several of them. Null without any. */
export function sparsityDraft(study: Study, palette: Palette): FigureDraft | null {
  const settings = group(staticPoints(study), ({ dataset, rule }) =>
    JSON.stringify([dataset, rule]),
  );
  const panels = settings.flatMap((points) => {
    const lines = group(points, ({ profile }) => profile).filter(({ length }) => length > 1);
    return lines.length === 0 ? [] : [sparsityPanel(lines, study, palette)];
  });
  if (panels.length === 0) return null;
  const drawn = settings.flatMap((points) =>
    (group(points, ({ profile }) => profile).filter(({ length }) => length > 1) as [Point][]).map(
      ([{ profile }]) => profile,
    ),
  );
  return {
    id: 'sparsity',
    data: 'runs',
    title: 'accuracy over sparsity',
    size: 'large',
    legend: profileLegend([...new Set(drawn)], palette, [denseItem()]),
    rows: [{ title: null, panels }],
    result: sparsityResult(settings),
    caption: html`Test accuracy of static networks over sparsity, means over seeds with 95 % confidence intervals. The
axis is linear in the logarithm of the share of connections that exist. Drawn are the profiles that were
trained at several sparsities; what cannot be done is left out.`,
  };
}

/** What the sparsest networks lose to the densest of the same profile. */
function sparsityResult(settings: readonly (readonly Point[])[]): string | null {
  const losses = settings.flatMap((points) =>
    group(points, ({ profile }) => profile).flatMap((line) => {
      const ordered = [...line].sort((a, b) => Number(a.sparsity) - Number(b.sparsity));
      const [first, last] = [ordered[0]!, ordered[ordered.length - 1]!];
      return first === last ? [] : [{ loss: first.mean - last.mean, last }];
    }),
  );
  if (losses.length === 0) return null;
  const most = losses.reduce((worst, one) => (one.loss > worst.loss ? one : worst));
  const { dataset, sparsity, profile } = most.last;
  return `Sparsity costs at most ${fixed(most.loss, 2)} points (${profile} on ${dataset}, ${sparsityName(sparsity)}).`;
}

/** How far apart profiles of one setting end. */
function cvResult(settings: readonly (readonly Point[])[]): string {
  const spreads = settings.map((points) => {
    const means = points.map((point) => point.mean);
    return { points, spread: Math.max(...means) - Math.min(...means) };
  });
  const most = spreads.reduce((worst, one) => (one.spread > worst.spread ? one : worst));
  const { dataset, sparsity } = most.points[0]!;
  return `Profiles of one setting end at most ${fixed(most.spread, 2)} points apart (${dataset}, ${sparsityName(sparsity)}).`;
}

function sparsityPanel(
  lines: readonly (readonly Point[])[],
  study: Study,
  palette: Palette,
): Panel {
  const points = lines.flat();
  const [{ dataset, rule }] = points as [(typeof points)[number]];
  const density = ({ sparsity }: Point): number => 1 - Number(sparsity);
  const at = [...new Set(points.map(({ sparsity }) => sparsity))].sort(
    (a, b) => Number(a) - Number(b),
  );
  const densities = at.map((sparsity) => 1 - Number(sparsity));
  const dense = denseMean(study, dataset);
  const y = accuracyAxis(points, dense);
  const [high, low] = [Math.max(...densities) * 1.25, Math.min(...densities) / 1.25];
  const layers = lines.flatMap((line): readonly Layer[] => {
    const ordered = [...line].sort((a, b) => density(b) - density(a));
    const { color, dash } = paintOf(palette, line[0]!.profile);
    const marks = ordered.map((point) => ({
      x: density(point),
      y: point.mean,
      title: titleOf(point),
    }));
    return [
      ...intervals(ordered, density, color),
      { kind: 'line', marks: marks.map(({ x, y: v }) => ({ x, y: v })), color, size: 1.5, dash },
      { kind: 'dot', marks, color, size: 5 },
    ];
  });
  return {
    name: `${dataset} ${rule}`,
    title: dataset,
    detail: html`${ruleName(rule)}; <i>n</i> = ${rangeOf(points)} seeds`,
    chart: {
      label: `Test accuracy over sparsity on ${dataset}, ${ruleName(rule)}`,
      width: 320,
      height: 210,
      margin: { top: 14, right: 16, bottom: 40, left: 56 },
      x: {
        domain: [high, low],
        ticks: densities,
        labels: at.map((sparsity) => `${Number((Number(sparsity) * 100).toFixed(4))} %`),
        scale: 'log',
        title: 'sparsity of the hidden layers',
      },
      y,
      layers: [...denseLine(dense, [high, low]), ...layers],
    },
  };
}

/** Accuracy over CV: a panel for each data set and sparsity at which several CVs were trained. */
export function cvDraft(study: Study, palette: Palette): FigureDraft | null {
  const settings = group(staticPoints(study), ({ dataset, sparsity, rule }) =>
    JSON.stringify([dataset, sparsity, rule]),
  ).map((points) => points.filter(({ cv }) => cv !== null));
  const drawn = settings.filter(({ length }) => length > 1);
  if (drawn.length === 0) return null;
  const rows = group(drawn as [Point][], ([{ dataset }]) => dataset).map((ofDataset) => ({
    title: ofDataset[0]![0]!.dataset,
    panels: [...ofDataset]
      .sort(([a], [b]) => Number(a!.sparsity) - Number(b!.sparsity))
      .map((points) => cvPanel(points, study, palette)),
  }));
  const profiles = [...new Set(drawn.flatMap((points) => points.map(({ profile }) => profile)))];
  return {
    id: 'cv',
    data: 'runs',
    title: 'accuracy over CV of fan-in',
    size: 'medium',
    legend: profileLegend(profiles, palette, [denseItem()]),
    rows,
    result: cvResult(drawn),
    caption: html`Test accuracy of static networks over the CV of fan-in that their masks attain (mean over hidden
layers and seeds). Dots are means over seeds, bars 95 % confidence intervals. Heights differ from panel to panel.`,
  };
}

function cvPanel(points: readonly Point[], study: Study, palette: Palette): Panel {
  const [{ dataset, sparsity, rule }] = points as readonly [(typeof points)[number]];
  const at = ({ cv }: Point): number => cv ?? 0;
  const domain = extent([0, ...points.map(at)], 0.06);
  const dense = denseMean(study, dataset);
  const layers = points.flatMap((point): readonly Layer[] => {
    const { color } = paintOf(palette, point.profile);
    const mark = { x: at(point), y: point.mean, title: titleOf(point) };
    return [...intervals([point], at, color), { kind: 'dot', marks: [mark], color, size: 6 }];
  });
  const marks = ticks(domain, 5);
  return {
    name: `${dataset} ${sparsity} ${rule}`,
    title: html`${sparsityName(sparsity)}`,
    detail: html`${ruleName(rule)}; <i>n</i> = ${rangeOf(points)} seeds`,
    chart: {
      label: `Test accuracy over CV of fan-in on ${dataset}, ${sparsityName(sparsity)}`,
      width: 212,
      height: 170,
      margin: { top: 12, right: 10, bottom: 40, left: 56 },
      x: { domain, ticks: marks, digits: tickDigits(marks), title: 'CV of fan-in' },
      y: accuracyAxis(points, dense),
      layers: [...denseLine(dense, domain), ...merged(layers)],
    },
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
