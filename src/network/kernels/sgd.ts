// sgd.ts — one step of stochastic gradient descent with momentum
import { flush, pinLeast, pinMagnitude } from './flush';

/**
 * One step for K parameters w with gradient dw and velocity u. With g = dw + decay·w,
 *   u = momentum·u + g, w = w - rate·u.
 * The arrays are padded with zeros to a multiple of four, and stay so.
 * Source: Sutskever et al. 2013, in the form of torch.optim.SGD.
 */
export function sgd(
  w: usize, dw: usize, u: usize, K: i32, rate: f32, momentum: f32, decay: f32,
): void {
  const least = pinLeast(), magnitude = pinMagnitude();
  const size = <usize>K << 2;
  for (let k: usize = 0; k < size; k += 16) {
    const old = v128.load(w + k);
    const g = f32x4.add(v128.load(dw + k), f32x4.mul(f32x4.splat(decay), old));
    const velocity = flush(f32x4.add(f32x4.mul(f32x4.splat(momentum), v128.load(u + k)), g), least, magnitude);
    v128.store(u + k, velocity);
    v128.store(w + k, flush(f32x4.sub(old, f32x4.mul(f32x4.splat(rate), velocity)), least, magnitude));
  }
}
