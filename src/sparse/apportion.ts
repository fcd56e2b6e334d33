// apportion.ts — whole numbers near given shares, with an exact total

/**
 * Rounds shares to whole numbers that sum to `total`, by largest remainder (Hamilton's method):
 * every share is rounded down, and the units left over go to the greatest fractional parts, ties to
 * the lower index. Shares at their capacity get no unit, so no clamp is needed afterwards (it would
 * break the sum).
 * shares: [n], 0 <= shares[i] <= capacities[i], summing to `total` within one unit a share.
 * @throws RangeError when the shares are too far from the total for that.
 */
export function apportion(
  shares: ArrayLike<number>,
  capacities: ArrayLike<number>,
  total: number,
): Int32Array {
  const whole = new Int32Array(shares.length);
  const remainders = new Float64Array(shares.length);
  let units = total;
  for (let i = 0; i < shares.length; i++) {
    whole[i] = Math.floor(shares[i]!);
    remainders[i] = whole[i]! < capacities[i]! ? shares[i]! - whole[i]! : FULL;
    units -= whole[i]!;
  }
  const threshold = nthGreatest(remainders, units);
  if (units < 0 || units > shares.length || threshold === FULL) {
    throw new RangeError(`shares cannot be rounded to a total of ${total}`);
  }
  for (let i = 0; i < whole.length; i++) {
    if (remainders[i]! > threshold) {
      whole[i]!++;
      units--;
    }
  }
  for (let i = 0; units > 0; i++) {
    if (remainders[i] === threshold) {
      whole[i]!++;
      units--;
    }
  }
  return whole;
}

/** Below every fractional part: the mark of a share that takes no more. */
const FULL = -1;

/** The n-th greatest value, n from 1; above every value for n = 0. */
function nthGreatest(values: Float64Array, n: number): number {
  const ascending = values.slice().sort();
  return ascending[ascending.length - n] ?? Number.POSITIVE_INFINITY;
}
