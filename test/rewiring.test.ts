import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LayerMask } from '../src/sparse/mask.ts';
import {
  carryOver,
  dropFraction,
  type LayerRewiring,
  type RewiredLayer,
  rewireLayer,
} from '../src/sparse/rewiring.ts';
import { denseLayer, layerFromFanIn } from '../src/sparse/wiring.ts';
import { stream } from '../src/stats/stream.ts';

describe('the drop fraction', () => {
  const schedule = { fraction: 0.3, stop: 1000 };

  test('falls along a cosine from its start to 0', () => {
    const at = [0, 250, 500, 750].map((step) => dropFraction(step, schedule));
    const expected = [0.3, 0.15 * (1 + Math.SQRT1_2), 0.15, 0.15 * (1 - Math.SQRT1_2)];
    at.forEach((fraction, i) => {
      expect(fraction).toBeCloseTo(expected[i], 12);
    });
  });

  test('is 0 from the stop on', () => {
    expect([1000, 1001, 5000].map((step) => dropFraction(step, schedule))).toEqual([0, 0, 0]);
    expect(dropFraction(0, { fraction: 0.3, stop: 0 })).toBe(0);
  });
});

/**
 * 3 neurons, 4 inputs, 6 connections. Half are dropped: positions 2, 5 and 9 of weights -0.1, 0.2
 * and 0.05. The greatest gradient is at 0, which is kept; then at 3 and 10, which are new, and at
 * 5, which was just dropped.
 */
const byHand: LayerRewiring = {
  mask: layer(4, [
    [0, 2],
    [1, 3],
    [0, 1],
  ]),
  weights: Float32Array.of(0.5, -0.1, 0.2, 0.9, -0.3, 0.05),
  scores: Float32Array.of(9, 0.1, 1, -5, 0.2, -4, 0.3, 8, 7, 0.4, 3, -2),
  fraction: 0.5,
};

