// power.ts — how likely a design finds an effect of a given size
import exp from '@stdlib/math-base-special-exp';
import gammaln from '@stdlib/math-base-special-gammaln';
import ln from '@stdlib/math-base-special-ln';
import normalCdf from '@stdlib/stats-base-dists-normal-cdf';
import tQuantile from '@stdlib/stats-base-dists-t-quantile';

/**
 * Power of the two-sided t test of two independent samples of `n` each, equal variances, when the means are `d`
 * standard deviations apart: in [alpha, 1].
 * @throws RangeError when n is below 2 or alpha not in (0, 1).
 */
export function powerOfTwoSamples(d: number, n: number, alpha = 0.05): number {
  if (!(Number.isInteger(n) && n >= 2)) throw new RangeError(`power needs n from 2, not ${n}`);
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha is in (0, 1), not ${alpha}`);
  if (!Number.isFinite(d)) throw new RangeError(`an effect size is a finite number, not ${d}`);
  const df = 2 * n - 2;
  const critical = tQuantile(1 - alpha / 2, df);
  const shift = Math.abs(d) * Math.sqrt(n / 2);
  return 1 - noncentralTCdf(critical, df, shift) + noncentralTCdf(-critical, df, shift);
}

/** The least n per arm, up to `most`, at which the power reaches `power`; null when none does. */
export function sampleSizeFor(
  d: number,
  {
    power,
    alpha = 0.05,
    most = 1000,
  }: {
    readonly power: number;
    readonly alpha?: number;
    readonly most?: number;
  },
): number | null {
  // Power rises with n: doubling brackets the answer, halving finds it.
  let [low, high] = [1, 2];
  while (powerOfTwoSamples(d, high, alpha) < power) {
    if (high >= most) return null;
    [low, high] = [high, Math.min(most, high * 2)];
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (powerOfTwoSamples(d, middle, alpha) < power) low = middle;
    else high = middle;
  }
  return high;
}

/** Panels of Simpson's rule; 400 give 1e-10 for the degrees of freedom that occur. */
const PANELS = 400;

/**
 * P(T <= t) of the noncentral t distribution: the integral over s of Phi(t s - shift) times the density of
 * s = sqrt(chi-squared / df).
 */
export function noncentralTCdf(t: number, df: number, shift: number): number {
  // s has mean about 1 and SD about 1 / sqrt(2 df): twelve of them hold all but 1e-20.
  const reach = 12 / Math.sqrt(2 * df);
  const [from, to] = [Math.max(0, 1 - reach), 1 + reach];
  const logScale = ln(2) + (df / 2) * ln(df / 2) - gammaln(df / 2);
  const integrand = (s: number): number => {
    if (s === 0) return df === 1 ? exp(logScale) * normalCdf(-shift, 0, 1) : 0;
    const density = exp(logScale + (df - 1) * ln(s) - (df * s * s) / 2);
    return density * normalCdf(t * s - shift, 0, 1);
  };
  const width = (to - from) / PANELS;
  let sum = integrand(from) + integrand(to);
  for (let i = 1; i < PANELS; i++) sum += (i % 2 === 1 ? 4 : 2) * integrand(from + i * width);
  return (sum * width) / 3;
}
