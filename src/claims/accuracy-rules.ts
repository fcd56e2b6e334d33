// accuracy-rules.ts — claims about test accuracy: equivalence, superiority, placement
import { equivalence } from '../stats/equivalence.ts';
import { mean } from '../stats/summary.ts';
import { welch } from '../stats/t-test.ts';
import {
  absent,
  compared,
  type Drawn,
  type Observed,
  type Tested,
  valuesOf,
  withoutRuns,
} from './contrast.ts';
import { type ClaimOf, selectorOf } from './declaration.ts';
import type { Absence, Evidence, Labels, Observation } from './evidence.ts';
import type { Finding } from './result.ts';
import {
  counterpartOf,
  type Group,
  groupsOf,
  pointWords,
  repetitionOf,
  type Selector,
  wordsOf,
} from './selection.ts';
import { decimals, pWords, signed } from './words.ts';

type Runs = Evidence['runs'];
type Run = Runs['items'][number]['value'];

/** The error of every test that decides. */
export const ALPHA = 0.05;

/** Whether `a` and `b` end within the margin: two one-sided tests, contrast by contrast. */
export function equivalenceContrasts(
  claim: ClaimOf<'equivalence'>,
  { runs }: Evidence,
): readonly Drawn[] {
  const { margin } = claim;
  return pairsOf(claim, runs).map((pair) =>
    drawPair(claim.id, pair, (a, b) => {
      const { difference, ci, level, p, equivalent, reason } = equivalence(a, b, {
        margin,
        alpha: ALPHA,
      });
      const near = Math.abs(difference) <= margin;
      const finding = equivalent ? 'reproduced' : near ? 'within margin' : 'not reproduced';
      const bounds = `\u00b1${decimals(margin)} points`;
      const found = {
        reproduced: `${signed(difference)} points, within ${bounds} with confidence`,
        'within margin': `${signed(difference)} points lie within ${bounds}, the interval does not`,
        'not reproduced': `${signed(difference)} points lie outside ${bounds}`,
      }[finding];
      const words = reason === null || ci !== null ? found : reason;
      return { effect: difference, ci, level, p, finding: ci && finding, words };
    }),
  );
}

/** Whether `a` beats `b`: Welch, adjusted by Holm over the family where verdicts are given. */
export function superiorityContrasts(
  claim: ClaimOf<'superiority'>,
  { runs }: Evidence,
): readonly Drawn[] {
  return pairsOf(claim, runs).map((pair) => {
    const published = claim.published[pair.a.at.dataset];
    return drawPair(claim.id, pair, (a, b) => {
      const test = welch(a, b);
      const close =
        published !== undefined && Math.abs(test.difference - published) <= claim.margin;
      return superiorityOf(test, close, published);
    });
  });
}

function superiorityOf(
  { difference, ci, level, p, reason }: ReturnType<typeof welch>,
  close: boolean,
  published: number | undefined,
): Tested {
  const common = { effect: difference, ci, level, p };
  if (p === null) return { ...common, finding: null, words: reason ?? 'no test exists' };
  const beside = published === undefined ? '' : `, published ${signed(published)}`;
  const words = `${signed(difference)} points, ${pWords(p)}${beside}`;
  const otherwise: Finding = close ? 'within margin' : 'not reproduced';
  const wins = p < ALPHA && difference > 0;
  return { ...common, finding: wins ? 'reproduced' : otherwise, words, otherwise };
}

/**
 * Whether it matters which neurons become hubs, and more so than how unequal fan-in is: arms that keep an optimiser's
 * placement against arms that do not, each the mean of its runs per seed; and beside it, what variance alone does.
 */
export function placementContrasts(
  claim: ClaimOf<'placement'>,
  { runs }: Evidence,
): readonly Drawn[] {
  const sides = (arm: ClaimOf<'placement'>['a']) => sidesOf(runs, selectorOf(arm));
  const [a, b] = [sides(claim.a), sides(claim.b)];
  const [random, even] = [sides(claim.variance.a), sides(claim.variance.b)];
  return [...a].flatMap(([point, kept]) => {
    const words = pointWords(kept.at);
    const variance = {
      label: `${words} variance`.trim(),
      a: random.get(point),
      b: even.get(point),
    };
    const varied = drawPair(
      claim.id,
      { ...variance, a: variance.a ?? emptySide(kept.at) },
      varianceTest,
    );
    const placement = { label: `${words} placement`.trim(), a: kept, b: b.get(point) };
    const placed = drawPair(claim.id, placement, (x, y) =>
      placementTest(x, y, varied.effect, claim.margin),
    );
    return [placed, varied];
  });
}

/** Shown beside the placement effect; it decides through it and has no finding of its own. */
function varianceTest(a: readonly number[], b: readonly number[]): Tested {
  const { difference, ci, level, p } = welch(a, b);
  const words = `unequal fan-in with hubs at random: ${signed(difference)} points`;
  return { effect: difference, ci, level, p, finding: null, words };
}

