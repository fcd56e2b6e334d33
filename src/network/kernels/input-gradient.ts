// input-gradient.ts — the gradient that a sparse layer hands down, through ReLU
import { storeGated } from './gated';
import { NOWHERE } from './nowhere';

/**
 * dX = Wᵀ·dY where X > 0, else 0: X is the ReLU output of the layer below.
 * dY: [T][O][16], X and dX: [T][I][16]. starts [I + 1], targets [K] and order [K] are W as CSC:
 * column i lists the neurons that input i feeds, each by where its 16 samples lie in a tile of dY,
 * 64 bytes apart, and order says where each weight lies in values
 * [K] (CSR). room: [K], to which the weights are copied in the order of the CSC: each tile reads
 * them again.
 * Sums run in the order of the column.
 *
 * The loops are those of `forward`, and for the same reasons.
 */
export function inputGradient(
  dY: usize, X: usize, dX: usize, starts: usize, targets: usize, order: usize, values: usize,
  room: usize, I: i32, O: i32, B: i32,
): void {
  const T = B >> 4;
  const size = <usize>load<i32>(starts + (<usize>I << 2)) << 2;
  for (let j: usize = 0; j < size; j += 4) {
    store<f32>(room + j, load<f32>(values + (<usize>load<i32>(order + j) << 2)));
  }
  const zero = f32x4.splat(0);
  const tileX = <usize>I << 6, tileY = <usize>O << 6;
  let dy = dY, x = X, dx = dX;
  for (let t = 0; t < T; t += 2) {
    let j: usize = 0;
    for (let i: usize = 0; i < <usize>I; i++) {
      const end = <usize>load<i32>(starts + (i << 2), 4) << 2;
      let d0 = zero, d1 = zero, d2 = zero, d3 = zero, e0 = zero, e1 = zero, e2 = zero, e3 = zero;
      for (; j < end; j += 4) {
        const w = v128.load32_splat(room + j);
        const at = dy + load<u32>(targets + j);
        const next = at + tileY;
        d0 = f32x4.add(d0, f32x4.mul(w, v128.load(at)));
        d1 = f32x4.add(d1, f32x4.mul(w, v128.load(at, 16)));
        d2 = f32x4.add(d2, f32x4.mul(w, v128.load(at, 32)));
        d3 = f32x4.add(d3, f32x4.mul(w, v128.load(at, 48)));
        if (at == NOWHERE) break;
        e0 = f32x4.add(e0, f32x4.mul(w, v128.load(next)));
        e1 = f32x4.add(e1, f32x4.mul(w, v128.load(next, 16)));
        e2 = f32x4.add(e2, f32x4.mul(w, v128.load(next, 32)));
        e3 = f32x4.add(e3, f32x4.mul(w, v128.load(next, 48)));
      }
      storeGated(zero, x, dx, d0, d1, d2, d3, x + tileX, dx + tileX, e0, e1, e2, e3);
      x += 64;
      dx += 64;
    }
    dy += tileY << 1;
    x += tileX;
    dx += tileX;
  }
}
