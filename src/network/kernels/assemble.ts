// assemble.ts — a batch: samples as they are stored, into activations
import { pin, pinBits } from './pin';

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
    const count = max(0, min(16, n - b));
    for (let s = 0; s < count; s++) {
      const from = S + <usize>load<u32>(chosen + (<usize>(b + s) << 2)) * <usize>I;
      const to = room + <usize>s * stride;
      for (let i: usize = 0; i < stride; i += 16) v128.store(to + i, v128.load(from + i));
    }
    transpose(room, stride, x, I, scale, shift);
    if (count < 16) clearPad(x, I, count);
    x += <usize>I << 6;
  }
}

/** Writes 0 for the samples of a tile from `count` on. */
// @ts-ignore: decorator
@inline
function clearPad(x: usize, I: i32, count: i32): void {
  const least = i32x4.splat(count), lanes = i32x4(0, 1, 2, 3);
  for (let s = count & ~3; s < 16; s += 4) {
    const real = i32x4.lt_s(i32x4.add(i32x4.splat(s), lanes), least);
    let at = x + (<usize>s << 2);
    for (const end = at + (<usize>I << 6); at < end; at += 64) {
      v128.store(at, v128.and(v128.load(at), real));
    }
  }
}

/** A tile: the bytes of its samples, `stride` apart, as activations. */
// @ts-ignore: decorator
@inline
function transpose(S: usize, stride: usize, X: usize, I: i32, scale: f32, shift: f32): void {
  const scales = pin(0, scale), shifts = pin(1, shift), low = pinBits(2, 255);
  const four = stride << 2, eight = stride << 3;
  let s = S, x = X;
  let i = 0;
  for (; i + 4 <= I; i += 4, s += 4, x += 192) {
    let from = s;
    // Eight samples at a time, stored side by side, so that V8 can join them.
    for (const end = x + 64; x < end; x += 32, from += eight) {
      const b = fourByFour(from, stride), c = fourByFour(from + four, stride);
      v128.store(x, activation(v128.and(b, low), scales, shifts));
      v128.store(x, activation(v128.and(c, low), scales, shifts), 16);
      v128.store(x, activation(v128.and(i32x4.shr_u(b, 8), low), scales, shifts), 64);
      v128.store(x, activation(v128.and(i32x4.shr_u(c, 8), low), scales, shifts), 80);
      v128.store(x, activation(v128.and(i32x4.shr_u(b, 16), low), scales, shifts), 128);
      v128.store(x, activation(v128.and(i32x4.shr_u(c, 16), low), scales, shifts), 144);
      v128.store(x, activation(i32x4.shr_u(b, 24), scales, shifts), 192);
      v128.store(x, activation(i32x4.shr_u(c, 24), scales, shifts), 208);
    }
  }
  for (let b: usize = 0; b < 64; b += 16) {
    let rest = fourByFour(s + (b >> 2) * stride, stride);
    let at = x + b;
    for (let left = I - i; left > 0; left--, at += 64) {
      v128.store(at, activation(v128.and(rest, low), scales, shifts));
      rest = i32x4.shr_u(rest, 8);
    }
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

/** Four bytes as activations. */
// @ts-ignore: decorator
@inline
function activation(bytes: v128, scales: v128, shifts: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(bytes), scales), shifts);
}
