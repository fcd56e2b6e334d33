// layer.ts — one layer in the kernels' memory: connections both ways, parameters, activations
import type { LayerMask } from '../sparse/mask.ts';
import type { Floats, Integers, Memory } from './memory.ts';

/** Numbers that are learned, with what the optimiser keeps beside them. All have one length. */
export interface Parameter {
  readonly values: Floats;
  readonly gradient: Floats;
  /** One for SGD (velocity), two for Adam (first and second moment). */
  readonly moments: readonly Floats[];
}

/**
 * A layer of O neurons over I inputs with K connections. The batch lies in T tiles of 16 samples,
 * the last one padded; within a tile activations are feature-major, [T][O][16], so that the kernels
 * run along the batch and a tile stays in the cache.
 */
export interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  readonly connections: number;
  /** Every possible connection exists. */
  readonly dense: boolean;
  /** Which connections exist; `connect` changes it. */
  mask: LayerMask;
  /**
   * The mask as CSR, by output neuron: [O + 1], and for each connection where its input lies in a
   * tile [K], in bytes: 64 times the column.
   */
  readonly rows: Integers;
  readonly sources: Integers;
  /**
   * The mask as CSC, by input: [I + 1], for each connection where its neuron lies in a tile [K],
   * likewise, and where its weight lies among the others [K].
   */
  readonly starts: Integers;
  readonly targets: Integers;
  readonly order: Integers;
  /** Room for the weights in the order of the CSC, [K], or for 16 columns of them, [O][16]. */
  readonly transposed: Floats;
  /** [K], in the order of the CSR. */
  readonly weights: Parameter;
  /** [O]. */
  readonly bias: Parameter;
  /** Y [T][O][16]: after ReLU, or the logits. Pad columns hold what bias alone gives. */
  readonly activations: Floats;
  /** dY [T][O][16]: the gradient before ReLU. Pad columns are 0. */
  readonly gradient: Floats;
}

/**
 * A layer with this mask, its parameters all 0. `batch` is B = 16·T, `moments` the optimiser's arrays per
 * parameter.
 */
export function createLayer(
  memory: Memory,
  mask: LayerMask,
  batch: number,
  moments: number,
): Layer {
  const { inputs, outputs } = mask;
  const connections = mask.columns.length;
  const parameter = (length: number): Parameter => ({
    values: memory.floats(length),
    gradient: memory.floats(length),
    moments: Array.from({ length: moments }, () => memory.floats(length)),
  });
  const layer: Layer = {
    inputs,
    outputs,
    connections,
    dense: connections === inputs * outputs,
    mask,
    rows: memory.integers(outputs + 1),
    sources: memory.integers(connections),
    starts: memory.integers(inputs + 1),
    targets: memory.integers(connections),
    order: memory.integers(connections),
    transposed: memory.floats(Math.max(connections, 16 * outputs)),
    weights: parameter(connections),
    bias: parameter(outputs),
    activations: memory.floats(outputs * batch),
    gradient: memory.floats(outputs * batch),
  };
  connect(layer, mask);
  return layer;
}

/** Sums that the weight gradient keeps at a time, or as many as one row has. */
export const CHAINS = 4096;

/** Bytes of a neuron's 16 samples. */
const LINE = 64;

/** Gives the layer other connections, as many as before. Weights and moments stay in place. */
export function connect(layer: Layer, mask: LayerMask): void {
  layer.mask = mask;
  layer.rows.view().set(mask.rows);
  const sources = layer.sources.view();
  for (let k = 0; k < sources.length; k++) sources[k] = mask.columns[k]! * LINE;
  transpose(mask, layer.starts.view(), layer.targets.view(), layer.order.view());
}

/**
 * Writes the CSC form of a mask. A counting sort: connections of one input stay in the order of the
 * neurons, so the order of every sum is fixed.
 */
function transpose(
  { inputs, outputs, rows, columns }: LayerMask,
  starts: Int32Array,
  targets: Int32Array,
  order: Int32Array,
): void {
  starts.fill(0);
  for (let k = 0; k < columns.length; k++) starts[columns[k]! + 1]!++;
  for (let i = 0; i < inputs; i++) starts[i + 1]! += starts[i]!;
  const next = starts.slice(0, inputs);
  for (let o = 0; o < outputs; o++) {
    for (let k = rows[o]!; k < rows[o + 1]!; k++) {
      const j = next[columns[k]!]!++;
      targets[j] = o * LINE;
      order[j] = k;
    }
  }
}
