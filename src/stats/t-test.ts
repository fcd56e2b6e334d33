// t-test.ts — whether two means differ: Welch (primary), Student, paired
import tCdf from '@stdlib/stats-base-dists-t-cdf';
import tQuantile from '@stdlib/stats-base-dists-t-quantile';
import type { Interval } from './interval.ts';
import { checkFinite, mean, sampleSd, withoutRounding } from './summary.ts';

/**
 * The difference of two means, a less b, and what can be said of it. Where a test does not exist its
 * parts are null and `reason` says why; nothing is ever NaN.
 */
export interface MeanDifference {
  readonly difference: number;
  /** Standard error of the difference; null with a single observation in an arm. */
  readonly se: number | null;
  /** Degrees of freedom, Satterthwaite's for Welch; null as `se`, and where nothing varies. */
  readonly df: number | null;
  /** The t statistic; null as `df`. */
  readonly statistic: number | null;
  /** Two-sided; null where no test exists. Arms without variance and without difference have p = 1. */
  readonly p: number | null;
  /** Of the difference, at `level`; null as `p`. Of equal arms without variance it is [0, 0]. */
  readonly ci: Interval | null;
  /** Confidence of `ci`, in (0, 1). */
  readonly level: number;
  /** Why there is no test, or why it says nothing; null when all is well. */
  readonly reason: string | null;
}

/** A mean difference before it is judged: what every variant of the t test comes down to. */
interface Estimate {
  readonly difference: number;
  readonly se: number;
  readonly df: number;
}

/** Two independent samples whose variances may differ (Welch 1947). At least one value each. */
export function welch(a: readonly number[], b: readonly number[], level = 0.95): MeanDifference {
  return test(differenceOf(a, b), welchError(a, b), level);
}

/** Two independent samples of equal variance (Student, pooled). At least one value each. */
export function student(a: readonly number[], b: readonly number[], level = 0.95): MeanDifference {
  const df = a.length + b.length - 2;
  const [s, t] = [sampleSd(a), sampleSd(b)];
  if (s === null || t === null) return untested(differenceOf(a, b), level);
  const pooled = ((a.length - 1) * s * s + (b.length - 1) * t * t) / df;
  const se = Math.sqrt(pooled * (1 / a.length + 1 / b.length));
  return test(differenceOf(a, b), { se, df }, level);
}

/**
 * Pairs of observations, such as runs that share the order of their data: item i of `a` belongs to item i of `b`.
 * @throws RangeError when lengths differ.
 */
export function paired(a: readonly number[], b: readonly number[], level = 0.95): MeanDifference {
  const differences = pairDifferences(a, b);
  const sd = pairSd(a, b);
  const n = differences.length;
  const difference = withoutRounding(mean(differences), sizeOf(a, b));
  return test(difference, sd === null ? null : { se: sd / Math.sqrt(n), df: n - 1 }, level);
}

/** The SD of the differences of pairs, null of a single one; rounding is held against the values and not their difference. */
export function pairSd(a: readonly number[], b: readonly number[]): number | null {
  const sd = sampleSd(pairDifferences(a, b));
  return sd === null ? null : withoutRounding(sd, sizeOf(a, b));
}

/** Difference of means; equal means may differ in their last bits, by the order of summation. */
export const differenceOf = (a: readonly number[], b: readonly number[]): number =>
  withoutRounding(mean(a) - mean(b), sizeOf(a, b));

const sizeOf = (a: readonly number[], b: readonly number[]): number =>
  Math.max(Math.abs(mean(a)), Math.abs(mean(b)));

/** a less b, pair by pair. @throws RangeError when lengths differ, and on a value that is not finite. */
export function pairDifferences(a: readonly number[], b: readonly number[]): readonly number[] {
  if (a.length !== b.length) {
    throw new RangeError(`${a.length} observations cannot be paired with ${b.length}`);
  }
  checkFinite(a);
  checkFinite(b);
  return a.map((value, i) => value - b[i]!);
}

/** Welch's standard error and degrees of freedom; null with a single observation in an arm. */
export function welchError(
  a: readonly number[],
  b: readonly number[],
): Omit<Estimate, 'difference'> | null {
  const [s, t] = [sampleSd(a), sampleSd(b)];
  if (s === null || t === null) return null;
  const [u, v] = [(s * s) / a.length, (t * t) / b.length];
  const spread = (u * u) / (a.length - 1) + (v * v) / (b.length - 1);
  return { se: Math.sqrt(u + v), df: spread === 0 ? 0 : ((u + v) * (u + v)) / spread };
}

function test(
  difference: number,
  error: Omit<Estimate, 'difference'> | null,
  level: number,
): MeanDifference {
  if (!(level > 0 && level < 1)) throw new RangeError(`a level is in (0, 1), not ${level}`);
  if (error === null) return untested(difference, level);
  const { se, df } = error;
  if (se === 0) return withoutVariance(difference, level);
  const statistic = difference / se;
  const reach = tQuantile((1 + level) / 2, df) * se;
  const p = Math.min(1, 2 * tCdf(-Math.abs(statistic), df));
  const ci = [difference - reach, difference + reach] as const;
  return { difference, se, df, statistic, p, ci, level, reason: null };
}

function untested(difference: number, level: number): MeanDifference {
  const reason = 'a single observation has no SD, so no test exists';
  return { difference, se: null, df: null, statistic: null, p: null, ci: null, level, reason };
}

/** Where nothing varies, equal means are equal for certain, and unequal ones defy the model. */
function withoutVariance(difference: number, level: number): MeanDifference {
  const none = { difference, se: 0, df: null, statistic: null, level };
  return difference === 0
    ? { ...none, p: 1, ci: [0, 0], reason: 'all observations are equal' }
    : { ...none, p: null, ci: null, reason: 'neither arm varies, so no test exists' };
}

/** The mean of one sample of at least one value, with its t interval; null of a single value. */
export function meanInterval(
  values: readonly number[],
  level = 0.95,
): Pick<MeanDifference, 'ci' | 'level'> {
  const { ci } = paired(
    values,
    values.map(() => 0),
    level,
  );
  const constant = values.length > 1 && sampleSd(values) === 0;
  return { ci: constant ? [values[0]!, values[0]!] : ci, level };
}
