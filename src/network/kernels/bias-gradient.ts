// bias-gradient.ts — the gradient of the biases
import { sumLanes } from './sum';

/**
 * db[o] = the sum of dY[o] along the batch, or 0 for a neuron without connections, whose bias is
 * frozen.
 * dY: [O][B], rows [O + 1], db: [O]. B is a multiple of 4.
 */
export function biasGradient(dY: usize, rows: usize, db: usize, O: i32, B: i32): void {
  const stride = <usize>B << 2;
  for (let o: usize = 0; o < <usize>O; o++) {
    const row = rows + (o << 2);
    const dy = dY + o * stride;
    let sum = f32x4.splat(0);
    if (load<i32>(row) != load<i32>(row, 4)) {
      for (let b: usize = 0; b < stride; b += 16) sum = f32x4.add(sum, v128.load(dy + b));
    }
    store<f32>(db + (o << 2), sumLanes(sum));
  }
}
