import digamma from '@stdlib/math-base-special-digamma';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FanInFit, fitFanIn } from '../src/sparse/fit.ts';
import type { FitFamily } from '../src/sparse/fit-family.ts';
import { minimise } from '../src/sparse/simplex.ts';
import { stream } from '../src/stats/stream.ts';

const average = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;

function parametersOf(fit: FanInFit, name: FitFamily): Readonly<Record<string, number>> {
  const found = fit.families.find(({ family }) => family === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found.parameters;
}

describe('a fit of many connections', () => {
  const random = stream(1, 'test');
  const fanIn = Array.from({ length: 600 }, () => Math.round(Math.exp(4 + 0.4 * random.normal())));
  const logs = fanIn.map(Math.log);
  const fit = fitFanIn([...fanIn, 0, 0, 0], 784);

  test('leaves the zeros out, as an atom of their own', () => {
    expect(fit).toMatchObject({ neurons: 603, discrete: false, best: 'lognormal' });
    expect(fit.zeroFraction).toBeCloseTo(3 / 603, 12);
    expect(fit.mean).toBeCloseTo(average(fanIn), 10);
    expect(fitFanIn(fanIn, 784).families).toEqual(fit.families);
  });

  test('finds the lognormal by its closed form', () => {
    const { mu, sigma } = parametersOf(fit, 'lognormal');
    expect(mu).toBeCloseTo(average(logs), 12);
    expect(sigma).toBeCloseTo(Math.sqrt(average(logs.map((log) => (log - mu!) ** 2))), 12);
    const likelihood = fanIn
      .map((k) => -((Math.log(k) - mu!) ** 2) / (2 * sigma! ** 2) - Math.log(k * sigma!))
      .reduce((sum, term) => sum + term - Math.log(2 * Math.PI) / 2, 0);
    expect(fit.families[0]!.logLikelihood).toBeCloseTo(likelihood, 6);
    expect(fit.families[0]!.aic).toBeCloseTo(4 - 2 * likelihood, 6);
    expect(fit.families[0]!.deltaAic).toBe(0);
    const gaps = fanIn.map((k) => {
      const below = fanIn.filter((other) => other <= k).length / fanIn.length;
      return Math.abs(below - normalCdf((Math.log(k + 0.5) - mu!) / sigma!));
    });
    expect(fit.families[0]!.ks).toBeCloseTo(Math.max(...gaps), 8);
  });

  test('finds where the likelihoods of gamma, Weibull and power law are level', () => {
    const gamma = parametersOf(fit, 'gamma');
    // d/d shape: ln shape - digamma(shape) = ln mean - mean ln; d/d rate: rate = shape / mean.
    expect(Math.log(gamma.shape!) - digamma(gamma.shape!)).toBeCloseTo(
      Math.log(average(fanIn)) - average(logs),
      6,
    );
    expect(gamma.rate).toBeCloseTo(gamma.shape! / average(fanIn), 6);
    const { shape, scale } = parametersOf(fit, 'weibull');
    const powers = fanIn.map((k) => k ** shape!);
    const weighted = average(powers.map((power, i) => power * logs[i]!)) / average(powers);
    expect(weighted - 1 / shape!).toBeCloseTo(average(logs), 5);
    expect(scale).toBeCloseTo(average(powers) ** (1 / shape!), 2);
    const { alpha, low, high } = parametersOf(fit, 'power-law');
    expect([low, high]).toEqual([Math.min(...fanIn) - 0.5, Math.max(...fanIn) + 0.5]);
    // The mean of ln x under x^-alpha on [low, high] is that of the sample.
    const [steps, width] = [20_000, (high! - low!) / 20_000];
    const x = Array.from({ length: steps }, (_, i) => low! + (i + 0.5) * width);
    const mass = x.map((value) => value ** -alpha!);
    const meanLog = average(mass.map((m, i) => m * Math.log(x[i]!))) / average(mass);
    expect(meanLog).toBeCloseTo(average(logs), 4);
  });

  test('has quantiles for a plot: what is seen beside what each family says', () => {
    expect(fit.quantiles).toHaveLength(50);
    const [first] = fit.quantiles;
    const sorted = [...fanIn].sort((a, b) => a - b);
    expect(first).toMatchObject({ p: 0.01, observed: sorted[6] });
    const { mu, sigma } = parametersOf(fit, 'lognormal');
    expect(first!.fitted.lognormal).toBeCloseTo(Math.exp(mu! - 2.3263478740408408 * sigma!), 8);
    for (const { observed, fitted } of fit.quantiles.slice(5, 45)) {
      expect(Math.abs(fitted.lognormal / observed - 1)).toBeLessThan(0.1);
    }
    for (const family of ['lognormal', 'gamma', 'weibull', 'power-law'] as const) {
      const said = fit.quantiles.map(({ fitted }) => fitted[family]);
      expect(said.every((value, i) => i === 0 || value > said[i - 1]!)).toBe(true);
    }
  });
});

describe('a fit of few connections', () => {
  test('takes the likelihood of whole numbers, which sums to 1', () => {
    const fanIn = [1, 1, 2, 1, 3, 2, 5, 1, 2, 1, 0, 0];
    const fit = fitFanIn(fanIn, 5);
    expect(fit.discrete).toBe(true);
    // A fan-in of each possible value, once: the product of their probabilities is below 1, and the
    // sum is exactly 1. Checked for the lognormal, by hand.
    const { mu, sigma } = parametersOf(fit, 'lognormal');
    const cdf = (x: number): number => normalCdf((Math.log(x) - mu!) / sigma!);
    const probability = (k: number): number =>
      ((k === 5 ? 1 : cdf(k + 0.5)) - cdf(k - 0.5)) / (1 - cdf(0.5));
    expect([1, 2, 3, 4, 5].map(probability).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    const likelihood = fanIn
      .filter((k) => k > 0)
      .reduce((sum, k) => sum + Math.log(probability(k)), 0);
    const found = fit.families.find(({ family }) => family === 'lognormal');
    expect(found?.logLikelihood).toBeCloseTo(likelihood, 5);
  });

  test('compares and plots the distribution that the likelihood is of', () => {
    // Whole numbers of a Pareto distribution, mostly 1: half of a lognormal fitted to them lies below 1/2.
    const random = stream(5, 'pareto');
    const fanIn = Array.from({ length: 4000 }, () =>
      Math.min(512, Math.floor((1 - random.uniform()) ** (-1 / 1.5))),
    );
    const fit = fitFanIn(fanIn, 512);
    expect(fit.discrete).toBe(true);
    const { mu, sigma } = parametersOf(fit, 'lognormal');
    const cdf = (x: number): number => normalCdf((Math.log(x) - mu!) / sigma!);
    const given = (k: number): number => (cdf(k + 0.5) - cdf(0.5)) / (1 - cdf(0.5));
    const gaps = Array.from({ length: 511 }, (_, i) => {
      const below = fanIn.filter((k) => k <= i + 1).length / fanIn.length;
      return Math.abs(below - given(i + 1));
    });
    const lognormal = fit.families.find(({ family }) => family === 'lognormal');
    expect(lognormal?.ks).toBeCloseTo(Math.max(...gaps), 6);
    expect(lognormal?.ks).toBeLessThan(0.05);
    // Without the condition that a neuron has a connection it would be many times that.
    expect(Math.abs(fanIn.filter((k) => k <= 1).length / fanIn.length - cdf(1.5))).toBeGreaterThan(
      0.2,
    );
    for (const { p, fitted } of fit.quantiles) {
      expect(fitted.lognormal).toBeGreaterThan(0.5);
      expect(fitted.lognormal).toBeLessThanOrEqual(512);
      if (fitted.lognormal < 511) expect(given(fitted.lognormal - 0.5)).toBeCloseTo(p, 6);
    }
  });

  test('takes nothing but whole numbers that a neuron can have', () => {
    for (const fanIn of [
      [1, Number.NaN, 2],
      [1, -1],
      [0.5, 2],
      [3, 10],
    ]) {
      expect(() => fitFanIn(fanIn, 9)).toThrow(RangeError);
    }
  });

  test('of one value only, or of none, has nothing to fit', () => {
    for (const fanIn of [[3, 3, 3, 0], [0, 0], []]) {
      expect(fitFanIn(fanIn, 9)).toMatchObject({ families: [], best: null, quantiles: [] });
    }
  });

  test('has finite numbers and an order by AIC whatever the fan-in', () => {
    const vectors = fc.array(fc.nat(60), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(vectors, (fanIn) => {
        const fit = fitFanIn(fanIn, 60);
        expect(JSON.parse(JSON.stringify(fit))).toEqual(fit);
        const aics = fit.families.map(({ aic }) => aic);
        expect(aics).toEqual([...aics].sort((a, b) => a - b));
        expect(aics.every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

test.each([
  { name: 'power-law', draw: (u: number) => 5 * (1 - u) ** (-1 / 1.2) },
  { name: 'weibull', draw: (u: number) => 60 * (-Math.log(1 - u)) ** (1 / 3) },
] as const)('AIC picks the family that fan-in was drawn from: $name', ({ name, draw }) => {
  const random = stream(3, 'test');
  const fanIn = Array.from({ length: 800 }, () =>
    Math.min(784, Math.max(1, Math.round(draw(random.uniform())))),
  );
  expect(fitFanIn(fanIn, 784).best).toBe(name);
});

test('the downhill simplex finds the bottom of a bent valley', () => {
  const rosenbrock = ([x, y]: readonly number[]): number =>
    (1 - x!) ** 2 + 100 * (y! - x! * x!) ** 2;
  const [x, y] = minimise(rosenbrock, [-1.2, 1]);
  expect(x).toBeCloseTo(1, 5);
  expect(y).toBeCloseTo(1, 5);
});

/** Simpson's rule on the density. */
function normalCdf(x: number): number {
  const [panels, step] = [400, x / 400];
  const density = (t: number): number => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
  let area = density(0) + density(x);
  for (let p = 1; p < panels; p++) area += density(p * step) * (p % 2 === 1 ? 4 : 2);
  return 0.5 + (area * step) / 3;
}
