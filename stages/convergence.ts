// convergence.ts — whether rewired runs from different starts end at one fan-in distribution
import * as z from 'zod/mini';
import type { TrainingMetrics } from '../src/network/metrics.ts';
import {
  type Collected,
  collect,
  collectPartial,
  defineStage,
  json,
  StageError,
  tensors,
} from '../src/engine/stage.ts';
import {
  type Convergence,
  convergenceOf,
  type RewiredReference,
  type RewiredRun,
} from '../src/sparse/convergence.ts';
import { fanInHistory, type HistoryRow } from '../src/sparse/history.ts';
import { maskFromTensors } from '../src/sparse/mask.ts';
import type { TensorFile } from '../src/tensor.ts';

export default defineStage({
  params: z.object({}),
  inputs: {
    /** Of the runs: `topology`, `mask` and `metrics` of a stage that rewires. */
    topology: collectPartial(tensors()),
    mask: collectPartial(tensors()),
    metrics: collectPartial(json<TrainingMetrics>()),
    /** `topology` of runs that started from uniformly random masks. */
    reference: collect(tensors()),
  },
  outputs: {
    convergence: json<Convergence>(),
    /** Fan-in at a few moments of the way, pooled over seeds: for figures. */
    history: json<readonly HistoryRow[]>(),
  },
  run({ inputs, progress }) {
    const masks = byTask(inputs.mask.items);
    const metrics = byTask(inputs.metrics.items);
    const arms = armsOf(inputs.topology.items);
    const done = arms.map((group, g) => {
      progress(g, arms.length);
      const { at } = group[0]!;
      const runs = group.map((topology) => runOf(topology, masks, metrics));
      const references = inputs.reference
        .filter((reference) => armOf(reference.at) === armOf(at))
        .map(referenceOf);
      if (references.length === 0) throw new StageError(`no reference run for ${group[0]!.task}`);
      // With a single seed the reference has nothing to be compared with, and no row.
      if (references.length === 1 && references[0]!.task === group[0]!.task) return [];
      return convergenceOf(runs, references).map((layer) => ({ ...placeOf(at), ...layer }));
    });
    const missing = inputs.topology.missing.map(({ task, reason }) => {
      return { task, reason: reason.message };
    });
    return { convergence: { rows: done.flat(), missing }, history: arms.flatMap(historyOf) };
  },
});

type At = Collected<unknown>['at'];

/** The labels of an arm, as rows tell them. */
function placeOf({ dataset, hidden, sparsity, rule, profile }: At) {
  return {
    dataset: dataset ?? null,
    ...(hidden !== undefined && { hidden }),
    ...{ sparsity: sparsity ?? null, rule: rule ?? null, start: profile ?? '' },
  };
}

/** Runs of one arm differ in their seed only. */
const armOf = (at: At, ...more: readonly string[]): string =>
  JSON.stringify(
    ['dataset', 'hidden', 'sparsity', 'rule', ...more].map((axis) => at[axis] ?? null),
  );

function armsOf<T>(items: readonly Collected<T>[]): readonly (readonly Collected<T>[])[] {
  const arms = new Map<string, Collected<T>[]>();
  for (const item of items) {
    const arm = armOf(item.at, 'profile');
    arms.set(arm, [...(arms.get(arm) ?? []), item]);
  }
  return [...arms.values()];
}

const byTask = <T>(items: readonly Collected<T>[]): ReadonlyMap<string, T> =>
  new Map(items.map(({ task, value }) => [task, value]));

function runOf(
  topology: Collected<TensorFile>,
  masks: ReadonlyMap<string, TensorFile>,
  metrics: ReadonlyMap<string, TrainingMetrics>,
): RewiredRun {
  const { task, at, value } = topology;
  const [mask, told] = [masks.get(task), metrics.get(task)];
  if (mask === undefined || told === undefined) {
    throw new StageError(`${task} gives its topology but no mask or no metrics: connect all three`);
  }
  const { rewirings, connections } = told;
  return {
    ...referenceOf(topology),
    seed: at.seed ?? at.pilot ?? '',
    steps: value.tensors.steps!.data,
    mask: maskFromTensors(mask),
    overlap: rewirings[rewirings.length - 1]?.overlap ?? connections.map(() => 1),
  };
}

/** The layers of one start, with the labels that it goes by. */
function historyOf(group: readonly Collected<TensorFile>[]): readonly HistoryRow[] {
  const runs = group.map((topology) => ({
    ...referenceOf(topology),
    steps: topology.value.tensors.steps!.data,
  }));
  return fanInHistory(runs).map((layer) => ({ ...placeOf(group[0]!.at), ...layer }));
}

function referenceOf({ task, value: { tensors } }: Collected<TensorFile>): RewiredReference {
  const layers = Object.keys(tensors).filter((name) => /^layers\.\d+\.fan_in$/.test(name)).length;
  // The last one is the output layer.
  const fanIn = Array.from({ length: layers - 1 }, (_, l) => {
    const { shape, data } = tensors[`layers.${l}.fan_in`]!;
    const [records, outputs] = shape;
    return Array.from({ length: records! }, (_, u) =>
      data.subarray(u * outputs!, (u + 1) * outputs!),
    );
  });
  return { task, fanIn };
}
