// stream.ts — named streams of random numbers: same seed and name, same numbers, on every machine
import { createHash } from 'node:crypto';
import quantile from '@stdlib/stats-base-dists-normal-quantile';

/**
 * A stream of random numbers with its own state, drawn by xoshiro128** 1.1 (Blackman and Vigna 2021,
 * https://prng.di.unimi.it/xoshiro128starstar.c). Its state fits a checkpoint.
 */
export interface Stream {
  /** A uniform integer in [0, 2^32). */
  uint32(): number;
  /** A uniform double in [0, 1) of 53 random bits (two draws). */
  uniform(): number;
  /** A uniform integer in [0, bound), without bias (rejection). `bound` in [1, 2^32]. */
  below(bound: number): number;
  /** A standard normal number, by inversion of the cdf (one uniform each, so position is countable). */
  normal(): number;
  /** Puts `items` in a uniformly random order, in place (Fisher and Yates). */
  shuffle(items: { [index: number]: number; readonly length: number }): void;
  /** The four words of state, to be given to `restoreStream` later. */
  state(): Uint32Array;
}

/**
 * The stream of this seed and name, such as `stream(seed, 'mask', layer)`. Names are hashed, so a new stream
 * never moves another one.
 */
export function stream(seed: number, ...name: readonly (string | number)[]): Stream {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`a seed is an integer, not ${seed}`);
  const digest = createHash('sha256')
    .update(JSON.stringify(['stream/1', seed, ...name]))
    .digest();
  return fromState(Uint32Array.from({ length: 4 }, (_, word) => digest.readUInt32LE(word * 4)));
}

/** The stream that continues where `state()` was taken. */
export function restoreStream(state: Uint32Array): Stream {
  if (state.length !== 4)
    throw new RangeError(`a stream has 4 words of state, not ${state.length}`);
  return fromState(state.slice());
}

function fromState(s: Uint32Array): Stream {
  const uint32 = (): number => {
    const result = Math.imul(rotl(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotl(s[3]!, 11);
    return result;
  };
  const uniform = (): number => {
    const high = uint32() >>> 5;
    const low = uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  };
  const below = (bound: number): number => {
    const limit = 4294967296 - (4294967296 % bound);
    let draw = uint32();
    while (draw >= limit) draw = uint32();
    return draw % bound;
  };
  return {
    uint32,
    uniform,
    below,
    normal: () => quantile(uniform() + HALF_STEP, 0, 1),
    shuffle(items) {
      for (let last = items.length - 1; last > 0; last--) {
        const pick = below(last + 1);
        const item = items[last]!;
        items[last] = items[pick]!;
        items[pick] = item;
      }
    },
    state: () => s.slice(),
  };
}

/** Half the step of `uniform`, which keeps `normal` off the infinite quantile of 0. */
const HALF_STEP = 1 / 18014398509481984;

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
