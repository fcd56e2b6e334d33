// init.ts — the weights before training
import { type LayerMask, type Mask, maskFromTensors, maskToTensors } from '../sparse/mask.ts';
import { stream } from '../stats/stream.ts';
import type { Tensor, TensorFile } from '../tensor.ts';

/**
 * Weights [K] of layer `l`: w ~ N(0, 2/k) for a neuron of fan-in k, so that each neuron starts with
 * the same variance whatever its fan-in. Drawn in the order of the connections from
 * `stream(seed, 'weights', l)`. Biases start at 0.
 * Source: He et al. 2015, per neuron as in Evci et al. 2020, "Gradient Flow in Sparse Neural
 * Networks".
 */
export function initialWeights({ outputs, rows, columns }: LayerMask, seed: number, l: number) {
  const draws = stream(seed, 'weights', l);
  const weights = new Float32Array(columns.length);
  for (let o = 0; o < outputs; o++) {
    const deviation = Math.sqrt(2 / (rows[o + 1]! - rows[o]!));
    for (let k = rows[o]!; k < rows[o + 1]!; k++) weights[k] = deviation * draws.normal();
  }
  return weights;
}

/** Weights of another run, to be taken over by connections that both have. */
export interface Rewind {
  readonly mask: Mask;
  /** [layer][K], in the order of the mask. */
  readonly values: readonly Float32Array[];
}

/**
 * The weights with which a run of this mask and seed begins, as a model without biases: for each
 * layer l the mask's tensors and `layers.l.values` [K].
 */
export function initialModel(mask: Mask, seed: number): TensorFile {
  const tensors: Record<string, Tensor> = { ...maskToTensors(mask).tensors };
  for (const [l, layer] of mask.entries()) {
    const data = initialWeights(layer, seed, l);
    tensors[`layers.${l}.values`] = { shape: [data.length], data };
  }
  return { tensors, metadata: { format: 'model/1' } };
}

/**
 * Reads what `initialModel` wrote, or any model. Undefined for a file without tensors.
 * @throws RangeError when it is no model: it may come from anywhere.
 */
export function rewindFromTensors(file: TensorFile): Rewind | undefined {
  if (Object.keys(file.tensors).length === 0) return undefined;
  const mask = maskFromTensors(file);
  const values = mask.map(({ columns }, l) => {
    const name = `layers.${l}.values`;
    const data = Object.hasOwn(file.tensors, name) ? file.tensors[name]!.data : undefined;
    if (data instanceof Float32Array && data.length === columns.length) return data;
    throw new RangeError(`not a model: no ${name} [${columns.length}] of F32`);
  });
  return { mask, values };
}

/** Sets the weights [K] of layer `l` to those of another run where it has the connection too. */
export function rewindWeights(layer: LayerMask, l: number, rewind: Rewind, weights: Float32Array) {
  const { rows, columns } = rewind.mask[l]!;
  for (let o = 0; o < layer.outputs; o++) {
    let other = rows[o]!;
    for (let k = layer.rows[o]!; k < layer.rows[o + 1]!; k++) {
      while (other < rows[o + 1]! && columns[other]! < layer.columns[k]!) other++;
      if (other < rows[o + 1]! && columns[other] === layer.columns[k]) {
        weights[k] = rewind.values[l]![other]!;
      }
    }
  }
}

/** What decides the weights before training. */
export interface Start {
  readonly mask: Mask;
  readonly seed: number;
  /** Weights that are taken over instead of drawn. Widths are the mask's. */
  readonly rewind?: Rewind | undefined;
}

/** Weights [K] of layer `l` before training: drawn, and then rewound where that is asked for. */
export function startingWeights({ mask, seed, rewind }: Start, l: number): Float32Array {
  const weights = initialWeights(mask[l]!, seed, l);
  if (rewind !== undefined) rewindWeights(mask[l]!, l, rewind, weights);
  return weights;
}
