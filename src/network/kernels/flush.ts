// flush.ts — keeps subnormal numbers out

/**
 * x, or 0 where |x| < 1e-35; a NaN stays. Arithmetic on subnormal numbers is many times slower on
 * most CPUs, and WebAssembly cannot ask the CPU to flush them.
 */
// @ts-ignore: decorator
@inline
export function flush(x: v128): v128 {
  return v128.andnot(x, f32x4.lt(f32x4.abs(x), f32x4.splat(1e-35)));
}
