// rewiring.ts — one rule for RigL and SET: drop the least weights, grow where a score is greatest
import sincos from '@stdlib/math-base-special-sincos';
import type { Stream } from '../stats/stream.ts';
import { isDense, type LayerMask } from './mask.ts';

/** How much of a layer is replaced over time. */
export interface DropSchedule {
  /** Fraction of connections replaced at step 0, in [0, 1]; 0.3 in RigL. */
  readonly fraction: number;
  /** The step, in batches seen, from which nothing is replaced; 75 % of training in RigL. */
  readonly stop: number;
}

/**
 * The fraction of connections to replace at a step: fraction / 2 * (1 + cos(pi * step / stop)), and
 * 0 from `stop` on.
 * @param step batches seen, from 0.
 * Source: Evci et al. 2020 (arXiv 1911.11134), section 3, "update schedule".
 */
export function dropFraction(step: number, { fraction, stop }: DropSchedule): number {
  return step >= stop ? 0 : fraction * halfCosine(step, stop);
}

/** Falls from 1 at step 0 to 0 at step `end` > 0: (1 + cos(pi * step / end)) / 2. */
export function halfCosine(step: number, end: number): number {
  const [, cosine] = sincos((PI * step) / end);
  return (1 + cosine!) / 2;
}

// biome-ignore lint/suspicious/noApproximativeNumericConstant: the rule on bits bars Math.PI.
const PI = 3.141592653589793;

/** What a layer's topology is changed by. Shapes: O outputs, I inputs, K connections. */
export interface LayerRewiring {
  readonly mask: LayerMask;
  /** [K]: one weight for each connection, in the mask's order. */
  readonly weights: Float32Array;
  /**
   * [O * I], entry o * I + i: how much each possible connection deserves to be grown, greatest
   * magnitude first. RigL takes the loss gradient of this batch, SET takes `randomScores`.
   */
  readonly scores: Float32Array;
  /** Fraction of connections to replace, in [0, 1], as `dropFraction` gives it. */
  readonly fraction: number;
  /** Sweeps over the scores; only who has a faster way than `reachIn` gives one. */
  readonly reach?: Reach | undefined;
}

/**
 * The positions whose score's bits but the sign, as an integer, are at least `least`, ascending. They
 * are looked at before the next call, which may overwrite them.
 */
export type Reach = (least: number) => Int32Array;

/** A layer after a change of topology. */
export interface RewiredLayer {
  readonly mask: LayerMask;
  /**
   * [K]: for each connection of the new mask, the index of the old connection whose weight and
   * optimiser moments it keeps, or -1 for a new connection, which starts at 0 with moments 0.
   */
  readonly origin: Int32Array;
  /** Connections dropped and grown, the same number. */
  readonly replaced: number;
  /** Of these, connections that are really new: the -1 of `origin`. */
  readonly new: number;
}

/**
 * [length]: scores for SET, which grows uniformly at random. The bits are random, one draw each, and
 * not the numbers: bits are what `rewireLayer` compares, and all 31 of a magnitude leave next to no
 * ties.
 */
export function randomScores(length: number, random: Stream): Float32Array {
  const bits = new Uint32Array(length);
  for (let i = 0; i < length; i++) bits[i] = random.uint32();
  return new Float32Array(bits.buffer);
}

/**
 * One topology update of one layer, in the semantics of the TF1 reference code: with n = trunc(K *
 * fraction), the n connections of least |weight| are dropped; then the n positions of greatest
 * |score| among those not kept are grown, so that a connection just dropped may grow back, and
 * then keeps its weight and moments. K never changes, and a dense layer takes no part.
 *
 * One departure: ties go to the lower position o * I + i, where the reference adds N(0, 1e-5) noise
 * to the weights. A NaN counts as greater than infinity.
 *
 * Takes time in proportion to O * I: nothing is sorted.
 * @throws RangeError when lengths do not fit the mask or the fraction is out of range.
 * Source: google-research/rigl, rigl/sparse_optimizers_base.py, generic_mask_update.
 */
export function rewireLayer(rewiring: LayerRewiring): RewiredLayer {
  const { mask, weights, scores, fraction, reach = reachIn(scores) } = rewiring;
  const { inputs, outputs, columns } = mask;
  if (weights.length !== columns.length || scores.length !== inputs * outputs) {
    throw new RangeError('weights and scores do not fit the mask');
  }
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new RangeError(`the fraction to drop is in [0, 1], not ${fraction}`);
  }
  const replaced = isDense(mask) ? 0 : Math.trunc(columns.length * fraction);
  const positions = flatPositions(mask);
  if (replaced === 0) return { mask, origin: positions.map((_, c) => c), replaced, new: 0 };
  const dropped = markWeakest(weights, replaced);
  const grown = greatestNotKept(scores, reach, positions, dropped, replaced);
  return merge(mask, positions, dropped, grown);
}

