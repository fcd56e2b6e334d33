import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMemory } from '../src/network/compile.ts';
import { initialWeights } from '../src/network/init.ts';
import { createNetwork, type Network } from '../src/network/network.ts';
import {
  addGradients,
  gradientRoom,
  gradientScores,
  gradientSums,
  rewire,
  setScores,
  summedScores,
} from '../src/network/rewire.ts';
import { type LayerMask, sharedConnections } from '../src/sparse/mask.ts';
import {
  carryOver,
  dropFraction,
  type LayerRewiring,
  type RewiredLayer,
  randomScores,
  rewireLayer,
} from '../src/sparse/rewiring.ts';
import { denseLayer, layerFromFanIn } from '../src/sparse/wiring.ts';
import { stream } from '../src/stats/stream.ts';
import { checkRigl } from '../stages/schema.ts';
import * as naive from './naive.ts';

describe('the drop fraction', () => {
  const schedule = { fraction: 0.3, stop: 1000 };

  test('falls along a cosine from its start to 0', () => {
    const at = [0, 250, 500, 750].map((step) => dropFraction(step, schedule));
    const expected = [0.3, 0.15 * (1 + Math.SQRT1_2), 0.15, 0.15 * (1 - Math.SQRT1_2)];
    at.forEach((fraction, i) => {
      expect(fraction).toBeCloseTo(expected[i]!, 12);
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

describe('rewiring a network', () => {
  const output = denseLayer(3, 2);
  /** The example by hand as the first layer, with moments that tell where they come from. */
  const byHandNetwork = (): Network => {
    const network = createNetwork(createMemory(), [byHand.mask, output], 32, 2);
    const { weights, bias, gradient } = network.layers[0]!;
    weights.values.view().set(byHand.weights);
    weights.moments.forEach((moment, m) => {
      moment.view().set([1, 2, 3, 4, 5, 6].map((k) => k + 10 * m));
    });
    bias.values.view().fill(7);
    for (const moment of bias.moments) moment.view().fill(8);
    // dW[o][i] is the sum over samples b of dY[o][b]·X[i][b]: sample o carries row o.
    byHand.scores.forEach((score, position) => {
      network.input.view()[(position % 4) * 16 + Math.floor(position / 4)] = score;
    });
    for (let o = 0; o < 3; o++) gradient.view()[o * 16 + o] = 1;
    return network;
  };
  const rigl = (network: Network, fraction = 0.5) => ({
    step: 4,
    fraction,
    scores: gradientScores(network, 32, gradientRoom(network)),
    initial: [byHand.mask, output],
  });

  test('RigL: kept and regrown connections keep weight and moments, new ones have 0', () => {
    const network = byHandNetwork();
    const record = rewire(network, rigl(network));
    const { mask, rows, sources, weights, bias } = network.layers[0]!;
    const expected = layer(4, [
      [0, 3],
      [1, 3],
      [0, 2],
    ]);
    expect(mask).toEqual(expected);
    expect([rows.view(), sources.view().map((at) => at / 64)]).toEqual([
      expected.rows,
      expected.columns,
    ]);
    expect(weights.values.view()).toEqual(Float32Array.of(0.5, 0, 0.2, 0.9, -0.3, 0));
    expect([...weights.moments[0]!.view()]).toEqual([1, 0, 3, 4, 5, 0]);
    expect([...weights.moments[1]!.view()]).toEqual([11, 0, 13, 14, 15, 0]);
    expect([...bias.values.view()]).toEqual([7, 7, 7]);
    expect(record).toEqual({
      step: 4,
      replaced: [3, 0],
      new: [2, 0],
      fanInCv: [0, 0],
      withoutFanIn: [0, 0],
      withoutFanOut: [0, 0],
      overlap: [4 / 6, 1],
    });
  });

  test('RigL averages the gradients of several batches where it is told to', () => {
    const network = byHandNetwork();
    const room = gradientRoom(network);
    const sums = gradientSums(network);
    const expected = new Float64Array(12);
    const random = stream(3, 'accumulate');
    for (let batch = 0; batch < 3; batch++) {
      for (const { view } of [network.input, network.layers[0]!.gradient]) {
        view().forEach((_, at, array) => {
          array[at] = random.normal();
        });
      }
      addGradients(network, 32, room, sums);
      const dW = new Float64Array(12);
      const [X, dY] = [network.input.view(), network.layers[0]!.gradient.view()];
      naive.denseWeightGradient(X, dY, dW, 4, 3, 32);
      naive.add(expected, dW, 12);
    }
    const scores = summedScores(network, sums, room);
    expect(scores(0).scores).toHaveLength(12);
    scores(0).scores.forEach((score, position) => {
      expect(score).toBeCloseTo(expected[position]!, 4);
    });
    // The dense layer is never rewired: nothing is kept for it.
    expect(scores(1).scores).toHaveLength(0);
    const record = rewire(network, { ...rigl(network), scores });
    const byHandScores = Float32Array.from(expected);
    const { mask } = rewireLayer({ ...byHand, scores: byHandScores });
    expect(network.layers[0]!.mask).toEqual(mask);
    expect(record.replaced).toEqual([3, 0]);
  });

  test('RigL cannot average more batches than lie between two updates', () => {
    const schedule = { kind: 'constant', warmup: 0 } as const;
    const adam = { epochs: 1, batch: 1, optimizer: 'adam', learningRate: 1 } as const;
    const plain = { momentum: 0, nesterov: false, weightDecay: 0, labelSmoothing: 0 };
    const faults = (every: number, accumulate?: number) =>
      checkRigl({
        training: { ...adam, ...plain, schedule },
        rigl: { fraction: 0.3, stop: 1, every, accumulate },
      });
    expect(faults(10, 9)).toEqual([]);
    expect(faults(1, 1)).toEqual([]);
    expect(faults(1)).toEqual([]);
    const message = 'accumulate is 10, not fewer than every (10)';
    expect(faults(10, 10)).toEqual([{ path: ['rigl', 'accumulate'], message }]);
  });

  test('RigL: the transposed index follows, so that gradients flow where connections are', () => {
    const network = byHandNetwork();
    rewire(network, rigl(network));
    const { starts, targets, order } = network.layers[0]!;
    expect([...starts.view()]).toEqual([0, 2, 3, 4, 6]);
    expect([...targets.view()].map((at) => at / 64)).toEqual([0, 2, 1, 2, 0, 1]);
    expect([...order.view()]).toEqual([0, 4, 2, 5, 1, 3]);
  });

  test('a neuron that loses its last connection is counted and says 0', () => {
    const network = byHandNetwork();
    // Neuron 2's weights are the least now, and only the first rows have gradients.
    network.layers[0]!.weights.values.view().set([5, 4, 3, 2, 0.1, 0.2]);
    network.layers[0]!.gradient.view()[2 * 16 + 2] = 0;
    const record = rewire(network, rigl(network, 0.34));
    const { mask, bias } = network.layers[0]!;
    expect(mask.rows[2]).toBe(mask.rows[3]);
    expect(record.withoutFanIn).toEqual([1, 0]);
    expect([...bias.values.view()]).toEqual([7, 7, 0]);
    for (const moment of bias.moments) expect([...moment.view()]).toEqual([8, 8, 0]);
  });

  test('counts neurons that nothing listens to', () => {
    const next = layer(3, [[1], [1]]);
    const network = createNetwork(createMemory(), [byHand.mask, next], 32, 1);
    const scores = setScores(network, 1, 4);
    const initial = [byHand.mask, next];
    expect(rewire(network, { step: 4, fraction: 0, scores, initial })).toMatchObject({
      withoutFanOut: [2, 0],
      overlap: [1, 1],
    });
  });

  test('SET: grows at random, from a stream named by step and layer; new weights are 0', () => {
    const mask = layerFromFanIn(new Array(64).fill(20), 200, stream(1, 'test'));
    const run = (seed: number, step: number) => {
      const initial = [mask, denseLayer(64, 3)];
      const network = createNetwork(createMemory(), initial, 32, 1);
      const { weights } = network.layers[0]!;
      weights.values.view().set(initialWeights(mask, 3, 0));
      const scores = setScores(network, seed, step);
      const record = rewire(network, { step, fraction: 0.3, scores, initial });
      return { record, after: network.layers[0]! };
    };
    const { record, after } = run(1, 100);
    expect(after.mask.columns).toHaveLength(64 * 20);
    expect(record.replaced[0]).toBe(Math.trunc(64 * 20 * 0.3));
    // About 3 % of what was dropped grows back by chance: 384 of the 11904 positions not kept.
    expect(record.new[0]).toBeGreaterThan(350);
    expect(after.weights.values.view().filter((w) => w === 0)).toHaveLength(record.new[0]!);
    expect(sharedConnections(mask, after.mask)).toBe(64 * 20 - record.new[0]!);
    expect(run(1, 100).after.mask).toEqual(after.mask);
    expect(run(1, 200).after.mask).not.toEqual(after.mask);
    expect(run(2, 100).after.mask).not.toEqual(after.mask);
  });

  test('SET: every position not kept is as likely', () => {
    const counts = new Int32Array(12);
    const weights = Float32Array.of(3, 1, 2, 4, 5, 6);
    for (let seed = 0; seed < 4000; seed++) {
      const scores = randomScores(12, stream(seed, 'set', 4, 0));
      const { mask } = rewireLayer({ ...byHand, weights, scores });
      for (const position of positionsOf(mask)) counts[position]!++;
    }
    // Positions 7, 8 and 9 are kept; 3 of the 9 others are grown.
    expect([7, 8, 9].map((position) => counts[position])).toEqual([4000, 4000, 4000]);
    for (const position of [0, 1, 2, 3, 4, 5, 6, 10, 11]) {
      expect(Math.abs(counts[position]! - 4000 / 3)).toBeLessThan(150);
    }
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
    .map((position, c) => ({ position, size: Math.abs(weights[c]!) }))
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
