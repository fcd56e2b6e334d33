import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fanInSummary } from '../src/sparse/fan-in.ts';
import {
  isDense,
  type LayerMask,
  type Mask,
  maskFromTensors,
  maskToTensors,
} from '../src/sparse/mask.ts';
import {
  denseLayer,
  describeInfeasible,
  layerFromFanIn,
  type MaskPlan,
  makeMask,
} from '../src/sparse/wiring.ts';
import { stream } from '../src/stats/stream.ts';
import { decodeSafetensors, encodeSafetensors, type Tensor } from '../src/tensor.ts';

const plan = {
  widths: [784, 512, 256, 10],
  sparsity: 0.9,
  rule: 'uniform',
  profile: { family: 'lognormal', cv: 1 },
} as const satisfies MaskPlan;

describe('a mask', () => {
  test('has the same bits on every machine', () => {
    expect(digest(drawn({ ...plan, seed: 3 }))).toBe(
      '1fc46820832188d37a041dd5a41edd804bd1d207273cf87015fd5fec6638bb7b',
    );
    expect(digest(drawn({ ...plan, profile: { family: 'uniform' }, seed: 3 }))).toBe(
      '0af4109c49a9d0338a5c1c9903b6a0f9560d4111df0e237715f12e20335f9cce',
    );
  });

  test('has its budgets, its CV and a dense output layer', () => {
    const { layers, hiddenSparsity } = fanInSummary(drawn({ ...plan, seed: 0 }));
    expect(layers.map((layer) => layer.connections)).toEqual([40141, 13107, 2560]);
    expect(hiddenSparsity).toBeCloseTo(0.9, 5);
    expect(layers[0]!.cv).toBeCloseTo(1, 2);
    expect(layers[1]!.cv).toBeCloseTo(1, 2);
    expect(layers[2]!.density).toBe(1);
  });

  test('places its hubs by the seed: the same fan-in, on other neurons', () => {
    const [a, b] = [0, 1].map((seed) => fanInSummary(drawn({ ...plan, seed })).layers[0]!.fanIn);
    expect(a).not.toEqual(b);
    expect(ascending(a!)).toEqual(ascending(b!));
  });

  test('does not change in one layer when another layer changes', () => {
    const deeper = drawn({ ...plan, widths: [784, 512, 100, 10], seed: 0 });
    expect(deeper[0]).toEqual(drawn({ ...plan, seed: 0 })[0]);
  });

  test('of the uniform profile has the fan-in of random positions', () => {
    const cvs = Array.from({ length: 20 }, (_, seed) => {
      const mask = drawn({ ...plan, profile: { family: 'uniform' }, seed });
      return fanInSummary(mask).layers[0]!.cv;
    });
    // Hypergeometric: variance of fan-in = K d (1 - d) (n - 1) / n * N / (N - 1), for N = 784 * 512
    // positions.
    const [d, n] = [40141 / (784 * 512), 512];
    const expected = Math.sqrt(784 * d * (1 - d) * ((n - 1) / n)) / (784 * d);
    const average = cvs.reduce((a, b) => a + b, 0) / cvs.length;
    expect(Math.abs(average - expected)).toBeLessThan(0.003);
  });

  test('of the dense profile has every connection, whatever the sparsity', () => {
    const mask = drawn({ ...plan, profile: { family: 'dense' }, seed: 0 });
    expect(mask.every(isDense)).toBe(true);
  });

  test('is well-formed whatever the plan, or infeasible', () => {
    fc.assert(
      fc.property(plans, fc.integer(), (some, seed) => {
        const result = makeMask({ ...some, seed });
        if ('infeasible' in result) {
          // A hidden layer, and never for CV 0, which every layer can have.
          expect(result.infeasible.layer).toBeLessThan(some.widths.length - 2);
          expect(result.infeasible.cv).toBeGreaterThan(0);
          return;
        }
        result.mask.forEach(expectWellFormed);
        expect(maskFromTensors(maskToTensors(result.mask))).toEqual(result.mask);
      }),
      { numRuns: 60 },
    );
  });

  test('that cannot be is a value that names the layer and its maximum', () => {
    const result = makeMask({ ...plan, profile: { family: 'lognormal', cv: 3.2 }, seed: 0 });
    if (!('infeasible' in result)) throw new Error('feasible');
    expect(result.infeasible.layer).toBe(0);
    expect(describeInfeasible(result.infeasible)).toBe(
      'CV 3.2 is infeasible for lognormal in hidden layer 1 (784x512, 40141 connections): ' +
        'at most CV 2.97',
    );
  });

  test('without room for a CV is not made dense in silence', () => {
    const full = { ...plan, sparsity: 0, seed: 0 };
    expect(makeMask(full)).toMatchObject({ infeasible: { layer: 0, maximumCv: 0 } });
  });
});

describe('a layer drawn from fan-in', () => {
  test('has that fan-in, in that order, with distinct ascending inputs', () => {
    const fanIn = [0, 7, 3, 7, 1];
    const layer = layerFromFanIn(fanIn, 7, stream(1, 'test'));
    expectWellFormed(layer);
    expect(fanIn.map((_, o) => layer.rows[o + 1]! - layer.rows[o]!)).toEqual(fanIn);
  });

  test('takes every input equally often', () => {
    const layer = layerFromFanIn(new Array(20_000).fill(3), 10, stream(2, 'test'));
    const fanOut = new Array(10).fill(0);
    for (const column of layer.columns) fanOut[column]++;
    // 6000 expected, SD sqrt(20000 * .3 * .7) = 65.
    for (const count of fanOut) expect(Math.abs(count - 6000)).toBeLessThan(65 * 4);
  });
});

