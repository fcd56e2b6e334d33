// bias-gradient.ts — the gradient of the biases
import { sumLanes } from './sum';

/**
 * db[o] = the sum of dY[o] along the batch, or 0 for a neuron without connections, whose bias is
 * frozen.
 * dY: [T][O][16], rows [O + 1], db: [O].
 */
export function biasGradient(dY: usize, rows: usize, db: usize, O: i32, B: i32): void {
  const T = B >> 4;
  const size = <usize>O << 6;
  for (let o: usize = 0; o < <usize>O; o++) {
    const row = rows + (o << 2);
    let sum = f32x4.splat(0);
    if (load<i32>(row) != load<i32>(row, 4)) {
      let dy = dY + (o << 6);
      for (let t = 0; t < T; t++) {
        for (const end = dy + 64; dy < end; dy += 16) sum = f32x4.add(sum, v128.load(dy));
        dy += size - 64;
      }
    }
    store<f32>(db + (o << 2), sumLanes(sum));
  }
}
