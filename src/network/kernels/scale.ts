// scale.ts — all numbers of an array times one
import { flush, pinLeast, pinMagnitude } from './flush';

/**
 * x = factor·x for K numbers: clipped gradients, and weights under decoupled decay.
 * The array is padded with zeros to a multiple of four, and stays so.
 */
export function scale(x: usize, K: i32, factor: f32): void {
  const least = pinLeast(), magnitude = pinMagnitude();
  const size = <usize>K << 2;
  for (let k: usize = 0; k < size; k += 16) {
    v128.store(x + k, flush(f32x4.mul(v128.load(x + k), f32x4.splat(factor)), least, magnitude));
  }
}
