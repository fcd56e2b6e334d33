// effect-size.ts — how large a difference is beside the spread of its samples
import { mean, sampleSd } from './summary.ts';
import { pairDifferences, pairSd } from './t-test.ts';

/** Standardised differences of a less b; null where the spread is not known or is 0. */
export interface EffectSizes {
  /** Cohen's d_s: over the pooled SD (ddof 1). Primary. */
  readonly d: number | null;
  /** The same over the pooled population SD (ddof 0), which is greater: what the paper seems to print. */
  readonly dDdof0: number | null;
  /** Hedges' g: d_s without its bias, by the factor 1 - 3 / (4 df - 1). */
  readonly g: number | null;
}

/** Effect sizes of two independent samples of at least one value each. */
export function effectSizes(a: readonly number[], b: readonly number[]): EffectSizes {
  const df = a.length + b.length - 2;
  const [s, t] = [sampleSd(a), sampleSd(b)];
  if (s === null || t === null) return { d: null, dDdof0: null, g: null };
  const squares = (a.length - 1) * s * s + (b.length - 1) * t * t;
  if (squares === 0) return { d: null, dDdof0: null, g: null };
  const difference = mean(a) - mean(b);
  const d = difference / Math.sqrt(squares / df);
  const dDdof0 = difference / Math.sqrt(squares / (df + 2));
  return { d, dDdof0, g: d * (1 - 3 / (4 * df - 1)) };
}

/** Standardised differences of pairs; null as above. */
export interface PairedEffectSizes {
  /** d_z: mean of the differences over their SD. */
  readonly dz: number | null;
  /** d_av: mean of the differences over the mean of the two SDs. */
  readonly dav: number | null;
}

/** Effect sizes of paired samples. @throws RangeError when lengths differ. */
export function pairedEffectSizes(a: readonly number[], b: readonly number[]): PairedEffectSizes {
  const differences = pairDifferences(a, b);
  const over = (spread: number | null): number | null =>
    spread === null || spread === 0 ? null : mean(differences) / spread;
  const [s, t] = [sampleSd(a), sampleSd(b)];
  return {
    dz: over(pairSd(a, b)),
    dav: over(s === null || t === null ? null : (s + t) / 2),
  };
}
