// weight-gradient.ts — the gradient of the weights that exist
import { sumLanes, sumLanes4 } from './sum';

/**
 * dW[k] = dY[o]·X[columns[k]], a dot product along the batch, for each connection k of row o.
 * X: [T][I][16], dY: [T][O][16], rows [O + 1], columns [K], dW: [K].
 * Each sum is one chain of vectors along the batch, then the lanes, whatever stands beside it.
 *
 * Four connections at a time share the loads of dY. Two vectors a turn: their ten loads, which V8
 * hoists, and four sums fit the registers of x64.
 */
export function weightGradient(
  X: usize, dY: usize, rows: usize, columns: usize, dW: usize, I: i32, O: i32, B: i32,
): void {
  const T = B >> 4;
  const step = <usize>I << 6, size = <usize>O << 6;
  let k: usize = 0;
  for (let o: usize = 0; o < <usize>O; o++) {
    const end = <usize>load<i32>(rows + (o << 2), 4) << 2;
    const first = dY + (o << 6), last = first + <usize>T * size;
    for (; k + 16 <= end; k += 16) {
      let x0 = X + (<usize>load<i32>(columns + k) << 6);
      let x1 = X + (<usize>load<i32>(columns + k, 4) << 6);
      let x2 = X + (<usize>load<i32>(columns + k, 8) << 6);
      let x3 = X + (<usize>load<i32>(columns + k, 12) << 6);
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      for (let dy = first; dy < last; dy += size) {
        for (let b: usize = 0; b < 64; b += 32) {
          const d = v128.load(dy + b), e = v128.load(dy + b, 16);
          s0 = f32x4.add(s0, f32x4.mul(d, v128.load(x0 + b)));
          s0 = f32x4.add(s0, f32x4.mul(e, v128.load(x0 + b, 16)));
          s1 = f32x4.add(s1, f32x4.mul(d, v128.load(x1 + b)));
          s1 = f32x4.add(s1, f32x4.mul(e, v128.load(x1 + b, 16)));
          s2 = f32x4.add(s2, f32x4.mul(d, v128.load(x2 + b)));
          s2 = f32x4.add(s2, f32x4.mul(e, v128.load(x2 + b, 16)));
          s3 = f32x4.add(s3, f32x4.mul(d, v128.load(x3 + b)));
          s3 = f32x4.add(s3, f32x4.mul(e, v128.load(x3 + b, 16)));
        }
        x0 += step;
        x1 += step;
        x2 += step;
        x3 += step;
      }
      v128.store(dW + k, sumLanes4(s0, s1, s2, s3));
    }
    for (; k < end; k += 4) {
      let x = X + (<usize>load<i32>(columns + k) << 6);
      let sum = f32x4.splat(0);
      for (let dy = first; dy < last; dy += size) {
        for (let b: usize = 0; b < 64; b += 16) {
          sum = f32x4.add(sum, f32x4.mul(v128.load(dy + b), v128.load(x + b)));
        }
        x += step;
      }
      store<f32>(dW + k, sumLanes(sum));
    }
  }
}
