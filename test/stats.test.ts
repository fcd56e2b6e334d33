import padjust from '@stdlib/stats-padjust';
import pcorrtest from '@stdlib/stats-pcorrtest';
import ttest from '@stdlib/stats-ttest';
import ttest2 from '@stdlib/stats-ttest2';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fanInShape, kolmogorovSmirnov, shapeDistance } from '../src/sparse/distance.ts';
import { fitFanIn } from '../src/sparse/fit.ts';
import { bootstrapInterval } from '../src/stats/bootstrap.ts';
import { pearson, pearsonR, ranks, spearman } from '../src/stats/correlation.ts';
import { effectSizes, pairedEffectSizes } from '../src/stats/effect-size.ts';
import { equivalence } from '../src/stats/equivalence.ts';
import { holm } from '../src/stats/holm.ts';
import { noncentralTCdf, powerOfTwoSamples, sampleSizeFor } from '../src/stats/power.ts';
import { stream } from '../src/stats/stream.ts';
import { mean, quantile, sampleSd, summarise } from '../src/stats/summary.ts';
import { meanInterval, paired, student, welch } from '../src/stats/t-test.ts';

/** The oracle pair of samples: accuracies in percent. */
const a = [89.31, 89.02, 89.44, 89.27, 89.18, 89.36, 89.22, 89.4, 89.1, 89.29];
const b = [89.12, 88.95, 89.3, 89.05, 89.07, 89.21, 89.01, 89.25, 89.02, 89.08];

const reals = fc.double({ min: -100, max: 100, noNaN: true, noDefaultInfinity: true });
/** Samples that vary, so that @stdlib's tests are defined. */
const sample = fc
  .array(reals, { minLength: 3, maxLength: 20 })
  .map((values) => values.map((value) => Math.round(value * 1000) / 1000))
  .filter((values) => Math.max(...values) - Math.min(...values) > 0.5);

describe('t tests', () => {
  test('give the published values of the oracle samples', () => {
    const pairs = paired(a, b);
    expect(pairs.statistic).toBeCloseTo(8.897956, 6);
    expect(pairs.df).toBe(9);
    expect(pairs.p).toBeCloseTo(9.37193e-6, 10);
    expect(pairs.ci?.[0]).toBeCloseTo(0.114102, 6);
    expect(pairs.ci?.[1]).toBeCloseTo(0.191898, 6);
    const two = welch(a, b);
    expect(two.statistic).toBeCloseTo(2.782431, 6);
    expect(two.df).toBeCloseTo(17.595702, 6);
    expect(two.p).toBeCloseTo(0.01247636, 8);
    expect(two.ci?.[0]).toBeCloseTo(0.037284, 6);
    expect(two.ci?.[1]).toBeCloseTo(0.268716, 6);
    expect(student(a, b).p).toBeCloseTo(0.01229049, 8);
  });

  test('agree with @stdlib on any samples', () => {
    fc.assert(
      fc.property(sample, sample, (x, y) => {
        const pairs = [
          [welch(x, y), ttest2(x, y)],
          [student(x, y), ttest2(x, y, { variance: 'equal' })],
        ] as const;
        for (const [ours, theirs] of pairs) {
          expect(ours.statistic).toBeCloseTo(theirs.statistic, 8);
          expect(ours.df).toBeCloseTo(theirs.df, 8);
          expect(ours.p).toBeCloseTo(theirs.pValue, 8);
          expect(ours.ci?.[0]).toBeCloseTo(theirs.ci[0]!, 6);
          expect(ours.ci?.[1]).toBeCloseTo(theirs.ci[1]!, 6);
        }
      }),
      { numRuns: 50 },
    );
    const [x, y] = [a.slice(0, 6), b.slice(2, 8)];
    expect(paired(x, y).p).toBeCloseTo(ttest(x, y).pValue, 10);
  });

  test('say why there is none: a single seed, arms that do not vary', () => {
    expect(welch([1], [2, 3])).toMatchObject({ difference: -1.5, p: null, ci: null });
    expect(welch([1], [2, 3]).reason).toMatch(/single observation/);
    expect(welch([1, 1], [1, 1])).toMatchObject({ difference: 0, p: 1, ci: [0, 0] });
    expect(welch([2, 2], [1, 1])).toMatchObject({ difference: 1, p: null, statistic: null });
    expect(student([2, 2], [1, 1]).reason).toMatch(/neither arm varies/);
    expect(paired([2, 3], [1, 2])).toMatchObject({ difference: 1, p: null });
    expect(() => paired([1], [1, 2])).toThrow(RangeError);
    // One arm that varies is enough.
    expect(welch([1, 1, 1], [1, 2, 3]).df).toBeCloseTo(2, 12);
  });
});