describe('mask tensors', () => {
  test('carry the names and the order of torch CSR', () => {
    const layer = denseLayer(3, 2);
    const { tensors } = maskToTensors([layer]);
    expect(tensors).toEqual({
      'layers.0.crow_indices': { shape: [3], data: Int32Array.of(0, 3, 6) },
      'layers.0.col_indices': { shape: [6], data: Int32Array.of(0, 1, 2, 0, 1, 2) },
      'layers.0.size': { shape: [2], data: Int32Array.of(2, 3) },
    });
  });

  test('survive a safetensors file', () => {
    const mask = drawn({ ...plan, seed: 5 });
    const file = decodeSafetensors(encodeSafetensors(maskToTensors(mask)));
    expect(maskFromTensors(file)).toEqual(mask);
  });

  test('may lie beside weights', () => {
    const { tensors, metadata } = maskToTensors([denseLayer(3, 2)]);
    const weights: Tensor = { shape: [6], data: new Float32Array(6) };
    const file = { tensors: { ...tensors, 'layers.0.weight': weights }, metadata };
    expect(maskFromTensors(file)).toEqual([denseLayer(3, 2)]);
  });

  test.each([
    { fault: 'rows that do not start at 0', part: 'crow_indices', data: [1, 3, 6] },
    { fault: 'rows that go back', part: 'crow_indices', data: [0, 7, 6] },
    { fault: 'rows that end too early', part: 'crow_indices', data: [0, 3, 5] },
    { fault: 'a row missing', part: 'crow_indices', data: [0, 6] },
    { fault: 'an input twice', part: 'col_indices', data: [0, 1, 1, 0, 1, 2] },
    { fault: 'inputs out of order', part: 'col_indices', data: [0, 2, 1, 0, 1, 2] },
    { fault: 'an input beyond the last', part: 'col_indices', data: [0, 1, 3, 0, 1, 2] },
    { fault: 'a negative input', part: 'col_indices', data: [-1, 1, 2, 0, 1, 2] },
    { fault: 'no outputs', part: 'size', data: [0, 3] },
    { fault: 'negative inputs', part: 'size', data: [2, -3] },
    { fault: 'a size of three', part: 'size', data: [2, 3, 1] },
  ])('with $fault are refused', ({ part, data }) => {
    const { tensors, metadata } = maskToTensors([denseLayer(3, 2)]);
    const tensor = { shape: [data.length], data: Int32Array.from(data) };
    const file = { tensors: { ...tensors, [`layers.0.${part}`]: tensor }, metadata };
    expect(() => maskFromTensors(file)).toThrow(RangeError);
  });

  test('of another type, with a layer missing or layers that do not fit are refused', () => {
    const { tensors, metadata } = maskToTensors([denseLayer(3, 2), denseLayer(2, 2)]);
    const refused = (changed: { [name: string]: Tensor | undefined }): void => {
      const kept = Object.entries({ ...tensors, ...changed }).filter(([, tensor]) => tensor);
      const file = { tensors: Object.fromEntries(kept) as { [name: string]: Tensor }, metadata };
      expect(() => maskFromTensors(file)).toThrow(RangeError);
    };
    refused({ 'layers.0.size': undefined });
    refused({ 'layers.0.col_indices': undefined });
    refused({ 'layers.0.col_indices': { shape: [6], data: new Float32Array(6) } });
    refused({ 'layers.0.size': undefined, 'layers.1.size': undefined });
    expect(() => maskFromTensors(maskToTensors([denseLayer(3, 2), denseLayer(3, 2)]))).toThrow(
      RangeError,
    );
  });
});

const plans = fc.record({
  widths: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2, maxLength: 4 }),
  sparsity: fc.double({ min: 0, max: 0.99, noNaN: true }),
  rule: fc.constantFrom('uniform', 'erk'),
  profile: fc.oneof(
    fc.constant({ family: 'dense' } as const),
    fc.constant({ family: 'uniform' } as const),
    fc.record({ family: fc.constant('lognormal' as const), cv: fc.constantFrom(0, 0.5, 1, 2) }),
  ),
});

function drawn(some: MaskPlan & { readonly seed: number }): Mask {
  const result = makeMask(some);
  if ('infeasible' in result) throw new Error(describeInfeasible(result.infeasible));
  return result.mask;
}

const digest = (mask: Mask): string =>
  createHash('sha256')
    .update(encodeSafetensors(maskToTensors(mask)))
    .digest('hex');

const ascending = (counts: readonly number[]): number[] => [...counts].sort((a, b) => a - b);

function expectWellFormed({ inputs, outputs, rows, columns }: LayerMask): void {
  expect(rows).toHaveLength(outputs + 1);
  expect([rows[0], rows[outputs]]).toEqual([0, columns.length]);
  for (let o = 0; o < outputs; o++) {
    const row = [...columns.subarray(rows[o], rows[o + 1])];
    expect(row).toEqual(ascending([...new Set(row)]));
    expect(row.every((column) => column >= 0 && column < inputs)).toBe(true);
  }
}
