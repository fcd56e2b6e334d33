// dense-weight-gradient.ts — the gradient at every position, connected or not
import { NOWHERE } from './nowhere';
import { folded, sumLanes, sumLanes4 } from './sum';

/** Inputs whose activations stay in the first-level cache while all neurons pass by. */
const BLOCK = 16;

/** The chains of eight sums, eight lanes each. */
const CHAINS = memory.data(8 * 32, 32);

/**
 * dW[o][i] = dY[o]·X[i] for all O × I positions: RigL's updates ask for it, and so do dense layers.
 * X: [T][I][16], dY: [T][O][16], dW: [O][I].
 * The order of each sum is that of `weightGradient`, so where a connection exists the bits are the
 * same.
 */
export function denseWeightGradient(X: usize, dY: usize, dW: usize, I: i32, O: i32, B: i32): void {
  everywhere(X, dY, dW, I, O, B, false);
}

/** The same, to the bit, for a V8 that joins pairs of 128-bit operations: all eight lanes at once. */
export function denseWeightGradientWide(
  X: usize, dY: usize, dW: usize, I: i32, O: i32, B: i32,
): void {
  everywhere(X, dY, dW, I, O, B, true);
}

// @ts-ignore: decorator
@inline
function everywhere(
  X: usize, dY: usize, dW: usize, I: i32, O: i32, B: i32, wide: bool,
): void {
  const T = B >> 4;
  for (let block = 0; block < I; block += BLOCK) {
    const end = min(block + BLOCK, I);
    let o = 0;
    for (; o + 2 <= O; o += 2) {
      let i = block;
      for (; i + 4 <= end; i += 4) {
        if (wide) twoByFourWide(X, dY, o, i, I, O, T);
        else twoByFour(X, dY, o, i, I, O, T);
        const at = dW + (<usize>(o * I + i) << 2);
        v128.store(at, sumFolded(CHAINS));
        v128.store(at + (<usize>I << 2), sumFolded(CHAINS + 128));
      }
      for (; i < end; i++) {
        one(X, dY, dW, o, i, I, O, T);
        one(X, dY, dW, o + 1, i, I, O, T);
      }
    }
    if (o < O) for (let i = block; i < end; i++) one(X, dY, dW, o, i, I, O, T);
  }
}

/**
 * Neurons o and o + 1 by inputs i .. i + 3: they share their loads. The lower four lanes of all eight
 * chains come first, then the upper four: both at once would not fit the registers.
 */
// @ts-ignore: decorator
@inline
function twoByFour(X: usize, dY: usize, o: i32, i: i32, I: i32, O: i32, T: i32): void {
  const tileX = <usize>I << 6, tileY = <usize>O << 6;
  for (let half: usize = 0; half < 32; half += 16) {
    let x = X + (<usize>i << 6) + half, dy = dY + (<usize>o << 6) + half;
    let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0, z0 = y0, z1 = y0, z2 = y0, z3 = y0;
    // Two tiles a turn: where the loop ends, which is mostly foreseen wrong, comes less often.
    for (let t = 0; t < T; t += 2) {
      const nextX = x + tileX, nextY = dy + tileY;
      const e = v128.load(dy), f = v128.load(dy, 64);
      const a0 = v128.load(x), a1 = v128.load(x, 64);
      const a2 = v128.load(x, 128), a3 = v128.load(x, 192);
      y0 = f32x4.add(y0, f32x4.mul(e, a0));
      y1 = f32x4.add(y1, f32x4.mul(e, a1));
      y2 = f32x4.add(y2, f32x4.mul(e, a2));
      y3 = f32x4.add(y3, f32x4.mul(e, a3));
      z0 = f32x4.add(z0, f32x4.mul(f, a0));
      z1 = f32x4.add(z1, f32x4.mul(f, a1));
      z2 = f32x4.add(z2, f32x4.mul(f, a2));
      z3 = f32x4.add(z3, f32x4.mul(f, a3));
      if (x == NOWHERE) break;
      const p = v128.load(dy, 32), q = v128.load(dy, 96);
      const b0 = v128.load(x, 32), b1 = v128.load(x, 96);
      const b2 = v128.load(x, 160), b3 = v128.load(x, 224);
      y0 = f32x4.add(y0, f32x4.mul(p, b0));
      y1 = f32x4.add(y1, f32x4.mul(p, b1));
      y2 = f32x4.add(y2, f32x4.mul(p, b2));
      y3 = f32x4.add(y3, f32x4.mul(p, b3));
      z0 = f32x4.add(z0, f32x4.mul(q, b0));
      z1 = f32x4.add(z1, f32x4.mul(q, b1));
      z2 = f32x4.add(z2, f32x4.mul(q, b2));
      z3 = f32x4.add(z3, f32x4.mul(q, b3));
      if (dy == NOWHERE) break;
      const r = v128.load(nextY), s = v128.load(nextY, 64);
      const c0 = v128.load(nextX), c1 = v128.load(nextX, 64);
      const c2 = v128.load(nextX, 128), c3 = v128.load(nextX, 192);
      y0 = f32x4.add(y0, f32x4.mul(r, c0));
      y1 = f32x4.add(y1, f32x4.mul(r, c1));
      y2 = f32x4.add(y2, f32x4.mul(r, c2));
      y3 = f32x4.add(y3, f32x4.mul(r, c3));
      z0 = f32x4.add(z0, f32x4.mul(s, c0));
      z1 = f32x4.add(z1, f32x4.mul(s, c1));
      z2 = f32x4.add(z2, f32x4.mul(s, c2));
      z3 = f32x4.add(z3, f32x4.mul(s, c3));
      if (nextX == NOWHERE) break;
      const u = v128.load(nextY, 32), v = v128.load(nextY, 96);
      const d0 = v128.load(nextX, 32), d1 = v128.load(nextX, 96);
      const d2 = v128.load(nextX, 160), d3 = v128.load(nextX, 224);
      y0 = f32x4.add(y0, f32x4.mul(u, d0));
      y1 = f32x4.add(y1, f32x4.mul(u, d1));
      y2 = f32x4.add(y2, f32x4.mul(u, d2));
      y3 = f32x4.add(y3, f32x4.mul(u, d3));
      z0 = f32x4.add(z0, f32x4.mul(v, d0));
      z1 = f32x4.add(z1, f32x4.mul(v, d1));
      z2 = f32x4.add(z2, f32x4.mul(v, d2));
      z3 = f32x4.add(z3, f32x4.mul(v, d3));
      x = nextX + tileX;
      dy = nextY + tileY;
    }
    const chains = CHAINS + half;
    v128.store(chains, y0);
    v128.store(chains, y1, 32);
    v128.store(chains, y2, 64);
    v128.store(chains, y3, 96);
    v128.store(chains, z0, 128);
    v128.store(chains, z1, 160);
    v128.store(chains, z2, 192);
    v128.store(chains, z3, 224);
  }
}

