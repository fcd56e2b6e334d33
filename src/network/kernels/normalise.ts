// normalise.ts — bytes as they are stored, into activations

/**
 * X[i][b] = S[b][i]·scale + shift for the n samples of a batch, and 0 in the pad columns.
 * S: [B][I] bytes, sample-major, with 3 readable bytes after them; X: [I][B]. B is a multiple of 4.
 *
 * Four samples by four features at a time: a shift and a mask transpose them.
 */
export function normalise(
  S: usize, X: usize, I: i32, n: i32, B: i32, scale: f32, shift: f32,
): void {
  const stride = <usize>B << 2;
  const features = <usize>I;
  const byte = i32x4.splat(255);
  const scales = f32x4.splat(scale);
  const shifts = f32x4.splat(shift);
  for (let i = 0; i < I; i += 4) {
    const count = min(4, I - i);
    for (let b = 0; b < n; b += 4) {
      const s = S + <usize>b * features + <usize>i;
      let four = v128.load32_zero(s);
      four = v128.load32_lane(s + features, four, 1);
      four = v128.load32_lane(s + 2 * features, four, 2);
      four = v128.load32_lane(s + 3 * features, four, 3);
      let x = X + <usize>i * stride + (<usize>b << 2);
      for (let f = 0; f < count; f++) {
        const bytes = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(four, f << 3), byte));
        v128.store(x, f32x4.add(f32x4.mul(bytes, scales), shifts));
        x += stride;
      }
    }
    for (let f = i; f < i + count; f++) {
      for (let b = n; b < B; b++) store<f32>(X + <usize>f * stride + (<usize>b << 2), 0);
    }
  }
}
