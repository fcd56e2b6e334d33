// wiring.ts — draws a network's connections: which neurons are hubs, and which inputs each has
import { type Stream, stream } from '../stats/stream.ts';
import { fanInOf } from './fan-in.ts';
import { type LayerRule, layerBudgets } from './layer-rule.ts';
import type { LayerMask, Mask } from './mask.ts';
import {
  constantFanIn,
  fanInByCv,
  type InfeasibleCv,
  type LayerSize,
  type Profile,
} from './profile.ts';

/** The network that a mask is for, and how many connections each layer gets. */
export interface NetworkBudget {
  /** Layer widths from inputs to classes, such as [784, 512, 256, 10]. */
  readonly widths: readonly number[];
  /** In [0, 1), counted over the hidden layers: the output layer is dense. */
  readonly sparsity: number;
  readonly rule: LayerRule;
}

/** For each hidden layer, [O]: how much each neuron deserves to be a hub. Only the order matters. */
export type HubScores = readonly ArrayLike<number>[];

/** Everything that a mask is made of but its seed. */
export interface MaskPlan extends NetworkBudget {
  readonly profile: Profile;
  /**
   * The neuron of the greatest score gets the greatest fan-in, and so on down; ties go to the lower
   * index. Absent: hubs are placed at random.
   */
  readonly scores?: HubScores | undefined;
}

/** A layer, from 0, that cannot have the profile that was asked for. */
export interface InfeasibleLayer extends InfeasibleCv {
  readonly layer: number;
}

/** A mask, or the first layer that stands in its way. */
export type MaskResult = { readonly mask: Mask } | { readonly infeasible: InfeasibleLayer };

/**
 * Draws a mask. Unless scores say otherwise, hubs are placed arbitrarily: the sorted fan-in of a
 * layer is permuted over its neurons at random. The inputs of a neuron are uniformly random. The
 * output layer is dense.
 * Streams: (seed, 'mask', layer, 'hubs') and (seed, 'mask', layer, 'inputs'), so that layers do not
 * move each other.
 * @throws RangeError when the plan is out of range; an infeasible CV is a value.
 */
export function makeMask(plan: MaskPlan & { readonly seed: number }): MaskResult {
  const { profile, scores, seed } = plan;
  const sizes = hiddenSizes({ ...plan, rule: ruleOf(plan) });
  if (scores !== undefined) checkScores(scores, sizes);
  const hidden: LayerMask[] = [];
  for (const [layer, size] of sizes.entries()) {
    const drawn = drawLayer(profile, size, { seed, layer, scores: scores?.[layer] });
    if ('infeasible' in drawn) return { infeasible: { layer, ...drawn.infeasible } };
    hidden.push(drawn);
  }
  return { mask: [...hidden, outputLayer(plan)] };
}

/** One line about an infeasible layer, such as a diagnostic or a report shows. */
export function describeInfeasible(infeasible: InfeasibleLayer): string {
  const { layer, family, cv, minimumCv, maximumCv, size } = infeasible;
  const where = `hidden layer ${layer + 1} (${size.inputs}x${size.outputs}, ${size.connections} connections)`;
  const reach =
    cv > maximumCv
      ? `at most CV ${maximumCv.toFixed(2)}`
      : cv < minimumCv
        ? `at least CV ${minimumCv.toFixed(2)}`
        : 'too few connections to come within 0.01';
  return `CV ${cv} is infeasible for ${family} in ${where}: ${reach}`;
}

/**
 * Connections drawn for a given fan-in: row o has fanIn[o] distinct inputs, uniformly without
 * replacement.
 * @param fanIn [O], each in [0, inputs].
 * @param random drawn from row by row, so that the same stream gives the same layer.
 */
export function layerFromFanIn(
  fanIn: ArrayLike<number>,
  inputs: number,
  random: Stream,
): LayerMask {
  const outputs = fanIn.length;
  const rows = new Int32Array(outputs + 1);
  for (let o = 0; o < outputs; o++) rows[o + 1] = rows[o]! + fanIn[o]!;
  const columns = new Int32Array(rows[outputs]!);
  const marks = new Uint8Array(inputs);
  for (let o = 0; o < outputs; o++) {
    markDistinct(marks, fanIn[o]!, random);
    let at = rows[o]!;
    for (let i = 0; i < inputs; i++) if (marks[i] === 1) columns[at++] = i;
    marks.fill(0);
  }
  return { inputs, outputs, rows, columns };
}

/**
 * A layer whose neurons have this fan-in in a random order (hub placement), or in the order of their
 * scores, with random inputs.
 * @param fanIn [O], in any order, each in [0, inputs].
 */
export function placeFanIn(fanIn: Int32Array, inputs: number, draw: LayerDraw): LayerMask {
  const { seed, layer, scores } = draw;
  const placed = scores === undefined ? fanIn.slice() : inOrderOf(scores, fanIn);
  if (scores === undefined) stream(seed, 'mask', layer, 'hubs').shuffle(placed);
  return layerFromFanIn(placed, inputs, stream(seed, 'mask', layer, 'inputs'));
}