function placementTest(
  a: readonly number[],
  b: readonly number[],
  variance: number | null,
  margin: number,
): Tested {
  const { difference, ci, level, p, reason } = welch(a, b);
  const common = { effect: difference, ci, level, p };
  if (p === null) return { ...common, finding: null, words: reason ?? 'no test exists' };
  if (variance === null) {
    return { ...common, finding: null, words: 'the effect of variance was not measured' };
  }
  const size = Math.abs(variance);
  const otherwise: Finding = difference > size - margin ? 'within margin' : 'not reproduced';
  const finding = p < ALPHA && difference > size ? 'reproduced' : otherwise;
  const apart = `variance alone ${signed(variance)}`;
  const words = `placement ${signed(difference)} points, ${pWords(p)}; ${apart}`;
  return { ...common, finding, words, otherwise };
}

// ---- pairs of arms ----

/** An arm of runs, and those that are missing from it. */
interface Side {
  readonly label: string;
  readonly observed: readonly Observed[];
  readonly missing: readonly Absence[];
}

interface Pair {
  readonly label: string;
  readonly a: PlacedSide;
  readonly b: Side | undefined;
}

/** A side with the labels that tell it from others of its arm. */
type PlacedSide = Side & { readonly at: Labels };

/** Every group that `a` chooses beside its counterpart in `b`, itself left out. */
function pairsOf(
  { a, b }: { readonly a: ClaimOf<'equivalence'>['a']; readonly b: ClaimOf<'equivalence'>['b'] },
  runs: Runs,
): readonly Pair[] {
  const [chosen, against]: [Selector, Selector] = [selectorOf(a), selectorOf(b)];
  const candidates = groupsOf(runs, against);
  return groupsOf(runs, chosen).flatMap((group): readonly Pair[] => {
    const counterpart = counterpartOf(group, candidates, against);
    if (counterpart && wordsOf(counterpart) === wordsOf(group)) return [];
    const other = counterpart && { ...sideOf([counterpart]), label: wordsOf(counterpart) };
    const own = { ...sideOf([group]), label: wordsOf(group), at: group.at };
    return [{ label: pointWords(group.at), a: own, b: other }];
  });
}

/** Draws a pair that both sides of which have runs. */
function drawPair(
  claim: string,
  { label, a, b }: Pair,
  test: (a: readonly number[], b: readonly number[]) => Tested,
): Drawn {
  const dataset = a.at.dataset ?? '';
  const missing = [...a.missing, ...(b?.missing ?? [])];
  const why = missing.length > 0 ? missing[0].reason : undefined;
  if (a.observed.length === 0) {
    return absent({ label, dataset }, 'points', why ?? 'nothing ran for this arm');
  }
  if (b === undefined || b.observed.length === 0) {
    return absent(
      { label, dataset },
      'points',
      why ?? 'nothing ran that it could be compared with',
    );
  }
  const tested = test(valuesOf(a.observed), valuesOf(b.observed));
  const without = withoutRuns(missing);
  const words = [tested.words, ...without].join('; ');
  const drawn = compared({ claim, label, dataset }, a, b, { ...tested, words });
  return without.length > 0 ? { ...drawn, without } : drawn;
}

function sideOf(groups: readonly Group<Run>[]): Omit<Side, 'label'> {
  return {
    observed: groups.flatMap(({ runs }) => runs.map(observe)),
    missing: groups.flatMap(({ missing }) => missing),
  };
}

/** Test accuracy in percent. */
const observe = (run: Observation<Run>): Observed => ({
  value: 100 * run.value.accuracy,
  from: [{ task: run.task, digest: run.digest }],
  repetition: repetitionOf(run),
});

/**
 * A side of several arms for each point of the axes that the selector leaves open: a seed's value is the mean over the
 * arms that it chooses.
 */
function sidesOf(runs: Runs, selector: Selector): ReadonlyMap<string, PlacedSide> {
  const points = new Map<string, { at: Labels; groups: Group<Run>[] }>();
  for (const group of groupsOf(runs, selector)) {
    const open = Object.entries(group.at).filter(([axis]) => !selector.has(axis));
    const name = JSON.stringify(open);
    const point = points.get(name) ?? { at: Object.fromEntries(open), groups: [] };
    point.groups.push(group);
    points.set(name, point);
  }
  return new Map([...points].map(([name, { at, groups }]) => [name, averagedSide(at, groups)]));
}

function averagedSide(at: Labels, groups: readonly Group<Run>[]): PlacedSide {
  const { observed, missing } = sideOf(groups);
  const seeds = new Map<string, Observed[]>();
  for (const one of observed) {
    seeds.set(one.repetition, [...(seeds.get(one.repetition) ?? []), one]);
  }
  const averaged = [...seeds].map(([repetition, ofSeed]) => ({
    value: mean(valuesOf(ofSeed)),
    from: ofSeed.flatMap(({ from }) => from),
    repetition,
  }));
  return { label: groups.map(wordsOf).join(' and '), at, observed: averaged, missing };
}

const emptySide = (at: Labels): PlacedSide => ({ label: '', at, observed: [], missing: [] });
