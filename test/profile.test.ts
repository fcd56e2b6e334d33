import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ShapedFamily, shapedFamilies } from '../src/sparse/family.ts';
import { coefficientOfVariation } from '../src/sparse/fan-in.ts';
import {
  constantFanIn,
  cvBound,
  type FanInProfile,
  fanInByCv,
  fanInBySigma,
  type LayerSize,
  maximumCv,
} from '../src/sparse/profile.ts';

/** 784 inputs, 256 neurons, density 0.1: a layer that an independent implementation was run on. */
const probe: LayerSize = { inputs: 784, outputs: 256, connections: 20070 };

type Vector = readonly [theta: number, least: number, median: number, most: number];

/** In that layer: theta and fan-in (least, median, most) at CV 0.5, 1 and 2. */
const VECTORS: readonly { family: ShapedFamily; rows: readonly Vector[] }[] = [
  vectors('power', [0.8087, 1, 81, 142], [2.421, 1, 50, 267], [8.578, 1, 2, 735]),
  vectors('exponential', [1.777, 28, 69, 167], [3.831, 7, 45, 305], [10.06, 1, 5, 771]),
  vectors('half-gaussian', [2.094, 17, 79, 133], [6.282, 1, 46, 222], [40.45, 1, 1, 558]),
  vectors('raised-cosine', [0.5296, 1, 87, 125], [2.16, 1, 48, 216], [16.02, 1, 1, 556]),
  vectors('lorentzian', [4.349, 27, 69, 146], [22.59, 12, 41, 273], [205.9, 4, 14, 749]),
  vectors('logistic', [0.2524, 1, 104, 105], [0.5598, 1, 41, 178], [0.8794, 1, 1, 571]),
  vectors('logarithmic', [0.4773, 5, 74, 212], [1.008, 1, 54, 495], [2.349, 1, 14, 784]),
  vectors('tanh-exponential', [0.7369, 34, 68, 139], [1.854, 6, 37, 224], [12.65, 1, 1, 608]),
  vectors('lognormal', [0.4766, 18, 70, 277], [0.8567, 5, 54, 646], [1.906, 1, 18, 784]),
  vectors('power-law', [0.3365, 52, 66, 426], [0.5443, 37, 54, 784], [1.254, 10, 23, 784]),
];

function vectors(family: ShapedFamily, low: Vector, one: Vector, two: Vector) {
  return { family, rows: [low, one, two] };
}

/** The CV of the most unequal fan-in that a layer can have: as many full neurons as the budget has, the rest with one. */
function mostUnequal({ inputs, outputs, connections }: LayerSize): number {
  const spare = connections - outputs;
  const full = Math.floor(spare / (inputs - 1));
  const fanIn = Array.from({ length: outputs }, (_, o) => (o < full ? inputs : 1));
  fanIn[full]! += spare - full * (inputs - 1);
  return coefficientOfVariation(fanIn);
}

