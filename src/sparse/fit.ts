// fit.ts — which distribution fan-in follows: maximum likelihood, compared by AIC
import ln from '@stdlib/math-base-special-ln';
import {
  type Distribution,
  FAMILIES,
  type Family,
  type FitFamily,
  type Moments,
} from './fit-family.ts';
import { minimise } from './simplex.ts';

/** One family, at its maximum likelihood. */
export interface FamilyFit {
  readonly family: FitFamily;
  /**
   * lognormal mu, sigma (of ln k); gamma shape, rate; weibull shape, scale; power-law alpha, low,
   * high.
   */
  readonly parameters: { readonly [name: string]: number };
  readonly logLikelihood: number;
  /** 2 * parameters - 2 * logLikelihood: the smaller, the better. */
  readonly aic: number;
  /**
   * Greatest difference between the empirical distribution function and the fitted one, of the distribution that the
   * likelihood is of: where that is conditioned on a connection, so is this. It has no p-value here: the parameters
   * were fitted to the same numbers.
   */
  readonly ks: number;
  /** aic less that of the best family. */
  readonly deltaAic: number;
}

/** One point of a quantile plot. */
export interface FitQuantile {
  /** In (0, 1), among neurons that have connections. */
  readonly p: number;
  /** The fan-in at which this fraction of neurons is reached. */
  readonly observed: number;
  /** What each family says of it, conditioned as its likelihood is. */
  readonly fitted: { readonly [F in FitFamily]: number };
}

/** The distribution of fan-in, fitted: a hurdle model. Plain JSON. */
export interface FanInFit {
  /** Neurons, all of them. */
  readonly neurons: number;
  /** The atom at 0: the fraction without connections. Families are fitted to the others. */
  readonly zeroFraction: number;
  /** Mean fan-in of the others; null where there are none. */
  readonly mean: number | null;
  /** Whether likelihoods are of whole numbers; see `fitFanIn`. They are compared among themselves only. */
  readonly discrete: boolean;
  /** By AIC, the best first. Empty where fewer than two values of fan-in occur: nothing to fit. */
  readonly families: readonly FamilyFit[];
  readonly best: FitFamily | null;
  /** Up to 50, ascending. Empty where `families` is. */
  readonly quantiles: readonly FitQuantile[];
}

/** Below this mean fan-in, steps of one matter and the likelihood is discretised. */
const COARSE_MEAN = 10;
/** Points of the quantile plot, at most. */
const QUANTILES = 50;
/** Stands for a probability that underflows, so that a search can leave the place. */
const FAINT = 1e-300;

/**
 * Fits lognormal, gamma, Weibull and truncated power law to the fan-in of neurons that have any
 * connection, by maximum likelihood; the zeros are an atom of their own, the same in every family,
 * and so left out of AIC. Where mean fan-in is below 10 the likelihood is that of whole numbers from
 * 1 to `inputs`: P(k) = (F(k + 1/2) - F(k - 1/2)) / (1 - F(1/2)), all beyond inputs - 1/2 counted to
 * P(inputs).
 * Neurons of one layer share a budget and runs share a start, so likelihoods take more for
 * independent than is: AIC ranks families and is no test.
 * @param fanIn whole numbers from 0 to `inputs`.
 * @throws RangeError on anything else.
 */
export function fitFanIn(fanIn: readonly number[], inputs: number): FanInFit {
  const odd = fanIn.find((k) => !(Number.isInteger(k) && k >= 0 && k <= inputs));
  if (odd !== undefined)
    throw new RangeError(`fan-in is a whole number up to ${inputs}, not ${odd}`);
  const positive = Float64Array.from(fanIn.filter((k) => k > 0)).sort();
  const counts = countsOf(positive);
  const moments = momentsOf(counts);
  const discrete = moments !== undefined && moments.mean < COARSE_MEAN;
  const found =
    moments === undefined || counts.size < 2
      ? []
      : FAMILIES.map((family) => fitFamily(family, counts, moments, discrete ? inputs : undefined));
  const ranked = [...found].sort((a, b) => a.aic - b.aic);
  return {
    neurons: fanIn.length,
    zeroFraction: fanIn.length === 0 ? 0 : 1 - positive.length / fanIn.length,
    mean: moments?.mean ?? null,
    discrete,
    families: ranked.map(({ family, distribution, observable, logLikelihood, aic }) => {
      const { parameters } = distribution;
      const ks = distanceTo(observable, positive);
      return { family, parameters, logLikelihood, aic, ks, deltaAic: aic - ranked[0]!.aic };
    }),
    best: ranked[0]?.family ?? null,
    quantiles: quantilesOf(positive, found),
  };
}

/** How many neurons have each fan-in. */
type Counts = ReadonlyMap<number, number>;

/** A family that was fitted. */
interface Fitted {
  readonly family: FitFamily;
  readonly distribution: Distribution;
  /** The distribution that the likelihood is of. */
  readonly observable: Observable;
  readonly logLikelihood: number;
  readonly aic: number;
}

