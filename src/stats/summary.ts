// summary.ts — a sample in a few numbers

/** A sample, summarised. */
export interface Summary {
  readonly n: number;
  readonly mean: number;
  /** Sample standard deviation (n - 1 in the denominator); null for n = 1, where none exists. */
  readonly sd: number | null;
  readonly min: number;
  readonly max: number;
}

/**
 * Throws unless every value is a finite number: a NaN would pass through comparisons and sorts without a trace, and come
 * out as a correlation of 1.
 * @throws RangeError
 */
export function checkFinite(values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new RangeError(`value ${i + 1} of a sample of ${values.length} is ${values[i]}`);
    }
  }
}

/** Arithmetic mean, summed in the order given. @throws RangeError on an empty sample and on a value that is not finite. */
export function mean(values: ArrayLike<number>): number {
  if (values.length === 0) throw new RangeError('an empty sample has no mean');
  checkFinite(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** An SD at or below this fraction of what it is an SD of is rounding: the values are equal. */
const ROUNDING = 1e-12;

/** An SD, or 0 where it is nothing but rounding beside numbers of this size. */
export const withoutRounding = (spread: number, size: number): number =>
  Math.abs(spread) <= ROUNDING * Math.abs(size) ? 0 : spread;

/**
 * Sample standard deviation, ddof 1, in two passes; null for n = 1. Of values that are equal but for rounding it is 0.
 * @throws RangeError as `mean` does.
 */
export function sampleSd(values: ArrayLike<number>): number | null {
  const centre = mean(values);
  if (values.length === 1) return null;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - centre) * (values[i]! - centre);
  return withoutRounding(Math.sqrt(squares / (values.length - 1)), centre);
}

/**
 * The p-quantile, p in [0, 1], interpolated linearly between order statistics (type 7 of Hyndman and Fan 1996,
 * the default of R and NumPy). Throws on an empty sample, on p outside [0, 1] and on a value that is not finite.
 */
export function quantile(values: ArrayLike<number>, p: number): number {
  if (values.length === 0) throw new RangeError('an empty sample has no quantiles');
  if (!(p >= 0 && p <= 1)) throw new RangeError(`a quantile is asked at p in [0, 1], not ${p}`);
  checkFinite(values);
  const sorted = Float64Array.from(values).sort();
  const position = (sorted.length - 1) * p;
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below);
}

/** Mean, SD, n and range of a sample. Throws on an empty sample. */
export function summarise(values: ArrayLike<number>): Summary {
  return {
    n: values.length,
    mean: mean(values),
    sd: sampleSd(values),
    min: quantile(values, 0),
    max: quantile(values, 1),
  };
}
