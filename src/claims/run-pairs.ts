// run-pairs.ts — arms of runs, and what they are compared with: accuracies in percent
import { boundsOf, type Estimate, ONE_SIDED_LEVEL } from '../stats/one-sided.ts';
import { mean } from '../stats/summary.ts';
import { absent, type Drawn, type Observed, type Side, valuesOf, withoutRuns } from './contrast.ts';
import { type DeclaredArm, selectorOf } from './declaration.ts';
import type { Absence, Evidence, Labels, Observation } from './evidence.ts';
import {
  counterpartOf,
  type Group,
  groupsOf,
  pointWords,
  repetitionOf,
  type Selector,
  wordsOf,
} from './selection.ts';

type Runs = Evidence['runs'];
type Run = Runs['items'][number]['value'];

/** An arm of runs, and those that are missing from it, with the labels that tell it from others. */
export interface RunSide extends Side {
  readonly missing: readonly Absence[];
  readonly at: Labels;
}

/** Two arms to be compared; `b` is undefined where there is nothing to compare with. */
export interface Pair {
  readonly label: string;
  readonly a: RunSide;
  readonly b: RunSide | undefined;
}

/** Every group that `a` chooses beside its counterpart in `b`, itself left out. */
export function runPairs(
  { a, b }: { readonly a: DeclaredArm; readonly b: DeclaredArm },
  runs: Runs,
): readonly Pair[] {
  const [chosen, against]: [Selector, Selector] = [selectorOf(a), selectorOf(b)];
  const candidates = groupsOf(runs, against);
  return groupsOf(runs, chosen).flatMap((group): readonly Pair[] => {
    const counterpart = counterpartOf(group, candidates, against);
    if (counterpart && wordsOf(counterpart) === wordsOf(group)) return [];
    const other = counterpart && runSide(counterpart);
    return [{ label: pointWords(group.at), a: runSide(group), b: other }];
  });
}

const runSide = (group: Group<Run>): RunSide => ({
  ...sideOf([group]),
  label: wordsOf(group),
  at: group.at,
});

/** What a rule tells of two arms that both ran. */
export type Tested = Pick<Drawn, 'effect' | 'ci' | 'level' | 'pFor' | 'pAgainst' | 'words'> &
  Partial<Pick<Drawn, 'both' | 'qualifiers' | 'untested' | 'also'>>;

/** Draws a pair; one of which nothing ran, or nothing to compare it with, has no effect. */
export function drawPair(
  { label, a, b }: Pair,
  test: (a: readonly Observed[], b: readonly Observed[]) => Tested,
): Drawn {
  const dataset = a.at.dataset ?? '';
  const missing = [...a.missing, ...(b?.missing ?? [])];
  const why = missing[0]?.reason;
  if (a.observed.length === 0) {
    return absent({ label, dataset }, 'points', why ?? 'nothing ran for this arm');
  }
  if (b === undefined || b.observed.length === 0) {
    const words = why ?? 'nothing ran that it could be compared with';
    return absent({ label, dataset }, 'points', words);
  }
  const tested = test(a.observed, b.observed);
  const without = withoutRuns(missing);
  return {
    label,
    dataset,
    a,
    b,
    unit: 'points',
    seeds: Math.min(a.observed.length, b.observed.length),
    sized: true,
    also: () => [],
    ...tested,
    words: [tested.words, ...without].join('; '),
    ...(without.length > 0 && { without }),
  };
}

/** Both one-sided tests of an estimate against bounds, its one-sided 95 % bounds, and why there are none. */
export function testedAt(
  estimate: Estimate | null,
  difference: number,
  tests: (estimate: Estimate) => Pick<Tested, 'pFor' | 'pAgainst'>,
): Omit<Tested, 'words'> {
  const common = { effect: difference, level: ONE_SIDED_LEVEL };
  if (estimate === null) {
    const untested = 'a single observation has no SD, so no test exists';
    return { ...common, ci: () => null, pFor: null, pAgainst: null, untested };
  }
  const tested = tests(estimate);
  const none = tested.pFor === null && tested.pAgainst === null;
  const untested = none && { untested: 'neither arm varies, so no test exists' };
  return { ...common, ci: () => boundsOf(estimate), ...tested, ...untested };
}

function sideOf(groups: readonly Group<Run>[]): Pick<RunSide, 'observed' | 'missing'> {
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
export function sidesOf(runs: Runs, selector: Selector): ReadonlyMap<string, RunSide> {
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

function averagedSide(at: Labels, groups: readonly Group<Run>[]): RunSide {
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
