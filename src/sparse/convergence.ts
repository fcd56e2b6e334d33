// convergence.ts — whether rewiring forgets the fan-in that it started from
import { fanInShape, jaccard, kolmogorovSmirnov, overPairs, shapeDistance } from './distance.ts';
import { coefficientOfVariation } from './fan-in.ts';
import { type FanInFit, fitFanIn } from './fit.ts';
import type { Mask } from './mask.ts';

/** One rewired run. */
export interface RewiredRun {
  /** The task that made it. */
  readonly task: string;
  readonly seed: string;
  /** [U + 1]: batches seen before each record of fan-in; the first is 0. */
  readonly steps: ArrayLike<number>;
  /** [layer][U + 1][O], the output layer left out. */
  readonly fanIn: readonly (readonly ArrayLike<number>[])[];
  /** The mask that it ended with. */
  readonly mask: Mask;
  /** Per layer, the fraction of the initial mask's connections that exist at the end, in [0, 1]. */
  readonly overlap: readonly number[];
}

/** One run's way: W1 is its mean distance to the reference runs. */
export interface RunConvergence {
  readonly task: string;
  readonly seed: string;
  /** Before the first rewiring, and at the end. */
  readonly w1Start: number;
  readonly w1End: number;
  /** At the end, to each reference run, in their order; null for the run itself. w1End is the mean of the others. */
  readonly toReferences: readonly (number | null)[];
  /** W1 between the run's own start and end: how far its fan-in moved. */
  readonly moved: number;
  /** w1End / w1Start: 0 when the start is forgotten, 1 when nothing moved. Null when w1Start is 0. */
  readonly contraction: number | null;
  readonly cvStart: number;
  readonly cvEnd: number;
  /** Jaccard index of the masks at the start and at the end. */
  readonly jaccardInitial: number;
}

/** Means over the runs of one start, after one rewiring. */
export interface ConvergencePoint {
  /** Batches seen before it. */
  readonly step: number;
  readonly w1: number;
  /** w1 over the w1 of step 0; null when that is 0. */
  readonly contraction: number | null;
  readonly cv: number;
}

/** How far apart the reference runs are from each other at their ends: W1 over all pairs. */
export interface NoiseFloor {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** Each pair's. They are not independent: n runs make n (n - 1) / 2 of them. */
  readonly pairs: readonly number[];
}

/** One hidden layer of the runs from one start. Plain JSON. */
export interface LayerConvergence {
  /** From 0. */
  readonly layer: number;
  /** Neurons of the layer. */
  readonly neurons: number;
  /** Runs. */
  readonly n: number;
  /** Reference runs. */
  readonly references: number;
  readonly runs: readonly RunConvergence[];
  /** Means over the runs. */
  readonly w1Start: number;
  readonly w1End: number;
  /** Mean of the runs' contractions; null when one has none. */
  readonly contraction: number | null;
  readonly cvStart: number;
  readonly cvEnd: number;
  readonly jaccardInitial: number;
  /** Mean Jaccard index of the final masks of two runs, over all pairs; null with a single run. */
  readonly jaccardSeeds: number | null;
  /** The Jaccard index that two random masks of these densities would have: d / (2 - d). */
  readonly jaccardChance: number;
  /** Mean two-sample Kolmogorov-Smirnov statistic to the reference runs, at the end. */
  readonly ks: number;
  /** Null with a single reference run. */
  readonly noiseFloor: NoiseFloor | null;
  /** From step 0, one for each rewiring. */
  readonly curve: readonly ConvergencePoint[];
  /** Of the fan-in at the end, pooled over the runs. */
  readonly fit: FanInFit;
}

/** A row of the stage `convergence`: one data set, sparsity, layer rule, start and layer. */
export interface ConvergenceRow extends LayerConvergence {
  readonly dataset: string | null;
  /** The label of the network; absent where the study has one and does not say. */
  readonly hidden?: string;
  readonly sparsity: string | null;
  readonly rule: string | null;
  /** The profile that the runs started from, by its label. */
  readonly start: string;
}

/** What the stage `convergence` gives. */
export interface Convergence {
  readonly rows: readonly ConvergenceRow[];
  /** Runs that could not be, and why: such as a start of a CV that no mask can have. */
  readonly missing: readonly { readonly task: string; readonly reason: string }[];
}

/**
 * Per hidden layer, how far the runs from one start went towards the reference: runs of other seeds
 * that started from uniformly random (Erdos-Renyi) masks, at their ends. A run that is its own
 * reference is left out of it. Contraction(t) = W1(run_t, reference) / W1(run_0, reference); W1 to
 * the reference is the mean over its runs, so that a run that has forgotten its start ends at the
 * noise floor, not at 0. Our definition (the paper, arXiv 2604.10560, states none that is at hand).
 * @throws RangeError when there are no runs or references, or their shapes differ.
 */
export function convergenceOf(
  runs: readonly RewiredRun[],
  references: readonly RewiredReference[],
): LayerConvergence[] {
  if (runs.length === 0) throw new RangeError('convergence needs at least one run');
  const depth = runs[0]!.fanIn.length;
  if ([...runs, ...references].some(({ fanIn }) => fanIn.length !== depth)) {
    throw new RangeError('runs differ in their number of layers');
  }
  return runs[0]!.fanIn.map((_, layer) => layerConvergence(runs, references, layer));
}

