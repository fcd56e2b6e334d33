import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  initialModel,
  initialWeights,
  rewindFromTensors,
  startingWeights,
} from '../src/network/init.ts';
import { coefficientOfVariation, fanInOf, fanInSummary, fanOutOf } from '../src/sparse/fan-in.ts';
import { type LayerMask, type Mask, maskFromTensors, maskToTensors } from '../src/sparse/mask.ts';
import { copyMask, layerFromWeights, PLACEMENT_ARMS, placeLike } from '../src/sparse/placement.ts';
import { denseLayer, layerFromFanIn, type MaskPlan, makeMask } from '../src/sparse/wiring.ts';
import { stream } from '../src/stats/stream.ts';

const plan = {
  widths: [60, 40, 20, 5],
  sparsity: 0.8,
  rule: 'erk',
  profile: { family: 'lognormal', cv: 0.8 },
} as const satisfies MaskPlan;

function made(some: MaskPlan, seed: number): Mask {
  const result = makeMask({ ...some, seed });
  if ('infeasible' in result) throw new Error('infeasible');
  return result.mask;
}

function placed(source: Mask, arm: (typeof PLACEMENT_ARMS)[number], seed: number): Mask {
  const result = placeLike(source, arm, seed);
  if ('infeasible' in result) throw new Error('infeasible');
  return result.mask;
}

const fanIns = (mask: Mask): number[][] => mask.map((layer) => [...fanInOf(layer)]);
const sorted = (counts: Iterable<number>): number[] => [...counts].sort((a, b) => a - b);

describe('the arms of a finished mask', () => {
  /** As if rewired: hubs, and inputs of which the first are listened to more. */
  const source: Mask = [
    layerFromWeights(
      fanInOf(made(plan, 1)[0]!),
      Array.from({ length: 60 }, (_, i) => 60 - i),
      stream(4, 'test'),
    ),
    ...made(plan, 1).slice(1),
  ];

  test.each(PLACEMENT_ARMS)('%s has the connections per layer of the source', (arm) => {
    const mask = placed(source, arm, 9);
    expect(mask.map(({ columns }) => columns.length)).toEqual(
      source.map(({ columns }) => columns.length),
    );
    expect(maskFromTensors(maskToTensors(mask))).toEqual(mask);
    expect(placed(source, arm, 9)).toEqual(mask);
    const kept = arm === 'exact' || arm === 'rewind';
    if (kept) expect(mask).toEqual(source);
    else expect(mask).not.toEqual(placed(source, arm, 10));
  });

  test('keep each neuron its fan-in, or give it to others, or drop it for chance', () => {
    const own = fanIns(source);
    expect(fanIns(placed(source, 'fan-in-kept', 9))).toEqual(own);
    expect(fanIns(placed(source, 'inputs-weighted', 9))).toEqual(own);
    const permuted = fanIns(placed(source, 'fan-in-permuted', 9));
    expect(permuted).not.toEqual(own);
    expect(permuted.map(sorted)).toEqual(own.map(sorted));
    const cv = (mask: Mask): number => coefficientOfVariation(fanInOf(mask[0]!));
    expect(Math.abs(cv(placed(source, 'lognormal', 9)) - cv(source))).toBeLessThan(0.01);
    expect(cv(placed(source, 'uniform', 9))).toBeLessThan(cv(source) / 1.5);
  });

  test('inputs-weighted listens to what the source listened to, fan-in-kept to all alike', () => {
    const heard = Float64Array.from(fanOutOf(source[0]!));
    const likeness = (arm: 'inputs-weighted' | 'fan-in-kept'): number => {
      const fanOuts = Array.from({ length: 20 }, (_, seed) =>
        fanOutOf(placed(source, arm, seed)[0]!),
      );
      return correlation(
        heard,
        heard.map((_, i) => fanOuts.reduce((sum, f) => sum + f[i]!, 0)),
      );
    };
    expect(likeness('inputs-weighted')).toBeGreaterThan(0.9);
    expect(Math.abs(likeness('fan-in-kept'))).toBeLessThan(0.4);
  });

  test('that a lognormal cannot have are a value that names the layer', () => {
    const two: LayerMask = layerFromFanIn([40, 0, 0, 0, 0, 0, 0, 0, 0, 1], 40, stream(1, 'test'));
    const result = placeLike([two, denseLayer(10, 2)], 'lognormal', 0);
    expect(result).toMatchObject({ infeasible: { layer: 0, family: 'lognormal' } });
  });
});

