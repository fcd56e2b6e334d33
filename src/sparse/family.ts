// family.ts — the ten shapes that fan-in can have over the neurons of a layer
import exp from '@stdlib/math-base-special-exp';
import ln from '@stdlib/math-base-special-ln';
import sincos from '@stdlib/math-base-special-sincos';
import tanh from '@stdlib/math-base-special-tanh';
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile';

/**
 * A family of shapes: target fan-in is proportional to g(u; theta), positive and increasing in the
 * neuron's position u in (0, 1). g is given curried, so that what depends on u alone is computed
 * once. Mirrored or humped versions of a shape would be the same profile, since only the sorted
 * fan-in matters.
 */
export interface Shape {
  readonly g: (u: number) => (theta: number) => number;
  /** The theta at which all neurons are equal. */
  readonly constant: number;
  /**
   * Ascending, beyond `constant`: where a CV is searched first. Steeper shapes are tried only where none of these has
   * it, so that the thetas of profiles stay what they were.
   */
  readonly thetas: readonly number[];
}

/** Cells of a grid of theta. */
const CELLS = 48;

/** From `least` to `most`, each the same multiple of the one before. */
function logGrid(least: number, most: number): number[] {
  const step = ln(most / least) / CELLS;
  const inner = Array.from({ length: CELLS }, (_, cell) => least * exp(step * cell));
  return [...inner, most];
}

/** From `least` to `most`, each the same distance from the one before. */
function linearGrid(least: number, most: number): number[] {
  return Array.from({ length: CELLS + 1 }, (_, i) => least + ((most - least) * i) / CELLS);
}

/** exp(theta * h(u)), constant at theta 0: the shape of nearly every family. */
const exponential = (h: (u: number) => number, least: number, most: number): Shape => ({
  g(u) {
    const height = h(u);
    return (theta) => exp(theta * height);
  },
  constant: 0,
  thetas: logGrid(least, most),
});

// biome-ignore lint/suspicious/noApproximativeNumericConstant: the rule on bits bars Math.PI.
const PI = 3.141592653589793;
const cosine = (x: number): number => sincos(x)[1]!;

/** How steep the logistic step is, in 1/u. */
const LOGISTIC_SLOPE = 20;
/** How steep the tanh of `tanh-exponential` is, in 1/u. */
const TANH_SLOPE = 4;

/**
 * The families that have a CV. Our definitions: the paper (arXiv 2604.10560) names "eight parametric
 * families, lognormal, and power-law", and was read in its abstract only. Each comment gives g and
 * theta.
 */
export const SHAPES = {
  /** u^p. */
  power: exponential(ln, 0.01, 40),
  /** e^(k u). */
  exponential: exponential((u) => u, 0.02, 80),
  /** e^(-k (1-u)^2). */
  'half-gaussian': exponential((u) => -(1 - u) * (1 - u), 0.02, 2000),
  /** cos(pi (1-u) / 2)^(2p). */
  'raised-cosine': exponential((u) => 2 * ln(cosine((PI * (1 - u)) / 2)), 0.01, 400),
  /** 1 / (1 + k (1-u)^2). */
  lorentzian: {
    g: (u) => (k) => 1 / (1 + k * (1 - u) * (1 - u)),
    constant: 0,
    thetas: logGrid(0.02, 100_000),
  },
  /** 1 / (1 + e^(-20 (u-c))): theta is c, where the step stands; constant long before u = 0. */
  logistic: {
    g: (u) => (c) => 1 / (1 + exp(-LOGISTIC_SLOPE * (u - c))),
    constant: -1,
    thetas: linearGrid(-0.96, 1.2),
  },
  /** (-ln(1-u))^q, the quantile of a Weibull distribution of shape 1/q. */
  logarithmic: exponential((u) => ln(-ln(1 - u)), 0.01, 12),
  /** e^(k tanh(4 (u - 1/2))), which saturates at both ends. */
  'tanh-exponential': exponential((u) => tanh(TANH_SLOPE * (u - 0.5)), 0.01, 30),
  /** exp(sigma Phi^-1(u)), the quantile of a lognormal distribution. */
  lognormal: exponential((u) => normalQuantile(u, 0, 1), 0.01, 12),
  /** (1-u)^(-s), a power law of size by rank: a Pareto distribution of exponent 1/s. */
  'power-law': exponential((u) => -ln(1 - u), 0.01, 6),
} as const satisfies Record<string, Shape>;

/** A family whose CV can be chosen. */
export type ShapedFamily = keyof typeof SHAPES;

/** The families whose CV can be chosen. */
export const shapedFamilies = Object.keys(SHAPES) as readonly ShapedFamily[];
