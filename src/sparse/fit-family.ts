// fit-family.ts — the distributions that fan-in is compared with
import exp from '@stdlib/math-base-special-exp';
import expm1 from '@stdlib/math-base-special-expm1';
import ln from '@stdlib/math-base-special-ln';
import log1p from '@stdlib/math-base-special-log1p';
import gammaCdf from '@stdlib/stats-base-dists-gamma-cdf';
import gammaLogpdf from '@stdlib/stats-base-dists-gamma-logpdf';
import gammaQuantile from '@stdlib/stats-base-dists-gamma-quantile';
import normalCdf from '@stdlib/stats-base-dists-normal-cdf';
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile';
import weibullCdf from '@stdlib/stats-base-dists-weibull-cdf';
import weibullLogpdf from '@stdlib/stats-base-dists-weibull-logpdf';

/** The families that are compared. */
export type FitFamily = 'lognormal' | 'gamma' | 'weibull' | 'power-law';

/** A distribution on the positive reals. */
export interface Distribution {
  readonly parameters: { readonly [name: string]: number };
  logDensity(x: number): number;
  cdf(x: number): number;
  quantile(p: number): number;
}

/** What a search starts from: the moments of a sample of positive numbers that are not all equal. */
export interface Moments {
  readonly mean: number;
  readonly variance: number;
  /** Mean and variance (ddof 0) of the natural logarithms. */
  readonly logMean: number;
  readonly logVariance: number;
  readonly min: number;
  readonly max: number;
}

/** A family, by free numbers that may have any value: the logarithms of what must be positive. */
export interface Family {
  readonly name: FitFamily;
  /** How many numbers AIC counts. */
  readonly size: number;
  /** Near the best: the maximum-likelihood estimate itself where it has a closed form. */
  start(moments: Moments): readonly number[];
  /** Whether `start` is the maximum-likelihood estimate of the continuous distribution. */
  readonly closed: boolean;
  /** Whether its support ends at the sample's own least and greatest value. */
  readonly bounded: boolean;
  at(free: readonly number[], moments: Moments): Distribution;
}

const LN_SQRT_TWO_PI = 0.9189385332046728;

const lognormal: Family = {
  name: 'lognormal',
  size: 2,
  closed: true,
  bounded: false,
  start: ({ logMean, logVariance }) => [logMean, ln(logVariance) / 2],
  at([mu, lnSigma]) {
    const sigma = exp(lnSigma!);
    const z = (x: number): number => (ln(x) - mu!) / sigma;
    return {
      parameters: { mu, sigma } as Distribution['parameters'],
      logDensity: (x) => -z(x) * z(x) * 0.5 - ln(x) - lnSigma! - LN_SQRT_TWO_PI,
      cdf: (x) => (x > 0 ? normalCdf(z(x), 0, 1) : 0),
      quantile: (p) => exp(mu! + sigma * normalQuantile(p, 0, 1)),
    };
  },
};

const gamma: Family = {
  name: 'gamma',
  size: 2,
  closed: false,
  bounded: false,
  start({ mean, variance }) {
    return [ln((mean * mean) / variance), ln(mean / variance)];
  },
  at([lnShape, lnRate]) {
    const [shape, rate] = [exp(lnShape!), exp(lnRate!)];
    return {
      parameters: { shape, rate },
      logDensity: (x) => gammaLogpdf(x, shape, rate),
      cdf: (x) => gammaCdf(x, shape, rate),
      quantile: (p) => gammaQuantile(p, shape, rate),
    };
  },
};

/** SD of the logarithm of a Weibull variable of shape 1: pi / sqrt(6). Its mean is -gamma_E. */
const GUMBEL_SD = 1.282549830161864;
const EULER = 0.5772156649015329;

const weibull: Family = {
  name: 'weibull',
  size: 2,
  closed: false,
  bounded: false,
  start({ logMean, logVariance }) {
    const shape = GUMBEL_SD / Math.sqrt(logVariance);
    return [ln(shape), logMean + EULER / shape];
  },
  at([lnShape, lnScale]) {
    const [shape, scale] = [exp(lnShape!), exp(lnScale!)];
    return {
      parameters: { shape, scale },
      logDensity: (x) => weibullLogpdf(x, shape, scale),
      cdf: (x) => weibullCdf(x, shape, scale),
      quantile: (p) => scale * exp(ln(-log1p(-p)) / shape),
    };
  },
};

/**
 * p(x) proportional to x^-alpha between the least and the greatest value of the sample, half a unit
 * added at both ends (fan-in is whole). Both ends are estimated, so AIC counts three. As in Hou and
 * Kwok 2018 (arXiv 1805.01891), who fit it to the degrees of sparse networks.
 */
const powerLaw: Family = {
  name: 'power-law',
  size: 3,
  closed: false,
  bounded: true,
  start: () => [1.5],
  at([alpha], { min, max }) {
    const [low, high] = [min - 0.5, max + 0.5];
    const beta = 1 - alpha!;
    const span = ln(high / low);
    // (x / low)^beta - 1, over beta: its limit for beta = 0 is ln(x / low).
    const grown = (log: number): number => (beta === 0 ? log : expm1(beta * log) / beta);
    const whole = grown(span);
    return {
      parameters: { alpha, low, high } as Distribution['parameters'],
      logDensity: (x) => -alpha! * ln(x / low) - ln(low) - ln(whole),
      cdf: (x) => (x <= low ? 0 : x >= high ? 1 : grown(ln(x / low)) / whole),
      quantile(p) {
        const log = beta === 0 ? p * span : log1p(p * whole * beta) / beta;
        return low * exp(log);
      },
    };
  },
};

/** All of them. */
export const FAMILIES: readonly Family[] = [lognormal, gamma, weibull, powerLaw];
