import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coefficientOfVariation } from '../src/sparse/fan-in.ts';
import {
  cvBound,
  type FanInProfile,
  fanInByCv,
  fanInBySigma,
  type LayerSize,
  maximumCv,
} from '../src/sparse/profile.ts';

/** 784 inputs, 256 neurons, density 0.1: a layer that an independent implementation was run on. */
const probe: LayerSize = { inputs: 784, outputs: 256, connections: 20070 };

describe('lognormal fan-in', () => {
  test.each([
    { cv: 0.5, sigma: 0.4766, least: 18, median: 70, most: 277 },
    { cv: 1, sigma: 0.8567, least: 5, median: 54, most: 646 },
    { cv: 2, sigma: 1.906, least: 1, median: 18, most: 784 },
  ])('of CV $cv has sigma $sigma, as found independently', ({ cv, sigma, least, median, most }) => {
    const { theta, fanIn, cv: achieved } = feasible('lognormal', cv, probe);
    expect(theta).toBeCloseTo(sigma, 3);
    expect([fanIn[0], fanIn[127], fanIn[255]]).toEqual([least, median, most]);
    expect(Math.abs(achieved - cv)).toBeLessThan(0.001);
  });

  test('of CV 2.5 needs sigma 3.6 and saturates 14 neurons', () => {
    const { theta, fanIn } = feasible('lognormal', 2.5, probe);
    expect(theta).toBeCloseTo(3.6, 1);
    expect(fanIn.filter((k) => k === 784)).toHaveLength(14);
  });

  test('of CV 0 is constant, with neurons one apart where the budget does not divide', () => {
    expect(feasible('lognormal', 0, { ...probe, connections: 256 * 78 }).cv).toBe(0);
    const { fanIn, theta } = feasible('lognormal', 0, probe);
    expect(theta).toBe(0);
    expect(fanIn.filter((k) => k === 78)).toHaveLength(256 - 102);
    expect(fanIn.filter((k) => k === 79)).toHaveLength(102);
  });

  test('beyond the attained maximum is infeasible, and says what the maximum is', () => {
    const found = fanInByCv('lognormal', 3, probe);
    expect('infeasible' in found && found.infeasible.cv).toBe(3);
    expect('infeasible' in found && found.infeasible.maximumCv).toBeCloseTo(2.85, 2);
    expect(maximumCv('lognormal', probe)).toBeCloseTo(2.85, 2);
  });

  test('below what whole numbers allow is infeasible, and says what the minimum is', () => {
    // With mean fan-in m = 0.78 the least CV is sqrt((1 - m) / m).
    const size = { inputs: 784, outputs: 512, connections: 401 };
    const m = 401 / 512;
    const found = fanInByCv('lognormal', 0.3, size);
    expect('infeasible' in found && found.infeasible.minimumCv).toBeCloseTo(
      Math.sqrt((1 - m) / m),
      10,
    );
  });

  test('between the steps of a tiny layer is infeasible rather than near', () => {
    // Two neurons share three connections in one way only: 1 and 2.
    const found = fanInByCv('lognormal', 0.2, { inputs: 2, outputs: 2, connections: 3 });
    expect(found).toHaveProperty('infeasible');
  });

  test('keeps budget, bounds and order whatever the layer, and its CV within 0.01', () => {
    fc.assert(
      fc.property(layers, fc.double({ min: 0, max: 4, noNaN: true }), (size, cv) => {
        const found = fanInByCv('lognormal', cv, size);
        if ('infeasible' in found) {
          expect(found.infeasible.maximumCv).toBeLessThanOrEqual(bound(size) + 1e-9);
          return;
        }
        expectWellFormed(found.fanIn, size);
        expect(found.cv).toBe(coefficientOfVariation(found.fanIn));
        if (cv > 0) expect(Math.abs(found.cv - cv)).toBeLessThanOrEqual(0.01);
      }),
      { numRuns: 60 },
    );
  });

  test('by sigma keeps budget, bounds and order whatever the layer', () => {
    fc.assert(
      fc.property(layers, fc.double({ min: 0, max: 12, noNaN: true }), (size, sigma) => {
        expectWellFormed(fanInBySigma(sigma, size), size);
      }),
    );
  });

  test('by sigma is the profile whose CV led to that sigma', () => {
    const { fanIn, theta } = feasible('lognormal', 1, probe);
    expect([...fanInBySigma(theta, probe)]).toEqual([...fanIn]);
  });

  test('water-fills like a plain bisection over every neuron', () => {
    fc.assert(
      fc.property(layers, fc.double({ min: 0, max: 6, noNaN: true }), (size, sigma) => {
        const fanIn = fanInBySigma(sigma, size);
        const naive = naiveTargets(sigma, size);
        // Largest remainder moves each target by less than one.
        for (const [i, k] of fanIn.entries()) expect(Math.abs(k - naive[i])).toBeLessThan(1 + 1e-6);
      }),
      { numRuns: 40 },
    );
  });
});

