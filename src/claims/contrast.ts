// contrast.ts — two arms beside each other: what every rule tells of them, whatever it decides
import { bootstrapInterval } from '../stats/bootstrap.ts';
import { effectSizes, pairedEffectSizes } from '../stats/effect-size.ts';
import type { Interval } from '../stats/interval.ts';
import { stream } from '../stats/stream.ts';
import { mean, sampleSd } from '../stats/summary.ts';
import { paired, welch } from '../stats/t-test.ts';
import type { Absence } from './evidence.ts';
import type { Arm, Companion, Contrast, Source, Unit } from './result.ts';
import { counted } from './words.ts';

/** The error of every test that decides. */
export const ALPHA = 0.05;

/** A number with the blobs that it was read from. */
export interface Observed {
  readonly value: number;
  readonly from: readonly Source[];
  /** What makes it a pair with one of another arm: the seed. */
  readonly repetition: string;
}

/** Observations by the name of their arm. */
export interface Side {
  readonly label: string;
  readonly observed: readonly Observed[];
}

/** What a rule tells of one comparison, before anybody asks whether it is assessed. */
export interface Drawn {
  readonly label: string;
  readonly dataset: string;
  /** The data sets behind it; where absent, `dataset` alone. */
  readonly datasets?: readonly string[];
  readonly a: Side;
  readonly b: Side | null;
  readonly unit: Unit;
  readonly seeds: number;
  readonly effect: number | null;
  /** Computed where it is told: it decides nothing by itself. */
  readonly ci: () => Interval | null;
  readonly level: number;
  /** p of the test for the claim, and of the one against it; null where there is none. */
  readonly pFor: number | null;
  readonly pAgainst: number | null;
  /** What else must hold for it to be reproduced. */
  readonly provided?: boolean;
  /** What reproduced is called where both tests decide; absent where the refutation then counts. */
  readonly both?: string;
  /** What qualifies it when it is reproduced. */
  readonly qualifiers?: readonly string[];
  /** A ratio over what counting connections alone gives: it stands in the verdict on the claim. */
  readonly beyondCount?: number;
  /** It stands beside the contrasts that decide. */
  readonly beside?: boolean;
  /** What qualifies the claim unless this contrast, which stands beside, is reproduced. */
  readonly unless?: string;
  /** Why it is not tested, whatever was measured. */
  readonly untested?: string;
  /** Effect sizes and companions of two arms of runs are told. */
  readonly sized: boolean;
  /** As `ci`. */
  readonly also: () => readonly Companion[];
  readonly without?: readonly string[];
  /** What was found, in words; of a contrast without an effect, why there is none. */
  readonly words: string;
}

/** An arm of some observations. */
export function armOf({ label, observed }: Side): Arm {
  const values = valuesOf(observed);
  return {
    label,
    n: values.length,
    mean: values.length === 0 ? null : mean(values),
    sd: values.length === 0 ? null : sampleSd(values),
    tasks: observed.flatMap(({ from }) => from),
  };
}

/** Of fewer seeds the interval of d covers far less often than it says: 0.75 of 0.95 at 3 seeds. */
const SEEDS_FOR_INTERVAL_OF_D = 5;

type Sizes = Pick<Contrast, 'd' | 'dCi' | 'dDdof0' | 'g' | 'also'>;

/** Effect sizes and secondary analyses of a contrast. */
export function sizesOf(claim: string, { a, b, sized, dataset, label, also }: Drawn): Sizes {
  if (!sized || b === null) return { d: null, dCi: null, dDdof0: null, g: null, also: also() };
  const [x, y] = [valuesOf(a.observed), valuesOf(b.observed)];
  const sizes = effectSizes(x, y);
  const d = (samples: readonly (readonly number[])[]) => effectSizes(samples[0]!, samples[1]!).d;
  const random = stream(0, 'claims', claim, dataset, label);
  const hasInterval = sizes.d !== null && Math.min(x.length, y.length) >= SEEDS_FOR_INTERVAL_OF_D;
  return {
    ...sizes,
    dCi: hasInterval ? bootstrapInterval([x, y], d, { random, resamples: 1000 }) : null,
    also: [...companions(a.observed, b.observed), ...also()],
  };
}

/** The secondary analyses: the plain 95 % interval and p of Welch, and pairs by seed where every seed has both. */
function companions(a: readonly Observed[], b: readonly Observed[]): readonly Companion[] {
  const plain = welch(valuesOf(a), valuesOf(b));
  const primary = [
    { label: 'difference, Welch 95 %', value: plain.difference, ci: plain.ci },
    { label: 'p, Welch', value: plain.p, ci: null },
  ];
  const pairs = pairsOf(a, b);
  if (pairs === null) return primary;
  const { x, y } = pairs;
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

/** The values of both arms in one order of seeds; null unless every seed has both, and there are two. */
export function pairsOf(
  a: readonly Observed[],
  b: readonly Observed[],
): { readonly x: readonly number[]; readonly y: readonly number[] } | null {
  const partner = new Map(b.map(({ repetition, value }) => [repetition, value]));
  const pairs = a.flatMap(({ repetition, value }) => {
    const other = partner.get(repetition);
    return other === undefined ? [] : [[value, other] as const];
  });
  if (pairs.length < 2 || pairs.length < a.length || pairs.length < b.length) return null;
  return { x: pairs.map(([value]) => value), y: pairs.map(([, value]) => value) };
}

/** A contrast that cannot be drawn: nothing ran, or nothing is there to compare it with. */
export function absent(
  name: Pick<Drawn, 'label' | 'dataset' | 'beside' | 'unless'>,
  unit: Unit,
  words: string,
): Drawn {
  return {
    ...name,
    a: { label: name.label, observed: [] },
    b: null,
    unit,
    seeds: 0,
    effect: null,
    ci: () => null,
    level: 0.95,
    pFor: null,
    pAgainst: null,
    sized: false,
    also: () => [],
    words,
  };
}

/** Runs that an arm lacks, in words; empty when it has them all. */
export const withoutRuns = (missing: readonly Absence[]): readonly string[] =>
  missing.length === 0 ? [] : [`${counted(missing.length, 'run')} missing (${missing[0]!.reason})`];

/** The numbers of some observations. */
export const valuesOf = (observed: readonly Observed[]): number[] =>
  observed.map(({ value }) => value);
