import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apportion } from '../src/sparse/apportion.ts';
import { layerBudgets } from '../src/sparse/layer-rule.ts';

describe('ERK over all layers', () => {
  // Counts of google-research/rigl's rule; the last row agrees with Nerva's to one weight.
  test.each([
    { widths: [784, 300, 100, 10], sparsity: 0.9, budgets: [18715, 6906, 1000] },
    { widths: [784, 512, 256, 10], sparsity: 0.9, budgets: [31989, 18957, 2560] },
    { widths: [784, 512, 256, 10], sparsity: 0.99, budgets: [2977, 1765, 612] },
    { widths: [784, 512, 256, 10], sparsity: 0.999, budgets: [299, 178, 62] },
    { widths: [784, 512, 256, 47], sparsity: 0.9, budgets: [29815, 17668, 6971] },
    { widths: [54, 256, 128, 7], sparsity: 0.9, budgets: [1777, 2201, 774] },
    { widths: [54, 256, 256, 128, 7], sparsity: 0.9, budgets: [2676, 4419, 3314, 896] },
    { widths: [3072, 1024, 1024, 10], sparsity: 0.95, budgets: [133326, 66663, 10240] },
  ])('gives $widths at $sparsity the reference budgets', ({ widths, sparsity, budgets }) => {
    expect(layerBudgets('erk', widths, sparsity, { denseOutput: false })).toEqual(budgets);
  });

  test('overshoots the even total by less than one connection a layer', () => {
    const options = { denseOutput: false };
    const erk = layerBudgets('erk', [784, 512, 256, 10], 0.999, options);
    const even = layerBudgets('uniform', [784, 512, 256, 10], 0.999, options);
    expect(total(erk) - total(even)).toBeGreaterThanOrEqual(0);
    expect(total(erk) - total(even)).toBeLessThan(3);
  });
});

describe('budgets with a dense output layer', () => {
  test('count sparsity over the hidden layers only', () => {
    const widths = [784, 512, 256, 10];
    expect(layerBudgets('uniform', widths, 0.9, { denseOutput: true })).toEqual([
      40141, 13107, 2560,
    ]);
    expect(layerBudgets('erk', widths, 0.9, { denseOutput: true })).toEqual([33435, 19813, 2560]);
  });

  test('have the same hidden total under both rules, possible - round(sparsity * possible)', () => {
    fc.assert(
      fc.property(networks, sparsities, (widths, sparsity) => {
        const sizes = sizesOf(widths);
        const possible = total(sizes.slice(0, -1));
        for (const rule of ['uniform', 'erk'] as const) {
          const budgets = layerBudgets(rule, widths, sparsity, { denseOutput: true });
          expect(total(budgets.slice(0, -1))).toBe(possible - Math.round(sparsity * possible));
          expect(budgets.at(-1)).toBe(sizes.at(-1));
          expect(budgets.every((budget, l) => budget >= 0 && budget <= sizes[l]!)).toBe(true);
        }
      }),
    );
  });

  test('are full at sparsity 0', () => {
    for (const rule of ['uniform', 'erk'] as const) {
      expect(layerBudgets(rule, [5, 4, 3, 2], 0, { denseOutput: true })).toEqual([20, 12, 6]);
    }
  });

  test('leave a network without hidden layers dense', () => {
    expect(layerBudgets('erk', [5, 4], 0.9, { denseOutput: true })).toEqual([20]);
  });
});

test('a network or a sparsity that makes no sense is refused', () => {
  const budgets = (widths: number[], sparsity: number) => () =>
    layerBudgets('erk', widths, sparsity, { denseOutput: true });
  expect(budgets([784], 0.5)).toThrow(RangeError);
  expect(budgets([784, 0, 10], 0.5)).toThrow(RangeError);
  expect(budgets([784, 2.5, 10], 0.5)).toThrow(RangeError);
  expect(budgets([784, 10], 1)).toThrow(RangeError);
  expect(budgets([784, 10], -0.1)).toThrow(RangeError);
  expect(budgets([784, 10], Number.NaN)).toThrow(RangeError);
});

describe('largest remainder', () => {
  test('gives leftover units to the greatest fractions, ties to the lower index', () => {
    expect([...apportion([1.5, 1.5, 2.75, 0.25], [9, 9, 9, 9], 6)]).toEqual([2, 1, 3, 0]);
  });

  test('gives no unit to a share at its capacity', () => {
    expect([...apportion([2, 1.25, 1.25], [2, 9, 9], 5)]).toEqual([2, 2, 1]);
  });

  test('refuses shares that are too far from the total', () => {
    expect(() => apportion([1, 1], [1, 1], 3)).toThrow(RangeError);
    expect(() => apportion([1, 1], [9, 9], 1)).toThrow(RangeError);
    expect(() => apportion([1, 1], [9, 9], 5)).toThrow(RangeError);
  });
});

const networks = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 2, maxLength: 6 });
const sparsities = fc.double({ min: 0, max: 0.9999, noNaN: true });
const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
const sizesOf = (widths: readonly number[]): number[] =>
  widths.slice(1).map((outputs, l) => widths[l]! * outputs);