/** @param limit the greatest whole number, where the likelihood is that of whole numbers. */
function fitFamily(family: Family, counts: Counts, moments: Moments, limit?: number): Fitted {
  const likelihoodAt = (free: readonly number[]): number => {
    const distribution = family.at(free, moments);
    return limit === undefined
      ? continuousLikelihood(distribution, counts)
      : wholeLikelihood(distribution, counts, family.bounded ? undefined : limit);
  };
  const start = family.start(moments);
  const closed = family.closed && limit === undefined;
  const free = closed ? start : minimise((at) => -likelihoodAt(at), start);
  const logLikelihood = likelihoodAt(free);
  const distribution = family.at(free, moments);
  const conditioned = limit !== undefined && !family.bounded;
  return {
    family: family.name,
    distribution,
    observable: conditioned ? conditionedOn(distribution, limit) : distribution,
    logLikelihood,
    aic: 2 * family.size - 2 * logLikelihood,
  };
}

function continuousLikelihood({ logDensity }: Distribution, counts: Counts): number {
  let sum = 0;
  for (const [k, count] of counts) sum += count * logDensity(k);
  return Number.isNaN(sum) ? Number.NEGATIVE_INFINITY : sum;
}

/** @param limit undefined for a distribution that has no mass below 1/2 nor above the last number. */
function wholeLikelihood({ cdf }: Distribution, counts: Counts, limit?: number): number {
  const beyondZero = limit === undefined ? 1 : 1 - cdf(0.5);
  let sum = 0;
  for (const [k, count] of counts) {
    const above = k === limit ? 1 : cdf(k + 0.5);
    sum += count * ln(Math.max((above - cdf(k - 0.5)) / beyondZero, FAINT));
  }
  return Number.isNaN(sum) ? Number.NEGATIVE_INFINITY : sum;
}

/** What can be seen of a distribution. */
type Observable = Pick<Distribution, 'cdf' | 'quantile'>;

/** Given at least one connection, as in `wholeLikelihood`: above 1/2, and all beyond limit - 1/2 counted to `limit`. */
function conditionedOn({ cdf, quantile }: Distribution, limit: number): Observable {
  const none = cdf(0.5);
  const some = Math.max(1 - none, FAINT);
  return {
    cdf: (x) => (x <= 0.5 ? 0 : x >= limit ? 1 : (cdf(x) - none) / some),
    quantile: (p) => Math.min(limit, quantile(Math.min(none + p * some, BELOW_ONE))),
  };
}

/** The greatest double below 1: quantiles at 1 are infinite. */
const BELOW_ONE = 1 - Number.EPSILON / 2;

/**
 * Whole numbers stand for the half unit on either side, and both distribution functions are compared at every whole
 * number: between two that occur they are farthest apart just before the second one. @param sorted ascending.
 */
function distanceTo({ cdf }: Observable, sorted: Float64Array): number {
  let greatest = 0;
  for (let i = 0; i < sorted.length; i++) {
    if (sorted[i] !== sorted[i - 1]) {
      greatest = Math.max(greatest, Math.abs(i / sorted.length - cdf(sorted[i]! - 0.5)));
    }
    if (sorted[i] !== sorted[i + 1]) {
      greatest = Math.max(greatest, Math.abs((i + 1) / sorted.length - cdf(sorted[i]! + 0.5)));
    }
  }
  return greatest;
}

function countsOf(values: ArrayLike<number>): Counts {
  const counts = new Map<number, number>();
  for (let i = 0; i < values.length; i++) {
    counts.set(values[i]!, (counts.get(values[i]!) ?? 0) + 1);
  }
  return counts;
}

/** Undefined for no values. */
function momentsOf(counts: Counts): Moments | undefined {
  const over = (f: (k: number) => number): number => {
    let sum = 0;
    let n = 0;
    for (const [k, count] of counts) {
      sum += count * f(k);
      n += count;
    }
    return sum / n;
  };
  if (counts.size === 0) return undefined;
  const mean = over((k) => k);
  const logMean = over(ln);
  const keys = [...counts.keys()];
  return {
    mean,
    variance: over((k) => (k - mean) * (k - mean)),
    logMean,
    logVariance: over((k) => (ln(k) - logMean) * (ln(k) - logMean)),
    min: keys.reduce((a, b) => Math.min(a, b)),
    max: keys.reduce((a, b) => Math.max(a, b)),
  };
}

/** @param sorted ascending. */
function quantilesOf(sorted: Float64Array, found: readonly Fitted[]): FitQuantile[] {
  const points = found.length === 0 ? 0 : Math.min(sorted.length, QUANTILES);
  return Array.from({ length: points }, (_, i) => {
    const p = (i + 0.5) / points;
    const said = found.map(({ family, observable }) => [family, observable.quantile(p)]);
    return {
      p,
      observed: sorted[Math.floor(p * sorted.length)]!,
      fitted: Object.fromEntries(said) as FitQuantile['fitted'],
    };
  });
}