/** Likewise, with all lanes at once: sixteen sums of four lanes, or eight of eight. */
// @ts-ignore: decorator
@inline
function twoByFourWide(X: usize, dY: usize, o: i32, i: i32, I: i32, O: i32, T: i32): void {
  let x = X + (<usize>i << 6), dy = dY + (<usize>o << 6);
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0, z0 = y0, z1 = y0, z2 = y0, z3 = y0;
  let v0 = y0, v1 = y0, v2 = y0, v3 = y0, w0 = y0, w1 = y0, w2 = y0, w3 = y0;
  for (let t = 0; t < T; t++) {
    for (const end = x + 64; x < end; x += 32, dy += 32) {
      const y = v128.load(dy), v = v128.load(dy, 16), z = v128.load(dy, 64), w = v128.load(dy, 80);
      const a0 = v128.load(x), b0 = v128.load(x, 16);
      y0 = f32x4.add(y0, f32x4.mul(y, a0));
      v0 = f32x4.add(v0, f32x4.mul(v, b0));
      z0 = f32x4.add(z0, f32x4.mul(z, a0));
      w0 = f32x4.add(w0, f32x4.mul(w, b0));
      const a1 = v128.load(x, 64), b1 = v128.load(x, 80);
      y1 = f32x4.add(y1, f32x4.mul(y, a1));
      v1 = f32x4.add(v1, f32x4.mul(v, b1));
      z1 = f32x4.add(z1, f32x4.mul(z, a1));
      w1 = f32x4.add(w1, f32x4.mul(w, b1));
      const a2 = v128.load(x, 128), b2 = v128.load(x, 144);
      y2 = f32x4.add(y2, f32x4.mul(y, a2));
      v2 = f32x4.add(v2, f32x4.mul(v, b2));
      z2 = f32x4.add(z2, f32x4.mul(z, a2));
      w2 = f32x4.add(w2, f32x4.mul(w, b2));
      const a3 = v128.load(x, 192), b3 = v128.load(x, 208);
      y3 = f32x4.add(y3, f32x4.mul(y, a3));
      v3 = f32x4.add(v3, f32x4.mul(v, b3));
      z3 = f32x4.add(z3, f32x4.mul(z, a3));
      w3 = f32x4.add(w3, f32x4.mul(w, b3));
    }
    x += <usize>(I - 1) << 6;
    dy += <usize>(O - 1) << 6;
  }
  v128.store(CHAINS, y0);
  v128.store(CHAINS, v0, 16);
  v128.store(CHAINS, y1, 32);
  v128.store(CHAINS, v1, 48);
  v128.store(CHAINS, y2, 64);
  v128.store(CHAINS, v2, 80);
  v128.store(CHAINS, y3, 96);
  v128.store(CHAINS, v3, 112);
  v128.store(CHAINS, z0, 128);
  v128.store(CHAINS, w0, 144);
  v128.store(CHAINS, z1, 160);
  v128.store(CHAINS, w1, 176);
  v128.store(CHAINS, z2, 192);
  v128.store(CHAINS, w2, 208);
  v128.store(CHAINS, z3, 224);
  v128.store(CHAINS, w3, 240);
}

/** Adds up the lanes of four chains. */
// @ts-ignore: decorator
@inline
function sumFolded(at: usize): v128 {
  return sumLanes4(folded(at), folded(at + 32), folded(at + 64), folded(at + 96));
}

/** Neuron o by input i. */
// @ts-ignore: decorator
@inline
function one(X: usize, dY: usize, dW: usize, o: i32, i: i32, I: i32, O: i32, T: i32): void {
  let x = X + (<usize>i << 6), dy = dY + (<usize>o << 6);
  let s = f32x4.splat(0), r = s;
  for (let t = 0; t < T; t++) {
    for (const end = x + 64; x < end; x += 32, dy += 32) {
      s = f32x4.add(s, f32x4.mul(v128.load(dy), v128.load(x)));
      r = f32x4.add(r, f32x4.mul(v128.load(dy, 16), v128.load(x, 16)));
    }
    x += <usize>(I - 1) << 6;
    dy += <usize>(O - 1) << 6;
  }
  store<f32>(dW + (<usize>(o * I + i) << 2), sumLanes(f32x4.add(s, r)));
}
