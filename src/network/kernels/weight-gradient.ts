// weight-gradient.ts — the gradient of the weights that exist
import { sumLanes, sumLanes4 } from './sum';

/** Connections whose sums are kept at a time, unless one row has more: 64 KiB of them. */
const GROUP: usize = 4096;

/**
 * dW[k] = dY[o]·X[i], a dot product along the batch, for each connection k of row o.
 * X: [T][I][16], dY: [T][O][16], rows [O + 1], sources [K] (as in `forward`), dW: [K].
 * room: [4096][4], or [I][4] if that is more.
 * Each sum is one chain of vectors along the batch, then the lanes.
 *
 * A tile's slice of X stays in the cache while a group of rows passes, so the chains, four lanes
 * each, wait in `room` for the next tile. Two connections a turn: their eight loads, four of dY and
 * two sums fit the registers of x64.
 */
export function weightGradient(
  X: usize, dY: usize, rows: usize, sources: usize, dW: usize, room: usize,
  I: i32, O: i32, B: i32,
): void {
  const T = B >> 4;
  for (let first = 0; first < O;) {
    const from = startOf(rows, first);
    let last = first + 1;
    while (last < O && startOf(rows, last + 1) - from <= GROUP << 2) last++;
    const size = startOf(rows, last) - from;
    memory.fill(room, 0, size << 2);
    let x = X, dy = dY + (<usize>first << 6);
    for (let t = 0; t < T; t++) {
      tile(x, dy, rows + (<usize>first << 2), sources + from, room, last - first, from);
      x += <usize>I << 6;
      dy += <usize>O << 6;
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

/** Adds one tile to the chains of O rows that begin, as `sources` and `chain` do, at `from`. */
// @ts-ignore: decorator
@inline
function tile(
  x: usize, dY: usize, rows: usize, sources: usize, chains: usize, O: i32, from: usize,
): void {
  let k: usize = 0;
  let chain = chains;
  let dy = dY;
  for (let o = 0; o < O; o++) {
    const end = startOf(rows, o + 1) - from;
    const d0 = v128.load(dy), d1 = v128.load(dy, 16);
    const d2 = v128.load(dy, 32), d3 = v128.load(dy, 48);
    for (; k + 8 <= end; k += 8, chain += 32) {
      const at = x + load<u32>(sources + k), next = x + load<u32>(sources + k, 4);
      let s = v128.load(chain), r = v128.load(chain, 16);
      s = f32x4.add(s, f32x4.mul(d0, v128.load(at)));
      r = f32x4.add(r, f32x4.mul(d0, v128.load(next)));
      s = f32x4.add(s, f32x4.mul(d1, v128.load(at, 16)));
      r = f32x4.add(r, f32x4.mul(d1, v128.load(next, 16)));
      s = f32x4.add(s, f32x4.mul(d2, v128.load(at, 32)));
      r = f32x4.add(r, f32x4.mul(d2, v128.load(next, 32)));
      s = f32x4.add(s, f32x4.mul(d3, v128.load(at, 48)));
      r = f32x4.add(r, f32x4.mul(d3, v128.load(next, 48)));
      v128.store(chain, s);
      v128.store(chain, r, 16);
    }
    if (k < end) {
      const at = x + load<u32>(sources + k);
      let s = v128.load(chain);
      s = f32x4.add(s, f32x4.mul(d0, v128.load(at)));
      s = f32x4.add(s, f32x4.mul(d1, v128.load(at, 16)));
      s = f32x4.add(s, f32x4.mul(d2, v128.load(at, 32)));
      s = f32x4.add(s, f32x4.mul(d3, v128.load(at, 48)));
      v128.store(chain, s);
      k += 4;
      chain += 16;
    }
    dy += 64;
  }
}

/** Adds up the lanes of the chains into `size` bytes of dW. */
// @ts-ignore: decorator
@inline
function sumChains(chains: usize, dW: usize, size: usize): void {
  let chain = chains;
  let k: usize = 0;
  for (; k + 16 <= size; k += 16, chain += 64) {
    const a = v128.load(chain), b = v128.load(chain, 16);
    const c = v128.load(chain, 32), d = v128.load(chain, 48);
    v128.store(dW + k, sumLanes4(a, b, c, d));
  }
  for (; k < size; k += 4, chain += 16) store<f32>(dW + k, sumLanes(v128.load(chain)));
}
