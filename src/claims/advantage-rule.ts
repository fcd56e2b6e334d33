// advantage-rule.ts — the claim that no profile helps: cells, their means by setting, and their means by profile
import {
  boundsOf,
  linearEstimate,
  ONE_SIDED_LEVEL,
  pAbove,
  pBelow,
  type Weighted,
  welchEstimate,
} from '../stats/one-sided.ts';
import { mean, sampleSd } from '../stats/summary.ts';
import { isAssessed } from './assessed.ts';
import { type Drawn, valuesOf } from './contrast.ts';
import type { ClaimOf } from './declaration.ts';
import type { Evidence, Labels } from './evidence.ts';
import { drawPair, type Pair, type RunSide, runPairs, testedAt } from './run-pairs.ts';
import { pointWords } from './selection.ts';
import { decimals, signed } from './words.ts';

/** A pair both sides of which ran. */
type Cell = Pair & { readonly b: RunSide };

/** The mean over profiles is taken from so many settings on: of fewer, the bound of a cell is as good. */
const SETTINGS_LEAST = 3;

/**
 * Whether no arm of `a` ends above what it is compared with. A single cell is refuted by an advantage after Holm, and
 * reproduced by an upper bound below `single` (or two seed SDs). Two kinds of means keep small advantages of many
 * from passing: over all profiles of a setting, and over all settings of a profile, each below `margin` (or one seed SD).
 */
export function advantageContrasts(
  claim: ClaimOf<'no-advantage'>,
  evidence: Evidence,
): readonly Drawn[] {
  const pairs = runPairs(claim, evidence.runs);
  const whole = pairs.filter(
    (pair): pair is Cell => pair.a.observed.length > 0 && (pair.b?.observed.length ?? 0) > 0,
  );
  const assessed = whole.filter((cell) => isAssessed(basisOf([cell]), claim, evidence));
  // Settings of synthetic data and of few seeds are shown as they are; means over settings are of those that count.
  return [
    ...pairs.map((pair) => drawCell(claim, pair)),
    ...groupedBy(whole, ['profile']).map((cells) => drawMean(claim, cells, 'all profiles')),
    ...groupedBy(assessed, ['dataset', 'sparsity'])
      .filter((cells) => cells.length >= SETTINGS_LEAST)
      .map((cells) => drawMean(claim, cells, 'all settings')),
  ];
}

const basisOf = (cells: readonly Cell[]) => ({
  datasets: [...new Set(cells.map(({ a }) => a.at.dataset ?? ''))],
  seeds: Math.min(...cells.flatMap(({ a, b }) => [a.observed.length, b.observed.length])),
});

/** Cells that agree on all axes but some. */
function groupedBy(cells: readonly Cell[], open: readonly string[]): readonly (readonly Cell[])[] {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const name = JSON.stringify(Object.entries(without(cell.a.at, open)));
    groups.set(name, [...(groups.get(name) ?? []), cell]);
  }
  return [...groups.values()];
}

const without = (at: Labels, axes: readonly string[]): Labels =>
  Object.fromEntries(Object.entries(at).filter(([axis]) => !axes.includes(axis)));

function drawCell({ single }: ClaimOf<'no-advantage'>, pair: Pair): Drawn {
  return drawPair(pair, (a, b) => {
    const [x, y] = [valuesOf(a), valuesOf(b)];
    const difference = mean(x) - mean(y);
    const limit = Math.max(single, 2 * seedSd([x, y]));
    const tested = testedAt(welchEstimate(x, y), difference, (estimate) => ({
      pFor: pBelow(estimate, limit),
      pAgainst: pAbove(estimate, 0),
    }));
    return {
      ...tested,
      words: `${signed(difference)} points, alone to stay below ${decimals(limit)}`,
    };
  });
}

/** The SD of a seed, pooled over arms of some seeds; 0 where no arm has two. */
function seedSd(arms: readonly (readonly number[])[]): number {
  let [squares, df] = [0, 0];
  for (const values of arms) {
    const sd = values.length === 0 ? null : sampleSd(values);
    if (sd === null) continue;
    squares += (values.length - 1) * sd * sd;
    df += values.length - 1;
  }
  return df === 0 ? 0 : Math.sqrt(squares / df);
}

/** The mean advantage of some cells. Cells that are compared with one arm share its error. */
function drawMean(
  { margin }: ClaimOf<'no-advantage'>,
  cells: readonly Cell[],
  over: string,
): Drawn {
  const share = 1 / cells.length;
  const others = new Map<RunSide | string, { values: readonly number[]; weight: number }>();
  for (const { b } of cells) {
    const name = JSON.stringify([b.label, b.at.dataset]);
    const known = others.get(name) ?? { values: valuesOf(b.observed), weight: 0 };
    others.set(name, { ...known, weight: known.weight - share });
  }
  const own: readonly Weighted[] = cells.map(({ a }) => ({
    values: valuesOf(a.observed),
    weight: share,
  }));
  const estimate = linearEstimate([...own, ...others.values()]);
  const limits = cells.map((cell) => {
    const mates = cells.filter(
      ({ b }) => b.at.dataset === cell.b.at.dataset && b.label === cell.b.label,
    );
    const arms = [cell.b, ...mates.map(({ a }) => a)].map(({ observed }) => valuesOf(observed));
    return Math.max(margin, seedSd(arms));
  });
  const limit = mean(limits);
  const effect = mean(
    cells.map(({ a, b }) => mean(valuesOf(a.observed)) - mean(valuesOf(b.observed))),
  );
  const { datasets, seeds } = basisOf(cells);
  const [{ a }] = cells as [Cell];
  const words = pointWords(without(a.at, over === 'all profiles' ? ['profile'] : ['sparsity']));
  return {
    label: `${words} ${over}`.trim(),
    dataset: datasets.length === 1 ? datasets[0]! : 'all',
    datasets,
    a: { label: `${over} (${cells.length})`, observed: [] },
    b: null,
    unit: 'points',
    seeds,
    effect,
    ci: () => estimate && boundsOf(estimate),
    level: ONE_SIDED_LEVEL,
    pFor: estimate && pBelow(estimate, limit),
    pAgainst: null,
    sized: false,
    also: () => [],
    words: `${signed(effect)} points on average over ${cells.length}, to stay below ${decimals(limit)}`,
  };
}