test('weighted inputs are drawn in proportion to their weights, and never one of weight 0', () => {
  const weights = [0, 1, 2, 7];
  const layer = layerFromWeights(new Array(20_000).fill(1), weights, stream(5, 'test'));
  const counts = [...fanOutOf(layer)];
  expect(counts[0]).toBe(0);
  // SD at most sqrt(20000 / 4) = 71.
  for (const [i, count] of counts.entries()) {
    expect(Math.abs(count - 2000 * weights[i]!)).toBeLessThan(4 * 71);
  }
  expect(() => layerFromWeights([4], weights, stream(0, 'test'))).toThrow(RangeError);
});

describe('hubs placed by a score', () => {
  test('go where the score is greatest, down to the least; ties to the lower index', () => {
    const scores = [[...Array(40).keys()].map((o) => (o * 7) % 40), new Array(20).fill(1)];
    const [first, second] = fanIns(made({ ...plan, scores }, 3));
    const byScore = scores[0]!.map((_, o) => o).sort((a, b) => scores[0]![a] - scores[0]![b]);
    expect(byScore.map((o) => first![o])).toEqual(sorted(first!));
    expect(second).toEqual(sorted(second!).reverse());
    expect(sorted(first!)).toEqual(sorted(fanIns(made(plan, 3))[0]!));
  });

  test.each(['uniform', 'constant', 'erk', 'dense'] as const)('in a %s mask too', (family) => {
    const scores = [[...Array(40).keys()], [...Array(20).keys()]];
    const mask = made({ ...plan, profile: { family }, scores }, 3);
    for (const fanIn of fanIns(mask).slice(0, 2)) expect(fanIn).toEqual(sorted(fanIn));
  });

  test('are refused where scores do not fit the network', () => {
    const wrong = [
      [new Array(40).fill(0)],
      [new Array(40).fill(0), [1, 2]],
      [new Array(40).fill(Number.NaN), new Array(20).fill(0)],
    ];
    for (const scores of wrong) expect(() => made({ ...plan, scores }, 0)).toThrow(RangeError);
  });
});

describe('profiles without a CV', () => {
  test('erk is uniformly random under that layer rule, whatever the rule is', () => {
    const erk = made({ ...plan, rule: 'uniform', profile: { family: 'erk' } }, 2);
    expect(erk).toEqual(made({ ...plan, rule: 'erk', profile: { family: 'uniform' } }, 2));
  });

  test('constant is CV 0', () => {
    const constant = made({ ...plan, profile: { family: 'constant' } }, 2);
    expect(constant).toEqual(made({ ...plan, profile: { family: 'power', cv: 0 } }, 2));
  });
});

