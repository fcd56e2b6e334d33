// normalise.ts — bytes as they are stored, into activations

/**
 * X[i][b] = S[b][i]·scale + shift for the n samples of a batch, and 0 in the pad columns.
 * S: [B][I] bytes, sample-major, with 3 readable bytes after them; X: [T][I][16].
 *
 * Four samples by four features at a time: a shift and a mask transpose them.
 */
export function normalise(
  S: usize, X: usize, I: i32, n: i32, B: i32, scale: f32, shift: f32,
): void {
  const features = <usize>I;
  const byte = i32x4.splat(255);
  const scales = f32x4.splat(scale);
  const shifts = f32x4.splat(shift);
  const lanes = i32x4(0, 1, 2, 3);
  for (let b = 0; b < B; b += 4) {
    const real = i32x4.lt_s(i32x4.add(i32x4.splat(b), lanes), i32x4.splat(n));
    const s0 = S + <usize>b * features, s1 = s0 + features, s2 = s1 + features, s3 = s2 + features;
    let x = X + (<usize>(b >> 4) * features << 6) + (<usize>(b & 15) << 2);
    for (let i: usize = 0; i < features; i += 4) {
      let four = v128.load32_zero(s0 + i);
      four = v128.load32_lane(s1 + i, four, 1);
      four = v128.load32_lane(s2 + i, four, 2);
      four = v128.load32_lane(s3 + i, four, 3);
      const count = min(4, features - i);
      for (let f: usize = 0; f < count; f++) {
        const bytes = f32x4.convert_i32x4_s(v128.and(four, byte));
        v128.store(x, v128.and(f32x4.add(f32x4.mul(bytes, scales), shifts), real));
        four = i32x4.shr_u(four, 8);
        x += 64;
      }
    }
  }
}
