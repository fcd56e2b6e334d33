// equilibrium-figure.ts — the fan-in at which RigL settles, under the distributions that were fitted to it
import exp from '@stdlib/math-base-special-exp';
import ln from '@stdlib/math-base-special-ln';
import type { LayerEquilibrium } from '../../sparse/equilibrium.ts';
import type { FanInFit } from '../../sparse/fit.ts';
import type { FitFamily } from '../../sparse/fit-family.ts';
import { quantile } from '../../stats/summary.ts';
import type { Chart, Layer, Mark } from '../charts/chart.ts';
import {
  barSwatch,
  dotSwatch,
  type FigureDraft,
  legendOf,
  lineSwatch,
  type Panel,
} from '../charts/figure.ts';
import { counted, fixed, percentage, placeName, ruleName, sparsityName } from '../markup/format.ts';
import { html } from '../markup/html.ts';
import { FAINT, PROFILE_HUES, SOFT } from '../markup/palette.ts';
import { countBins, extent, shares, tickDigits, ticks } from '../charts/scale.ts';
import type { EquilibriumRow } from '../data/study.ts';

const FAMILIES: readonly FitFamily[] = ['lognormal', 'gamma', 'weibull', 'power-law'];
const COLORS: { readonly [F in FitFamily]: string } = {
  // The hue of the profile that is made from this fit.
  lognormal: PROFILE_HUES[5]!.light,
  gamma: PROFILE_HUES[0]!.light,
  weibull: PROFILE_HUES[2]!.light,
  'power-law': PROFILE_HUES[3]!.light,
};

/** Histograms with the fitted lognormal, and quantile plots of all families; null without any pilot. */
export function equilibriumDraft(equilibria: readonly EquilibriumRow[]): FigureDraft | null {
  const rows = equilibria.map((row) => ({
    title: `${placeName(row.dataset)}: ${sparsityName(row.sparsity)}, ${ruleName(row.rule)}, ${counted(row.pilots.length, 'pilot')}`,
    panels: [...row.fit.value.layers.keys()].flatMap((l) => layerPanels(row, l)),
  }));
  const drawn = rows.filter(({ panels }) => panels.length > 0);
  if (drawn.length === 0) return null;
  const families = equilibria.some((row) => row.families !== null)
    ? FAMILIES.map((family) => html`${dotSwatch(COLORS[family])} ${family}`)
    : [];
  return {
    id: 'equilibrium',
    data: 'equilibrium',
    title: 'the equilibrium of fan-in',
    size: 'paired',
    legend: legendOf([
      html`${barSwatch(FAINT.light)} neurons of the pilots`,
      html`${lineSwatch(COLORS.lognormal, [])} fitted lognormal`,
      ...families,
    ]),
    rows: drawn,
    result: equilibriumResult(equilibria),
    caption: html`Fan-in at the end of RigL’s pilots. Histograms: pooled neurons, and the lognormal fitted by maximum likelihood.
Quantile plots: quantiles of each fitted family against those counted; the closer to the diagonal, the better. Fits leave out
neurons without connections.`,
  };
}

/** How often which family fits best; where none was compared, the CV of the lognormals. */
function equilibriumResult(equilibria: readonly EquilibriumRow[]): string {
  const best = equilibria.flatMap(({ families }) =>
    (families?.value ?? []).flatMap((fit) => (fit.best === null ? [] : [fit.best])),
  );
  const counts = FAMILIES.map((family) => ({
    family,
    n: best.filter((one) => one === family).length,
  }));
  const [first] = [...counts].sort((a, b) => b.n - a.n);
  if (first === undefined || first.n === 0) {
    const cvs = equilibria.flatMap(({ fit }) => fit.value.layers.map(({ cv }) => cv));
    const ends = [Math.min(...cvs), Math.max(...cvs)].map((one) => fixed(one, 2));
    return `At equilibrium the CV of fan-in is ${[...new Set(ends)].join(' to ')}.`;
  }
  return `By AIC, ${first.family} fits best in ${first.n} of ${best.length} layers.`;
}

function layerPanels(row: EquilibriumRow, l: number): readonly Panel[] {
  const fit = row.fit.value.layers[l]!;
  const name = `${row.dataset} ${row.sparsity} ${row.rule} layer ${l + 1}`;
  const pooled = row.pilots.flatMap(({ value }) => value.layers[l]?.fanIn ?? []);
  const families = row.families?.value[l];
  const histogram: Panel = {
    name,
    title: `Hidden layer ${l + 1}`,
    detail: html`σ = ${fixed(fit.sigma, 3)}, CV ${fixed(fit.cv, 2)}; ${fit.neurons} neurons`,
    chart: histogramChart(pooled, fit, `Equilibrium fan-in and its lognormal, ${name}`),
  };
  return [
    ...(pooled.length > 0 ? [histogram] : []),
    ...(families && families.quantiles.length > 0 ? [quantilePanel(families, name, l)] : []),
  ];
}

