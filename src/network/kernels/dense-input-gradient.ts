// dense-input-gradient.ts — the gradient that a dense layer hands down, through ReLU
import { storeGated } from './gated';

/** Inputs whose weights are copied out together: a cache line of each row of W. */
const PANEL = 16;

/**
 * dX = Wᵀ·dY where X > 0, else 0: X is the ReLU output of the layer below.
 * dY: [T][O][16], X and dX: [T][I][16], W: [O][I]. room: [O][16], for a panel of W: its columns,
 * read as they lie, would fall on the same few sets of the cache.
 * The order of each sum is that of `inputGradient`, so the bits are the same.
 */
export function denseInputGradient(
  dY: usize, X: usize, dX: usize, W: usize, room: usize, I: i32, O: i32, B: i32,
): void {
  const T = B >> 4;
  for (let i = 0; i < I; i += PANEL) {
    const count = min(PANEL, I - i);
    copyPanel(W + (<usize>i << 2), room, count, I, O);
    const below = <usize>i << 6;
    for (let t = 0; t < T; t++) {
      const above = <usize>(t * I) << 6;
      panel(dY + (<usize>(t * O) << 6), X + above + below, dX + above + below, room, count, O);
    }
  }
}

/** Copies `count` columns of W. */
// @ts-ignore: decorator
@inline
function copyPanel(W: usize, room: usize, count: i32, I: i32, O: i32): void {
  for (let o = 0; o < O; o++) {
    const from = W + (<usize>(o * I) << 2), to = room + (<usize>o << 6);
    if (count == PANEL) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      v128.store(to, v128.load(from, 32), 32);
      v128.store(to, v128.load(from, 48), 48);
    } else memory.copy(to, from, <usize>count << 2);
  }
}

/** One tile of `count` inputs, two at a time, as `denseForward` takes neurons. */
// @ts-ignore: decorator
@inline
function panel(dY: usize, X: usize, dX: usize, room: usize, count: i32, O: i32): void {
  const zero = f32x4.splat(0);
  const last = dY + (<usize>O << 6);
  for (let i = 0; i < count; i += 2) {
    const paired: usize = i + 1 < count ? 1 : 0;
    let w = room + (<usize>i << 2);
    const other = paired << 2;
    let d0 = zero, d1 = zero, d2 = zero, d3 = zero, e0 = zero, e1 = zero, e2 = zero, e3 = zero;
    for (let dy = dY; dy < last; dy += 64, w += 64) {
      const v = v128.load32_splat(w), u = v128.load32_splat(w + other);
      const y0 = v128.load(dy), y1 = v128.load(dy, 16);
      const y2 = v128.load(dy, 32), y3 = v128.load(dy, 48);
      d0 = f32x4.add(d0, f32x4.mul(v, y0));
      d1 = f32x4.add(d1, f32x4.mul(v, y1));
      d2 = f32x4.add(d2, f32x4.mul(v, y2));
      d3 = f32x4.add(d3, f32x4.mul(v, y3));
      e0 = f32x4.add(e0, f32x4.mul(u, y0));
      e1 = f32x4.add(e1, f32x4.mul(u, y1));
      e2 = f32x4.add(e2, f32x4.mul(u, y2));
      e3 = f32x4.add(e3, f32x4.mul(u, y3));
    }
    const at = <usize>i << 6, next = at + (paired << 6);
    storeGated(zero, X + at, dX + at, d0, d1, d2, d3, X + next, dX + next, e0, e1, e2, e3);
  }
}