/**
 * Weights, or optimiser moments, carried over to a new topology: those of connections that stay,
 * and 0 for new ones.
 * values: [K] of the old mask; the result: [K] of the new one.
 */
export function carryOver(values: Float32Array, origin: Int32Array): Float32Array {
  const carried = new Float32Array(origin.length);
  for (let k = 0; k < origin.length; k++) {
    const old = origin[k]!;
    if (old >= 0) carried[k] = values[old]!;
  }
  return carried;
}

/** [K]: o * I + i of each connection, ascending. */
function flatPositions({ inputs, outputs, rows, columns }: LayerMask): Int32Array {
  const positions = new Int32Array(columns.length);
  for (let o = 0; o < outputs; o++) {
    for (let c = rows[o]!; c < rows[o + 1]!; c++) positions[c] = o * inputs + columns[c]!;
  }
  return positions;
}

/** [K]: 1 for the `count` connections of least |weight|. */
function markWeakest(weights: Float32Array, count: number): Uint8Array {
  const weakness = bitsOf(weights).slice();
  const all = new Int32Array(weakness.length);
  for (let c = 0; c < weakness.length; c++) {
    weakness[c] = MAGNITUDE - (weakness[c]! & MAGNITUDE);
    all[c] = c;
  }
  const marks = new Uint8Array(weakness.length);
  const weakest = greatestOf(weakness, all, count);
  for (let w = 0; w < count; w++) marks[weakest[w]!] = 1;
  return marks;
}

/**
 * [count]: the positions of greatest |score| among those without a connection that was kept,
 * ascending.
 *
 * Most positions have no chance: a look at few scores tells about where the K-th greatest lies, and
 * what falls short of it is passed over in one sweep. Where the look misled, one looks lower.
 */
function greatestNotKept(
  scores: Float32Array,
  reach: Reach,
  positions: Int32Array,
  dropped: Uint8Array,
  count: number,
): Int32Array {
  const bits = bitsOf(scores);
  // With K positions, at most K - count of them kept, there are enough.
  let least = guessGreatest(bits, positions.length);
  let reaching = reach(least);
  while (reaching.length < positions.length) {
    least = Math.max(0, least - OCTAVE);
    reaching = reach(least);
  }
  const kept = new Uint8Array(scores.length);
  for (let c = 0; c < positions.length; c++) kept[positions[c]!] = 1 - dropped[c]!;
  const free = new Int32Array(reaching.length);
  let at = 0;
  for (let r = 0; r < reaching.length; r++) {
    // Who was kept cannot be foreseen, so there is no branch: what follows takes a kept one's place.
    free[at] = reaching[r]!;
    at += 1 - kept[reaching[r]!]!;
  }
  return greatestOf(bits, free.subarray(0, at), count);
}

/** The same memory as integers. */
const bitsOf = (values: Float32Array): Int32Array =>
  new Int32Array(values.buffer, values.byteOffset, values.length);

/** All bits of a float32 but its sign. As integers, magnitudes compare as they do as numbers. */
const MAGNITUDE = 0x7fffffff;
/** Half a magnitude is its integer less so much. */
const OCTAVE = 1 << 23;
/** A magnitude is taken apart from the top: 11 bits, then 10, then 10. */
const TOP_BITS = 11;
const DIGIT_BITS = 10;
const TOP_SHIFT = 2 * DIGIT_BITS;
/** Of how many numbers a guess is made. */
const LOOKS = 4096;

/** A magnitude that about `count` of the numbers reach, rather more than fewer. */
function guessGreatest(bits: Int32Array, count: number): number {
  const stride = Math.floor(bits.length / LOOKS) | 1;
  const tops = new Int32Array(1 << TOP_BITS);
  for (let i = 0; i < bits.length; i += stride) tops[(bits[i]! & MAGNITUDE) >> TOP_SHIFT]!++;
  return lastBucket(tops, Math.ceil((1.1 * count) / stride)).bucket << TOP_SHIFT;
}

