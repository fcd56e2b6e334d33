// fan-in-figure.ts — how connections are shared out between neurons, before and after
import exp from '@stdlib/math-base-special-exp';
import ln from '@stdlib/math-base-special-ln';
import type { LayerEquilibrium } from '../sparse/equilibrium.ts';
import { quantile } from '../stats/summary.ts';
import { type Arm, type LayerChange, layerChanges, type Setting } from './arms.ts';
import type { Chart, Layer, Mark } from './chart.ts';
import { percentage } from './format.ts';
import { FAINT, INK, type Palette, PROFILE_HUES, paintOf } from './palette.ts';
import { countBins, shares, ticks } from './scale.ts';
import type { EquilibriumRow } from './study.ts';

/** One histogram before and after RigL, and what it is about. */
export interface FanInPanel {
  readonly arm: Arm;
  readonly change: LayerChange;
  readonly chart: Chart;
}

/** The histograms of a setting, layer by layer; within a layer all profiles share bins and axis. */
export function fanInPanels(
  setting: Setting,
  palette: Palette,
): readonly (readonly FanInPanel[])[] {
  const changes = setting.arms.map((arm) => ({ arm, layers: layerChanges(arm) }));
  const rewired = changes.filter(({ layers }) => layers.length > 0);
  const depth = rewired.reduce((most, { layers }) => Math.max(most, layers.length), 0);
  return Array.from({ length: depth }, (_, l) => {
    const ofLayer = rewired.flatMap(({ arm, layers }) =>
      l < layers.length ? [{ arm, change: layers[l] }] : [],
    );
    const edges = countBins(reach(ofLayer.map(({ change }) => change)), 40);
    return ofLayer.map(({ arm, change }) => {
      const chart = fanInChart(arm, change, edges, paintOf(palette, arm.profile).color);
      return {
        arm,
        change,
        chart: { ...chart, label: `Fan-in in hidden layer ${l + 1}, ${chart.label}` },
      };
    });
  });
}

/** Up to where fan-in is drawn: the longest tail's 98th percentile, so that few hubs do not flatten the rest. */
function reach(changes: readonly LayerChange[]): number {
  const ends = changes.flatMap(({ before, after }) => [
    quantile(before, 0.98),
    quantile(after, 0.98),
  ]);
  return Math.ceil(ends.reduce((most, end) => Math.max(most, end), 1));
}

function fanInChart(arm: Arm, change: LayerChange, edges: readonly number[], color: string): Chart {
  const before = shares(change.before, edges);
  const after = shares(change.after, edges);
  const top = [...before, ...after].reduce((most, share) => Math.max(most, share), 0);
  const outline: Layer = { kind: 'line', marks: staircase(before, edges), color: INK.light };
  return {
    label: `${arm.profile}, before and after RigL`,
    width: 172,
    height: 92,
    margin: { top: 4, right: 8, bottom: 22, left: 8 },
    x: countAxis(edges),
    y: { domain: [0, top * 1.05], ticks: [], hidden: true },
    layers: [
      { kind: 'bar', marks: bars(after, edges), color, opacity: 0.75 },
      { ...outline, size: 1.1 },
    ],
  };
}

/** One layer's equilibrium, drawn. */
export interface EquilibriumPanel {
  readonly fit: LayerEquilibrium;
  /** I and O of the layer. */
  readonly inputs: number;
  readonly outputs: number;
  readonly chart: Chart;
}

/** For each hidden layer: fan-in pooled over the pilot runs, under the lognormal density fitted to it. */
export function equilibriumPanels(row: EquilibriumRow): readonly EquilibriumPanel[] {
  if (row.pilots.length === 0) return [];
  return row.fit.value.layers.map((fit, l) => {
    const layers = row.pilots.map(({ value }) => value.layers[l]);
    const { inputs, outputs } = layers[0];
    const pooled = layers.flatMap(({ fanIn }) => fanIn);
    const label = `Equilibrium fan-in of hidden layer ${l + 1} and the lognormal fitted to it`;
    return { fit, inputs, outputs, chart: equilibriumChart(pooled, fit, label) };
  });
}

function equilibriumChart(pooled: readonly number[], fit: LayerEquilibrium, label: string): Chart {
  const edges = countBins(Math.ceil(quantile(pooled, 0.995)), 36);
  const width = edges[1] - edges[0];
  const observed = shares(pooled, edges);
  const fitted = Array.from({ length: 121 }, (_, i) => {
    const x = (edges[edges.length - 1] * i) / 120;
    return { x, y: (1 - fit.zeroFraction) * width * lognormalDensity(x, fit.mu, fit.sigma) };
  });
  const heights = [...observed, ...fitted.map(({ y }) => y)];
  const top = heights.reduce((most, height) => Math.max(most, height), 0);
  return {
    label,
    width: 300,
    height: 150,
    margin: { top: 6, right: 12, bottom: 38, left: 12 },
    x: { ...countAxis(edges), title: 'fan-in (connections per neuron)' },
    y: { domain: [0, top * 1.05], ticks: [], hidden: true },
    layers: [
      { kind: 'bar', marks: bars(observed, edges), color: FAINT.light, opacity: 0.7 },
      { kind: 'line', marks: fitted, color: FIT_COLOR, size: 2 },
    ],
  };
}

/** The fitted curve's colour: the second hue, which stands out from the grey of what was counted. */
export const FIT_COLOR = PROFILE_HUES[1].light;

function countAxis(edges: readonly number[]) {
  const domain = [edges[0], edges[edges.length - 1]] as const;
  return { domain, ticks: ticks(domain, 4).filter(Number.isInteger), digits: 0 };
}

function bars(heights: readonly number[], edges: readonly number[]): readonly Mark[] {
  return heights.flatMap((y, i) =>
    y === 0 ? [] : [{ x: edges[i], x2: edges[i + 1], y, y2: 0, title: barTitle(y, edges, i) }],
  );
}

function barTitle(share: number, edges: readonly number[], i: number): string {
  const [first, last] = [edges[i] + 0.5, edges[i + 1] - 0.5];
  const beyond = i === edges.length - 2 ? ' and more' : '';
  const counts = first === last ? String(first) : `${first} to ${last}`;
  return `fan-in ${counts}${beyond}: ${percentage(share, 1)} of neurons`;
}

/** The outline of a histogram, closed to the axis on both sides. */
function staircase(heights: readonly number[], edges: readonly number[]): readonly Mark[] {
  const steps = heights.flatMap((y, i) => [
    { x: edges[i], y },
    { x: edges[i + 1], y },
  ]);
  return [{ x: edges[0], y: 0 }, ...steps, { x: edges[edges.length - 1], y: 0 }];
}

/** Lognormal density at x; 0 for x <= 0 and for a degenerate sigma of 0, which has none. */
function lognormalDensity(x: number, mu: number, sigma: number): number {
  if (x <= 0 || sigma <= 0) return 0;
  const z = (ln(x) - mu) / sigma;
  return exp(-0.5 * z * z) / (x * sigma * ROOT_TWO_PI);
}

const ROOT_TWO_PI = 2.5066282746310002;