test('a mask is copied only into a network of the same widths and connections', () => {
  const source = made(plan, 0);
  expect(copyMask(source, plan)).toBe(source);
  expect(() => copyMask(source, { ...plan, sparsity: 0.7 })).toThrow(
    /60x40 \(.* the plan has 60x40/,
  );
  expect(() => copyMask(source, { ...plan, widths: [60, 40, 5] })).toThrow(RangeError);
});

describe('weights that are rewound', () => {
  test('are those of the run that began, where both masks have the connection', () => {
    const [start, end] = [made(plan, 0), made(plan, 1)];
    const rewind = rewindFromTensors(initialModel(start, 5));
    const fresh = initialWeights(end[0]!, 8, 0);
    const weights = startingWeights({ mask: end, seed: 8, rewind }, 0);
    const first = new Map(
      positions(start[0]!).map((at, k) => [at, initialWeights(start[0]!, 5, 0)[k]]),
    );
    const shared = positions(end[0]!).filter((at) => first.has(at));
    expect(shared.length).toBeGreaterThan(20);
    expect([...weights]).toEqual(positions(end[0]!).map((at, k) => first.get(at) ?? fresh[k]));
    expect([...startingWeights({ mask: end, seed: 8 }, 0)]).toEqual([...fresh]);
  });

  test('are none in a file without tensors; a file that is no model is refused', () => {
    expect(rewindFromTensors({ tensors: {}, metadata: {} })).toBeUndefined();
    const { tensors, metadata } = initialModel(made(plan, 0), 5);
    const short = { shape: [1], data: new Float32Array(1) };
    const broken = { tensors: { ...tensors, 'layers.1.values': short }, metadata };
    expect(() => rewindFromTensors(broken)).toThrow(RangeError);
  });
});

test('neurons that take part are those with a connection in and one out', () => {
  const first: LayerMask = layerFromFanIn([2, 0, 1], 4, stream(0, 'test'));
  const second = {
    inputs: 3,
    outputs: 2,
    rows: Int32Array.of(0, 1, 2),
    columns: Int32Array.of(0, 1),
  };
  expect(fanInSummary([first, second]).layers).toMatchObject([
    { inactive: 1, unheard: 1, active: 1 },
    { inactive: 0, unheard: 0, active: 2 },
  ]);
});

test('networks two and three layers deep, at 80 to 99.9 %, have exact budgets or say why not', () => {
  const widths = fc
    .array(fc.integer({ min: 8, max: 300 }), { minLength: 2, maxLength: 3 })
    .map((hidden) => [54, ...hidden, 7]);
  const sparsity = fc.constantFrom(0.8, 0.9, 0.95, 0.98, 0.99, 0.999);
  const rule = fc.constantFrom('uniform' as const, 'erk' as const);
  const profile = fc.oneof(
    fc.constantFrom({ family: 'uniform' } as const, { family: 'constant' } as const),
    fc.record({
      family: fc.constantFrom('power' as const, 'logistic' as const, 'power-law' as const),
      cv: fc.double({ min: 0, max: 2.5, noNaN: true }),
    }),
  );
  fc.assert(
    fc.property(fc.record({ widths, sparsity, rule, profile }), fc.nat(), (some, seed) => {
      const result = makeMask({ ...some, seed });
      if ('infeasible' in result) {
        const { cv, minimumCv, maximumCv } = result.infeasible;
        expect(minimumCv).toBeLessThanOrEqual(maximumCv);
        expect('cv' in some.profile && some.profile.cv).toBe(cv);
        return;
      }
      const { layers } = fanInSummary(result.mask);
      const hidden = layers.slice(0, -1);
      const possible = hidden.reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0);
      const connections = hidden.reduce((sum, layer) => sum + layer.connections, 0);
      expect(connections).toBe(possible - Math.round(some.sparsity * possible));
      for (const { fanIn, inputs, outputs, inactive, unheard, active } of hidden) {
        expect(fanIn.every((k) => k >= 0 && k <= inputs)).toBe(true);
        expect(inactive).toBe(fanIn.filter((k) => k === 0).length);
        expect(active).toBeGreaterThanOrEqual(outputs - inactive - unheard);
        expect(active).toBeLessThanOrEqual(outputs - Math.max(inactive, unheard));
      }
    }),
    { numRuns: 60 },
  );
});

function positions({ inputs, outputs, rows, columns }: LayerMask): number[] {
  return Array.from({ length: outputs }, (_, o) =>
    [...columns.subarray(rows[o], rows[o + 1])].map((i) => o * inputs + i),
  ).flat();
}

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const centred = (values: ArrayLike<number>): number[] => {
    const all = Array.from(values);
    const mean = all.reduce((x, y) => x + y) / all.length;
    return all.map((value) => value - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  const dot = (u: number[], v: number[]): number =>
    u.reduce((sum, value, i) => sum + value * v[i]!, 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}
