// convergence-rule.ts — the claim that rewiring forgets where it started
import type { ConvergenceRow, RunConvergence } from '../sparse/convergence.ts';
import {
  boundsOf,
  type Estimate,
  linearEstimate,
  ONE_SIDED_LEVEL,
  pAbove,
  pBelow,
} from '../stats/one-sided.ts';
import { mean } from '../stats/summary.ts';
import { absent, type Drawn, type Side } from './contrast.ts';
import { type ClaimOf, selectorOf } from './declaration.ts';
import type { Evidence } from './evidence.ts';
import type { Source } from './result.ts';
import { pointWords, type Selector } from './selection.ts';
import { decimals } from './words.ts';

/**
 * Whether runs from each start end as near to the runs from the reference start as those are to each other: the distance
 * at the end less the mean noise floor is below the margin. The reference is not compared with itself. Runs that start
 * at the fitted equilibrium have to stay there: how far they move, less the same floor, is below the margin, too.
 */
export function convergenceContrasts(
  claim: ClaimOf<'convergence'>,
  { convergence }: Evidence,
): readonly Drawn[] {
  const [starts, reference] = [selectorOf(claim.a), selectorOf(claim.b)];
  const fixed = claim.fixed && selectorOf(claim.fixed);
  const drawn = convergence.items.flatMap(({ value, task, digest }) =>
    value.rows.flatMap((row) => {
      const at = { ...row, profile: row.start };
      const source = { task, digest };
      const ends = chooses(starts, at) && !chooses(reference, at);
      return [
        ...(ends ? [drawRow(row, claim.margin, { source, measure: 'end' })] : []),
        ...(fixed && chooses(fixed, at)
          ? [drawRow(row, claim.margin, { source, measure: 'stay' })]
          : []),
      ];
    }),
  );
  const lost = convergence.missing.filter(({ at }) => chooses(starts, at));
  const untested = lost.map(({ at, reason }) =>
    absent({ label: pointWords(at), dataset: at.dataset ?? '' }, 'W1', reason),
  );
  return [...drawn, ...untested];
}

/**
 * Whether a setting is one that the claim is about; an axis that it does not tell leaves it open. The stage is that of
 * the rewired runs: a convergence has rows of one stage only.
 */
const chooses = (
  selector: Selector,
  at: { readonly [axis in 'dataset' | 'hidden' | 'sparsity' | 'rule' | 'profile']?: string | null },
): boolean =>
  (['dataset', 'hidden', 'sparsity', 'rule', 'profile'] as const).every((axis) => {
    const labels = selector.get(axis);
    const label = at[axis];
    return labels === undefined || label === undefined || labels.includes(label ?? '');
  });

/** Whether runs end where the reference does, or stay where they began. */
interface Measured {
  readonly source: Source;
  readonly measure: 'end' | 'stay';
}

function drawRow(row: ConvergenceRow, margin: number, { source, measure }: Measured): Drawn {
  const label = `${labelOf(row)}${measure === 'stay' ? ' stays' : ''}`;
  const dataset = row.dataset ?? '';
  const { noiseFloor: floor, contraction } = row;
  if (floor === null) {
    return absent({ label, dataset }, 'W1', 'a single reference run has no noise floor');
  }
  const values = row.runs.map((run) => (measure === 'end' ? run.w1End : run.moved));
  const effect = mean(values) - floor.mean;
  const estimate = excess(row, floor.pairs, measure);
  const kept = contraction === null || measure === 'stay' ? '' : ` of ${decimals(row.w1Start)}`;
  const found =
    measure === 'end'
      ? `distance ${decimals(mean(values))}${kept} is left`
      : `moved by ${decimals(mean(values))}`;
  return {
    label,
    dataset,
    a: sideOf(
      measure === 'end' ? `from ${row.start}` : `${row.start}, start to end`,
      values,
      source,
    ),
    b: sideOf('between two reference runs', floor.pairs, source),
    effect,
    unit: 'W1',
    seeds: Math.min(row.n, row.references),
    ci: () => estimate && boundsOf(estimate),
    level: ONE_SIDED_LEVEL,
    pFor: estimate && pBelow(estimate, margin),
    pAgainst: estimate && pAbove(estimate, margin),
    ...(estimate === null && { untested: 'runs too few for an interval' }),
    sized: false,
    also: () => [
      { label: 'contraction', value: contraction, ci: null },
      { label: 'distance at the start', value: row.w1Start, ci: null },
      { label: 'noise floor', value: floor.mean, ci: [floor.min, floor.max] },
      { label: 'CV at the start', value: row.cvStart, ci: null },
      { label: 'CV at the end', value: row.cvEnd, ci: null },
      { label: 'Jaccard index with the start', value: row.jaccardInitial, ci: null },
    ],
    words: `${found}, noise floor ${decimals(floor.mean)}, margin ${decimals(margin)}`,
  };
}

/**
 * The mean over runs less the mean floor. Runs differ, and so do the references, each of which is part of every distance
 * of a run and of n - 1 pairs of the floor: the jackknife's pseudo-values of both kinds, as independent samples.
 */
function excess(
  { runs, references }: ConvergenceRow,
  pairs: readonly number[],
  measure: Measured['measure'],
): Estimate | null {
  if (runs.length < 2 || references < 3) return null;
  const ofReference = floorsOf(pairs, references);
  const all = mean(pairs);
  const toEach = measure === 'end' ? meansTo(runs, references) : null;
  const parts = ofReference.map((floor, j) => (toEach?.[j] ?? 0) - 2 * (floor - all));
  const own = runs.map((run) => (measure === 'end' ? run.w1End : run.moved));
  const shift = toEach ? mean(toEach) : 0;
  const varied = linearEstimate([
    { values: own, weight: 1 },
    { values: parts.map((part) => part - shift), weight: 1 },
  ]);
  return varied && { ...varied, value: mean(own) - all };
}

/** Per reference run, the mean distance to the others. Pairs come as first with second, first with third, and so on. */
function floorsOf(pairs: readonly number[], n: number): readonly number[] {
  const sums = new Array<number>(n).fill(0);
  let at = 0;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++, at++) {
      sums[i]! += pairs[at]!;
      sums[j]! += pairs[at]!;
    }
  }
  return sums.map((sum) => sum / (n - 1));
}

/** Per reference run, the mean distance of the runs to it. */
const meansTo = (runs: readonly RunConvergence[], n: number): readonly number[] =>
  Array.from({ length: n }, (_, j) =>
    mean(runs.map(({ toReferences, w1End }) => toReferences[j] ?? w1End)),
  );

/** Numbers that were all read from one blob. */
const sideOf = (label: string, values: readonly number[], source: Source): Side => ({
  label,
  observed: values.map((value, i) => ({ value, from: i === 0 ? [source] : [], repetition: '' })),
});

const labelOf = ({ hidden, sparsity, rule, start, layer }: ConvergenceRow): string =>
  [hidden, sparsity, rule, start, `layer ${layer + 1}`]
    .filter((word) => word !== null && word !== undefined)
    .join(' ');