/** [O]: the same fan-in, the greatest where the score is greatest; ties go to the lower index. */
function inOrderOf(scores: ArrayLike<number>, fanIn: Int32Array): Int32Array {
  const ascending = fanIn.slice().sort();
  const byScore = Array.from(scores, (_, o) => o).sort((a, b) => scores[a]! - scores[b]! || b - a);
  const placed = new Int32Array(fanIn.length);
  for (const [rank, o] of byScore.entries()) placed[o] = ascending[rank]!;
  return placed;
}

/** @throws RangeError when there is not one finite score for each neuron of these layers. */
export function checkScores(scores: HubScores, sizes: readonly LayerSize[]): void {
  if (scores.length !== sizes.length) {
    throw new RangeError(`scores of ${scores.length} layers for ${sizes.length} hidden layers`);
  }
  for (const [layer, { outputs }] of sizes.entries()) {
    const given = Array.from(scores[layer]!);
    if (given.length !== outputs || !given.every(Number.isFinite)) {
      throw new RangeError(`layer ${layer} has ${outputs} neurons, so it needs as many scores`);
    }
  }
}

/** A layer with every connection. */
export function denseLayer(inputs: number, outputs: number): LayerMask {
  return {
    inputs,
    outputs,
    rows: Int32Array.from({ length: outputs + 1 }, (_, o) => o * inputs),
    columns: Int32Array.from({ length: outputs * inputs }, (_, c) => c % inputs),
  };
}

/** The layer rule of a plan: `erk` is a profile that brings its own. */
export const ruleOf = ({ profile, rule }: Pick<MaskPlan, 'profile' | 'rule'>): LayerRule =>
  profile.family === 'erk' ? 'erk' : rule;

/** The hidden layers of a network with their budgets. */
export function hiddenSizes({ widths, sparsity, rule }: NetworkBudget): LayerSize[] {
  const budgets = layerBudgets(rule, widths, sparsity, { denseOutput: true });
  return budgets
    .slice(0, -1)
    .map((connections, l) => ({ inputs: widths[l]!, outputs: widths[l + 1]!, connections }));
}

/** The output layer of a network: dense in every arm that is compared. */
export function outputLayer({ widths }: NetworkBudget): LayerMask {
  return denseLayer(widths[widths.length - 2]!, widths[widths.length - 1]!);
}

/** Where a layer's randomness comes from, and what goes before it. */
export interface LayerDraw {
  readonly seed: number;
  /** From 0. */
  readonly layer: number;
  /** [O]: where hubs go. Absent: at random. */
  readonly scores?: ArrayLike<number> | undefined;
}

function drawLayer(
  profile: Profile,
  size: LayerSize,
  draw: LayerDraw,
): LayerMask | { readonly infeasible: InfeasibleCv } {
  if (profile.family === 'dense') return denseLayer(size.inputs, size.outputs);
  if (profile.family === 'uniform' || profile.family === 'erk') {
    const layer = uniformLayer(size, draw);
    return draw.scores === undefined ? layer : placeFanIn(fanInOf(layer), size.inputs, draw);
  }
  if (profile.family === 'constant') return placeFanIn(constantFanIn(size), size.inputs, draw);
  const found = fanInByCv(profile.family, profile.cv, size);
  return 'infeasible' in found ? found : placeFanIn(found.fanIn, size.inputs, draw);
}

/**
 * Connections uniformly random among all positions, without replacement: fan-in is hypergeometric.
 */
export function uniformLayer(size: LayerSize, { seed, layer }: LayerDraw): LayerMask {
  const { inputs, outputs, connections } = size;
  const marks = new Uint8Array(inputs * outputs);
  markDistinct(marks, connections, stream(seed, 'mask', layer, 'inputs'));
  const rows = new Int32Array(outputs + 1);
  const columns = new Int32Array(connections);
  let at = 0;
  for (let o = 0; o < outputs; o++) {
    const start = o * inputs;
    for (let i = 0; i < inputs; i++) if (marks[start + i] === 1) columns[at++] = i;
    rows[o + 1] = at;
  }
  return { inputs, outputs, rows, columns };
}

/**
 * Marks `count` distinct places of `marks` (all 0 before) with 1, every subset equally likely, in
 * `count` draws.
 * Source: R. W. Floyd's algorithm F2, in Bentley and Floyd 1987, "A sample of brilliance", CACM
 * 30(9).
 */
function markDistinct(marks: Uint8Array, count: number, random: Stream): void {
  for (let last = marks.length - count; last < marks.length; last++) {
    const pick = random.below(last + 1);
    marks[marks[pick] === 1 ? last : pick] = 1;
  }
}
