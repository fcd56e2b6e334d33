// dataset-tensors.ts — data sets as they are stored: to tensors and back
import { elementType, type Tensor, type TensorFile } from '../tensor.ts';
import {
  checkSplit,
  type Dataset,
  type DatasetShape,
  type NumericColumns,
  type Split,
  splitsOf,
} from './dataset.ts';

/**
 * The tensors in which a data set is stored, sharing its memory: `train.samples` and `test.samples`
 * U8 [N, I], `train.labels` and `test.labels` U8 [N], `mean` and `std` F64 [1]; the same of
 * `validation`, when there is one. With numeric columns also `train.numeric` and so on, I16 or F32
 * [N, J], `numeric.columns` I32 [J], `numeric.mean` and `numeric.std` F64 [J]. `metadata` may tell the
 * data set's name.
 */
export function datasetToTensors(
  dataset: Dataset,
  metadata: TensorFile['metadata'] = {},
): TensorFile {
  const { shape, mean, std, numeric } = dataset;
  const tensors: Record<string, Tensor> = {
    mean: { shape: [1], data: Float64Array.of(mean) },
    std: { shape: [1], data: Float64Array.of(std) },
  };
  for (const [name, split] of splitsOf(dataset)) {
    const N = split.labels.length;
    tensors[`${name}.samples`] = { shape: [N, shape.features], data: split.samples };
    tensors[`${name}.labels`] = { shape: [N], data: split.labels };
    if (numeric === undefined || split.numeric === undefined) continue;
    tensors[`${name}.numeric`] = { shape: [N, numeric.columns.length], data: split.numeric };
  }
  if (numeric !== undefined) {
    const J = numeric.columns.length;
    tensors['numeric.columns'] = { shape: [J], data: numeric.columns };
    tensors['numeric.mean'] = { shape: [J], data: numeric.mean };
    tensors['numeric.std'] = { shape: [J], data: numeric.std };
  }
  return { tensors, metadata };
}

/**
 * The data set of `datasetToTensors`, sharing the tensors' memory.
 * @throws RangeError when a tensor is missing or of another type or shape, a label is not in [0,
 * classes), or mean and std cannot normalise.
 */
export function datasetFromTensors(file: TensorFile, shape: DatasetShape): Dataset {
  const numeric = numericFromTensors(file, shape);
  const J = numeric?.columns.length ?? 0;
  const train = splitFromTensors(file, 'train', shape, J);
  const test = splitFromTensors(file, 'test', shape, J);
  const validation = Object.hasOwn(file.tensors, 'validation.labels')
    ? splitFromTensors(file, 'validation', shape, J)
    : undefined;
  const mean = scalar(file, 'mean');
  const std = scalar(file, 'std');
  if (!(Number.isFinite(mean) && Number.isFinite(std) && std > 0)) {
    throw new RangeError(`a data set cannot be normalised by mean ${mean} and std ${std}`);
  }
  return {
    shape,
    train,
    ...(validation === undefined ? {} : { validation }),
    test,
    mean,
    std,
    ...(numeric === undefined ? {} : { numeric }),
  };
}

function splitFromTensors(file: TensorFile, name: string, shape: DatasetShape, J: number): Split {
  const labels = tensor(file, `${name}.labels`, Uint8Array, [undefined]);
  const N = labels.length;
  const samples = tensor(file, `${name}.samples`, Uint8Array, [N, shape.features]);
  checkSplit(name, { samples, labels }, shape);
  if (J === 0) return { samples, labels };
  const isShort = file.tensors[`${name}.numeric`]?.data instanceof Int16Array;
  const numeric = isShort
    ? tensor(file, `${name}.numeric`, Int16Array, [N, J])
    : tensor(file, `${name}.numeric`, Float32Array, [N, J]);
  return { samples, labels, numeric };
}

function numericFromTensors(file: TensorFile, shape: DatasetShape): NumericColumns | undefined {
  if (!Object.hasOwn(file.tensors, 'numeric.columns')) return undefined;
  const columns = tensor(file, 'numeric.columns', Int32Array, [undefined]);
  const mean = tensor(file, 'numeric.mean', Float64Array, [columns.length]);
  const std = tensor(file, 'numeric.std', Float64Array, [columns.length]);
  const isRight = columns.every(
    (i, j) =>
      i > (j === 0 ? -1 : columns[j - 1]!) &&
      i < shape.features &&
      Number.isFinite(mean[j]) &&
      std[j]! > 0 &&
      std[j]! < Infinity,
  );
  if (!isRight) throw new RangeError('the numeric columns of a data set cannot be normalised');
  return { columns, mean, std };
}

const scalar = (file: TensorFile, name: string): number =>
  tensor(file, name, Float64Array, [1])[0]!;

/** The data of one tensor, when it has this type and these sizes; an undefined size may be any. */
function tensor<Data>(
  { tensors }: TensorFile,
  name: string,
  type: { new (): Data; readonly name: string },
  sizes: readonly (number | undefined)[],
): Data {
  if (!Object.hasOwn(tensors, name))
    throw new RangeError(`the tensor ${name} of a data set is missing`);
  const found = tensors[name]!;
  const { shape, data } = found;
  const fits =
    shape.length === sizes.length &&
    sizes.every((size, axis) => size === undefined || size === shape[axis]);
  if (!(data instanceof type && fits)) {
    const wanted = `${type.name} [${sizes.map((size) => size ?? 'N')}]`;
    const given = `${elementType(found)} [${shape}]`;
    throw new RangeError(`tensor ${name}: expected ${wanted}, found ${given}`);
  }
  return data;
}
