// one-sided.ts — an estimate with its error: bounds, and tests of one side
import tCdf from '@stdlib/stats-base-dists-t-cdf';
import tQuantile from '@stdlib/stats-base-dists-t-quantile';
import type { Interval } from './interval.ts';
import { mean, sampleSd } from './summary.ts';
import { differenceOf, pairDifferences, pairSd, welchError } from './t-test.ts';

/** A number, its standard error and the degrees of freedom of that. */
export interface Estimate {
  readonly value: number;
  /** 0 where nothing varies. */
  readonly se: number;
  readonly df: number;
}

/** a less b, by Welch's error; null with a single observation in an arm. */
export function welchEstimate(a: readonly number[], b: readonly number[]): Estimate | null {
  const error = welchError(a, b);
  return error && { value: differenceOf(a, b), ...error };
}

/** Mean of a less b, pair by pair; null of a single pair. @throws RangeError when lengths differ. */
export function pairedEstimate(a: readonly number[], b: readonly number[]): Estimate | null {
  const sd = pairSd(a, b);
  if (sd === null) return null;
  return { value: mean(pairDifferences(a, b)), se: sd / Math.sqrt(a.length), df: a.length - 1 };
}

/** A sample of at least one value, and what its mean is multiplied by. */
export interface Weighted {
  readonly values: readonly number[];
  readonly weight: number;
}

/** A weighted sum of means of independent samples, degrees of freedom by Satterthwaite; null where one has no SD. */
export function linearEstimate(samples: readonly Weighted[]): Estimate | null {
  let [value, variance, spread] = [0, 0, 0];
  for (const { values, weight } of samples) {
    const sd = sampleSd(values);
    if (sd === null) return null;
    const part = (weight * weight * sd * sd) / values.length;
    value += weight * mean(values);
    variance += part;
    spread += (part * part) / (values.length - 1);
  }
  const df = spread === 0 ? 1 : (variance * variance) / spread;
  return { value, se: Math.sqrt(variance), df };
}

/** The p value of "the true value is not above `bound`"; null where nothing varies. */
export function pAbove({ value, se, df }: Estimate, bound: number): number | null {
  return se === 0 ? null : tCdf((bound - value) / se, df);
}

/** The p value of "the true value is not below `bound`"; null where nothing varies. */
export function pBelow({ value, se, df }: Estimate, bound: number): number | null {
  return se === 0 ? null : tCdf((value - bound) / se, df);
}

/** The two one-sided 95 % bounds: a 90 % interval. */
export function boundsOf({ value, se, df }: Estimate, level = ONE_SIDED_LEVEL): Interval {
  const reach = se === 0 ? 0 : tQuantile((1 + level) / 2, df) * se;
  return [value - reach, value + reach];
}

/** Confidence of an interval both ends of which are one-sided 95 % bounds. */
export const ONE_SIDED_LEVEL = 0.9;

/** p where both of two tests must decide. */
export const greater = (p: number | null, q: number | null): number | null =>
  p === null || q === null ? null : Math.max(p, q);

/** p where one of two tests is enough. */
export const eitherOf = (p: number | null, q: number | null): number | null =>
  p === null || q === null ? null : Math.min(1, 2 * Math.min(p, q));
