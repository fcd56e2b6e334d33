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
  const scales = f32x4.splat(scale), shifts = f32x4.splat(shift);
  for (let b = 0; b < B; b += 4) {
    const real = i32x4.lt_s(i32x4.add(i32x4.splat(b), i32x4(0, 1, 2, 3)), i32x4.splat(n));
    const s0 = S + <usize>b * features, s1 = s0 + features, s2 = s1 + features, s3 = s2 + features;
    let x = X + (<usize>(b >> 4) * features << 6) + (<usize>(b & 15) << 2);
    let i: usize = 0;
    for (; i + 4 <= features; i += 4, x += 256) {
      const four = fourByFour(s0 + i, s1 + i, s2 + i, s3 + i);
      v128.store(x, activation(four, scales, shifts, real));
      v128.store(x, activation(i32x4.shr_u(four, 8), scales, shifts, real), 64);
      v128.store(x, activation(i32x4.shr_u(four, 16), scales, shifts, real), 128);
      v128.store(x, activation(i32x4.shr_u(four, 24), scales, shifts, real), 192);
    }
    let rest = fourByFour(s0 + i, s1 + i, s2 + i, s3 + i);
    for (; i < features; i++, x += 64) {
      v128.store(x, activation(rest, scales, shifts, real));
      rest = i32x4.shr_u(rest, 8);
    }
  }
}

/** Four bytes of each of four samples. */
// @ts-ignore: decorator
@inline
function fourByFour(s0: usize, s1: usize, s2: usize, s3: usize): v128 {
  const one = v128.load32_lane(s1, v128.load32_zero(s0), 1);
  return v128.load32_lane(s3, v128.load32_lane(s2, one, 2), 3);
}

/** The lowest byte of each lane as an activation, or 0 where the sample is not real. */
// @ts-ignore: decorator
@inline
function activation(four: v128, scales: v128, shifts: v128, real: v128): v128 {
  const byte = f32x4.convert_i32x4_s(v128.and(four, i32x4.splat(255)));
  return v128.and(f32x4.add(f32x4.mul(byte, scales), shifts), real);
}
