// distance.ts — how far apart two fan-in distributions are, and two masks
import { type LayerMask, sharedConnections } from './mask.ts';

/**
 * Distance between the shapes of two fan-in vectors of equal length: first Wasserstein distance on
 * fan-in / mean, that is the mean absolute difference of the sorted values. 0 for equal shapes, in
 * whatever order.
 * @throws RangeError when lengths differ, or there are no connections.
 */
export function fanInDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) {
    throw new RangeError(
      `fan-in of ${a.length} neurons cannot be compared with that of ${b.length}`,
    );
  }
  const [first, second] = [relative(a), relative(b)];
  let sum = 0;
  for (let i = 0; i < first.length; i++) sum += Math.abs(first[i] - second[i]);
  return sum / first.length;
}

/**
 * The two-sample Kolmogorov-Smirnov statistic on fan-in / mean: the greatest difference between the
 * two empirical distribution functions, in [0, 1]. Lengths may differ. It has no p-value here: fan-in
 * of neurons of one layer is not independent.
 * @throws RangeError when there are no connections.
 */
export function kolmogorovSmirnov(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [first, second] = [relative(a), relative(b)];
  let greatest = 0;
  let [i, j] = [0, 0];
  while (i < first.length && j < second.length) {
    const x = Math.min(first[i], second[j]);
    while (i < first.length && first[i] <= x) i++;
    while (j < second.length && second[j] <= x) j++;
    greatest = Math.max(greatest, Math.abs(i / first.length - j / second.length));
  }
  return greatest;
}

/** Connections that two layers of equal widths share, over those that either has. In [0, 1]. */
export function jaccard(a: LayerMask, b: LayerMask): number {
  const shared = sharedConnections(a, b);
  const either = a.columns.length + b.columns.length - shared;
  return either === 0 ? 1 : shared / either;
}

/** The same function of every pair, first with second, first with third, and so on. */
export function overPairs<T>(items: readonly T[], measure: (a: T, b: T) => number): number[] {
  return items.flatMap((a, i) => items.slice(i + 1).map((b) => measure(a, b)));
}

/** Ascending values over their mean. */
function relative(fanIn: ArrayLike<number>): Float64Array {
  let sum = 0;
  for (let i = 0; i < fanIn.length; i++) sum += fanIn[i];
  const average = sum / fanIn.length;
  if (!(average > 0)) throw new RangeError('a layer without connections has no fan-in shape');
  return Float64Array.from(fanIn, (count) => count / average).sort();
}
