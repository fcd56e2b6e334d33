// mask.ts — which connections exist, and the tensors in which they are kept
import { elementType, type Tensor, type TensorFile } from '../tensor.ts';

/**
 * The connections of one layer as CSR by output neuron: row `o` lists the fan-in of neuron `o`.
 * Shapes: O outputs, I inputs, K connections.
 */
export interface LayerMask {
  /** I: the layer's width before. */
  readonly inputs: number;
  /** O: the layer's width after. */
  readonly outputs: number;
  /** [O + 1]: row `o` is `columns[rows[o] .. rows[o + 1])`. rows[0] is 0 and rows[O] is K. */
  readonly rows: Int32Array;
  /** [K]: the inputs that are connected, strictly ascending within a row. */
  readonly columns: Int32Array;
}

/** The connections of a network, first layer first, the output layer last. */
export type Mask = readonly LayerMask[];

/** Whether every possible connection exists. */
export function isDense({ inputs, outputs, columns }: LayerMask): boolean {
  return columns.length === inputs * outputs;
}

/** How many connections two layers of equal widths have in common. */
export function sharedConnections(a: LayerMask, b: LayerMask): number {
  // For each input the last row of b, counted from 1, that has it.
  const seen = new Int32Array(a.inputs);
  let shared = 0;
  for (let o = 0; o < a.outputs; o++) {
    for (let c = b.rows[o]!; c < b.rows[o + 1]!; c++) seen[b.columns[c]!] = o + 1;
    for (let c = a.rows[o]!; c < a.rows[o + 1]!; c++) if (seen[a.columns[c]!] === o + 1) shared++;
  }
  return shared;
}

/**
 * A mask as tensors under torch's CSR names, all I32: for each layer l from 0
 * `layers.l.crow_indices` [O + 1], `layers.l.col_indices` [K] and `layers.l.size` [2], which holds
 * O and I, so that `torch.sparse_csr_tensor(crow_indices, col_indices, values, size)` takes them as
 * they are. The arrays are shared, not copied.
 */
export function maskToTensors(mask: Mask): TensorFile {
  const tensors: Record<string, Tensor> = {};
  for (const [l, { inputs, outputs, rows, columns }] of mask.entries()) {
    tensors[`layers.${l}.crow_indices`] = { shape: [rows.length], data: rows };
    tensors[`layers.${l}.col_indices`] = { shape: [columns.length], data: columns };
    tensors[`layers.${l}.size`] = { shape: [2], data: Int32Array.of(outputs, inputs) };
  }
  return { tensors, metadata: { format: 'mask/1' } };
}

/**
 * Reads what `maskToTensors` wrote. Tensors of other names are left alone, so that weights may lie
 * in the same file. The arrays are shared, not copied.
 * @throws RangeError when the tensors are no mask: they may come from anywhere.
 */
export function maskFromTensors(file: TensorFile): Mask {
  const count = Object.keys(file.tensors).filter((name) => SIZE_NAME.test(name)).length;
  if (count === 0) throw new RangeError('not a mask: no tensor layers.0.size');
  const mask = Array.from({ length: count }, (_, l) => readLayer(file, l));
  for (let l = 1; l < count; l++) {
    if (mask[l]!.inputs !== mask[l - 1]!.outputs) {
      throw new RangeError(`not a mask: layer ${l} does not take what layer ${l - 1} gives`);
    }
  }
  return mask;
}

const SIZE_NAME = /^layers\.\d+\.size$/;

function readLayer(file: TensorFile, l: number): LayerMask {
  const words = (part: string): Int32Array => readWords(file, `layers.${l}.${part}`);
  const size = words('size');
  const layer: LayerMask = {
    outputs: size[0]!,
    inputs: size[1]!,
    rows: words('crow_indices'),
    columns: words('col_indices'),
  };
  const fault = size.length === 2 ? layerFault(layer) : 'its size is not two numbers';
  if (fault !== undefined) throw new RangeError(`not a mask: layer ${l}: ${fault}`);
  return layer;
}

function readWords({ tensors }: TensorFile, name: string): Int32Array {
  const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
  if (tensor === undefined) throw new RangeError(`not a mask: no tensor ${name}`);
  if (!(tensor.data instanceof Int32Array) || tensor.shape.length !== 1) {
    const given = `${elementType(tensor)} [${tensor.shape}]`;
    throw new RangeError(`not a mask: ${name} is not a vector of I32, but ${given}`);
  }
  return tensor.data;
}

/** What makes a layer ill-formed, if anything does. */
function layerFault({ inputs, outputs, rows, columns }: LayerMask): string | undefined {
  if (inputs < 1 || outputs < 1) return 'a width below 1';
  if (rows.length !== outputs + 1) return 'crow_indices has not one entry more than outputs';
  if (rows[0] !== 0 || rows[outputs] !== columns.length) return 'rows do not span the columns';
  for (let o = 0; o < outputs; o++) {
    if (rows[o]! > rows[o + 1]! || rows[o + 1]! > columns.length)
      return `row ${o} ends out of order`;
    let before = -1;
    for (let c = rows[o]!; c < rows[o + 1]!; c++) {
      if (columns[c]! <= before) return `row ${o} is not strictly ascending from 0`;
      before = columns[c]!;
    }
    if (before >= inputs) return `row ${o} has an input beyond the last`;
  }
  return undefined;
}
