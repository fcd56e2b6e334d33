// sum-squares.ts — the square of a vector's length

/**
 * The sum of x² over K numbers, in double precision, where no square of a float32 over- or
 * underflows: the even numbers of each pair in one chain, the odd ones in another, added at the end.
 * The array is padded with zeros to a multiple of four.
 */
export function sumSquares(x: usize, K: i32): f64 {
  const size = <usize>K << 2;
  let sum = f64x2.splat(0);
  for (let k: usize = 0; k < size; k += 8) {
    const pair = f64x2.promote_low_f32x4(v128.load64_zero(x + k));
    sum = f64x2.add(sum, f64x2.mul(pair, pair));
  }
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}
