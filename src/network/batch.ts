// batch.ts — from samples as they are stored to a batch of activations
import type { Dataset, Split } from '../data/dataset.ts';
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
  { shape, mean, std }: Pick<Dataset, 'shape' | 'mean' | 'std'>,
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
      const samples = staged.view();
      const classes = labels.view();
      for (let b = 0; b < n; b++) {
        const sample = order[from + b];
        samples.set(split.samples.subarray(sample * I, (sample + 1) * I), b * I);
        classes[b] = split.labels[sample];
      }
      memory.kernels.normalise(staged.at, input.at, I, n, B, 1 / (255 * std), -mean / std);
    },
  };
}

/** The numbers 0 .. n - 1. */
export const inOrder = (n: number): Uint32Array => Uint32Array.from({ length: n }, (_, i) => i);

/** The order of the training samples in an epoch (from 0): each epoch has a stream of its own. */
export function shuffled(n: number, seed: number, epoch: number): Uint32Array {
  const order = inOrder(n);
  stream(seed, 'shuffle', epoch).shuffle(order);
  return order;
}