/** Sweeps over scores that lie anywhere. */
function reachIn(scores: Float32Array): Reach {
  const bits = bitsOf(scores);
  const indices = new Int32Array(bits.length + 1);
  return (least) => {
    const short = least - 1;
    let at = 0;
    for (let i = 0; i < bits.length; i++) {
      indices[at] = i;
      // Who reaches cannot be foreseen, so there is no branch: where one does, this is negative.
      at += (short - (bits[i]! & MAGNITUDE)) >>> 31;
    }
    return indices.subarray(0, at);
  };
}

/**
 * [count]: which of the indices `among`, ascending, have the greatest magnitudes; ties go to the
 * lower index.
 * A radix selection: counting by the top bits tells which bucket holds the last one selected, and
 * counting that bucket's members by their next bits, twice, tells its magnitude.
 * bits: of float32 numbers.
 */
function greatestOf(bits: Int32Array, among: Int32Array, count: number): Int32Array {
  let last: LastBucket = { bucket: 0, wanted: count };
  for (const shift of [TOP_SHIFT, DIGIT_BITS, 0]) {
    const width = shift === TOP_SHIFT ? TOP_BITS : DIGIT_BITS;
    const counts = countDigits(bits, among, last.bucket, shift, width);
    const { bucket, wanted } = lastBucket(counts, last.wanted);
    last = { bucket: (last.bucket << width) | bucket, wanted };
  }
  return keepGreatest(bits, among, count, last);
}

/** Of the magnitudes whose bits above a digit are `above`, how many have which digit. */
function countDigits(
  bits: Int32Array,
  among: Int32Array,
  above: number,
  shift: number,
  width: number,
): Int32Array {
  const counts = new Int32Array(1 << width);
  for (let a = 0; a < among.length; a++) {
    const digits = (bits[among[a]!]! & MAGNITUDE) >> shift;
    if (digits >> width === above) counts[digits & (counts.length - 1)]!++;
  }
  return counts;
}

/** A bucket in which a selection ends, and how many of its members are selected. */
interface LastBucket {
  /** The bits that its members share. */
  readonly bucket: number;
  readonly wanted: number;
}

/** The bucket that holds the `count`-th greatest. counts: members of each bucket, ascending. */
function lastBucket(counts: Int32Array, count: number): LastBucket {
  let wanted = count;
  let bucket = counts.length - 1;
  while (bucket > 0 && counts[bucket]! < wanted) wanted -= counts[bucket--]!;
  return { bucket, wanted };
}

/**
 * [count]: of the indices `among`, those above the least magnitude selected, and the first of those
 * that equal it.
 */
function keepGreatest(
  bits: Int32Array,
  among: Int32Array,
  count: number,
  { bucket: least, wanted }: LastBucket,
): Int32Array {
  const selected = new Int32Array(count);
  let ties = wanted;
  let at = 0;
  for (let a = 0; a < among.length; a++) {
    const magnitude = bits[among[a]!]! & MAGNITUDE;
    if (magnitude > least || (magnitude === least && ties-- > 0)) selected[at++] = among[a]!;
  }
  return selected;
}

/** A position after all others, and an integer like them. */
const BEYOND = 0x7fffffff;

/** The new topology: connections not dropped, and those grown, in the order of their positions. */
function merge(
  mask: LayerMask,
  positions: Int32Array,
  dropped: Uint8Array,
  grown: Int32Array,
): RewiredLayer {
  const merged = new Int32Array(positions.length);
  const origin = new Int32Array(positions.length);
  let at = 0;
  let g = 0;
  let fresh = 0;
  for (let c = 0; c <= positions.length; c++) {
    const position = c < positions.length ? positions[c]! : BEYOND;
    for (; g < grown.length && grown[g]! < position; g++, at++, fresh++) {
      merged[at] = grown[g]!;
      origin[at] = -1;
    }
    const regrown = g < grown.length && grown[g] === position;
    if (regrown) g++;
    if (c === positions.length || (dropped[c] === 1 && !regrown)) continue;
    merged[at] = position;
    origin[at++] = c;
  }
  return { mask: atPositions(merged, mask), origin, replaced: grown.length, new: fresh };
}

/** The mask with connections at these positions, ascending: the inverse of `flatPositions`. */
function atPositions(positions: Int32Array, { inputs, outputs }: LayerMask): LayerMask {
  const rows = new Int32Array(outputs + 1);
  const columns = new Int32Array(positions.length);
  let at = 0;
  for (let o = 0; o < outputs; o++) {
    const start = o * inputs;
    for (; at < positions.length && positions[at]! < start + inputs; at++) {
      columns[at] = positions[at]! - start;
    }
    rows[o + 1] = at;
  }
  return { inputs, outputs, rows, columns };
}
