// arms.ts — runs that differ only in their seed, gathered and summarised
import { mean, type Summary, summarise } from '../../stats/summary.ts';
import type { Method, Provenance, Run, Study } from './study.ts';

/** The runs of one method from one profile in one setting: the same experiment over seeds. */
export interface Arm {
  /** Id of its row in the provenance table. */
  readonly anchor: string;
  readonly dataset: string;
  readonly sparsity: string;
  readonly rule: string;
  readonly profile: string;
  readonly method: Method;
  /** At least one. */
  readonly runs: readonly Run[];
  /** Final test accuracy, as fractions. */
  readonly accuracy: Summary;
  /** Runs that fuller arms of the study have: more than there are where some are missing. */
  readonly expected: number;
}

/** What is held equal when profiles and methods are compared. */
export interface Setting {
  readonly dataset: string;
  readonly sparsity: string;
  readonly rule: string;
  /** Those that ran here, in the study's order. */
  readonly profiles: readonly string[];
  readonly arms: readonly Arm[];
  /** The dense network on the same data set. */
  readonly dense: Arm | null;
}

/** All results on one data set. */
export interface DatasetResults {
  readonly dataset: string;
  readonly dense: Arm | null;
  readonly settings: readonly Setting[];
}

/**
 * The profiles of a study's sparse runs, in matrix order even where runs are missing: a profile that one setting lacks
 * takes its place behind the one that it follows in another.
 */
export function profilesOf({ runs }: Study): readonly string[] {
  const sparse = runs.filter(({ method }) => method !== 'dense');
  const sequences = groupBy(sparse, ({ coordinates: { dataset, sparsity, rule }, method }) =>
    JSON.stringify([dataset, sparsity, rule, method]),
  );
  const order: string[] = [];
  for (const sequence of sequences.values()) {
    let place = 0;
    for (const { coordinates } of sequence) {
      const known = order.indexOf(coordinates.profile);
      if (known < 0) order.splice(place, 0, coordinates.profile);
      place = (known < 0 ? place : known) + 1;
    }
  }
  return order;
}

/** Gathers a study's runs by data set, setting and arm, in order of first appearance; profiles in the study's order. */
export function gather(study: Study): readonly DatasetResults[] {
  const profiles = profilesOf(study);
  const grouped = [...groupBy(study.runs, armName).values()];
  const expected = grouped.reduce((most, runs) => Math.max(most, runs.length), 0);
  const arms = grouped.map((runs, i) => armOf(runs, i, expected));
  return [...groupBy(arms, (arm) => arm.dataset)].map(([dataset, ofDataset]) => {
    const dense = ofDataset.find((arm) => arm.method === 'dense') ?? null;
    const sparse = ofDataset.filter((arm) => arm.method !== 'dense');
    const bySetting = groupBy(sparse, (arm) => JSON.stringify([arm.sparsity, arm.rule]));
    const settings = [...bySetting.values()].map((ofSetting) =>
      settingOf(ofSetting, dense, profiles),
    );
    return { dataset, dense, settings };
  });
}

/** The grid of sparsity and profile, as settings of static arms. */
export function gatherSweep(study: Study, results: readonly DatasetResults[]): readonly Setting[] {
  const grouped = [...groupBy(study.sweep, armName).values()];
  const expected = grouped.reduce((most, runs) => Math.max(most, runs.length), 0);
  const arms = grouped.map((runs, i) => ({
    ...armOf(runs, i, expected),
    anchor: sweepAnchor(i),
  }));
  return settingsOf(arms, results);
}

/** Networks that keep something of a finished RigL run, as settings of static arms that are named by what they keep. */
export function gatherPlaced(study: Study, results: readonly DatasetResults[]): readonly Setting[] {
  const runs = study.placed.map(({ dataset, sparsity, rule, arm, pilot, metrics }): Run => {
    const coordinates = { dataset, sparsity, rule, profile: arm, seed: pilot };
    return { coordinates, method: 'static', metrics, fanInBefore: null, fanInAfter: null };
  });
  const grouped = [...groupBy(runs, armName).values()];
  const expected = grouped.reduce((most, all) => Math.max(most, all.length), 0);
  const arms = grouped.map((all, i) => ({ ...armOf(all, i, expected), anchor: placedAnchor(i) }));
  return settingsOf(arms, results);
}

/** Id of the row of sources of an arm of the grid, by its place in the study. */
export const sweepAnchor = (index: number): string => `sweep-${index + 1}`;

/** Id of the row of sources of a placed arm, by its place in the study. */
export const placedAnchor = (index: number): string => `placed-${index + 1}`;

function settingsOf(arms: readonly Arm[], results: readonly DatasetResults[]): readonly Setting[] {
  const bySetting = groupBy(arms, ({ dataset, sparsity, rule }) =>
    JSON.stringify([dataset, sparsity, rule]),
  );
  return [...bySetting.values()].map((all) => {
    const dense = results.find(({ dataset }) => dataset === all[0]!.dataset)?.dense ?? null;
    return settingOf(all, dense, [...new Set(all.map(({ profile }) => profile))]);
  });
}

/** All arms in the order in which tables show them. */
export function allArms(results: readonly DatasetResults[]): readonly Arm[] {
  return results.flatMap(({ dense, settings }) => [
    ...(dense ? [dense] : []),
    ...settings.flatMap((setting) => setting.arms),
  ]);
}

