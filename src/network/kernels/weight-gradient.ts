// weight-gradient.ts — the gradient of the weights that exist
import { folded, sumLanes, sumLanes4 } from './sum';

/** Connections whose sums are kept at a time, unless one row has more: 128 KiB of them. */
const GROUP: usize = 4096;

/**
 * dW[k] = dY[o]·X[i], a dot product along the batch, for each connection k of row o.
 * X: [T][I][16], dY: [T][O][16], rows [O + 1], sources [K] (as in `forward`), dW: [K].
 * room: [4096][8], or [I][8] if that is more.
 * Each sum is one chain of eight lanes along the batch: lane l has the samples b with b mod 8 = l.
 * Then come lanes l and l + 4, and then the four.
 *
 * Two tiles at a time, as in `forward`: the chains wait in `room` for the next two.
 */
export function weightGradient(
  X: usize, dY: usize, rows: usize, sources: usize, dW: usize, room: usize,
  I: i32, O: i32, B: i32,
): void {
  const T = B >> 4;
  const tileX = <usize>I << 6, tileY = <usize>O << 6;
  // Rows are counted from `first`, connections from `from`.
  for (let first = 0; first < O;) {
    const from = startOf(rows, first);
    let last = first + 1;
    while (last < O && startOf(rows, last + 1) - from <= GROUP << 2) last++;
    const size = startOf(rows, last) - from;
    memory.fill(room, 0, size << 3);
    let x = X, dy = dY + (<usize>first << 6);
    for (let t = 0; t < T; t += 2) {
      twoTiles(x, dy, rows + (<usize>first << 2), sources + from, room, last - first, from, I, O);
      x += tileX << 1;
      dy += tileY << 1;
    }
    sumChains(room, dW + from, size);
    first = last;
  }
}

/** Where row o begins among the connections, in bytes. */
// @ts-ignore: decorator
@inline
function startOf(rows: usize, o: i32): usize {
  return <usize>load<i32>(rows + (<usize>o << 2)) << 2;
}

/** Adds two tiles to the chains of n of the O rows, which begin, as `sources` and `chains` do, at `from`. */
// @ts-ignore: decorator
@inline
function twoTiles(
  x: usize, dY: usize, rows: usize, sources: usize, chains: usize, n: i32, from: usize, I: i32, O: i32,
): void {
  const tileX = <usize>I << 6, tileY = <usize>O << 6;
  let k: usize = 0;
  let chain = chains;
  let dy = dY;
  for (let o = 0; o < n; o++) {
    const end = startOf(rows, o + 1) - from;
    const ey = dy + tileY;
    const d0 = v128.load(dy), d1 = v128.load(dy, 16);
    const d2 = v128.load(dy, 32), d3 = v128.load(dy, 48);
    const e0 = v128.load(ey), e1 = v128.load(ey, 16);
    const e2 = v128.load(ey, 32), e3 = v128.load(ey, 48);
    for (; k < end; k += 4, chain += 32) {
      const at = x + load<u32>(sources + k);
      const next = at + tileX;
      let s = v128.load(chain), r = v128.load(chain, 16);
      s = f32x4.add(s, f32x4.mul(d0, v128.load(at)));
      r = f32x4.add(r, f32x4.mul(d1, v128.load(at, 16)));
      s = f32x4.add(s, f32x4.mul(d2, v128.load(at, 32)));
      r = f32x4.add(r, f32x4.mul(d3, v128.load(at, 48)));
      s = f32x4.add(s, f32x4.mul(e0, v128.load(next)));
      r = f32x4.add(r, f32x4.mul(e1, v128.load(next, 16)));
      s = f32x4.add(s, f32x4.mul(e2, v128.load(next, 32)));
      r = f32x4.add(r, f32x4.mul(e3, v128.load(next, 48)));
      v128.store(chain, s);
      v128.store(chain, r, 16);
    }
    dy += 64;
  }
}

/** Adds up the eight lanes of each chain into `size` bytes of dW. */
// @ts-ignore: decorator
@inline
function sumChains(chains: usize, dW: usize, size: usize): void {
  let chain = chains;
  let k: usize = 0;
  for (; k + 16 <= size; k += 16, chain += 128) {
    const a = folded(chain), b = folded(chain + 32), c = folded(chain + 64), d = folded(chain + 96);
    v128.store(dW + k, sumLanes4(a, b, c, d));
  }
  for (; k < size; k += 4, chain += 32) store<f32>(dW + k, sumLanes(folded(chain)));
}
