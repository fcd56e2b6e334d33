// assemble.ts — a batch: samples as they are stored, into activations
import { pin, pinBits } from './pin';

/**
 * X[i][b] = S[chosen[b]][i]·scale + shift for the n samples of a batch, and 0 in the pad columns.
 * S: [N][I] bytes, sample-major, with 15 readable bytes after them; chosen: [n] in [0, N);
 * X: [T][I][16]. room: [16][I'] bytes, I' being I rounded up to whole vectors.
 *
 * The samples of a tile lie anywhere. Eight at a time are read in one sweep, so that their way from
 * memory overlaps, and taken apart into words of four features; four samples' words, side by side,
 * make a vector. A shift and a mask of it are then a feature of four samples.
 */
export function assemble(
  S: usize, chosen: usize, X: usize, room: usize, I: i32, n: i32, B: i32, scale: f32, shift: f32,
): void {
  let x = X;
  for (let b = 0; b < B; b += 16) {
    const count = max(0, min(16, n - b));
    for (let s = 0; s < count; s += 8) {
      const from = chosen + (<usize>(b + s) << 2);
      // What stands beyond the last sample is that sample again, and cleared in the end.
      const last = <usize>(count - 1 - s);
      takeApart(
        sample(S, from, 0, last, I), sample(S, from, 1, last, I),
        sample(S, from, 2, last, I), sample(S, from, 3, last, I),
        sample(S, from, 4, last, I), sample(S, from, 5, last, I),
        sample(S, from, 6, last, I), sample(S, from, 7, last, I),
        room + (<usize>s << 2), I,
      );
    }
    activate(room, x, I, scale, shift);
    if (count < 16) clearPad(x, I, count);
    x += <usize>I << 6;
  }
}

/** Where the s-th of the chosen samples lies, or the last of them. */
// @ts-ignore: decorator
@inline
function sample(S: usize, chosen: usize, s: usize, last: usize, I: i32): usize {
  return S + <usize>load<u32>(chosen + (min(s, last) << 2)) * <usize>I;
}

/** Writes the words of eight samples, those of a word side by side, 64 bytes from one to the next. */
// @ts-ignore: decorator
@inline
function takeApart(
  s0: usize, s1: usize, s2: usize, s3: usize, s4: usize, s5: usize, s6: usize, s7: usize,
  words: usize, I: i32,
): void {
  let to = words;
  for (let i: usize = 0; i < <usize>I; i += 16, to += 256) {
    fourWords(to, v128.load(s0 + i), v128.load(s1 + i), v128.load(s2 + i), v128.load(s3 + i));
    fourWords(to + 16, v128.load(s4 + i), v128.load(s5 + i), v128.load(s6 + i), v128.load(s7 + i));
  }
}

/** The four words of each of four samples, transposed. */
// @ts-ignore: decorator
@inline
function fourWords(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const low = v128.shuffle<i32>(a, b, 0, 4, 1, 5), high = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const low2 = v128.shuffle<i32>(c, d, 0, 4, 1, 5), high2 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(low, low2, 0, 2));
  v128.store(to, v128.shuffle<i64>(low, low2, 1, 3), 64);
  v128.store(to, v128.shuffle<i64>(high, high2, 0, 2), 128);
  v128.store(to, v128.shuffle<i64>(high, high2, 1, 3), 192);
}

/** A tile of activations from its words. Eight samples at a time, so that V8 can join them. */
// @ts-ignore: decorator
@inline
function activate(words: usize, X: usize, I: i32, scale: f32, shift: f32): void {
  const scales = pin(0, scale), shifts = pin(1, shift), low = pinBits(2, 255);
  let word = words, x = X;
  let i = 0;
  for (; i + 4 <= I; i += 4, x += 192) {
    for (const end = x + 64; x < end; x += 32, word += 32) {
      const a = v128.load(word), b = v128.load(word, 16);
      v128.store(x, activation(v128.and(a, low), scales, shifts));
      v128.store(x, activation(v128.and(b, low), scales, shifts), 16);
      v128.store(x, activation(v128.and(i32x4.shr_u(a, 8), low), scales, shifts), 64);
      v128.store(x, activation(v128.and(i32x4.shr_u(b, 8), low), scales, shifts), 80);
      v128.store(x, activation(v128.and(i32x4.shr_u(a, 16), low), scales, shifts), 128);
      v128.store(x, activation(v128.and(i32x4.shr_u(b, 16), low), scales, shifts), 144);
      v128.store(x, activation(i32x4.shr_u(a, 24), scales, shifts), 192);
      v128.store(x, activation(i32x4.shr_u(b, 24), scales, shifts), 208);
    }
  }
  for (let s: usize = 0; s < 64; s += 16) {
    let rest = v128.load(word + s);
    let at = x + s;
    for (let left = I - i; left > 0; left--, at += 64) {
      v128.store(at, activation(v128.and(rest, low), scales, shifts));
      rest = i32x4.shr_u(rest, 8);
    }
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

/** Four bytes as activations. */
// @ts-ignore: decorator
@inline
function activation(bytes: v128, scales: v128, shifts: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(bytes), scales), shifts);
}
