// dense-weight-gradient.ts — the gradient at every position, connected or not
import { sumLanes, sumLanes4 } from './sum';

/** Inputs whose activations stay in the first-level cache while all neurons pass by. */
const BLOCK = 16;

/**
 * dW[o][i] = dY[o]·X[i] for all O × I positions: RigL's updates ask for it, and so do dense layers.
 * X: [T][I][16], dY: [T][O][16], dW: [O][I].
 * The order of each sum is that of `weightGradient`, so where a connection exists the bits are the
 * same.
 */
export function denseWeightGradient(X: usize, dY: usize, dW: usize, I: i32, O: i32, B: i32): void {
  const T = B >> 4;
  for (let block = 0; block < I; block += BLOCK) {
    const end = min(block + BLOCK, I);
    let o = 0;
    for (; o + 2 <= O; o += 2) {
      let i = block;
      for (; i + 4 <= end; i += 4) twoByFour(X, dY, dW, o, i, I, O, T);
      for (; i < end; i++) {
        one(X, dY, dW, o, i, I, O, T);
        one(X, dY, dW, o + 1, i, I, O, T);
      }
    }
    if (o < O) for (let i = block; i < end; i++) one(X, dY, dW, o, i, I, O, T);
  }
}

/** Neurons o and o + 1 by inputs i .. i + 3: they share their loads. */
// @ts-ignore: decorator
@inline
function twoByFour(X: usize, dY: usize, dW: usize, o: i32, i: i32, I: i32, O: i32, T: i32): void {
  let x = X + (<usize>i << 6), dy = dY + (<usize>o << 6);
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0, z0 = y0, z1 = y0, z2 = y0, z3 = y0;
  for (let t = 0; t < T; t++) {
    for (const end = x + 64; x < end; x += 16, dy += 16) {
      const y = v128.load(dy), z = v128.load(dy, 64);
      const a0 = v128.load(x), a1 = v128.load(x, 64);
      const a2 = v128.load(x, 128), a3 = v128.load(x, 192);
      y0 = f32x4.add(y0, f32x4.mul(y, a0));
      y1 = f32x4.add(y1, f32x4.mul(y, a1));
      y2 = f32x4.add(y2, f32x4.mul(y, a2));
      y3 = f32x4.add(y3, f32x4.mul(y, a3));
      z0 = f32x4.add(z0, f32x4.mul(z, a0));
      z1 = f32x4.add(z1, f32x4.mul(z, a1));
      z2 = f32x4.add(z2, f32x4.mul(z, a2));
      z3 = f32x4.add(z3, f32x4.mul(z, a3));
    }
    x += <usize>(I - 1) << 6;
    dy += <usize>(O - 1) << 6;
  }
  const at = dW + (<usize>(o * I + i) << 2);
  v128.store(at, sumLanes4(y0, y1, y2, y3));
  v128.store(at + (<usize>I << 2), sumLanes4(z0, z1, z2, z3));
}

/** Neuron o by input i. */
// @ts-ignore: decorator
@inline
function one(X: usize, dY: usize, dW: usize, o: i32, i: i32, I: i32, O: i32, T: i32): void {
  let x = X + (<usize>i << 6), dy = dY + (<usize>o << 6);
  let sum = f32x4.splat(0);
  for (let t = 0; t < T; t++) {
    for (const end = x + 64; x < end; x += 16, dy += 16) {
      sum = f32x4.add(sum, f32x4.mul(v128.load(dy), v128.load(x)));
    }
    x += <usize>(I - 1) << 6;
    dy += <usize>(O - 1) << 6;
  }
  store<f32>(dW + (<usize>(o * I + i) << 2), sumLanes(sum));
}
