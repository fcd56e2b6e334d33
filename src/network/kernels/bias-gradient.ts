// bias-gradient.ts — the gradient of the biases
import { sumLanes, sumLanes4 } from './sum';

/**
 * db[o] = the sum of dY[o] along the batch, or 0 for a neuron without connections, whose bias is
 * frozen.
 * dY: [T][O][16], rows [O + 1], db: [O].
 * Each sum is one chain of vectors along the batch, then the lanes; four chains run side by side.
 */
export function biasGradient(dY: usize, rows: usize, db: usize, O: i32, B: i32): void {
  const T = B >> 4;
  const size = <usize>O << 6;
  let o: usize = 0;
  for (; o + 4 <= <usize>O; o += 4) {
    let dy = dY + (o << 6);
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    for (let t = 0; t < T; t++) {
      for (const end = dy + 64; dy < end; dy += 16) {
        s0 = f32x4.add(s0, v128.load(dy));
        s1 = f32x4.add(s1, v128.load(dy, 64));
        s2 = f32x4.add(s2, v128.load(dy, 128));
        s3 = f32x4.add(s3, v128.load(dy, 192));
      }
      dy += size - 64;
    }
    v128.store(db + (o << 2), sumLanes4(s0, s1, s2, s3));
  }
  for (; o < <usize>O; o++) {
    let dy = dY + (o << 6);
    let sum = f32x4.splat(0);
    for (let t = 0; t < T; t++) {
      for (const end = dy + 64; dy < end; dy += 16) sum = f32x4.add(sum, v128.load(dy));
      dy += size - 64;
    }
    store<f32>(db + (o << 2), sumLanes(sum));
  }
  for (o = 0; o < <usize>O; o++) {
    const row = rows + (o << 2);
    if (load<i32>(row) == load<i32>(row, 4)) store<f32>(db + (o << 2), 0);
  }
}
