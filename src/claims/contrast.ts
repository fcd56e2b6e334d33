// contrast.ts — two arms beside each other: what every rule tells of them, whatever it decides
import { bootstrapInterval } from '../stats/bootstrap.ts';
import { type EffectSizes, effectSizes, pairedEffectSizes } from '../stats/effect-size.ts';
import type { Interval } from '../stats/interval.ts';
import { stream } from '../stats/stream.ts';
import { mean, sampleSd } from '../stats/summary.ts';
import { paired, welch } from '../stats/t-test.ts';
import type { Absence } from './evidence.ts';
import type { Arm, Companion, Contrast, Finding, Source, Unit } from './result.ts';
import { counted } from './words.ts';

/** A number with the blobs that it was read from. */
export interface Observed {
  readonly value: number;
  readonly from: readonly Source[];
  /** What makes it a pair with one of another arm: the seed. */
  readonly repetition: string;
}

/** A contrast before anybody asks whether it counts. */
export type Drawn = Omit<Contrast, 'verdict' | 'reason' | 'pHolm' | 'synthetic'> & {
  /** What the rule found, in words; of a contrast without a finding, why there is none. */
  readonly words: string;
  /** What a finding of `reproduced` becomes where Holm's adjustment takes its significance. */
  readonly otherwise?: Finding;
};

/** An arm of some observations. */
export function armOf(label: string, observed: readonly Observed[]): Arm {
  const values = observed.map(({ value }) => value);
  return {
    label,
    n: values.length,
    mean: values.length === 0 ? null : mean(values),
    sd: values.length === 0 ? null : sampleSd(values),
    tasks: observed.flatMap(({ from }) => from),
  };
}

/** What a test of two arms says. */
export interface Tested {
  readonly effect: number;
  readonly ci: Interval | null;
  readonly level: number;
  readonly p: number | null;
  readonly finding: Finding | null;
  readonly words: string;
  readonly otherwise?: Finding;
}

/** Of fewer seeds the interval of d covers far less often than it says: 0.75 of 0.95 at 3 seeds. */
const SEEDS_FOR_INTERVAL_OF_D = 5;

/** Two arms of seeds, with their effect sizes beside what the test says. */
export function compared(
  name: { readonly claim: string; readonly label: string; readonly dataset: string },
  a: { readonly label: string; readonly observed: readonly Observed[] },
  b: { readonly label: string; readonly observed: readonly Observed[] },
  tested: Tested,
): Drawn {
  const [x, y] = [valuesOf(a.observed), valuesOf(b.observed)];
  const d = (samples: readonly (readonly number[])[]) => effectSizes(samples[0], samples[1]).d;
  const random = stream(0, 'claims', name.claim, name.dataset, name.label);
  const sizes: EffectSizes = effectSizes(x, y);
  const hasInterval = sizes.d !== null && Math.min(x.length, y.length) >= SEEDS_FOR_INTERVAL_OF_D;
  return {
    label: name.label,
    dataset: name.dataset,
    a: armOf(a.label, a.observed),
    b: armOf(b.label, b.observed),
    unit: 'points',
    seeds: Math.min(x.length, y.length),
    ...tested,
    ...sizes,
    dCi: hasInterval ? bootstrapInterval([x, y], d, { random, resamples: 1000 }) : null,
    also: companions(a.observed, b.observed),
  };
}

/** The secondary analyses: the plain 95 % interval and p of Welch, and pairs by seed where every seed has both. */
function companions(a: readonly Observed[], b: readonly Observed[]): readonly Companion[] {
  const plain = welch(valuesOf(a), valuesOf(b));
  const primary = [
    { label: 'difference, Welch 95 %', value: plain.difference, ci: plain.ci },
    { label: 'p, Welch', value: plain.p, ci: null },
  ];
  const partner = new Map(b.map(({ repetition, value }) => [repetition, value]));
  const pairs = a.flatMap(({ repetition, value }) => {
    const other = partner.get(repetition);
    return other === undefined ? [] : [[value, other] as const];
  });
  if (pairs.length < 2 || pairs.length < a.length || pairs.length < b.length) return primary;
  const [x, y] = [pairs.map(([value]) => value), pairs.map(([, value]) => value)];
  const byPair = paired(x, y);
  const { dz, dav } = pairedEffectSizes(x, y);
  return [
    ...primary,
    { label: 'difference, paired by seed 95 %', value: byPair.difference, ci: byPair.ci },
    { label: 'p, paired by seed', value: byPair.p, ci: null },
    { label: 'd_z', value: dz, ci: null },
    { label: 'd_av', value: dav, ci: null },
  ];
}

/** A contrast that cannot be drawn: nothing ran, or nothing is there to compare it with. */
export function absent(
  name: { readonly label: string; readonly dataset: string },
  unit: Unit,
  words: string,
): Drawn {
  return {
    ...name,
    a: armOf(name.label, []),
    b: null,
    unit,
    seeds: 0,
    effect: null,
    ci: null,
    level: 0.95,
    p: null,
    d: null,
    dCi: null,
    dDdof0: null,
    g: null,
    also: [],
    finding: null,
    words,
  };
}

/** Runs that an arm lacks, in words; empty when it has them all. */
export const withoutRuns = (missing: readonly Absence[]): readonly string[] =>
  missing.length === 0 ? [] : [`${counted(missing.length, 'run')} missing (${missing[0].reason})`];

/** A measure that stands alone: no effect sizes. */
export function measured(drawn: Omit<Drawn, 'd' | 'dCi' | 'dDdof0' | 'g'>): Drawn {
  return { ...drawn, d: null, dCi: null, dDdof0: null, g: null };
}

/** The numbers of some observations. */
export const valuesOf = (observed: readonly Observed[]): number[] =>
  observed.map(({ value }) => value);
