// flush.ts — keeps subnormal numbers out
import { pin, pinBits } from './pin';

/** Numbers of lesser magnitude become 0. */
const LEAST: f32 = 1e-35;

/** What `flush` needs in all turns of a loop: pinned in slots 8 and 9. */
// @ts-ignore: decorator
@inline
export function pinLeast(): v128 {
  return pin(8, LEAST);
}

/** Likewise. */
// @ts-ignore: decorator
@inline
export function pinMagnitude(): v128 {
  return pinBits(9, 0x7fffffff);
}

/**
 * x, or 0 where |x| < 1e-35; a NaN stays. Arithmetic on subnormal numbers is many times slower on
 * most CPUs, and WebAssembly cannot ask the CPU to flush them.
 */
// @ts-ignore: decorator
@inline
export function flush(x: v128, least: v128, magnitude: v128): v128 {
  return v128.andnot(x, f32x4.lt(v128.and(x, magnitude), least));
}
