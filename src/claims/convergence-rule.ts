// convergence-rule.ts — the claim that rewiring forgets where it started
import type { ConvergenceRow } from '../sparse/convergence.ts';
import { overlap } from '../stats/interval.ts';
import { mean } from '../stats/summary.ts';
import { meanInterval } from '../stats/t-test.ts';
import { absent, armOf, type Drawn, measured } from './contrast.ts';
import { type ClaimOf, selectorOf } from './declaration.ts';
import type { Evidence } from './evidence.ts';
import type { Arm, Finding, Source } from './result.ts';
import { pointWords, type Selector } from './selection.ts';
import { decimals } from './words.ts';

/**
 * Whether runs from each start end as near to the runs from a uniformly random start as those are to each other: the
 * interval of the mean distance at the end (contraction times the distance at the start) overlaps the noise floor, the
 * range of distances between two reference runs.
 */
export function convergenceContrasts(
  claim: ClaimOf<'convergence'>,
  { convergence }: Evidence,
): readonly Drawn[] {
  const selector = selectorOf(claim.a);
  const drawn = convergence.items.flatMap(({ value, task, digest }) => {
    const rows = value.rows.filter((row) => chooses(selector, { ...row, profile: row.start }));
    return rows.map((row) => drawRow(row, claim.margin, { task, digest }));
  });
  const lost = convergence.missing.filter(({ at }) => chooses(selector, at));
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

function drawRow(row: ConvergenceRow, margin: number, source: Source): Drawn {
  const label = labelOf(row);
  const dataset = row.dataset ?? '';
  const { noiseFloor: floor, contraction } = row;
  if (floor === null) {
    return absent({ label, dataset }, 'W1', 'a single reference run has no noise floor');
  }
  const ends = row.runs.map(({ w1End }) => w1End);
  const effect = mean(ends);
  const { ci, level } = meanInterval(ends);
  const settled = ci !== null && overlap(ci, [floor.min, floor.max]);
  const close = effect - floor.max <= margin;
  const finding: Finding = settled ? 'reproduced' : close ? 'within margin' : 'not reproduced';
  const kept = contraction === null ? '' : ` of ${decimals(row.w1Start)}`;
  return measured({
    label,
    dataset,
    a: sideOf(`from ${row.start}`, ends, source),
    b: sideOf('between two reference runs', floor.pairs, source),
    effect,
    unit: 'W1',
    seeds: Math.min(row.n, row.references),
    ci,
    level,
    p: null,
    also: [
      { label: 'contraction', value: contraction, ci: null },
      { label: 'distance at the start', value: row.w1Start, ci: null },
      { label: 'noise floor', value: floor.mean, ci: [floor.min, floor.max] },
      { label: 'CV at the start', value: row.cvStart, ci: null },
      { label: 'CV at the end', value: row.cvEnd, ci: null },
      { label: 'Jaccard index with the start', value: row.jaccardInitial, ci: null },
    ],
    finding: ci === null ? null : finding,
    words: `distance ${decimals(effect)}${kept} is left, noise floor ${decimals(floor.min)}\u2013${decimals(floor.max)}`,
  });
}

/** Numbers that were all read from one blob. */
function sideOf(label: string, values: readonly number[], source: Source): Arm {
  const observed = values.map((value) => ({ value, from: [], repetition: '' }));
  return { ...armOf(label, observed), tasks: [source] };
}

const labelOf = ({ hidden, sparsity, rule, start, layer }: ConvergenceRow): string =>
  [hidden, sparsity, rule, start, `layer ${layer + 1}`]
    .filter((word) => word !== null && word !== undefined)
    .join(' ');