/** The arm of this profile and method, if any of its runs is there. */
export function findArm(setting: Setting, profile: string, method: Method): Arm | null {
  return setting.arms.find((arm) => arm.profile === profile && arm.method === method) ?? null;
}

/** Whether any run of this method is there. */
export function ran({ settings }: DatasetResults, method: Method): boolean {
  return settings.some(({ arms }) => arms.some((arm) => arm.method === method));
}

/** Accuracy of an arm less that of another, means of fractions; null where one is missing. */
export function advantage(arm: Arm | null, over: Arm | null): number | null {
  return arm && over ? arm.accuracy.mean - over.accuracy.mean : null;
}

/** A blob that a number was read from, and what it held. */
export interface Source {
  readonly holds: string;
  readonly from: Provenance;
}

/** The sources of every value of an arm, run by run. */
export function sourcesOf(arm: Arm): readonly Source[] {
  return arm.runs.flatMap(({ metrics, fanInBefore, fanInAfter }) => [
    { holds: 'metrics', from: metrics.from },
    ...(fanInBefore ? [{ holds: 'fan-in before', from: fanInBefore.from }] : []),
    ...(fanInAfter ? [{ holds: 'fan-in after', from: fanInAfter.from }] : []),
  ]);
}

/** One hidden layer of an arm before and after RigL, over all its runs. */
export interface LayerChange {
  readonly inputs: number;
  readonly outputs: number;
  /** Connections of each neuron of each run. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** CV of fan-in, per run. */
  readonly cvBefore: Summary;
  readonly cvAfter: Summary;
}

/** What RigL did to the fan-in of each hidden layer; empty where nothing was rewired. */
export function layerChanges(arm: Arm): readonly LayerChange[] {
  const pairs = arm.runs.flatMap(({ fanInBefore, fanInAfter }) =>
    fanInBefore && fanInAfter ? [[fanInBefore.value.layers, fanInAfter.value.layers]] : [],
  );
  if (pairs.length === 0) return [];
  const [first] = pairs[0]!;
  // The last layer is the output layer, which is dense and never rewired.
  return first!.slice(0, -1).map(({ inputs, outputs }, l) => ({
    inputs,
    outputs,
    before: pairs.flatMap(([before]) => before![l]!.fanIn),
    after: pairs.flatMap(([, after]) => after![l]!.fanIn),
    cvBefore: summarise(pairs.map(([before]) => before![l]!.cv)),
    cvAfter: summarise(pairs.map(([, after]) => after![l]!.cv)),
  }));
}

/** A monitored quantity per epoch: one list of [epoch, value] per run, and their mean. */
export interface Curves {
  readonly runs: readonly (readonly (readonly [number, number])[])[];
  readonly mean: readonly (readonly [number, number])[];
}

/** The learning curves of an arm. The mean stops at the last epoch that all runs have. */
export function curvesOf(arm: Arm, quantity: 'testAccuracy' | 'loss'): Curves {
  const runs = arm.runs.map(({ metrics }) =>
    metrics.value.epochs.map((record) => [record.epoch, record[quantity]] as const),
  );
  const shared = runs.reduce((least, curve) => Math.min(least, curve.length), runs[0]!.length);
  const averaged = runs[0]!
    .slice(0, shared)
    .map(([epoch], i) => [epoch, mean(runs.map((curve) => curve[i]![1]))] as const);
  return { runs, mean: averaged };
}

function armName({ coordinates: at, method }: Run): string {
  return JSON.stringify([at.dataset, at.sparsity, at.rule, at.profile, method]);
}

function armOf(runs: readonly Run[], index: number, expected: number): Arm {
  const { coordinates, method } = runs[0]!;
  const { dataset, sparsity, rule, profile } = coordinates;
  const accuracy = summarise(runs.map((run) => run.metrics.value.accuracy));
  const at = { dataset, sparsity, rule, profile, method };
  return { anchor: `arm-${index + 1}`, ...at, runs, accuracy, expected };
}

function settingOf(arms: readonly Arm[], dense: Arm | null, order: readonly string[]): Setting {
  const { dataset, sparsity, rule } = arms[0]!;
  const byProfile = groupBy(arms, (arm) => arm.profile);
  const profiles = order.filter((profile) => byProfile.has(profile));
  const inOrder = profiles.flatMap((profile) => byProfile.get(profile) ?? []);
  return { dataset, sparsity, rule, profiles, arms: inOrder, dense };
}

/** What the final accuracy of these runs is, in words that follow `test accuracy`. */
export function finalWords(runs: readonly { readonly metrics: Run['metrics'] }[]): string {
  const rules = new Set(runs.map(({ metrics }) => metrics.value.final ?? 'last-epoch'));
  if (!rules.has('last-three-epochs')) return 'after the last epoch';
  if (!rules.has('last-epoch')) return 'as the mean over the last three epochs';
  return 'as the mean over the last three epochs, or after the last epoch where the learning rate moves';
}

/** How many runs arms have: `3`, or `2 to 3` where some are missing. */
export function rangeOf(arms: readonly { readonly runs: readonly unknown[] }[]): string {
  const sizes = arms.map(({ runs }) => runs.length);
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  return low === high ? String(low) : `${low} to ${high}`;
}

/** Items by name, groups in order of first appearance. */
export function group<T>(items: readonly T[], nameOf: (item: T) => string): readonly T[][] {
  return [...groupBy(items, nameOf).values()];
}

/** Items by name, names and items in order of first appearance. */
function groupBy<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = nameOf(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return groups;
}
