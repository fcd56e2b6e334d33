// correlation.ts — how closely two measures follow each other
import atanh from '@stdlib/math-base-special-atanh';
import tanh from '@stdlib/math-base-special-tanh';
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile';
import tCdf from '@stdlib/stats-base-dists-t-cdf';
import type { Interval } from './interval.ts';
import { mean } from './summary.ts';

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

/** Pearson's r. @throws RangeError when lengths differ. */
export function pearson(x: readonly number[], y: readonly number[], level = 0.95): Correlation {
  const n = x.length;
  if (y.length !== n) throw new RangeError(`${n} values cannot be paired with ${y.length}`);
  const r = pearsonR(x, y);
  if (r === null) {
    const reason =
      n < 2 ? 'a correlation needs two pairs' : 'one of the measures is constant: no correlation';
    return { n, r, ci: null, level, p: null, reason };
  }
  const reason = n < 4 ? `${n} pairs have no confidence interval` : null;
  return { n, r, ci: fisherInterval(r, n, level), level, p: pOf(r, n), reason };
}

/**
 * Spearman's rho: Pearson's r of ranks, ties sharing their mean rank. Its interval and p are the same
 * approximations on ranks.
 */
export function spearman(x: readonly number[], y: readonly number[], level = 0.95): Correlation {
  return pearson(ranks(x), ranks(y), level);
}

/** Pearson's r alone; null below two pairs and where one measure is constant. */
export function pearsonR(x: ArrayLike<number>, y: ArrayLike<number>): number | null {
  if (x.length < 2) return null;
  const [mx, my] = [mean(x), mean(y)];
  let [xx, yy, xy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
    xy += (x[i] - mx) * (y[i] - my);
  }
  if (xx === 0 || yy === 0) return null;
  return Math.max(-1, Math.min(1, xy / Math.sqrt(xx * yy)));
}

/** Ranks from 1, ties sharing their mean. */
export function ranks(values: readonly number[]): readonly number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const result = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]] === values[order[from]]) to += 1;
    for (let i = from; i < to; i++) result[order[i]] = (from + 1 + to) / 2;
    from = to;
  }
  return result;
}

function fisherInterval(r: number, n: number, level: number): Interval | null {
  if (n < 4) return null;
  if (Math.abs(r) === 1) return [r, r];
  const z = atanh(r);
  const reach = normalQuantile((1 + level) / 2, 0, 1) / Math.sqrt(n - 3);
  return [tanh(z - reach), tanh(z + reach)];
}

function pOf(r: number, n: number): number | null {
  if (n < 3) return null;
  if (Math.abs(r) === 1) return 0;
  const t = Math.abs(r) * Math.sqrt((n - 2) / (1 - r * r));
  return 2 * tCdf(-t, n - 2);
}
