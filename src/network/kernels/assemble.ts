// assemble.ts — a batch: samples as they are stored, into activations

/**
 * X[i][b] = S[chosen[b]][i]·scale + shift for the n samples of a batch, and 0 in the pad columns.
 * S: [N][I] bytes, sample-major, with 15 readable bytes after them; chosen: [n] in [0, N);
 * X: [T][I][16]. room: [16][I'] bytes, I' being I rounded up to whole vectors.
 *
 * The samples of a tile, which lie anywhere, are copied side by side first, each in one sweep. Then
 * four of them by four features at a time are transposed by a shift and a mask.
 */
export function assemble(
  S: usize, chosen: usize, X: usize, room: usize, I: i32, n: i32, B: i32, scale: f32, shift: f32,
): void {
  const stride = (<usize>I + 15) & ~15;
  let x = X;
  for (let b = 0; b < B; b += 16) {
    const count = min(16, n - b);
    for (let s = 0; s < count; s++) {
      const from = S + <usize>load<u32>(chosen + (<usize>(b + s) << 2)) * <usize>I;
      const to = room + <usize>s * stride;
      for (let i: usize = 0; i < stride; i += 16) v128.store(to + i, v128.load(from + i));
    }
    for (let s = 0; s < 16; s += 4) {
      const real = i32x4.lt_s(i32x4.add(i32x4.splat(s), i32x4(0, 1, 2, 3)), i32x4.splat(count));
      const from = room + <usize>s * stride;
      transpose(from, stride, x + (<usize>s << 2), I, real, scale, shift);
    }
    x += <usize>I << 6;
  }
}

/** Four samples of a tile: their bytes as activations, or 0 where the sample is not real. */
// @ts-ignore: decorator
@inline
function transpose(
  S: usize, stride: usize, X: usize, I: i32, real: v128, scale: f32, shift: f32,
): void {
  const scales = f32x4.splat(scale), shifts = f32x4.splat(shift);
  let s = S, x = X;
  let i = 0;
  for (; i + 4 <= I; i += 4, s += 4, x += 256) {
    const bytes = fourByFour(s, stride);
    v128.store(x, activation(bytes, scales, shifts, real));
    v128.store(x, activation(i32x4.shr_u(bytes, 8), scales, shifts, real), 64);
    v128.store(x, activation(i32x4.shr_u(bytes, 16), scales, shifts, real), 128);
    v128.store(x, activation(i32x4.shr_u(bytes, 24), scales, shifts, real), 192);
  }
  let rest = fourByFour(s, stride);
  for (; i < I; i++, x += 64) {
    v128.store(x, activation(rest, scales, shifts, real));
    rest = i32x4.shr_u(rest, 8);
  }
}

/** Four bytes of each of four samples. */
// @ts-ignore: decorator
@inline
function fourByFour(s: usize, stride: usize): v128 {
  const two = s + (stride << 1);
  const low = v128.load32_lane(s + stride, v128.load32_zero(s), 1);
  return v128.load32_lane(two + stride, v128.load32_lane(two, low, 2), 3);
}

/** The lowest byte of each lane as an activation, or 0 where the sample is not real. */
// @ts-ignore: decorator
@inline
function activation(four: v128, scales: v128, shifts: v128, real: v128): v128 {
  const byte = f32x4.convert_i32x4_s(v128.and(four, i32x4.splat(255)));
  return v128.and(f32x4.add(f32x4.mul(byte, scales), shifts), real);
}
