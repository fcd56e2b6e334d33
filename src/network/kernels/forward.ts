// forward.ts — what a sparse layer computes
import { NOWHERE } from './nowhere';

/**
 * Y = W·X + b over the connections that exist, then ReLU if `relu` is not 0.
 * X: [T][I][16] and Y: [T][O][16]; rows [O + 1], sources [K] and values [K] are W as CSR: row o
 * lists the fan-in of neuron o, each input by where its 16 samples lie in a tile of X, 64 bytes
 * apart; bias: [O].
 * Sums run in the order of the row.
 *
 * Two tiles at a time: their slices of X stay in the cache for all neurons, a weight is loaded once
 * for both, and eight accumulators, four a tile, hold a neuron's sums for its whole row, so that Y is
 * written once.
 */
export function forward(
  X: usize, Y: usize, rows: usize, sources: usize, values: usize, bias: usize,
  I: i32, O: i32, B: i32, relu: i32,
): void {
  const T = B >> 4;
  const floor = relu ? f32x4.splat(0) : f32x4.splat(-Infinity);
  const tileX = <usize>I << 6, tileY = <usize>O << 6;
  let x = X, y = Y;
  for (let t = 0; t < T; t += 2) {
    let k: usize = 0;
    for (let o: usize = 0; o < <usize>O; o++) {
      const end = <usize>load<i32>(rows + (o << 2), 4) << 2;
      const b = v128.load32_splat(bias + (o << 2));
      let y0 = b, y1 = b, y2 = b, y3 = b, z0 = b, z1 = b, z2 = b, z3 = b;
      for (; k < end; k += 4) {
        const w = v128.load32_splat(values + k);
        const at = x + load<u32>(sources + k);
        const next = at + tileX;
        y0 = f32x4.add(y0, f32x4.mul(w, v128.load(at)));
        y1 = f32x4.add(y1, f32x4.mul(w, v128.load(at, 16)));
        y2 = f32x4.add(y2, f32x4.mul(w, v128.load(at, 32)));
        y3 = f32x4.add(y3, f32x4.mul(w, v128.load(at, 48)));
        if (at == NOWHERE) break;
        z0 = f32x4.add(z0, f32x4.mul(w, v128.load(next)));
        z1 = f32x4.add(z1, f32x4.mul(w, v128.load(next, 16)));
        z2 = f32x4.add(z2, f32x4.mul(w, v128.load(next, 32)));
        z3 = f32x4.add(z3, f32x4.mul(w, v128.load(next, 48)));
      }
      // pmax(y, floor) keeps a NaN of y, so that a broken network shows in the loss.
      v128.store(y, f32x4.pmax(y0, floor));
      v128.store(y, f32x4.pmax(y1, floor), 16);
      v128.store(y, f32x4.pmax(y2, floor), 32);
      v128.store(y, f32x4.pmax(y3, floor), 48);
      const z = y + tileY;
      v128.store(z, f32x4.pmax(z0, floor));
      v128.store(z, f32x4.pmax(z1, floor), 16);
      v128.store(z, f32x4.pmax(z2, floor), 32);
      v128.store(z, f32x4.pmax(z3, floor), 48);
      y += 64;
    }
    x += tileX << 1;
    y += tileY;
  }
}
