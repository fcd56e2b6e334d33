import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { convergenceOf, type RewiredRun } from '../src/sparse/convergence.ts';
import { fanInDistance, fanInShape, jaccard, kolmogorovSmirnov } from '../src/sparse/distance.ts';
import { denseLayer, layerFromFanIn } from '../src/sparse/wiring.ts';
import { stream } from '../src/stats/stream.ts';

describe('the way of rewired runs to a reference', () => {
  const references = [
    {
      task: 'ref[0]',
      fanIn: [
        [
          [2, 2],
          [1, 3],
        ],
      ],
    },
    {
      task: 'ref[1]',
      fanIn: [
        [
          [2, 2],
          [2, 2],
        ],
      ],
    },
  ];

  test('by hand', () => {
    const runs = [
      run(
        'a',
        [
          [0, 4],
          [1, 3],
          [2, 2],
        ],
        0.5,
      ),
      run(
        'b',
        [
          [0, 4],
          [0, 4],
          [1, 3],
        ],
        1,
      ),
    ];
    const [layer, ...more] = convergenceOf(runs, references);
    expect(more).toEqual([]);
    // W1 to {1, 3} and {2, 2}: from {0, 4} 0.5 and 1, from {1, 3} 0 and 0.5, from {2, 2} 0.5 and 0.
    expect(layer!.runs.map(({ w1Start, w1End }) => [w1Start, w1End])).toEqual([
      [0.75, 0.25],
      [0.75, 0.25],
    ]);
    expect(layer!.contraction).toBeCloseTo(1 / 3, 14);
    expect(layer!.runs.map(({ cvStart, cvEnd }) => [cvStart, cvEnd])).toEqual([
      [1, 0],
      [1, 0.5],
    ]);
    expect(layer).toMatchObject({ layer: 0, neurons: 2, n: 2, references: 2, cvEnd: 0.25 });
    expect(layer!.noiseFloor).toEqual({ mean: 0.5, min: 0.5, max: 0.5, pairs: [0.5] });
    // Half of four connections kept: 2 shared of 6 in all; all kept: 1.
    expect(layer!.runs.map(({ jaccardInitial }) => jaccardInitial)).toEqual([0.5 / 1.5, 1]);
    expect(layer!.curve.map(({ step, w1 }) => [step, w1])).toEqual([
      [0, 0.75],
      [100, 0.5],
      [200, 0.25],
    ]);
    expect(layer!.curve[1]!.contraction).toBeCloseTo((0.25 / 0.75 + 1) / 2, 14);
    // {2, 2} against {1, 3} differs by a half; {1, 3} against {2, 2} as well; the others not at all.
    expect(layer!.ks).toBeCloseTo(0.25, 14);
    expect(layer!.fit).toMatchObject({ neurons: 4, zeroFraction: 0, discrete: true });
    expect(JSON.parse(JSON.stringify(layer))).toEqual(layer);
  });

  test('leaves a run out of its own reference, and has no floor from a single one', () => {
    const own = run(
      'ref[0]',
      [
        [2, 2],
        [1, 3],
      ],
      1,
    );
    const [layer] = convergenceOf([own], references);
    expect(layer!.w1End).toBe(0.5);
    expect(convergenceOf([run('a', [[1, 3]], 1)], references.slice(1))[0]!.noiseFloor).toBeNull();
    expect(() => convergenceOf([own], references.slice(0, 1))).toThrow('no other run');
  });

  test('that starts at the reference has no contraction', () => {
    const [layer] = convergenceOf(
      [
        run(
          'a',
          [
            [2, 2],
            [1, 3],
          ],
          1,
        ),
      ],
      references.slice(1),
    );
    expect(layer).toMatchObject({ w1Start: 0, contraction: null });
  });

  test('tells how alike the final masks are, beside what chance gives', () => {
    const runs = [run('a', [[2, 2]], 1), run('b', [[2, 2]], 1)];
    const [layer] = convergenceOf(runs, references);
    expect(layer!.jaccardSeeds).toBe(jaccard(runs[0]!.mask[0]!, runs[1]!.mask[0]!));
    expect(layer!.jaccardChance).toBeCloseTo(0.5 / 1.5, 14);
  });
});

/** A run of one hidden layer of two neurons and four inputs, after each of its records of fan-in. */
function run(task: string, records: readonly (readonly number[])[], overlap: number): RewiredRun {
  const end = records[records.length - 1]!;
  return {
    task,
    seed: task,
    steps: records.map((_, u) => u * 100),
    fanIn: [records],
    mask: [layerFromFanIn(end, 4, stream(0, 'test', task)), denseLayer(2, 2)],
    overlap: [overlap, 1],
  };
}

describe('distances', () => {
  const counts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });

  test('Kolmogorov-Smirnov is the greatest gap between empirical distributions', () => {
    fc.assert(
      fc.property(counts, counts, (a, b) => {
        const relative = (values: readonly number[]) => {
          const mean = values.reduce((x, y) => x + y) / values.length;
          return values.map((value) => value / mean);
        };
        const [first, second] = [relative(a), relative(b)];
        const below = (values: readonly number[], x: number) =>
          values.filter((value) => value <= x).length / values.length;
        const gaps = [...first, ...second].map((x) => Math.abs(below(first, x) - below(second, x)));
        expect(kolmogorovSmirnov(fanInShape(a), fanInShape(b))).toBeCloseTo(Math.max(...gaps), 12);
      }),
    );
  });

  test('W1 is 0 to itself, the same both ways, and no longer than a detour', () => {
    const triples = fc.integer({ min: 1, max: 12 }).chain((n) => {
      const vector = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: n, maxLength: n });
      return fc.tuple(vector, vector, vector);
    });
    fc.assert(
      fc.property(triples, ([a, b, c]) => {
        expect(fanInDistance(a, a)).toBe(0);
        expect(fanInDistance(a, b)).toBeCloseTo(fanInDistance(b, a), 12);
        const detour = fanInDistance(a, b) + fanInDistance(b, c);
        expect(fanInDistance(a, c)).toBeLessThanOrEqual(detour + 1e-12);
      }),
    );
  });

  test('Jaccard is 1 for equal masks, 0 for masks without a common connection', () => {
    const left = { inputs: 4, outputs: 1, rows: Int32Array.of(0, 2), columns: Int32Array.of(0, 1) };
    const right = { ...left, columns: Int32Array.of(2, 3) };
    expect([jaccard(left, left), jaccard(left, right)]).toEqual([1, 0]);
    expect(jaccard(left, { ...left, columns: Int32Array.of(1, 2) })).toBeCloseTo(1 / 3, 14);
  });
});
