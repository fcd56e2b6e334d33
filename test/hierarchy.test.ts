// hierarchy.test.ts — the ratio arithmetic, against examples worked out by hand
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gini, hierarchy, hubRatio, hubsOf } from '../src/sparse/hierarchy.ts';

describe('hubs', () => {
  test('are the tenth of greatest fan-in, rounded up; ties go to the lower index', () => {
    expect(hubsOf([1, 4, 9, 4])).toEqual([2]);
    expect(hubsOf([3, 5, 1, 5, 2, 5, 0, 1, 1, 1, 5])).toEqual([1, 3]);
    expect(hubsOf(new Array(20).fill(7))).toEqual([0, 1]);
  });
});

describe('a hierarchy', () => {
  /** Eleven neurons, so two hubs: neurons 10 and 3, of fan-in 16 and 9; neuron 0 has none. */
  const fanIn = [0, 1, 1, 9, 1, 1, 1, 1, 1, 1, 16];
  const sum = 33;

  test('by hand', () => {
    const l1 = [0, 1, 1, 9, 1, 1, 1, 1, 1, 1, 32];
    const perConnection = [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2];
    const l2 = [0, 1, 1, 3, 1, 1, 1, 1, 1, 1, 4];
    const found = hierarchy({ fanIn, l2, l1, perConnection });
    expect(found.hubs).toBe(2);
    expect(found.l2).toBeCloseTo(3.5 / (15 / 11), 12);
    // L2 norms are exactly the square roots of fan-in: nothing but counting.
    expect(found.l2Null).toBeCloseTo(3.5 / (15 / 11), 12);
    expect(found.l2BeyondCount).toBeCloseTo(1, 12);
    // The two hubs against nine neurons whose norms sum to 8.
    expect(found.l2OverOthers).toBeCloseTo(3.5 / (8 / 9), 12);
    expect(found.l1).toBeCloseTo(20.5 / (49 / 11), 12);
    expect(found.l1Null).toBeCloseTo(12.5 / (sum / 11), 12);
    // Over the ten neurons that have connections.
    expect(found.perConnection).toBeCloseTo(1.5 / (11 / 10), 12);
    expect(found.maxOverMean).toBeCloseTo(4 / (15 / 11), 12);
    // Ascending: 0, eight times 1, 3, 4, of ranks -10, -8 .. 6, 8, 10 around the middle.
    expect(found.gini).toBeCloseTo((-8 + 8 * 3 + 10 * 4) / (11 * 15), 12);
  });

  test('without any gradient has no ratios', () => {
    const nothing = new Array(11).fill(0);
    expect(hierarchy({ fanIn, l2: nothing, l1: nothing, perConnection: nothing })).toMatchObject({
      l2: null,
      l1: null,
      perConnection: null,
      gini: null,
      maxOverMean: null,
    });
  });

  test('of equal neurons is flat', () => {
    const ones = new Array(40).fill(1);
    const flat = hierarchy({ fanIn: ones, l2: ones, l1: ones, perConnection: ones });
    expect(flat).toEqual({
      hubs: 4,
      l2: 1,
      l2Null: 1,
      l2BeyondCount: 1,
      l2OverOthers: 1,
      l1: 1,
      l1Null: 1,
      perConnection: 1,
      gini: 0,
      maxOverMean: 1,
    });
  });
});

test('the Gini coefficient is half the mean absolute difference over the mean', () => {
  const values = fc.array(fc.nat(1000), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(values, (x) => {
      const total = x.reduce((a, b) => a + b, 0);
      const differences = x.flatMap((a) => x.map((b) => Math.abs(a - b)));
      const twice = differences.reduce((a, b) => a + b, 0) / (x.length * total);
      const found = gini(x);
      if (total === 0) expect(found).toBeNull();
      else expect(found).toBeCloseTo(twice / 2, 10);
    }),
  );
});

test('a ratio never exceeds the number of neurons per hub', () => {
  const layer = fc.array(fc.record({ k: fc.nat(50), g: fc.nat(1000) }), { minLength: 1 });
  fc.assert(
    fc.property(layer, (neurons) => {
      const hubs = hubsOf(neurons.map(({ k }) => k));
      const ratio = hubRatio(
        neurons.map(({ g }) => g),
        hubs,
      );
      expect(ratio ?? 0).toBeLessThanOrEqual(neurons.length / hubs.length + 1e-9);
    }),
  );
});

test('a hierarchy is what its definitions say, worked out naively', () => {
  const neuron = fc.record({ fanIn: fc.nat(40), l2: fc.nat(999), l1: fc.nat(999) });
  fc.assert(
    fc.property(fc.array(neuron, { minLength: 1, maxLength: 60 }), (neurons) => {
      const perConnection = neurons.map(({ fanIn, l1 }) => (fanIn > 0 ? l1 / fanIn : 0));
      const found = hierarchy({
        fanIn: neurons.map(({ fanIn }) => fanIn),
        l2: neurons.map(({ l2 }) => l2),
        l1: neurons.map(({ l1 }) => l1),
        perConnection,
      });
      const all = neurons.map((one, o) => ({ ...one, o, m: perConnection[o] }));
      const ranked = [...all].sort((a, b) => b.fanIn - a.fanIn || a.o - b.o);
      const hubs = ranked.slice(0, Math.ceil(all.length / 10));
      const rest = ranked.slice(hubs.length);
      type One = (typeof all)[number];
      const mean = (some: readonly One[], of: (one: One) => number): number =>
        some.length === 0 ? 0 : some.reduce((sum, one) => sum + of(one), 0) / some.length;
      const ratio = (of: (one: One) => number, among = all): number | null =>
        mean(among, of) > 0
          ? mean(
              hubs.filter((hub) => among.includes(hub)),
              of,
            ) / mean(among, of)
          : null;
      const near = (a: number | null, b: number | null): void => {
        if (a === null || b === null) expect(a).toBe(b);
        else expect(a).toBeCloseTo(b, 9);
      };
      const connected = all.filter(({ fanIn }) => fanIn > 0);
      const [r, r0] = [ratio((one) => one.l2), ratio((one) => Math.sqrt(one.fanIn))];
      near(found.l2, r);
      near(found.l2Null, r0);
      near(found.l2BeyondCount, r === null || r0 === null || r0 === 0 ? null : r / r0);
      const others = mean(rest, (one) => one.l2);
      near(found.l2OverOthers, others > 0 ? mean(hubs, (one) => one.l2) / others : null);
      near(
        found.l1,
        ratio((one) => one.l1),
      );
      near(
        found.l1Null,
        ratio((one) => one.fanIn),
      );
      near(
        found.perConnection,
        ratio((one) => one.m!, connected),
      );
      const greatest = Math.max(...all.map(({ l2 }) => l2));
      near(found.maxOverMean, greatest > 0 ? greatest / mean(all, (one) => one.l2) : null);
    }),
  );
});
