// adam.ts — one step of Adam
import { flush, pinLeast, pinMagnitude } from './flush';
import { pin } from './pin';

/**
 * One step for K parameters w with gradient dw and moments m and v. With g = dw + decay·w,
 *   m = beta1·m + (1 - beta1)·g, v = beta2·v + (1 - beta2)·g²,
 *   w = w - rate·m / (sqrt(v·unbias) + epsilon).
 * At the t-th step `rate` is the learning rate over 1 - beta1^t, and `unbias` 1 / (1 - beta2^t).
 * 1 - beta is taken in double precision: that of a rounded 0.999 is off by 1.3e-5.
 * The arrays are padded with zeros to a multiple of four, and stay so.
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
  for (let k: usize = 0; k < size; k += 16) {
    const old = v128.load(w + k);
    const g = f32x4.add(v128.load(dw + k), f32x4.mul(decays, old));
    const g2 = f32x4.mul(g, g);
    const mean = f32x4.add(f32x4.mul(keep1, v128.load(m + k)), f32x4.mul(take1, g));
    const square = f32x4.add(f32x4.mul(keep2, v128.load(v + k)), f32x4.mul(take2, g2));
    const first = flush(mean, least, magnitude);
    const second = flush(square, least, magnitude);
    const root = f32x4.sqrt(f32x4.mul(second, unbiases));
    const scale = f32x4.add(root, epsilons);
    const move = f32x4.div(f32x4.mul(rates, first), scale);
    v128.store(m + k, first);
    v128.store(v + k, second);
    v128.store(w + k, flush(f32x4.sub(old, move), least, magnitude));
  }
}