describe('numbers that are equal but for rounding', () => {
  const third = Array.from({ length: 7 }, () => 0.1 * 3);
  // Summed in another order, 0.1 * 3 is 0.3 less its last bit.
  const equal = third.map((x, i) => (i % 2 === 0 ? x : 0.3));

  test('have no SD', () => {
    for (const values of [third, equal, [1e9, 1e9], [-89.31, -89.31, -89.31], [0, 0]]) {
      expect(sampleSd(values)).toBe(0);
    }
    // A spread that is small and real stays.
    expect(sampleSd([1, 1 + 1e-9])).toBeCloseTo(7.07e-10, 11);
    expect(sampleSd([0, 1e-100])).toBeGreaterThan(0);
  });

  test('are no evidence, and have no effect size and no correlation', () => {
    const shifted = equal.map((x) => x + 0.1);
    expect(welch(equal, third)).toMatchObject({ difference: 0, p: 1, ci: [0, 0] });
    expect(welch(shifted, equal)).toMatchObject({ p: null, statistic: null });
    expect(paired(shifted, equal)).toMatchObject({ p: null, statistic: null });
    expect(paired(equal, third)).toMatchObject({ difference: 0, p: 1 });
    expect(effectSizes(shifted, equal)).toEqual({ d: null, dDdof0: null, g: null });
    expect(pairedEffectSizes(shifted, equal).dz).toBeNull();
    expect(pearson([1, 2, 3, 4, 5, 6, 7], equal)).toMatchObject({ r: null, p: null });
    expect(meanInterval(equal).ci?.[0]).toBeCloseTo(0.3, 12);
  });

  test('never give a t above 1e9, whatever the numbers', () => {
    const number = fc.double({ min: -1e3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(number, number, fc.integer({ min: 2, max: 12 }), (x, step, n) => {
        const a = Array.from({ length: n }, () => x);
        const b = a.map((value) => value + step - step);
        for (const { statistic, p } of [welch(a, b), paired(a, b), student(a, b)]) {
          expect(Math.abs(statistic ?? 0)).toBeLessThan(1e9);
          expect(p ?? 1).toBeGreaterThan(1e-30);
        }
      }),
    );
  });
});

test('NaN and Infinity are an error in every test, not a result', () => {
  const good = [1, 2, 3, 4];
  const calls: readonly ((bad: readonly number[]) => unknown)[] = [
    (bad) => mean(bad),
    (bad) => sampleSd(bad),
    (bad) => quantile(bad, 0.5),
    (bad) => summarise(bad),
    (bad) => welch(bad, good),
    (bad) => welch(good, bad),
    (bad) => student(bad, good),
    (bad) => paired(bad, good),
    (bad) => paired(good, bad),
    (bad) => meanInterval(bad),
    (bad) => equivalence(bad, good, { margin: 1 }),
    (bad) => effectSizes(good, bad),
    (bad) => pairedEffectSizes(bad, good),
    (bad) => pearson(bad, good),
    (bad) => pearsonR(good, bad),
    (bad) => spearman(bad, good),
    (bad) => spearman(good, bad),
    (bad) => ranks(bad),
    (bad) => bootstrapInterval([bad], ([x]) => x!.reduce((a, b) => a + b), { random: stream(1) }),
    (bad) => holm(bad.map((p) => p / 5)),
    (bad) => bad.map((d) => powerOfTwoSamples(d, 10)),
    (bad) => fanInShape(bad),
    (bad) => kolmogorovSmirnov(Float64Array.from(bad), Float64Array.from(good)),
    (bad) => shapeDistance(Float64Array.from(bad), Float64Array.from(good)),
    (bad) => fitFanIn(bad, 9),
  ];
  for (const call of calls) {
    call(good);
    for (const i of [0, 3]) expect(() => call(good.with(i, Number.NaN))).toThrow(RangeError);
  }
  expect(() => pearson([1], [Number.NaN])).toThrow(RangeError);
  expect(() => welch([1, Number.POSITIVE_INFINITY], good)).toThrow(RangeError);
  expect(() => holm([1.5])).toThrow(RangeError);
});

describe('effect sizes', () => {
  test('follow their definitions', () => {
    const { d, dDdof0, g } = effectSizes([2, 4, 6], [1, 3, 5]);
    expect(d).toBeCloseTo(0.5, 12);
    expect(dDdof0).toBeCloseTo(1 / Math.sqrt(8 / 3), 12);
    expect(g).toBeCloseTo(0.5 * (1 - 3 / 15), 12);
    const { dz, dav } = pairedEffectSizes([2, 4, 7], [1, 3, 5]);
    expect(dz).toBeCloseTo(4 / 3 / Math.sqrt(1 / 3), 12);
    expect(dav).toBeCloseTo(4 / 3 / ((Math.sqrt(19 / 3) + 2) / 2), 12);
  });

  test("the paper's p and ddof-0 d fit ten seeds an arm", () => {
    // Two samples of ten with d (ddof 0) = 1.07: p is about 0.036.
    const shape = [-1.5, -1, -0.7, -0.4, -0.1, 0.1, 0.4, 0.7, 1, 1.5];
    const spread = Math.sqrt(mean(shape.map((x) => x * x)));
    const unit = shape.map((x) => x / spread);
    const raised = unit.map((x) => x + 1.07);
    expect(effectSizes(raised, unit).dDdof0).toBeCloseTo(1.07, 10);
    expect(student(raised, unit).p).toBeCloseTo(0.0356, 3);
  });

  test('are null where nothing varies or an arm has one value', () => {
    const none = { d: null, dDdof0: null, g: null };
    expect(effectSizes([1, 1], [2, 2])).toEqual(none);
    expect(effectSizes([1], [2, 3])).toEqual(none);
    expect(pairedEffectSizes([2, 3], [1, 2]).dz).toBeNull();
  });
});

describe('equivalence', () => {
  test('holds when the 90 % interval lies within the margin, and only then', () => {
    fc.assert(
      fc.property(
        sample,
        sample,
        fc.double({ min: 0.1, max: 100, noNaN: true }),
        (x, y, margin) => {
          const { ci, equivalent } = equivalence(x, y, { margin });
          const [low, high] = ci ?? [0, 0];
          const slack = Math.min(Math.abs(low + margin), Math.abs(high - margin));
          fc.pre(slack > 1e-6);
          expect(equivalent).toBe(low > -margin && high < margin);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('is not shown by a difference that is merely not significant', () => {
    const [x, y] = [
      [1, 9, 5],
      [2, 8, 6],
    ];
    expect(welch(x, y).p).toBeGreaterThan(0.5);
    expect(equivalence(x, y, { margin: 1 }).equivalent).toBe(false);
  });

  test('compares arms that do not vary as they are, and one value not at all', () => {
    expect(equivalence([1, 1], [1.1, 1.1], { margin: 0.2 }).equivalent).toBe(true);
    expect(equivalence([1, 1], [1.3, 1.3], { margin: 0.2 }).equivalent).toBe(false);
    expect(equivalence([1], [1, 1], { margin: 5 })).toMatchObject({ p: null, equivalent: false });
    expect(() => equivalence([1, 1], [1, 1], { margin: 0 })).toThrow(RangeError);
  });
});

describe("Holm's adjustment", () => {
  test('gives the oracle values and agrees with @stdlib', () => {
    const adjusted = holm([0.036, 0.01, 0.2, 0.04]);
    [0.108, 0.04, 0.2, 0.108].forEach((p, i) => {
      expect(adjusted[i]).toBeCloseTo(p, 12);
    });
    const p = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(p, { minLength: 1, maxLength: 12 }), (ps) => {
        const theirs = padjust(ps, 'holm');
        holm(ps).forEach((ours, i) => {
          expect(ours).toBeCloseTo(theirs[i]!, 12);
        });
      }),
      { numRuns: 100 },
    );
  });

  test('does not count tests that do not exist', () => {
    expect(holm([0.02, null, 0.03])).toEqual([0.04, null, 0.04]);
    expect(holm([null])).toEqual([null]);
    expect(holm([])).toEqual([]);
  });
});

describe('correlation', () => {
  test('gives the oracle values and agrees with @stdlib', () => {
    const { r, p, ci } = pearson(a, b);
    expect(r).toBeCloseTo(0.91276311, 8);
    expect(p).toBeCloseTo(2.2781e-4, 8);
    expect(ci?.[0]).toBeCloseTo(0.665734, 6);
    expect(ci?.[1]).toBeCloseTo(0.979482, 6);
    const theirs = pcorrtest(a, b);
    expect(r).toBeCloseTo(theirs.pcorr, 9);
    expect(p).toBeCloseTo(theirs.pValue, 9);
    expect(ci?.[1]).toBeCloseTo(theirs.ci[1]!, 9);
  });

  test('r = 0.93 of ten configurations is known to about (.72, .98)', () => {
    // Ten pairs whose r is 0.93, by mixing a line with something orthogonal to it.
    const x = Array.from({ length: 10 }, (_, i) => i - 4.5);
    const w = x.map((v) => v * v - mean(x.map((u) => u * u)));
    const [sx, sw] = [x, w].map((v) => Math.sqrt(mean(v.map((u) => u * u))));
    const y = x.map((v, i) => 0.93 * (v / sx!) + Math.sqrt(1 - 0.93 * 0.93) * (w[i]! / sw!));
    const { r, ci } = pearson(x, y);
    expect(r).toBeCloseTo(0.93, 12);
    expect(ci?.[0]).toBeCloseTo(0.72, 2);
    expect(ci?.[1]).toBeCloseTo(0.98, 2);
  });

  test('tells p near |r| = 1, where 1 - r * r is rounding', () => {
    // SciPy 1.17 on exact fractions: 2 * t.sf(sqrt(4 r^2 / (1 - r^2)), 4), r by Python's fractions.
    const expected: readonly (readonly [number, number])[] = [
      [1e-4, 2.559226914854875e-18],
      [1e-7, 2.558934070042254e-30],
      [1e-8, 2.558933806837627e-34],
    ];
    const x = [1, 2, 3, 4, 5, 6];
    for (const [size, p] of expected) {
      const y = x.map((value, i) => value + size * [1, -1, 1, 1, -1, -1][i]!);
      for (const found of [
        pearson(x, y),
        pearson(
          x,
          y.map((value) => -value),
        ),
        pearson(y, x),
      ]) {
        expect(Math.abs((found.p ?? 0) / p - 1)).toBeLessThan(1e-5);
      }
    }
    expect(
      pearson(
        x,
        x.map((value) => 3 * value - 7),
      ).p,
    ).toBe(0);
  });

  test("Spearman's ranks share ties, and any rising curve has rho 1", () => {
    expect(ranks([30, 10, 20, 20])).toEqual([4, 1, 2.5, 2.5]);
    expect(spearman([1, 2, 3, 4, 5], [1, 8, 27, 64, 125])).toMatchObject({
      r: 1,
      p: 0,
      ci: [1, 1],
    });
  });

  test('is null, with a reason, where it is not defined', () => {
    expect(pearson([1], [2])).toMatchObject({ r: null, p: null, ci: null });
    expect(pearson([1, 2, 3], [5, 5, 5]).reason).toMatch(/constant/);
    expect(pearson([1, 2, 3], [1, 2, 4])).toMatchObject({ ci: null });
    expect(() => pearson([1], [])).toThrow(RangeError);
  });
});

describe('the bootstrap', () => {
  const difference = ([x, y]: readonly (readonly number[])[]) => mean(x!) - mean(y!);

  test('comes near the t interval for means, and to the same bits for the same seed', () => {
    const draw = () =>
      bootstrapInterval([a, b], difference, { random: stream(1, 'bootstrap') }) ?? [0, 0];
    const [low, high] = draw();
    const [tLow, tHigh] = welch(a, b).ci ?? [0, 0];
    expect(low).toBeCloseTo(tLow, 1);
    expect(high).toBeCloseTo(tHigh, 1);
    expect(draw()).toEqual([low, high]);
    // A literal: the same on Node 20 and 24, and on every machine.
    expect([low, high]).toMatchInlineSnapshot(`
      [
        0.04389365369058705,
        0.24399999999997143,
      ]
    `);
  });

  test('of d holds d, and of r holds r', () => {
    const d = ([x, y]: readonly (readonly number[])[]) => effectSizes(x!, y!).d;
    const random = stream(2, 'bootstrap');
    const [low, high] = bootstrapInterval([a, b], d, { random, resamples: 500 }) ?? [0, 0];
    const size = effectSizes(a, b).d ?? 0;
    expect(low).toBeLessThan(size);
    expect(high).toBeGreaterThan(size);
    const pairs = a.map((x, i) => [x, b[i]!] as const);
    const r = ([sample]: readonly (readonly (readonly [number, number])[])[]) =>
      pearsonR(
        sample!.map(([x]) => x),
        sample!.map(([, y]) => y),
      );
    const interval = bootstrapInterval([pairs], r, { random, resamples: 500 }) ?? [0, 0];
    expect(interval[0]).toBeLessThan(0.9128);
    expect(interval[1]).toBeGreaterThan(0.9128);
    expect(interval[1]).toBeLessThanOrEqual(1);
  });

  test('covers a known mean about as often as it says', () => {
    const random = stream(3, 'coverage');
    let covered = 0;
    for (let i = 0; i < 200; i++) {
      const x = Array.from({ length: 15 }, () => random.normal());
      const ci = bootstrapInterval([x], ([s]) => mean(s!), { random, resamples: 400 });
      if (ci && ci[0] < 0 && ci[1] > 0) covered += 1;
    }
    expect(covered / 200).toBeGreaterThan(0.87);
    expect(covered / 200).toBeLessThan(0.99);
  });

  test('is one point of what does not vary, and null of what is not defined', () => {
    const random = stream(4, 'bootstrap');
    expect(bootstrapInterval([[2, 2, 2]], ([x]) => mean(x!), { random })).toEqual([2, 2]);
    expect(bootstrapInterval([[1]], ([x]) => mean(x!), { random })).toBeNull();
    expect(bootstrapInterval([[1, 2]], () => null, { random })).toBeNull();
  });
});

describe('power', () => {
  test('gives the table of the design', () => {
    const table: readonly (readonly [d: number, n: number, power: number])[] = [
      [1.07, 10, 0.62],
      [1.07, 15, 0.81],
      [1.07, 20, 0.91],
      [0.8, 10, 0.4],
      [0.8, 20, 0.69],
      [0.8, 30, 0.86],
      [0.5, 30, 0.48],
    ];
    for (const [d, n, power] of table) {
      // To two decimals, as the table has it.
      expect(Math.abs(powerOfTwoSamples(d, n) - power)).toBeLessThan(0.0051);
    }
    // Known to six decimals: R, power.t.test(n = 20, delta = 1).
    expect(powerOfTwoSamples(1, 20)).toBeCloseTo(0.8689528, 5);
  });

  test('of no effect is alpha, and the noncentral t without shift is the t', () => {
    for (const n of [2, 3, 10, 100]) expect(powerOfTwoSamples(0, n)).toBeCloseTo(0.05, 6);
    expect(noncentralTCdf(0, 5, 0)).toBeCloseTo(0.5, 10);
    expect(noncentralTCdf(2.262157162798205, 9, 0)).toBeCloseTo(0.975, 8);
  });

  test('tells the seeds that a power needs', () => {
    const n = sampleSizeFor(1.07, { power: 0.9 }) ?? 0;
    expect(powerOfTwoSamples(1.07, n)).toBeGreaterThanOrEqual(0.9);
    expect(powerOfTwoSamples(1.07, n - 1)).toBeLessThan(0.9);
    expect(sampleSizeFor(0, { power: 0.9, most: 100 })).toBeNull();
  });
});
