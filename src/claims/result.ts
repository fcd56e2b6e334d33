// result.ts — what judging the claims gives: the form `claims/2`, documented in docs/claims.md
import type { Interval } from '../stats/interval.ts';

/**
 * What became of a claim or of one of its contrasts. The words exclude each other.
 * - `reproduced`: confidence for the claim, by the test that was declared for it.
 * - `refuted`: confidence against it, after Holm's adjustment.
 * - `inconclusive`: neither.
 * - `not assessed`: the data are synthetic or the seeds too few: no verdict at all.
 * - `not tested`: there is no test; the reason says why.
 */
export type Verdict = (typeof VERDICTS)[number];

/** In the order in which they are told. */
export const VERDICTS = [
  'reproduced',
  'refuted',
  'inconclusive',
  'not assessed',
  'not tested',
] as const;

/** A verdict with what qualifies it: `reproduced, smaller than published`. */
export const verdictWords = ({
  verdict,
  qualifiers,
}: Pick<JudgedClaim, 'verdict' | 'qualifiers'>): string => [verdict, ...qualifiers].join(', ');

/** A blob behind a number, and the task that made it. */
export interface Source {
  /** Such as `static[fashion,0.9,erk,lognormal-cv1,3]`. */
  readonly task: string;
  /** SHA-256 of the blob, 64 hex digits. */
  readonly digest: string;
}

/** One side of a contrast: the same experiment over seeds. */
export interface Arm {
  readonly label: string;
  /** Observations: seeds, or for a correlation configurations. */
  readonly n: number;
  /** In the contrast's unit (accuracies in percent); null without observations. */
  readonly mean: number | null;
  /** ddof 1; null below two observations. */
  readonly sd: number | null;
  /** What was observed, in the order of the observations. */
  readonly tasks: readonly Source[];
}

/** What a contrast's effect is measured in. */
export type Unit = 'points' | 'ratio' | 'r' | 'W1';

/** A number that stands beside the effect and decides nothing. */
export interface Companion {
  readonly label: string;
  readonly value: number | null;
  readonly ci: Interval | null;
}

/** One comparison: a row below its claim. */
export interface Contrast {
  /** What is compared, in the words of the matrix: `0.9 erk lognormal-cv1`. */
  readonly label: string;
  readonly dataset: string;
  /** The data set is made by a generator of ours. */
  readonly synthetic: boolean;
  readonly a: Arm;
  /** What `a` is compared with; null where a measure stands alone. */
  readonly b: Arm | null;
  /** a less b, a ratio, a correlation, or a distance; null where nothing was measured. */
  readonly effect: number | null;
  readonly unit: Unit;
  /** Repetitions behind the arm that has fewest: what is held against the claim's `seeds`. */
  readonly seeds: number;
  /** Of the effect, at `level`; null where no interval exists. */
  readonly ci: Interval | null;
  /** Confidence of `ci`: 0.9 where one-sided 95 % bounds decide, else 0.95. */
  readonly level: number;
  /** Of the test for the claim; null where it has none. */
  readonly pFor: number | null;
  /** The same after Holm's adjustment over the claim's contrasts; null where it is not adjusted. */
  readonly pForHolm: number | null;
  /** Of the test against the claim, and after Holm's adjustment; null where it has none, or is not assessed. */
  readonly pAgainst: number | null;
  readonly pAgainstHolm: number | null;
  /** Cohen's d, pooled SD; null unless two arms of seeds are compared. */
  readonly d: number | null;
  /** BCa bootstrap interval of `d`, at 0.95; from 5 seeds on. */
  readonly dCi: Interval | null;
  /** Cohen's d over the population SD (ddof 0). */
  readonly dDdof0: number | null;
  /** Hedges' g. */
  readonly g: number | null;
  readonly also: readonly Companion[];
  /** What should have been part of it and was not there, in words; absent when nothing is missing. */
  readonly without?: readonly string[];
  /** Whether the claim's verdict rests on it; what stands beside may have a verdict of its own. */
  readonly decides: boolean;
  readonly verdict: Verdict;
  /** What qualifies `reproduced`: `smaller than published`. */
  readonly qualifiers: readonly string[];
  /** Why this verdict, in generated words. */
  readonly reason: string;
}

/** A published value, in the unit of the contrasts: one number where both ends are equal. */
export interface Published {
  /** The data set that it is of; null for all. */
  readonly dataset: string | null;
  readonly low: number;
  readonly high: number;
}

/** A claim with its verdict. */
export interface JudgedClaim {
  /** Such as `C1`. */
  readonly id: string;
  readonly title: string;
  /** What is claimed, in our own words. */
  readonly statement: string;
  /** The published value, and where it stands in the paper. */
  readonly paper: { readonly value: string; readonly where: string };
  /** What of it is a number; absent where nothing is, and in results of before it was told. */
  readonly published?: readonly Published[];
  /** The kind of test that decides. */
  readonly kind: string;
  /** The decision rule in words, with its numbers. */
  readonly rule: string;
  /** In the unit of the contrasts; null for rules without one. */
  readonly margin: number | null;
  /** Seeds per arm from which a contrast is assessed. */
  readonly seeds: number;
  readonly verdict: Verdict;
  readonly qualifiers: readonly string[];
  readonly reason: string;
  /** In matrix order; those without any run come last. */
  readonly contrasts: readonly Contrast[];
}

/** What the design can find. */
export interface Design {
  /** Two-sided. */
  readonly alpha: number;
  /** The least and the greatest number of seeds in an arm of a two-arm contrast; null without any. */
  readonly seeds: { readonly least: number; readonly most: number } | null;
  /** Power of Welch's test by effect and seeds per arm, equal variances. */
  readonly power: readonly { readonly d: number; readonly n: number; readonly power: number }[];
  /** The seeds per arm that a power needs. */
  readonly needed: readonly { readonly d: number; readonly power: number; readonly n: number }[];
}

/** Every claim, judged. */
export interface ClaimsResult {
  readonly form: 'claims/2';
  /** In the order of their declaration. */
  readonly claims: readonly JudgedClaim[];
  readonly design: Design;
}
