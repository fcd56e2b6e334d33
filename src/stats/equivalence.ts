// equivalence.ts — whether two means are close enough: two one-sided tests
import tCdf from '@stdlib/stats-base-dists-t-cdf';
import tQuantile from '@stdlib/stats-base-dists-t-quantile';
import type { Interval } from './interval.ts';
import { mean } from './summary.ts';
import { welchError } from './t-test.ts';

/** What two one-sided tests (TOST, Schuirmann 1987) say of a less b. */
export interface Equivalence {
  readonly difference: number;
  /** The greater of the two one-sided p values; null where no test exists. */
  readonly p: number | null;
  /** At 1 - 2 alpha: equivalence is this interval lying within the margin. Null as `p`. */
  readonly ci: Interval | null;
  /** Confidence of `ci`: 1 - 2 alpha. */
  readonly level: number;
  /** Whether the difference lies within the margin, shown at alpha. False where no test exists. */
  readonly equivalent: boolean;
  readonly reason: string | null;
}

/**
 * Whether the means of two independent samples differ by less than `margin`, in the samples' unit, by
 * Welch's standard error. A difference that is merely not significant shows no equivalence; this does.
 * Arms without any variance are compared as they are.
 * @throws RangeError when the margin is not above 0.
 */
export function equivalence(
  a: readonly number[],
  b: readonly number[],
  { margin, alpha = 0.05 }: { readonly margin: number; readonly alpha?: number },
): Equivalence {
  if (!(margin > 0 && margin < Number.POSITIVE_INFINITY))
    throw new RangeError(`a margin is above 0, not ${margin}`);
  const difference = mean(a) - mean(b);
  const level = 1 - 2 * alpha;
  const error = welchError(a, b);
  if (error === null) {
    const reason = 'a single observation has no SD, so no test exists';
    return { difference, p: null, ci: null, level, equivalent: false, reason };
  }
  const { se, df } = error;
  if (se === 0) {
    const equivalent = Math.abs(difference) < margin;
    const reason = 'neither arm varies: the means are compared as they are';
    const p = equivalent ? 0 : 1;
    return { difference, p, ci: [difference, difference], level, equivalent, reason };
  }
  const above = tCdf(-(difference + margin) / se, df);
  const below = tCdf((difference - margin) / se, df);
  const p = Math.max(above, below);
  const reach = tQuantile(1 - alpha, df) * se;
  const ci = [difference - reach, difference + reach] as const;
  return { difference, p, ci, level, equivalent: p < alpha, reason: null };
}