/** A run that others are compared with: only its task and its fan-in matter. */
export type RewiredReference = Pick<RewiredRun, 'task' | 'fanIn'>;

/** The fan-in that a reference run ended with, in one layer. */
interface End {
  readonly task: string;
  readonly shape: Float64Array;
}

/** The distances from each record of a run's layer to the reference. */
interface Way {
  readonly run: RewiredRun;
  /** [U + 1]. */
  readonly w1: readonly number[];
  /** [U + 1]. */
  readonly cv: readonly number[];
  readonly ks: number;
  readonly toReferences: readonly (number | null)[];
  readonly moved: number;
}

function layerConvergence(
  runs: readonly RewiredRun[],
  references: readonly RewiredReference[],
  layer: number,
): LayerConvergence {
  const ends = references.map(({ task, fanIn }): End => {
    return { task, shape: fanInShape(last(fanIn[layer]!)) };
  });
  const ways = runs.map((run) => wayOf(run, ends, layer));
  const told = ways.map((way) => tellRun(way, layer));
  const pairs = overPairs(ends, (a, b) => shapeDistance(a.shape, b.shape));
  const { inputs, outputs, columns } = runs[0]!.mask[layer]!;
  const density = columns.length / (inputs * outputs);
  const masks = runs.map(({ mask }) => mask[layer]!);
  const between = overPairs(masks, jaccard);
  return {
    layer,
    neurons: outputs,
    n: runs.length,
    references: references.length,
    runs: told,
    w1Start: mean(told.map(({ w1Start }) => w1Start)),
    w1End: mean(told.map(({ w1End }) => w1End)),
    contraction: meanOrNull(told.map(({ contraction }) => contraction)),
    cvStart: mean(told.map(({ cvStart }) => cvStart)),
    cvEnd: mean(told.map(({ cvEnd }) => cvEnd)),
    jaccardInitial: mean(told.map(({ jaccardInitial }) => jaccardInitial)),
    jaccardSeeds: between.length === 0 ? null : mean(between),
    jaccardChance: density / (2 - density),
    ks: mean(ways.map(({ ks }) => ks)),
    noiseFloor: pairs.length === 0 ? null : floorOf(pairs),
    curve: curveOf(ways),
    fit: fitFanIn(
      runs.flatMap(({ fanIn }) => Array.from(last(fanIn[layer]!))),
      inputs,
    ),
  };
}

function wayOf(run: RewiredRun, ends: readonly End[], layer: number): Way {
  const others = ends.filter(({ task }) => task !== run.task).map(({ shape }) => shape);
  if (others.length === 0) throw new RangeError(`${run.task} has no other run to be compared with`);
  const records = run.fanIn[layer]!;
  const end = fanInShape(last(records));
  const distance = (fanIn: ArrayLike<number>): number => {
    const shape = fanInShape(fanIn);
    return mean(others.map((other) => shapeDistance(shape, other)));
  };
  return {
    run,
    w1: records.map(distance),
    cv: records.map((fanIn) => coefficientOfVariation(fanIn)),
    ks: mean(others.map((other) => kolmogorovSmirnov(end, other))),
    toReferences: ends.map(({ task, shape }) =>
      task === run.task ? null : shapeDistance(end, shape),
    ),
    moved: shapeDistance(fanInShape(records[0]!), end),
  };
}

function tellRun({ run, w1, cv, toReferences, moved }: Way, layer: number): RunConvergence {
  const shared = run.overlap[layer]!;
  return {
    task: run.task,
    seed: run.seed,
    w1Start: w1[0]!,
    w1End: last(w1),
    toReferences,
    moved,
    contraction: contractionOf(last(w1), w1[0]!),
    cvStart: cv[0]!,
    cvEnd: last(cv),
    // Both masks have K connections, shared * K of them in common.
    jaccardInitial: shared / (2 - shared),
  };
}

/** Over the updates that all runs have. */
function curveOf(ways: readonly Way[]): ConvergencePoint[] {
  const length = ways.reduce((least, { w1 }) => Math.min(least, w1.length), Infinity);
  return Array.from({ length }, (_, u) => ({
    step: ways[0]!.run.steps[u]!,
    w1: mean(ways.map(({ w1 }) => w1[u]!)),
    contraction: meanOrNull(ways.map(({ w1 }) => contractionOf(w1[u]!, w1[0]!))),
    cv: mean(ways.map(({ cv }) => cv[u]!)),
  }));
}

const floorOf = (pairs: readonly number[]): NoiseFloor => ({
  mean: mean(pairs),
  min: pairs.reduce((a, b) => Math.min(a, b)),
  max: pairs.reduce((a, b) => Math.max(a, b)),
  pairs,
});

const contractionOf = (w1: number, start: number): number | null => (start > 0 ? w1 / start : null);

const last = <T>(items: readonly T[]): T => items[items.length - 1]!;

const mean = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / values.length;

function meanOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length < values.length ? null : mean(known);
}