describe('fan-in of every family', () => {
  test.each(VECTORS)('$family is as found independently', ({ family, rows }) => {
    for (const [index, [theta, least, median, most]] of rows.entries()) {
      const cv = [0.5, 1, 2][index]!;
      const found = feasible(family, cv, probe);
      const { fanIn } = found;
      // Four digits were printed. A theta within the tolerance of CV moves its last digit.
      expect(Math.abs(found.theta / theta - 1)).toBeLessThan(1e-3);
      expect([fanIn[0], (fanIn[127]! + fanIn[128]!) / 2, fanIn[255]]).toEqual([
        least,
        expect.closeTo(median, -0.31),
        most,
      ]);
      expect(Math.abs(found.cv - cv)).toBeLessThan(0.001);
    }
  });

  test.each([
    probe,
    { inputs: 512, outputs: 256, connections: 26_214 },
    { inputs: 54, outputs: 256, connections: 1777 },
  ])('of a layer of $inputs x $outputs has no CV above what is told, and that one', (size) => {
    for (const family of shapedFamilies) {
      const most = maximumCv(family, size);
      expect(most).toBeLessThanOrEqual(mostUnequal(size) + 1e-12);
      // A lorentzian steepens to (1-u)^-2 and a logistic step to e^(20u), all others without end.
      const limited = family === 'lorentzian' || family === 'logistic';
      if (!limited) expect(most).toBeGreaterThan(0.99 * mostUnequal(size));
      expect(feasible(family, most, size).cv).toBeCloseTo(most, 2);
      expect(fanInByCv(family, most + 0.02, size)).toMatchObject({
        infeasible: { maximumCv: most },
      });
    }
  });

  test('has the continuous CV of its closed form where there are many neurons and no clamps', () => {
    const size = { inputs: 1_000_000, outputs: 1500, connections: 15_000_000 };
    const coth = (x: number) => 1 / Math.tanh(x);
    const forms: readonly [ShapedFamily, (theta: number) => number][] = [
      ['power', (p) => p / Math.sqrt(2 * p + 1)],
      ['exponential', (k) => Math.sqrt((k / 2) * coth(k / 2) - 1)],
      ['lognormal', (sigma) => Math.sqrt(Math.exp(sigma * sigma) - 1)],
      ['power-law', (s) => 1 / Math.sqrt((1 / s) * (1 / s - 2))],
    ];
    for (const [family, form] of forms) {
      const { theta, cv } = feasible(family, 0.3, size);
      expect(Math.abs(form(theta) - cv)).toBeLessThan(0.01);
    }
  });

  test('keeps budget, bounds and order whatever the layer, and its CV within 0.01', () => {
    const families = fc.constantFrom(...shapedFamilies);
    fc.assert(
      fc.property(
        families,
        layers,
        fc.double({ min: 0, max: 4, noNaN: true }),
        (family, size, cv) => {
          const found = fanInByCv(family, cv, size);
          if ('infeasible' in found) {
            expect(found.infeasible.maximumCv).toBeLessThanOrEqual(bound(size) + 1e-9);
            expect(found.infeasible.cv).toBe(cv);
            return;
          }
          expectWellFormed(found.fanIn, size);
          expect(found.cv).toBe(coefficientOfVariation(found.fanIn));
          if (cv > 0) expect(Math.abs(found.cv - cv)).toBeLessThanOrEqual(0.01);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('of CV 0 is constant in every family', () => {
    const constant = [...constantFanIn(probe)];
    expect(constant[255]! - constant[0]!).toBe(1);
    for (const family of shapedFamilies) {
      expect([...feasible(family, 0, probe).fanIn]).toEqual(constant);
    }
  });

  test.each([0.8, 0.9, 0.99, 0.999])(
    'at sparsity %d it is exact, or infeasible for a reason',
    (sparsity) => {
      for (const [inputs, outputs] of [
        [784, 128],
        [54, 64],
      ] as const) {
        const connections = Math.round((1 - sparsity) * inputs * outputs);
        const size = { inputs, outputs, connections };
        for (const family of shapedFamilies) {
          for (const cv of [0, 1, 2.5]) {
            const found = fanInByCv(family, cv, size);
            if ('infeasible' in found) {
              const { minimumCv, maximumCv: most } = found.infeasible;
              // Few connections move CV in steps, over which a target between the two may fall.
              const few = connections < 3 * outputs;
              expect(few || cv < minimumCv || cv > most).toBe(true);
            } else expectWellFormed(found.fanIn, size);
          }
        }
      }
    },
  );
});

describe('lognormal fan-in', () => {
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
    expect('infeasible' in found && found.infeasible.maximumCv).toBeCloseTo(2.97, 2);
    expect(maximumCv('lognormal', probe)).toBeCloseTo(2.97, 2);
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
        for (const [i, k] of fanIn.entries())
          expect(Math.abs(k - naive[i]!)).toBeLessThan(1 + 1e-6);
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

function feasible(family: ShapedFamily, cv: number, size: LayerSize): FanInProfile {
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
