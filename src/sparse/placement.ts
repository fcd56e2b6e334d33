// placement.ts — masks made from a finished mask: what of it matters, its hubs, its inputs or its CV
import ln from '@stdlib/math-base-special-ln';
import { type Stream, stream } from '../stats/stream.ts';
import { coefficientOfVariation, fanInOf, fanOutOf } from './fan-in.ts';
import { isDense, type LayerMask, type Mask } from './mask.ts';
import { fanInByCv, type InfeasibleCv, type LayerSize } from './profile.ts';
import {
  hiddenSizes,
  layerFromFanIn,
  type MaskResult,
  type NetworkBudget,
  outputLayer,
  placeFanIn,
  uniformLayer,
} from './wiring.ts';

/**
 * What is kept of a finished mask M. Every arm has the connections per layer of M; dense layers stay
 * dense. Our definition: hidden neurons are exchangeable before training, so "which neurons become
 * hubs" (arXiv 2604.10560) has a meaning only beside initial weights and inputs.
 * - `exact`: M itself, trained from fresh weights.
 * - `rewind`: M itself; connections that existed when M's run began get their weights of then.
 * - `fan-in-kept`: each neuron keeps its fan-in; inputs are redrawn uniformly.
 * - `fan-in-permuted`: fan-in goes to other neurons at random; inputs are redrawn uniformly.
 * - `inputs-weighted`: each neuron keeps its fan-in; inputs are redrawn in proportion to their
 *   fan-out in M.
 * - `uniform`: uniformly random connections.
 * - `lognormal`: a lognormal profile of the CV that M has in that layer, hubs at random.
 */
export const PLACEMENT_ARMS = [
  'exact',
  'rewind',
  'fan-in-kept',
  'fan-in-permuted',
  'inputs-weighted',
  'uniform',
  'lognormal',
] as const;

export type PlacementArm = (typeof PLACEMENT_ARMS)[number];

/**
 * The mask of an arm. Streams are those of `makeMask`.
 * @returns the first layer in which a lognormal cannot have the mask's CV, instead of a mask.
 */
export function placeLike(source: Mask, arm: PlacementArm, seed: number): MaskResult {
  const mask: LayerMask[] = [];
  for (const [layer, finished] of source.entries()) {
    const placed = isDense(finished) ? finished : placeLayer(finished, arm, { seed, layer });
    if ('infeasible' in placed) return { infeasible: { layer, ...placed.infeasible } };
    mask.push(placed);
  }
  return { mask };
}

/**
 * A finished mask, taken over as it is where it fits the plan, so that arms are compared at equal
 * connections.
 * @throws RangeError when its widths or its connections per layer are not the plan's.
 */
export function copyMask(source: Mask, plan: NetworkBudget): Mask {
  const sizes = hiddenSizes(plan);
  const wanted = [...sizes.map(sizeText), sizeText(sizeOf(outputLayer(plan)))].join(', ');
  const found = source.map((layer) => sizeText(sizeOf(layer))).join(', ');
  if (found !== wanted) {
    throw new RangeError(`the mask to copy has layers ${found}; the plan has ${wanted}`);
  }
  return source;
}

const sizeOf = ({ inputs, outputs, columns }: LayerMask): LayerSize => {
  return { inputs, outputs, connections: columns.length };
};

const sizeText = ({ inputs, outputs, connections }: LayerSize): string =>
  `${inputs}x${outputs} (${connections} connections)`;

function placeLayer(
  finished: LayerMask,
  arm: PlacementArm,
  draw: { readonly seed: number; readonly layer: number },
): LayerMask | { readonly infeasible: InfeasibleCv } {
  const { inputs } = finished;
  const size = sizeOf(finished);
  const fanIn = fanInOf(finished);
  const random = stream(draw.seed, 'mask', draw.layer, 'inputs');
  switch (arm) {
    case 'exact':
    case 'rewind':
      return finished;
    case 'fan-in-kept':
      return layerFromFanIn(fanIn, inputs, random);
    case 'fan-in-permuted':
      return placeFanIn(fanIn, inputs, draw);
    case 'inputs-weighted':
      return layerFromWeights(fanIn, fanOutOf(finished), random);
    case 'uniform':
      return uniformLayer(size, draw);
    case 'lognormal': {
      const found = fanInByCv('lognormal', coefficientOfVariation(fanIn), size);
      return 'infeasible' in found ? found : placeFanIn(found.fanIn, inputs, draw);
    }
  }
}

/**
 * Connections drawn for a given fan-in: one after another, each with a probability in proportion to
 * the weights of the inputs that are left.
 * @param fanIn [O], each at most the number of inputs of positive weight.
 * @param weights [I], each from 0 up.
 * @param random drawn from once for each row and input of positive weight.
 * Source: Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir", Information
 * Processing Letters 97(5), algorithm A, with keys -ln(u) / w and the least of them kept.
 */
export function layerFromWeights(
  fanIn: ArrayLike<number>,
  weights: ArrayLike<number>,
  random: Stream,
): LayerMask {
  const outputs = fanIn.length;
  const candidates = Int32Array.from(weights, (_, i) => i).filter((i) => weights[i]! > 0);
  const keys = new Float64Array(weights.length);
  const rows = new Int32Array(outputs + 1);
  const columns: number[] = [];
  for (let o = 0; o < outputs; o++) {
    if (fanIn[o]! > candidates.length) {
      throw new RangeError(`${fanIn[o]} inputs of ${candidates.length} that have a weight`);
    }
    for (const i of candidates) keys[i] = -ln(1 - random.uniform()) / weights[i]!;
    const byKey = candidates.slice().sort((a, b) => keys[a]! - keys[b]! || a - b);
    columns.push(...byKey.subarray(0, fanIn[o]).sort());
    rows[o + 1] = columns.length;
  }
  return { inputs: weights.length, outputs, rows, columns: Int32Array.from(columns) };
}
