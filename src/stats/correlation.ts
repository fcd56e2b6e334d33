// correlation.ts — how closely two measures follow each other
import atanh from '@stdlib/math-base-special-atanh';
import tanh from '@stdlib/math-base-special-tanh';
import normalCdf from '@stdlib/stats-base-dists-normal-cdf';
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile';
import tCdf from '@stdlib/stats-base-dists-t-cdf';
import type { Interval } from './interval.ts';
import { checkFinite, mean, sampleSd } from './summary.ts';

/** A correlation of pairs; null, with a reason, where it is not defined. */
export interface Correlation {
  readonly n: number;
  /** In [-1, 1]; null below two pairs, and where one measure is constant. */
  readonly r: number | null;
  /** By Fisher's z, at `level`; null below four pairs. */
  readonly ci: Interval | null;
  readonly level: number;
  /** Two-sided, by t on n - 2 degrees of freedom; null below three pairs. */
  readonly p: number | null;
  readonly reason: string | null;
}

/** Pearson's r. @throws RangeError when lengths differ, and on a value that is not finite. */
export function pearson(x: readonly number[], y: readonly number[], level = 0.95): Correlation {
  const n = x.length;
  if (y.length !== n) throw new RangeError(`${n} values cannot be paired with ${y.length}`);
  const found = correlate(x, y);
  if (found === null) {
    const reason =
      n < 2 ? 'a correlation needs two pairs' : 'one of the measures is constant: no correlation';
    return { n, r: null, ci: null, level, p: null, reason };
  }
  const { r } = found;
  const reason = n < 4 ? `${n} pairs have no confidence interval` : null;
  return { n, r, ci: fisherInterval(r, n, level), level, p: pOf(found, n), reason };
}

/**
 * Spearman's rho: Pearson's r of ranks, ties sharing their mean rank. Its interval and p are the same
 * approximations on ranks.
 */
export function spearman(x: readonly number[], y: readonly number[], level = 0.95): Correlation {
  return pearson(ranks(x), ranks(y), level);
}

/**
 * Pearson's r alone; null below two pairs and where one measure is constant.
 * @throws RangeError on a value that is not finite.
 */
export function pearsonR(x: ArrayLike<number>, y: ArrayLike<number>): number | null {
  return correlate(x, y)?.r ?? null;
}

/** r, and 1 - r^2: near |r| = 1 that cannot be told from r, which is rounded to 1. */
interface Correlated {
  readonly r: number;
  readonly unexplained: number;
}

function correlate(x: ArrayLike<number>, y: ArrayLike<number>): Correlated | null {
  if (x.length < 2) {
    checkFinite(x);
    checkFinite(y);
    return null;
  }
  const [u, v] = [standardised(x), standardised(y)];
  if (u === null || v === null) return null;
  let r = 0;
  for (let i = 0; i < u.length; i++) r += u[i]! * v[i]!;
  // What a line through the points leaves, and not 1 - r * r: an error in r is second order here.
  let unexplained = 0;
  for (let i = 0; i < u.length; i++) unexplained += (v[i]! - r * u[i]!) * (v[i]! - r * u[i]!);
  return { r: Math.max(-1, Math.min(1, r)), unexplained };
}

/** Less their mean, and of length 1; null of values that are equal but for rounding. */
function standardised(values: ArrayLike<number>): Float64Array | null {
  if (sampleSd(values) === 0) return null;
  const centre = mean(values);
  const deviations = Float64Array.from(values, (value) => value - centre);
  // The mean is rounded, too: what is left of it matters where r is near 1.
  const rest = mean(deviations);
  let squares = 0;
  for (let i = 0; i < deviations.length; i++) {
    deviations[i]! -= rest;
    squares += deviations[i]! * deviations[i]!;
  }
  const length = Math.sqrt(squares);
  return deviations.map((deviation) => deviation / length);
}

/** Ranks from 1, ties sharing their mean. @throws RangeError on a value that is not finite: it has no rank. */
export function ranks(values: readonly number[]): readonly number[] {
  checkFinite(values);
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const result = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to += 1;
    for (let i = from; i < to; i++) result[order[i]!] = (from + 1 + to) / 2;
    from = to;
  }
  return result;
}

/**
 * Fisher's interval of a correlation whose points count as `n` independent ones; null below four. Points of one network
 * are not independent: their number is that of networks.
 */
export const fisherBounds = (r: number, n: number, level: number): Interval | null =>
  fisherInterval(r, n, level);

/** The p value of "the true correlation is not above `bound`", by Fisher's z. `n` from 4. */
export function fisherPAbove(r: number, n: number, bound: number): number {
  if (!(n >= 4)) throw new RangeError(`Fisher's z needs four points, not ${n}`);
  checkFinite([r, bound]);
  if (Math.abs(r) === 1) return r > bound ? 0 : 1;
  return normalCdf(-(atanh(r) - atanh(bound)) * Math.sqrt(n - 3), 0, 1);
}

function fisherInterval(r: number, n: number, level: number): Interval | null {
  if (n < 4) return null;
  if (Math.abs(r) === 1) return [r, r];
  const z = atanh(r);
  const reach = normalQuantile((1 + level) / 2, 0, 1) / Math.sqrt(n - 3);
  return [tanh(z - reach), tanh(z + reach)];
}

/** By t = |r| sqrt((n - 2) / (1 - r^2)); 0 only where a line passes through every point. */
function pOf({ r, unexplained }: Correlated, n: number): number | null {
  if (n < 3) return null;
  if (unexplained <= EXACT * EXACT * n) return 0;
  const t = Math.abs(r) * Math.sqrt((n - 2) / unexplained);
  return Math.min(1, 2 * tCdf(-t, n - 2));
}

/** Deviations of unit vectors below this are rounding. */
const EXACT = 1e-15;
