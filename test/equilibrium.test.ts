import { describe, expect, test } from 'vitest';
import { fanInDistance } from '../src/sparse/distance.ts';
import { type Equilibrium, fitEquilibrium, makeMatchedMask } from '../src/sparse/equilibrium.ts';
import { type FanInSummary, fanInSummary } from '../src/sparse/fan-in.ts';
import { fanInBySigma } from '../src/sparse/profile.ts';
import { denseLayer, layerFromFanIn, makeMask } from '../src/sparse/wiring.ts';
import { stream } from '../src/stats/stream.ts';

describe('an equilibrium', () => {
  test('is the lognormal fit of the fan-in pooled over runs, zeros set apart', () => {
    const { runs, layers } = fitEquilibrium([
      { start: summary([2, 2, 2, 2, 2]), end: summary([1, 4, 1, 4, 0]) },
      { start: summary([2, 2, 2, 2, 2]), end: summary([4, 4, 1, 1, 0]) },
    ]);
    expect(runs).toBe(2);
    expect(layers).toHaveLength(1);
    const [fit] = layers;
    const ln2 = Math.log(2);
    expect(fit!.neurons).toBe(10);
    expect(fit!.mu).toBeCloseTo(ln2, 14);
    expect(fit!.sigma).toBeCloseTo(ln2, 14);
    expect(fit!.cvFit).toBeCloseTo(Math.sqrt(Math.exp(ln2 * ln2) - 1), 14);
    expect(fit!.zeroFraction).toBeCloseTo(0.2, 14);
    // Mean 2, squares 4 * 4 + 4 * 1 + 2 * 4 over 10.
    expect(fit!.cv).toBeCloseTo(Math.sqrt(2.8) / 2, 14);
    expect(fit!.noiseFloor).toBe(0);
    expect(fit!.moved).toBeCloseTo((0.5 * 2 + 1 * 2 + 1) / 5, 14);
  });

  test('has no noise floor from a single run', () => {
    const { layers } = fitEquilibrium([{ start: summary([2, 2]), end: summary([1, 3]) }]);
    expect(layers[0]!.noiseFloor).toBeNull();
  });

  test('takes the mean distance over all pairs of runs as its noise floor', () => {
    const ends = [
      [2, 2],
      [1, 3],
      [0, 4],
    ];
    const pilots = ends.map((end) => ({ start: summary([2, 2]), end: summary(end) }));
    // Pairs: 0.5, 1 and 0.5.
    expect(fitEquilibrium(pilots).layers[0]!.noiseFloor).toBeCloseTo(2 / 3, 14);
  });

  test('finds the sigma that a profile was made with', () => {
    const size = { inputs: 784, outputs: 512, connections: 40141 };
    const end = summary([...fanInBySigma(0.45, size)], 784);
    const [fit] = fitEquilibrium([{ start: end, end }]).layers;
    expect(fit!.sigma).toBeCloseTo(0.45, 2);
    expect(fit!.moved).toBe(0);
  });

  test('survives JSON', () => {
    const pilot = { start: summary([2, 2, 2]), end: summary([1, 2, 3]) };
    const equilibrium = fitEquilibrium([pilot, pilot]);
    expect(JSON.parse(JSON.stringify(equilibrium))).toEqual(equilibrium);
  });

  test('of no runs, of unlike runs or of an empty layer is refused', () => {
    const pilot = { start: summary([2, 2]), end: summary([1, 3]) };
    expect(() => fitEquilibrium([])).toThrow(RangeError);
    expect(() => fitEquilibrium([{ ...pilot, end: summary([1, 2, 3]) }])).toThrow(RangeError);
    expect(() => fitEquilibrium([{ ...pilot, end: summary([0, 0]) }])).toThrow(RangeError);
    const deeper = fanInSummary([denseLayer(2, 2), denseLayer(2, 2), denseLayer(2, 2)]);
    expect(() => fitEquilibrium([pilot, { ...pilot, end: deeper }])).toThrow(RangeError);
  });
});

describe('the distance between fan-ins', () => {
  test('compares shapes, whatever the order and the scale', () => {
    expect(fanInDistance([1, 2, 3], [2, 2, 2])).toBeCloseTo(1 / 3, 14);
    expect(fanInDistance([1, 2, 3], [30, 10, 20])).toBeCloseTo(0, 14);
  });
});

describe('a matched mask', () => {
  const widths = [784, 256, 128, 10];
  const network = { widths, sparsity: 0.9, rule: 'erk' } as const;

  test('has the fitted fan-in at the budgets of the arm it is compared with', () => {
    const equilibrium = equilibriumOf([0.45, 0.4]);
    const matched = fanInSummary(makeMatchedMask({ ...network, equilibrium, seed: 4 }));
    const erk = makeMask({ ...network, profile: { family: 'uniform' }, seed: 4 });
    if ('infeasible' in erk) throw new Error('infeasible');
    expect(matched.layers.map((layer) => layer.connections)).toEqual(
      fanInSummary(erk.mask).layers.map((layer) => layer.connections),
    );
    for (const [layer, sigma] of [0.45, 0.4].entries()) {
      const { inputs, outputs, connections, fanIn } = matched.layers[layer]!;
      const profile = fanInBySigma(sigma, { inputs, outputs, connections });
      expect([...fanIn].sort((a, b) => a - b)).toEqual([...profile]);
    }
    expect(matched.layers[2]!.density).toBe(1);
  });

  test('of constant equilibrium is the mask of CV 0', () => {
    const seed = 4;
    const matched = makeMatchedMask({ ...network, equilibrium: equilibriumOf([0, 0]), seed });
    const constant = makeMask({ ...network, profile: { family: 'lognormal', cv: 0 }, seed });
    expect({ mask: matched }).toEqual(constant);
  });

  test('of another depth is refused', () => {
    expect(() =>
      makeMatchedMask({ ...network, equilibrium: equilibriumOf([0.4]), seed: 0 }),
    ).toThrow(RangeError);
  });
});

/** A network with one hidden layer of this fan-in and an output neuron. */
function summary(fanIn: readonly number[], inputs = 4): FanInSummary {
  return fanInSummary([
    layerFromFanIn(fanIn, inputs, stream(0, 'test')),
    denseLayer(fanIn.length, 1),
  ]);
}

function equilibriumOf(sigmas: readonly number[]): Equilibrium {
  const rest = { neurons: 1, mu: 0, cvFit: 0, cv: 0, zeroFraction: 0, noiseFloor: null, moved: 0 };
  return { runs: 1, layers: sigmas.map((sigma) => ({ ...rest, sigma })) };
}
