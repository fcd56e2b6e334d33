// adam.ts — one step of Adam
import { flush, pinLeast, pinMagnitude } from './flush';
import { pin } from './pin';

/**
 * One step for K parameters w with gradient dw and moments m and v. With g = dw + decay·w,
 *   m = beta1·m + (1 - beta1)·g, v = beta2·v + (1 - beta2)·g²,
 *   w = w - rate·m / (sqrt(v·unbias) + epsilon).
 * At the t-th step `rate` is the learning rate over 1 - beta1^t, and `unbias` 1 / (1 - beta2^t).
 * 1 - beta is taken in double precision: that of a rounded 0.999 is off by 1.3e-5.
 * The arrays are padded with zeros to a multiple of eight, and stay so.
 * Two vectors a turn, written side by side after all is read, so that V8 can join them.
 * Source: Kingma and Ba 2015, algorithm 1 (arXiv 1412.6980).
 */
export function adam(
  w: usize, dw: usize, m: usize, v: usize, K: i32,
  rate: f32, beta1: f64, beta2: f64, unbias: f32, epsilon: f32, decay: f32,
): void {
  const keep1 = pin(0, <f32>beta1), take1 = pin(1, <f32>(1 - beta1));
  const keep2 = pin(2, <f32>beta2), take2 = pin(3, <f32>(1 - beta2));
  const rates = pin(4, rate), unbiases = pin(5, unbias);
  const epsilons = pin(6, epsilon), decays = pin(7, decay);
  const least = pinLeast(), magnitude = pinMagnitude();
  const size = <usize>K << 2;
  for (let k: usize = 0; k < size; k += 32) {
    const w0 = v128.load(w + k), w1 = v128.load(w + k, 16);
    const g0 = f32x4.add(v128.load(dw + k), f32x4.mul(decays, w0));
    const g1 = f32x4.add(v128.load(dw + k, 16), f32x4.mul(decays, w1));
    const m0 = blend(keep1, v128.load(m + k), take1, g0, least, magnitude);
    const m1 = blend(keep1, v128.load(m + k, 16), take1, g1, least, magnitude);
    const v0 = blend(keep2, v128.load(v + k), take2, f32x4.mul(g0, g0), least, magnitude);
    const v1 = blend(keep2, v128.load(v + k, 16), take2, f32x4.mul(g1, g1), least, magnitude);
    const root0 = f32x4.sqrt(f32x4.mul(v0, unbiases)), root1 = f32x4.sqrt(f32x4.mul(v1, unbiases));
    const move0 = f32x4.div(f32x4.mul(rates, m0), f32x4.add(root0, epsilons));
    const move1 = f32x4.div(f32x4.mul(rates, m1), f32x4.add(root1, epsilons));
    const n0 = flush(f32x4.sub(w0, move0), least, magnitude);
    const n1 = flush(f32x4.sub(w1, move1), least, magnitude);
    v128.store(m + k, m0);
    v128.store(m + k, m1, 16);
    v128.store(v + k, v0);
    v128.store(v + k, v1, 16);
    v128.store(w + k, n0);
    v128.store(w + k, n1, 16);
  }
}

/** keep·a + take·b, flushed. */
// @ts-ignore: decorator
@inline
function blend(keep: v128, a: v128, take: v128, b: v128, least: v128, magnitude: v128): v128 {
  return flush(f32x4.add(f32x4.mul(keep, a), f32x4.mul(take, b)), least, magnitude);
}
