// exp.ts — the exponential function, with the same bits everywhere

/** Below this exp(x), at most 1e-20, counts as 0: smaller numbers would lead to slow subnormals. */
const LEAST: f32 = -46;
const LOG2_E: f32 = 1.44269504088896341;
/** ln 2 in two parts, the first exact when multiplied by a small integer. */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;

/**
 * exp(x) of four numbers x <= 0, to 2 units in the last place; a NaN stays one.
 * x = n·ln 2 + r with |r| <= ln 2 / 2, and a polynomial for exp(r).
 * Source: Cephes expf (S. Moshier), https://www.netlib.org/cephes/
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(LOG2_E)));
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(LN2_HIGH)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(LN2_LOW)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), f32x4.splat(1));
  const exponent = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.andnot(f32x4.mul(p, exponent), f32x4.lt(x, f32x4.splat(LEAST)));
}
