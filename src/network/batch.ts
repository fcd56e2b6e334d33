// batch.ts — from samples as they are stored to a batch of activations
import type { Dataset, NumericColumns, Split } from '../data/dataset.ts';
import { stream } from '../stats/stream.ts';
import type { Bytes, Floats, Memory } from './memory.ts';

/** Where a batch is put together. Only the batch is copied in: the data set stays outside. */
export interface Batch {
  /**
   * Loads the samples order[from .. from + n) of a split, normalised, into X [T][I][16], and
   * their labels. Pad columns become 0.
   */
  load(split: Split, order: Uint32Array, from: number, n: number, B: number): void;
  /** [B] */
  readonly labels: Bytes;
}

/** Room for batches of up to B = `capacity` samples that go into `input`. */
export function createBatch(
  memory: Memory,
  { shape, mean, std, numeric }: Pick<Dataset, 'shape' | 'mean' | 'std' | 'numeric'>,
  input: Floats,
  capacity: number,
): Batch {
  const I = shape.features;
  // The kernel reads four features at once, so up to three bytes beyond the last.
  const staged = memory.bytes(capacity * I + 3);
  const labels = memory.bytes(capacity);
  return {
    labels,
    load(split, order, from, n, B) {
      gather(split.samples, I, order, from, n, staged.view());
      const classes = labels.view();
      for (let b = 0; b < n; b++) classes[b] = split.labels[order[from + b]];
      memory.kernels.normalise(staged.at, input.at, I, n, B, 1 / (255 * std), -mean / std);
      if (numeric !== undefined) {
        const X = input.view();
        standardise(numeric, split, order, from, n, (b, i, value) => {
          X[((b >> 4) * I + i) * 16 + (b & 15)] = value;
        });
      }
    },
  };
}

/**
 * Copies the samples order[from .. from + n), of I bytes each, one after another: by words where
 * they lie on words, which is several times faster than a view for each sample.
 */
function gather(
  samples: Uint8Array,
  I: number,
  order: Uint32Array,
  from: number,
  n: number,
  into: Uint8Array,
): void {
  const onWords = I % 4 === 0 && samples.byteOffset % 4 === 0;
  const size = onWords ? I / 4 : I;
  const source = onWords ? asWords(samples) : samples;
  const target = onWords ? asWords(into) : into;
  for (let b = 0; b < n; b++) {
    const first = order[from + b] * size;
    const at = b * size;
    for (let k = 0; k < size; k++) target[at + k] = source[first + k];
  }
}

const asWords = ({ buffer, byteOffset, length }: Uint8Array): Int32Array =>
  new Int32Array(buffer, byteOffset, length >> 2);

/** The numeric columns of the samples order[from .. from + n): `put` takes each x' = (x - mean)/std of sample b. */
export function standardise(
  { columns, mean, std }: NumericColumns,
  { numeric }: Split,
  order: Uint32Array,
  from: number,
  n: number,
  put: (b: number, i: number, value: number) => void,
): void {
  if (numeric === undefined) return;
  const J = columns.length;
  for (let b = 0; b < n; b++) {
    const first = order[from + b] * J;
    for (let j = 0; j < J; j++) put(b, columns[j], (numeric[first + j] - mean[j]) / std[j]);
  }
}

/** The numbers 0 .. n - 1. */
export const inOrder = (n: number): Uint32Array => Uint32Array.from({ length: n }, (_, i) => i);

/** The order of the training samples in an epoch (from 0): each epoch has a stream of its own. */
export function shuffled(n: number, seed: number, epoch: number): Uint32Array {
  const order = inOrder(n);
  stream(seed, 'shuffle', epoch).shuffle(order);
  return order;
}
