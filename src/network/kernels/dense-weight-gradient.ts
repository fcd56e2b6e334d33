// dense-weight-gradient.ts — the gradient at every position, connected or not
import { dot, sumLanes4 } from './sum';

/** Inputs whose activations are held in the first-level cache while all neurons pass by. */
const TILE = 16;

/**
 * dW[o][i] = dY[o]·X[i] for all O × I positions: RigL's updates ask for it, and so do dense layers.
 * X: [I][B], dY: [O][B], dW: [O][I]. B is a multiple of 4.
 *
 * Blocks of two neurons by four inputs share their loads. The order of each sum is that of `dot`,
 * so where a connection exists `weightGradient` gives the same bits.
 */
export function denseWeightGradient(X: usize, dY: usize, dW: usize, I: i32, O: i32, B: i32): void {
  for (let tile = 0; tile < I; tile += TILE) {
    const end = min(tile + TILE, I);
    let o = 0;
    for (; o + 2 <= O; o += 2) {
      let i = tile;
      for (; i + 4 <= end; i += 4) twoByFour(X, dY, dW, o, i, I, B);
      for (; i < end; i++) {
        one(X, dY, dW, o, i, I, B);
        one(X, dY, dW, o + 1, i, I, B);
      }
    }
    if (o < O) for (let i = tile; i < end; i++) one(X, dY, dW, o, i, I, B);
  }
}

/** Neurons o and o + 1 by inputs i .. i + 3. */
// @ts-ignore: decorator
@inline
function twoByFour(X: usize, dY: usize, dW: usize, o: i32, i: i32, I: i32, B: i32): void {
  const stride = <usize>B << 2;
  const dy = dY + <usize>o * stride, dz = dy + stride;
  const x0 = X + <usize>i * stride, x1 = x0 + stride, x2 = x1 + stride, x3 = x2 + stride;
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0, z0 = y0, z1 = y0, z2 = y0, z3 = y0;
  for (let b: usize = 0; b < stride; b += 16) {
    const y = v128.load(dy + b), z = v128.load(dz + b);
    const a0 = v128.load(x0 + b), a1 = v128.load(x1 + b);
    const a2 = v128.load(x2 + b), a3 = v128.load(x3 + b);
    y0 = f32x4.add(y0, f32x4.mul(y, a0));
    y1 = f32x4.add(y1, f32x4.mul(y, a1));
    y2 = f32x4.add(y2, f32x4.mul(y, a2));
    y3 = f32x4.add(y3, f32x4.mul(y, a3));
    z0 = f32x4.add(z0, f32x4.mul(z, a0));
    z1 = f32x4.add(z1, f32x4.mul(z, a1));
    z2 = f32x4.add(z2, f32x4.mul(z, a2));
    z3 = f32x4.add(z3, f32x4.mul(z, a3));
  }
  const at = dW + ((<usize>o * <usize>I + <usize>i) << 2);
  v128.store(at, sumLanes4(y0, y1, y2, y3));
  v128.store(at + (<usize>I << 2), sumLanes4(z0, z1, z2, z3));
}

/** Neuron o by input i. */
// @ts-ignore: decorator
@inline
function one(X: usize, dY: usize, dW: usize, o: i32, i: i32, I: i32, B: i32): void {
  const stride = <usize>B << 2;
  const sum = dot(dY + <usize>o * stride, X + <usize>i * stride, stride);
  store<f32>(dW + ((<usize>o * <usize>I + <usize>i) << 2), sum);
}
