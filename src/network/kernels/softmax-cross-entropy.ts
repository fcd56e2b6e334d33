// softmax-cross-entropy.ts — the loss, and its gradient at the logits
import { exp } from './exp';

/** The greatest logits and the sums of four samples, to be looked at one by one. */
const TOP = memory.data(16, 16);
const SUM = memory.data(16, 16);

/**
 * Returns the sum of the softmax cross-entropy of n samples in nats, and writes the gradient of
 * their MEAN: dZ[c][b] = (softmax(Z[·][b])[c] - [c = labels[b]]) / n, and 0 in the pad columns.
 * Z and dZ: [T][C][16], labels [B] in [0, C).
 * A NaN or an infinity in Z makes the sum NaN or infinite.
 */
export function softmaxCrossEntropy(
  Z: usize, labels: usize, dZ: usize, C: i32, n: i32, B: i32,
): f64 {
  const size = <usize>C << 6;
  const share: f32 = <f32>1 / <f32>n;
  let loss: f64 = 0;
  for (let b = 0; b < B; b += 4) {
    const from = <usize>(b >> 4) * size + (<usize>(b & 15) << 2);
    const z = Z + from, dz = dZ + from;
    let top = v128.load(z);
    for (let c: usize = 64; c < size; c += 64) top = f32x4.max(top, v128.load(z + c));
    let sum = f32x4.splat(0);
    for (let c: usize = 0; c < size; c += 64) {
      const e = exp(f32x4.sub(v128.load(z + c), top));
      v128.store(dz + c, e);
      sum = f32x4.add(sum, e);
    }
    const real = i32x4.lt_s(i32x4.add(i32x4.splat(b), i32x4(0, 1, 2, 3)), i32x4.splat(n));
    const scale = v128.and(f32x4.div(f32x4.splat(share), sum), real);
    for (let c: usize = 0; c < size; c += 64) {
      v128.store(dz + c, f32x4.mul(v128.load(dz + c), scale));
    }
    v128.store(TOP, top);
    v128.store(SUM, sum);
    for (let s = 0; s < min(4, n - b); s++) {
      const lane = <usize>s << 2;
      const at = <usize>load<u8>(labels + <usize>(b + s)) * 64 + lane;
      // The right class: its share goes off the gradient, its logit into the loss.
      store<f32>(dz + at, load<f32>(dz + at) - share);
      loss += <f64>load<f32>(TOP + lane) - <f64>load<f32>(z + at);
      loss += <f64>NativeMathf.log(load<f32>(SUM + lane));
    }
  }
  return loss;
}
