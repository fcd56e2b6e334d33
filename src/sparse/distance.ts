// distance.ts — how far apart two fan-in distributions are, and two masks
import { type LayerMask, sharedConnections } from './mask.ts';

/**
 * Distance between the shapes of two fan-in vectors of equal length: first Wasserstein distance on
 * fan-in / mean, that is the mean absolute difference of the sorted values. 0 for equal shapes, in
 * whatever order.
 * @throws RangeError when lengths differ, or there are no connections.
 */
export function fanInDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return shapeDistance(fanInShape(a), fanInShape(b));
}

/** The distance of two shapes, as `fanInShape` gives them. @throws RangeError when lengths differ. */
export function shapeDistance(a: Float64Array, b: Float64Array): number {
  if (a.length !== b.length) {
    throw new RangeError(
      `fan-in of ${a.length} neurons cannot be compared with that of ${b.length}`,
    );
  }
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  if (Number.isNaN(sum)) throw new RangeError('fan-in to be compared holds NaN');
  return sum / a.length;
}

/**
 * The two-sample Kolmogorov-Smirnov statistic of two shapes, as `fanInShape` gives them: the greatest
 * difference between their empirical distribution functions, in [0, 1]. Lengths may differ. It has no
 * p-value here: the fan-ins of one layer's neurons are not independent.
 * @throws RangeError on an empty shape and on NaN.
 */
export function kolmogorovSmirnov(a: Float64Array, b: Float64Array): number {
  if (a.length === 0 || b.length === 0) throw new RangeError('an empty sample has no distribution');
  for (const shape of [a, b]) {
    if (shape.some((value) => Number.isNaN(value)))
      throw new RangeError('a fan-in shape holds NaN');
  }
  let greatest = 0;
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const x = Math.min(a[i]!, b[j]!);
    while (i < a.length && a[i]! <= x) i++;
    while (j < b.length && b[j]! <= x) j++;
    greatest = Math.max(greatest, Math.abs(i / a.length - j / b.length));
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

/**
 * The shape of a fan-in vector: ascending values over their mean.
 * @throws RangeError when there are no connections.
 */
export function fanInShape(fanIn: ArrayLike<number>): Float64Array {
  let sum = 0;
  for (let i = 0; i < fanIn.length; i++) sum += fanIn[i]!;
  const average = sum / fanIn.length;
  if (Number.isNaN(sum)) throw new RangeError('fan-in holds NaN');
  if (!(average > 0)) throw new RangeError('a layer without connections has no fan-in shape');
  return Float64Array.from(fanIn, (count) => count / average).sort();
}
