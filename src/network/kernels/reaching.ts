// reaching.ts — which numbers are large

/**
 * Writes the indices of those of K numbers whose bits but the sign, as an integer, are at least
 * `least`, ascending, and returns how many there are. Magnitudes compare as these integers do; a NaN
 * is greater than infinity.
 * x: [K], indices: [K + 1], of which the last says nothing.
 *
 * Who reaches cannot be foreseen, so there is no branch: each index is written, and stays where the
 * next one goes elsewhere.
 */
export function reaching(x: usize, K: i32, least: i32, indices: usize): i32 {
  let at = indices;
  for (let k = 0; k < K; k++) {
    store<i32>(at, k);
    const magnitude = load<i32>(x + (<usize>k << 2)) & 0x7fffffff;
    at += <usize>(magnitude >= least) << 2;
  }
  return <i32>((at - indices) >> 2);
}
