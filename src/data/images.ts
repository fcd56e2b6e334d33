// images.ts — four IDX files → a data set
import type { ImageFiles } from './catalog.ts';
import { checkSplit, type Dataset, type DatasetShape, type Split } from './dataset.ts';
import { readIdx } from './idx.ts';

/** The two splits that a data set of images is published in. */
export interface ImageSplits {
  readonly train: Split;
  readonly test: Split;
}

/**
 * Reads the four files of a data set in the manner of MNIST, gzipped or not.
 * @param firstLabel the least label in the files, which becomes 0: EMNIST's letters begin at 1.
 * @throws RangeError when a file is not well-formed IDX, images are not height x width, images and
 * labels differ in number, a label is no class, or the training images are missing or all of one
 * gray.
 */
export function readImageDataset(
  files: ImageFiles<Uint8Array>,
  shape: DatasetShape,
  firstLabel = 0,
): Dataset {
  const { train, test } = readImageSplits(files, shape, firstLabel);
  return datasetOf(shape, train, test);
}

/** The same before it is decided who of `train` validates, and before anything is measured. */
export function readImageSplits(
  files: ImageFiles<Uint8Array>,
  shape: DatasetShape,
  firstLabel = 0,
): ImageSplits {
  const read = (name: string, images: Uint8Array, labels: Uint8Array): Split => {
    const split = readSplit(name, images, labels, shape);
    return { ...split, labels: fromZero(name, split.labels, shape, firstLabel) };
  };
  return {
    train: read('training', files.trainImages, files.trainLabels),
    test: read('test', files.testImages, files.testLabels),
  };
}

/** Rows and columns of the images in an IDX file: the shape of a data set that does not tell its own. */
export function imageSize(images: Uint8Array, name: string): { height: number; width: number } {
  const [, height, width] = readIdx(images, name, { dimensions: 3 }).shape as [
    number,
    number,
    number,
  ];
  return { height, width };
}

/** The data set of these splits, with the moments of its training features. Checks every split. */
export function datasetOf(
  shape: DatasetShape,
  train: Split,
  test: Split,
  validation?: Split,
): Dataset {
  checkSplit('training', train, shape);
  if (validation !== undefined) checkSplit('validation', validation, shape);
  checkSplit('test', test, shape);
  const held = validation === undefined ? {} : { validation };
  return { shape, train, ...held, test, ...moments(train.samples) };
}

/** Labels firstLabel .. firstLabel + classes - 1 as 0 .. classes - 1. */
function fromZero(
  name: string,
  labels: Uint8Array,
  { classes }: DatasetShape,
  firstLabel: number,
): Uint8Array {
  if (firstLabel === 0) return labels;
  const last = firstLabel + classes - 1;
  const wrong = labels.findIndex((label) => label < firstLabel || label > last);
  if (wrong >= 0) {
    throw new RangeError(
      `${name} labels: label ${labels[wrong]} of sample ${wrong} is not in ${firstLabel}..${last}`,
    );
  }
  return labels.map((label) => label - firstLabel);
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

/**
 * Mean and population SD of `samples` / 255, from exact integer sums: no order of summation can
 * change a bit.
 * @throws RangeError when there is no sample, or no spread to divide by.
 */
function moments(samples: Uint8Array): { readonly mean: number; readonly std: number } {
  const n = samples.length;
  const histogram = new Uint32Array(256);
  // Counted by index: an iterator over 47 million pixels takes five times as long.
  for (let i = 0; i < n; i++) histogram[samples[i]!]!++;
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
