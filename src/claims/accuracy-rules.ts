// accuracy-rules.ts — claims about test accuracy: not worse, equivalent, better, and the more so the harder the task
import {
  boundsOf,
  eitherOf,
  greater,
  linearEstimate,
  ONE_SIDED_LEVEL,
  pAbove,
  pBelow,
  welchEstimate,
} from '../stats/one-sided.ts';
import { mean } from '../stats/summary.ts';
import { welch } from '../stats/t-test.ts';
import { isAssessed } from './assessed.ts';
import { absent, type Drawn, type Observed, valuesOf } from './contrast.ts';
import { type ClaimOf, selectorOf } from './declaration.ts';
import type { Evidence } from './evidence.ts';
import { drawPair, type Pair, runPairs, sidesOf, testedAt } from './run-pairs.ts';
import { decimals, signed } from './words.ts';

type Observations = readonly Observed[];
const differenceOf = (a: Observations, b: Observations): number =>
  mean(valuesOf(a)) - mean(valuesOf(b));
const estimateOf = (a: Observations, b: Observations) => welchEstimate(valuesOf(a), valuesOf(b));

/** Whether `a` ends at most `deficit` below `b`, of which a slack of `margin` is told beforehand. Better is no failure. */
export function nonInferiorityContrasts(
  claim: ClaimOf<'non-inferiority'>,
  { runs }: Evidence,
): readonly Drawn[] {
  const { deficit, margin } = claim;
  return runPairs(claim, runs).map((pair) =>
    drawPair(pair, (a, b) => {
      const difference = differenceOf(a, b);
      const tested = testedAt(estimateOf(a, b), difference, (estimate) => ({
        pFor: pAbove(estimate, -(deficit + margin)),
        pAgainst: pBelow(estimate, -deficit),
      }));
      const words = `${signed(difference)} points; at most ${decimals(deficit)} below, with a slack of ${decimals(margin)}`;
      return { ...tested, words, both: 'by more than published' };
    }),
  );
}

/** Whether `a` and `b` end within the margin, either way. */
export function equivalenceContrasts(
  claim: ClaimOf<'equivalence'>,
  { runs }: Evidence,
): readonly Drawn[] {
  const { margin } = claim;
  return runPairs(claim, runs).map((pair) =>
    drawPair(pair, (a, b) => {
      const difference = differenceOf(a, b);
      const tested = testedAt(estimateOf(a, b), difference, (estimate) => ({
        pFor: greater(pAbove(estimate, -margin), pBelow(estimate, margin)),
        // Either side refutes, so each has half of the error.
        pAgainst: eitherOf(pAbove(estimate, margin), pBelow(estimate, -margin)),
      }));
      return {
        ...tested,
        words: `${signed(difference)} points, asked for \u00b1${decimals(margin)}`,
      };
    }),
  );
}

/**
 * Whether `a` beats `b`: Welch, two-sided, after Holm. Refuted where the effect is below the published one; where nothing
 * at all is published, below 0. Beside it, whether the effect grows with the difficulty of the task.
 */
export function superiorityContrasts(
  claim: ClaimOf<'superiority'>,
  evidence: Evidence,
): readonly Drawn[] {
  const pairs = runPairs(claim, evidence.runs);
  const drawn = pairs.map((pair) => drawSuperiority(claim, pair));
  return claim.difficulty === undefined ? drawn : [...drawn, ...growths(claim, pairs, evidence)];
}

function drawSuperiority({ published }: ClaimOf<'superiority'>, pair: Pair): Drawn {
  const { dataset = '' } = pair.a.at;
  const known = Object.hasOwn(published, dataset) ? published[dataset] : undefined;
  const any = Object.keys(published).length === 0;
  return drawPair(pair, (a, b) => {
    const difference = differenceOf(a, b);
    const tested = testedAt(estimateOf(a, b), difference, (estimate) => {
      const { p } = welch(valuesOf(a), valuesOf(b));
      return {
        pFor: p === null || difference > 0 ? p : 1,
        pAgainst: pBelow(estimate, known ?? 0),
      };
    });
    const beside = known === undefined ? '' : `, published ${signed(known)}`;
    const untested = known === undefined && !any && 'nothing is published of this data set';
    return {
      ...tested,
      words: `${signed(difference)} points${beside}`,
      both: 'smaller than published',
      ...(untested && { untested }),
    };
  });
}

/** For each point of the axes beside the data set: the linear contrast of effects over data sets, by their dense error. */
function growths(
  claim: ClaimOf<'superiority'>,
  pairs: readonly Pair[],
  evidence: Evidence,
): readonly Drawn[] {
  const errors = new Map(
    [...sidesOf(evidence.runs, selectorOf(claim.difficulty ?? {})).values()]
      .filter(({ observed }) => observed.length > 0)
      .map(({ at, observed }) => [at.dataset ?? '', 100 - mean(valuesOf(observed))]),
  );
  const points = new Map<string, Pair[]>();
  for (const pair of pairs) points.set(pair.label, [...(points.get(pair.label) ?? []), pair]);
  return [...points].map(([label, all]) => {
    const there = all.flatMap(({ a, b }) => {
      const dataset = a.at.dataset ?? '';
      const error = errors.get(dataset);
      const seeds = Math.min(a.observed.length, b?.observed.length ?? 0);
      if (b === undefined || error === undefined) return [];
      return isAssessed({ datasets: [dataset], seeds }, claim, evidence)
        ? [{ dataset, error, a: a.observed, b: b.observed }]
        : [];
    });
    return drawGrowth(`${label} growth with difficulty`.trim(), there);
  });
}

interface Effect {
  readonly dataset: string;
  readonly error: number;
  readonly a: Observations;
  readonly b: Observations;
}

function drawGrowth(label: string, effects: readonly Effect[]): Drawn {
  const name = { label, dataset: 'all', beside: true, unless: 'growth with difficulty not shown' };
  if (effects.length < 2) {
    return absent(name, 'points', 'growth needs two data sets that are assessed');
  }
  const ordered = [...effects].sort((a, b) => a.error - b.error);
  // Equal steps from the easiest to the hardest: the estimate is the rise over the whole way, by least squares.
  const middle = (ordered.length - 1) / 2;
  const squares = ordered.reduce((sum, _, i) => sum + (i - middle) * (i - middle), 0);
  const weights = ordered.map((_, i) => ((i - middle) / squares) * (ordered.length - 1));
  const estimate = linearEstimate(
    ordered.flatMap(({ a, b }, i) => [
      { values: valuesOf(a), weight: weights[i]! },
      { values: valuesOf(b), weight: -weights[i]! },
    ]),
  );
  const none = { a: { label: 'effects, hardest above easiest', observed: [] }, b: null };
  const way = ordered.map(({ dataset }) => dataset).join(', ');
  return {
    ...name,
    ...none,
    datasets: ordered.map(({ dataset }) => dataset),
    unit: 'points',
    seeds: Math.min(...ordered.flatMap(({ a, b }) => [a.length, b.length])),
    effect: estimate?.value ?? null,
    ci: () => estimate && boundsOf(estimate),
    level: ONE_SIDED_LEVEL,
    pFor: estimate && pAbove(estimate, 0),
    pAgainst: estimate && pBelow(estimate, 0),
    sized: false,
    also: () => [],
    words: `${signed(estimate?.value ?? 0)} points from the easiest to the hardest (${way})`,
  };
}