function quantilePanel(fit: FanInFit, name: string, l: number): Panel {
  const observed = fit.quantiles.map((point) => point.observed);
  const domain = extent([0, ...observed], 0.06);
  // A family far off must not flatten the others.
  const limit = domain[1] * 1.35;
  const high = [domain[0], limit] as const;
  const layers = FAMILIES.map((family): Layer => {
    const marks = fit.quantiles.flatMap(({ p, observed: x, fitted }): readonly Mark[] => {
      const y = fitted[family];
      if (y === undefined || y > limit) return [];
      return [
        {
          x,
          y,
          title: `${family}, ${percentage(p, 0)} of neurons: fitted ${fixed(y, 1)}, counted ${x}`,
        },
      ];
    });
    return { kind: 'dot', marks, color: COLORS[family], size: 3.6, opacity: 0.75 };
  });
  const [xs, ys] = [ticks(domain, 4), ticks(high, 4)];
  const best = fit.best === null ? 'no family fitted' : `best by AIC: ${fit.best}`;
  return {
    name: `${name} quantiles`,
    title: `Hidden layer ${l + 1}, quantiles`,
    detail: best,
    chart: {
      label: `Quantiles of fitted families over counted ones, ${name}`,
      width: 190,
      height: 160,
      margin: { top: 8, right: 12, bottom: 40, left: 52 },
      x: { domain, ticks: xs, digits: tickDigits(xs), title: 'fan-in, counted' },
      y: { domain: high, ticks: ys, digits: tickDigits(ys), title: 'fan-in, fitted', grid: true },
      layers: [
        {
          kind: 'line',
          marks: [0, domain[1]].map((v) => ({ x: v, y: v })),
          color: SOFT.light,
          dash: [4, 3],
        },
        ...layers.reverse(),
      ],
    },
  };
}

function histogramChart(pooled: readonly number[], fit: LayerEquilibrium, label: string): Chart {
  const edges = countBins(Math.max(1, Math.ceil(quantile(pooled, 0.995))), 30);
  const width = edges[1]! - edges[0]!;
  const observed = shares(pooled, edges);
  const fitted = Array.from({ length: 121 }, (_, i) => {
    const x = (edges[edges.length - 1]! * i) / 120;
    return { x, y: (1 - fit.zeroFraction) * width * lognormalDensity(x, fit.mu, fit.sigma) };
  });
  const top = [...observed, ...fitted.map(({ y }) => y)].reduce((a, b) => Math.max(a, b), 0);
  const domain = [edges[0]!, edges[edges.length - 1]!] as const;
  return {
    label,
    width: 214,
    height: 160,
    margin: { top: 8, right: 12, bottom: 40, left: 22 },
    x: {
      domain,
      ticks: ticks(domain, 4).filter((tick) => tick === Math.round(tick)),
      digits: 0,
      title: 'fan-in (connections per neuron)',
    },
    y: { domain: [0, top * 1.05], ticks: [], title: 'share of neurons' },
    layers: [
      { kind: 'bar', marks: bars(observed, edges), color: FAINT.light, opacity: 0.7 },
      { kind: 'line', marks: fitted, color: COLORS.lognormal, size: 2 },
    ],
  };
}

function bars(heights: readonly number[], edges: readonly number[]): readonly Mark[] {
  return heights.flatMap((y, i) => {
    const [first, last] = [edges[i]! + 0.5, edges[i + 1]! - 0.5];
    const beyond = i === heights.length - 1 ? ' and more' : '';
    const counts = first === last ? String(first) : `${first} to ${last}`;
    const title = `fan-in ${counts}${beyond}: ${percentage(y, 1)} of neurons`;
    return y === 0 ? [] : [{ x: edges[i]!, x2: edges[i + 1]!, y, y2: 0, title }];
  });
}

/** Lognormal density at x; 0 for x <= 0 and for a degenerate sigma of 0, which has none. */
function lognormalDensity(x: number, mu: number, sigma: number): number {
  if (x <= 0 || sigma <= 0) return 0;
  const z = (ln(x) - mu) / sigma;
  return exp(-0.5 * z * z) / (x * sigma * ROOT_TWO_PI);
}

const ROOT_TWO_PI = 2.5066282746310002;
