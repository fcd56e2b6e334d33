// weight-gradient.ts — the gradient of the weights that exist
import { dot, sumLanes4 } from './sum';

/**
 * dW[k] = dY[o]·X[columns[k]], a dot product along the batch, for each connection k of row o.
 * X: [I][B], dY: [O][B], rows [O + 1], columns [K], dW: [K]. B is a multiple of 4.
 *
 * Four connections at a time share the loads of dY. Each sum runs in the order of `dot`, whatever
 * stands beside it.
 */
export function weightGradient(
  X: usize, dY: usize, rows: usize, columns: usize, dW: usize, O: i32, B: i32,
): void {
  const stride = <usize>B << 2;
  let k = <usize>load<i32>(rows) << 2;
  for (let o = 0; o < O; o++) {
    const end = <usize>load<i32>(rows + ((<usize>o + 1) << 2)) << 2;
    const dy = dY + <usize>o * stride;
    for (; k + 16 <= end; k += 16) {
      const x0 = X + <usize>load<i32>(columns + k) * stride;
      const x1 = X + <usize>load<i32>(columns + k, 4) * stride;
      const x2 = X + <usize>load<i32>(columns + k, 8) * stride;
      const x3 = X + <usize>load<i32>(columns + k, 12) * stride;
      let d0 = f32x4.splat(0), d1 = d0, d2 = d0, d3 = d0;
      for (let b: usize = 0; b < stride; b += 16) {
        const d = v128.load(dy + b);
        d0 = f32x4.add(d0, f32x4.mul(d, v128.load(x0 + b)));
        d1 = f32x4.add(d1, f32x4.mul(d, v128.load(x1 + b)));
        d2 = f32x4.add(d2, f32x4.mul(d, v128.load(x2 + b)));
        d3 = f32x4.add(d3, f32x4.mul(d, v128.load(x3 + b)));
      }
      v128.store(dW + k, sumLanes4(d0, d1, d2, d3));
    }
    for (; k < end; k += 4) {
      store<f32>(dW + k, dot(dy, X + <usize>load<i32>(columns + k) * stride, stride));
    }
  }
}
