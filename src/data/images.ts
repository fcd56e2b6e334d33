// images.ts — the data set in memory: from IDX files, to tensors and back
import { elementType, type Tensor, type TensorFile } from '../tensor.ts';
import type { ImageFiles } from './catalog.ts';
import type { Dataset, DatasetShape, Split } from './dataset.ts';
import { readIdx } from './idx.ts';

/**
 * Reads the four files of a data set in the manner of MNIST, gzipped or not.
 * @throws RangeError when a file is not well-formed IDX, images are not height x width, images and
 * labels differ in number, a label is not in [0, classes), or the training images are missing or
 * all of one gray.
 */
export function readImageDataset(files: ImageFiles<Uint8Array>, shape: DatasetShape): Dataset {
  const train = readSplit('training', files.trainImages, files.trainLabels, shape);
  const test = readSplit('test', files.testImages, files.testLabels, shape);
  return datasetOf(shape, train, test);
}

/** The data set of these splits, with the moments of its training features. Checks both splits. */
export function datasetOf(shape: DatasetShape, train: Split, test: Split): Dataset {
  checkSplit('training', train, shape);
  checkSplit('test', test, shape);
  return { shape, train, test, ...moments(train.samples) };
}

function readSplit(
  split: string,
  images: Uint8Array,
  labels: Uint8Array,
  shape: DatasetShape,
): Split {
  const { shape: sizes, data } = readIdx(images, `${split} images`, { dimensions: 3 });
  const [count, height, width] = sizes;
  if (height !== shape.height || width !== shape.width) {
    throw new RangeError(
      `${split} images: ${height} x ${width} pixels, not ${shape.height} x ${shape.width}`,
    );
  }
  const of = readIdx(labels, `${split} labels`, { dimensions: 1 });
  if (of.shape[0] !== count) {
    throw new RangeError(`${split} set: ${count} images, but ${of.shape[0]} labels`);
  }
  return { samples: data, labels: of.data };
}

/** Shapes: samples [N][I], labels [N] in [0, classes). */
function checkSplit(name: string, { samples, labels }: Split, shape: DatasetShape): void {
  if (samples.length !== labels.length * shape.features) {
    throw new RangeError(
      `${name} set: ${samples.length} features, not ${labels.length} x ${shape.features}`,
    );
  }
  const wrong = labels.findIndex((label) => label >= shape.classes);
  if (wrong >= 0) {
    throw new RangeError(
      `${name} labels: label ${labels[wrong]} of sample ${wrong} is not in 0..${shape.classes - 1}`,
    );
  }
}

/**
 * Mean and population SD of `samples` / 255, from exact integer sums: no order of summation can
 * change a bit.
 * @throws RangeError when there is no sample, or no spread to divide by.
 */
function moments(samples: Uint8Array): { readonly mean: number; readonly std: number } {
  const n = samples.length;
  const histogram = new Uint32Array(256);
  // Counted by index: an iterator over 47 million pixels takes five times as long.
  for (let i = 0; i < n; i++) histogram[samples[i]]++;
  let sum = 0;
  let squares = 0;
  histogram.forEach((count, value) => {
    sum += count * value;
    squares += count * value * value;
  });
  // n * squares passes 2^53 at MNIST's size, where doubles would round and cancel.
  const spread = Number(BigInt(n) * BigInt(squares) - BigInt(sum) * BigInt(sum));
  if (spread === 0) {
    throw new RangeError(
      n === 0 ? 'training set: no samples' : 'training set: every feature has the same value',
    );
  }
  return { mean: sum / (255 * n), std: Math.sqrt(spread) / (255 * n) };
}

/**
 * The tensors in which a data set is stored, sharing its memory: `train.samples` and `test.samples`
 * U8 [N, I], `train.labels` and `test.labels` U8 [N], `mean` and `std` F64 [1]. `metadata` may tell
 * the data set's name.
 */
export function datasetToTensors(
  dataset: Dataset,
  metadata: TensorFile['metadata'] = {},
): TensorFile {
  const { shape, train, test, mean, std } = dataset;
  const samples = ({ samples, labels }: Split): Tensor => ({
    shape: [labels.length, shape.features],
    data: samples,
  });
  const labels = ({ labels }: Split): Tensor => ({ shape: [labels.length], data: labels });
  return {
    tensors: {
      'train.samples': samples(train),
      'train.labels': labels(train),
      'test.samples': samples(test),
      'test.labels': labels(test),
      mean: { shape: [1], data: Float64Array.of(mean) },
      std: { shape: [1], data: Float64Array.of(std) },
    },
    metadata,
  };
}

/**
 * The data set of `datasetToTensors`, sharing the tensors' memory.
 * @throws RangeError when a tensor is missing or of another type or shape, a label is not in [0,
 * classes), or mean and std cannot normalise.
 */
export function datasetFromTensors(file: TensorFile, shape: DatasetShape): Dataset {
  const train = splitFromTensors(file, 'train', shape);
  const test = splitFromTensors(file, 'test', shape);
  const mean = scalar(file, 'mean');
  const std = scalar(file, 'std');
  if (!(Number.isFinite(mean) && Number.isFinite(std) && std > 0)) {
    throw new RangeError(`a data set cannot be normalised by mean ${mean} and std ${std}`);
  }
  return { shape, train, test, mean, std };
}

function splitFromTensors(file: TensorFile, name: string, shape: DatasetShape): Split {
  const labels = tensor(file, `${name}.labels`, Uint8Array, [undefined]);
  const samples = tensor(file, `${name}.samples`, Uint8Array, [labels.length, shape.features]);
  checkSplit(name, { samples, labels }, shape);
  return { samples, labels };
}

const scalar = (file: TensorFile, name: string): number => tensor(file, name, Float64Array, [1])[0];

/** The data of one tensor, when it has this type and these sizes; an undefined size may be any. */
function tensor<Data>(
  { tensors }: TensorFile,
  name: string,
  type: { new (): Data; readonly name: string },
  sizes: readonly (number | undefined)[],
): Data {
  if (!Object.hasOwn(tensors, name))
    throw new RangeError(`the tensor ${name} of a data set is missing`);
  const { shape, data } = tensors[name];
  const fits =
    shape.length === sizes.length &&
    sizes.every((size, axis) => size === undefined || size === shape[axis]);
  if (!(data instanceof type && fits)) {
    const wanted = `${type.name} [${sizes.map((size) => size ?? 'N')}]`;
    const found = `${elementType(data)} [${shape}]`;
    throw new RangeError(`tensor ${name}: expected ${wanted}, found ${found}`);
  }
  return data;
}