describe('rewiring a layer', () => {
  test('drops the least weights and grows the greatest gradients, just-dropped ones too', () => {
    const rewired = rewireLayer(byHand);
    expect(rewired).toEqual({
      mask: layer(4, [
        [0, 3],
        [1, 3],
        [0, 2],
      ]),
      origin: Int32Array.of(0, -1, 2, 3, 4, -1),
      replaced: 3,
      new: 2,
    });
  });

  test('keeps the value of a regrown connection and starts a new one at 0', () => {
    const { origin } = rewireLayer(byHand);
    expect(carryOver(byHand.weights, origin)).toEqual(Float32Array.of(0.5, 0, 0.2, 0.9, -0.3, 0));
  });

  test('rounds the number of dropped connections down', () => {
    expect(rewireLayer({ ...byHand, fraction: 0.49 }).replaced).toBe(2);
    expect(rewireLayer({ ...byHand, fraction: 0.16 }).replaced).toBe(0);
  });

  test('leaves the layer as it is when nothing is dropped', () => {
    const { mask, origin } = rewireLayer({ ...byHand, fraction: 0 });
    expect(mask).toEqual(byHand.mask);
    expect([...origin]).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('leaves a dense layer out', () => {
    const mask = denseLayer(4, 3);
    const weights = new Float32Array(12);
    const rewired = rewireLayer({ ...byHand, mask, weights });
    expect(rewired).toMatchObject({ mask, replaced: 0, new: 0 });
  });

  test('breaks ties by position: the first of equals is dropped, and grown', () => {
    const equal = { ...byHand, weights: new Float32Array(6), scores: new Float32Array(12) };
    // Positions 0, 2 and 5 are dropped and 7, 8, 9 kept; of those not kept, 0, 1 and 2 come first.
    const { mask, origin } = rewireLayer(equal);
    expect(mask).toEqual(layer(4, [[0, 1, 2], [3], [0, 1]]));
    expect([...origin]).toEqual([0, -1, 1, 3, 4, 5]);
  });

  test('agrees with a full sort, whatever the layer', () => {
    fc.assert(
      fc.property(rewirings, (rewiring) => {
        expect(rewireLayer(rewiring)).toEqual(naiveRewire(rewiring));
      }),
      { numRuns: 300 },
    );
  });

  test('agrees with a full sort on a layer of real size', () => {
    const random = stream(7, 'test');
    const mask = layerFromFanIn(new Array(128).fill(78), 784, random);
    const normals = (n: number) => Float32Array.from({ length: n }, () => random.normal());
    const rewiring = {
      mask,
      weights: normals(mask.columns.length),
      scores: normals(784 * 128),
      fraction: 0.3,
    };
    expect(rewireLayer(rewiring)).toEqual(naiveRewire(rewiring));
  });

  test('keeps the number of connections, in distinct ascending positions', () => {
    fc.assert(
      fc.property(rewirings, (rewiring) => {
        const { mask, origin, replaced, new: fresh } = rewireLayer(rewiring);
        const before = positionsOf(rewiring.mask);
        const after = positionsOf(mask);
        expect(after).toHaveLength(before.length);
        expect(after).toEqual([...new Set(after)].sort((a, b) => a - b));
        expect(origin.filter((old) => old < 0)).toHaveLength(fresh);
        expect(fresh).toBeLessThanOrEqual(replaced);
        after.forEach((position, c) => {
          expect(origin[c]).toBe(before.indexOf(position));
        });
      }),
    );
  });

  test('refuses arrays that do not fit the mask and fractions that are none', () => {
    expect(() => rewireLayer({ ...byHand, weights: new Float32Array(5) })).toThrow(RangeError);
    expect(() => rewireLayer({ ...byHand, scores: new Float32Array(11) })).toThrow(RangeError);
    expect(() => rewireLayer({ ...byHand, fraction: 1.1 })).toThrow(RangeError);
    expect(() => rewireLayer({ ...byHand, fraction: Number.NaN })).toThrow(RangeError);
  });
});

function layer(inputs: number, rows: readonly (readonly number[])[]): LayerMask {
  const ends = rows.map((_, o) => rows.slice(0, o + 1).flat().length);
  return {
    inputs,
    outputs: rows.length,
    rows: Int32Array.of(0, ...ends),
    columns: Int32Array.from(rows.flat()),
  };
}

/** Small layers whose weights and gradients often tie, in magnitude and in sign. */
const rewirings = fc
  .record({
    inputs: fc.integer({ min: 1, max: 12 }),
    outputs: fc.integer({ min: 1, max: 8 }),
    seed: fc.integer(),
    levels: fc.constantFrom(1, 3, 1000),
    fraction: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ inputs, outputs, seed, levels, fraction }): LayerRewiring => {
    const random = stream(seed, 'test');
    const fanIn = Array.from({ length: outputs }, () => random.below(inputs + 1));
    const mask = layerFromFanIn(fanIn, inputs, random);
    const values = (n: number) =>
      Float32Array.from({ length: n }, () => (random.below(2 * levels + 1) - levels) / 7);
    return {
      mask,
      weights: values(mask.columns.length),
      scores: values(inputs * outputs),
      fraction,
    };
  });

function positionsOf({ inputs, outputs, rows, columns }: LayerMask): number[] {
  return Array.from({ length: outputs }, (_, o) =>
    [...columns.subarray(rows[o], rows[o + 1])].map((column) => o * inputs + column),
  ).flat();
}

/** RigL as its definition reads, sorting everything. */
function naiveRewire({ mask, weights, scores, fraction }: LayerRewiring): RewiredLayer {
  const { inputs, outputs } = mask;
  const old = positionsOf(mask);
  const dense = old.length === inputs * outputs;
  const count = dense ? 0 : Math.trunc(old.length * fraction);
  const weakest = old
    .map((position, c) => ({ position, size: Math.abs(weights[c]) }))
    .sort((a, b) => a.size - b.size || a.position - b.position);
  const kept = new Set(weakest.slice(count).map(({ position }) => position));
  const grown = Array.from(scores, (g, position) => ({ position, size: Math.abs(g) }))
    .filter(({ position }) => !kept.has(position))
    .sort((a, b) => b.size - a.size || a.position - b.position)
    .slice(0, count)
    .map(({ position }) => position);
  const positions = [...kept, ...grown].sort((a, b) => a - b);
  const rows = Array.from({ length: outputs }, (_, o) =>
    positions
      .filter((position) => Math.floor(position / inputs) === o)
      .map((position) => position % inputs),
  );
  return {
    mask: layer(inputs, rows),
    origin: Int32Array.from(positions, (position) => old.indexOf(position)),
    replaced: count,
    new: grown.filter((position) => !old.includes(position)).length,
  };
}
