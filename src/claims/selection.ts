// selection.ts — which runs an arm of a claim is made of
import {
  type Absence,
  type Labels,
  type Measurements,
  type Observation,
  stageOf,
} from './evidence.ts';

/** A choice of runs: by stage and, where named, by labels on axes. An axis without a choice is open. */
export type Selector = ReadonlyMap<string, readonly string[]>;

/** Runs that differ in nothing but the axes over which an experiment is repeated. */
export interface Group<T> {
  /** The labels on all other axes, by axis, in matrix order. */
  readonly at: Labels;
  /** `stage` of its runs. */
  readonly stage: string;
  readonly runs: readonly Observation<T>[];
  /** Runs that should be there and are not. */
  readonly missing: readonly Absence[];
}

/** The axes over which an experiment is repeated. */
const REPEATED: ReadonlySet<string> = new Set(['seed', 'pilot']);

/** A selector's name for the stage of a task. */
export const STAGE_AXIS = 'stage';

/**
 * The groups that a selector chooses, in the order of their first run. Where two stages hold the very same
 * run, the first one is taken.
 */
export function groupsOf<T>(
  { items, missing }: Measurements<T>,
  selector: Selector,
): readonly Group<T>[] {
  const groups = new Map<
    string,
    { at: Labels; stage: string; runs: Observation<T>[]; missing: Absence[] }
  >();
  const seen = new Set<string>();
  const groupOf = ({ task, at }: { task: string; at: Labels }) => {
    const { fixed, experiment } = pointOf(at);
    const known = groups.get(experiment);
    if (known) return known;
    const group = { at: fixed, stage: stageOf(task), runs: [], missing: [] };
    groups.set(experiment, group);
    return group;
  };
  for (const item of items) {
    if (!chooses(selector, item)) continue;
    const { name } = pointOf(item.at);
    if (seen.has(name)) continue;
    seen.add(name);
    groupOf(item).runs.push(item);
  }
  for (const absence of missing) {
    if (chooses(selector, absence)) groupOf(absence).missing.push(absence);
  }
  return [...groups.values()];
}

/**
 * What a group is compared with: the group that agrees with it on every axis that both have, but for those that
 * `selector`, which chose the candidates, decides. Undefined where there is none.
 */
export function counterpartOf<T>(
  group: Group<unknown>,
  candidates: readonly Group<T>[],
  selector: Selector,
): Group<T> | undefined {
  return candidates.find(({ at }) =>
    Object.entries(at).every(
      ([axis, label]) => selector.has(axis) || !(axis in group.at) || group.at[axis] === label,
    ),
  );
}

/** The label of a repetition: what makes two runs of different arms a pair. */
export const repetitionOf = ({ at }: Observation<unknown>): string => pointOf(at).repetition;

/** A point of the matrix, as it is grouped. */
interface Point {
  readonly name: string;
  /** Its labels without those over which an experiment is repeated, and the name of that. */
  readonly fixed: Labels;
  readonly experiment: string;
  readonly repetition: string;
}

/** Every claim asks for the points of all runs again. */
const points = new WeakMap<Labels, Point>();

function pointOf(at: Labels): Point {
  const known = points.get(at);
  if (known) return known;
  const entries = Object.entries(at);
  const fixed = Object.fromEntries(entries.filter(([axis]) => !REPEATED.has(axis)));
  const repeated = entries.filter(([axis]) => REPEATED.has(axis));
  const repetition = repeated.map(([, label]) => label).join(' ');
  const point = { name: nameOf(at), fixed, experiment: nameOf(fixed), repetition };
  points.set(at, point);
  return point;
}

/** A group in words: its stage and its labels but for the data set. */
export function wordsOf({ at, stage }: Pick<Group<unknown>, 'at' | 'stage'>): string {
  return [stage, pointWords(at)].filter((word) => word !== '').join(' ');
}

/** The labels of a point but for the data set. */
export function pointWords(at: Labels): string {
  const words = Object.entries(at).filter(([axis]) => axis !== 'dataset');
  return words.map(([, label]) => label).join(' ');
}

function chooses(selector: Selector, { task, at }: { task: string; at: Labels }): boolean {
  return [...selector].every(([axis, labels]) =>
    labels.includes(axis === STAGE_AXIS ? stageOf(task) : (at[axis] ?? '')),
  );
}

const nameOf = (at: Labels): string => JSON.stringify(Object.entries(at).sort());