test('the closed-form bound is 2.00 at 80 % sparsity and 3.00 at 90 %', () => {
  const bounds = [0.2, 0.15, 0.1, 0.05].map((density) => cvBound(density).toFixed(2));
  expect(bounds).toEqual(['2.00', '2.38', '3.00', '4.36']);
});

test('a CV, a sigma or a budget out of range is refused', () => {
  expect(() => fanInByCv('lognormal', -1, probe)).toThrow(RangeError);
  expect(() => fanInByCv('lognormal', Number.NaN, probe)).toThrow(RangeError);
  expect(() => fanInBySigma(12.5, probe)).toThrow(RangeError);
  expect(() => fanInBySigma(-0.1, probe)).toThrow(RangeError);
  expect(() => fanInBySigma(1, { ...probe, connections: 784 * 256 + 1 })).toThrow(RangeError);
  expect(() => fanInBySigma(1, { ...probe, connections: 1.5 })).toThrow(RangeError);
});

const layers = fc
  .record({
    inputs: fc.integer({ min: 1, max: 80 }),
    outputs: fc.integer({ min: 1, max: 60 }),
    density: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ inputs, outputs, density }): LayerSize => {
    return { inputs, outputs, connections: Math.round(density * inputs * outputs) };
  });

function feasible(family: 'lognormal', cv: number, size: LayerSize): FanInProfile {
  const found = fanInByCv(family, cv, size);
  if ('infeasible' in found) throw new Error(`CV ${cv} is infeasible`);
  return found;
}

function bound({ inputs, outputs, connections }: LayerSize): number {
  return connections === 0 ? 0 : cvBound(connections / (inputs * outputs));
}

function expectWellFormed(fanIn: Int32Array, size: LayerSize): void {
  const least = size.connections >= size.outputs ? 1 : 0;
  expect(fanIn).toHaveLength(size.outputs);
  expect(fanIn.reduce((a, b) => a + b, 0)).toBe(size.connections);
  expect(fanIn[0]).toBeGreaterThanOrEqual(least);
  expect(fanIn[size.outputs - 1]).toBeLessThanOrEqual(size.inputs);
  expect([...fanIn]).toEqual([...fanIn].sort((a, b) => a - b));
}

/** Water-filling as its definition reads. */
function naiveTargets(sigma: number, { inputs, outputs, connections }: LayerSize): number[] {
  const least = connections >= outputs ? 1 : 0;
  const heights = Array.from({ length: outputs }, (_, i) =>
    Math.exp(sigma * naiveNormalQuantile((i + 0.5) / outputs)),
  );
  const targets = (c: number): number[] =>
    heights.map((height) => Math.min(inputs, Math.max(least, c * height)));
  let [low, high] = [0, 1e60];
  for (let halving = 0; halving < 400; halving++) {
    const middle = (low + high) / 2;
    if (targets(middle).reduce((a, b) => a + b, 0) < connections) low = middle;
    else high = middle;
  }
  return targets(high);
}

/** Bisection on the cdf, integrated by Simpson's rule: slow, and independent of @stdlib. */
function naiveNormalQuantile(u: number): number {
  if (u < 0.5) return -naiveNormalQuantile(1 - u);
  const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  const cdf = (x: number): number => {
    const panels = 64;
    const step = x / panels;
    let area = density(0) + density(x);
    for (let p = 1; p < panels; p++) area += density(p * step) * (p % 2 === 1 ? 4 : 2);
    return 0.5 + (area * step) / 3;
  };
  let [low, high] = [0, 9];
  for (let halving = 0; halving < 50; halving++) {
    const middle = (low + high) / 2;
    if (cdf(middle) < u) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
