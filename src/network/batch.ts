// batch.ts — from samples as they are stored to a batch of activations
import type { Dataset, NumericColumns, Split } from '../data/dataset.ts';
import { stream } from '../stats/stream.ts';
import type { Bytes, Floats, Memory } from './memory.ts';

/** Where a batch is put together. */
export interface Batch {
  /**
   * Loads the samples order[from .. from + n) of a split, normalised, into X [T][I][16], and
   * their labels. Pad columns become 0. The first batch of a split copies its samples into the
   * kernels' memory, if they fit.
   */
  load(split: Split, order: Uint32Array, from: number, n: number, B: number): void;
  /** [B] */
  readonly labels: Bytes;
}

/** Bytes of samples that may lie in the kernels' memory, which ends at 4 GiB. */
const RESIDENT = 2 * 1024 * 1024 * 1024;

/**
 * Room for batches of up to B = `capacity` samples that go into `input`. Of splits that would make
 * more than `resident` bytes together, each batch is copied in when it is loaded.
 */
export function createBatch(
  memory: Memory,
  { shape, mean, std, numeric }: Pick<Dataset, 'shape' | 'mean' | 'std' | 'numeric'>,
  input: Floats,
  capacity: number,
  resident = RESIDENT,
): Batch {
  const I = shape.features;
  const scale = 1 / (255 * std);
  const shift = -mean / std;
  const chosen = memory.integers(capacity);
  const room = memory.bytes(16 * (I + OVERREAD) + 3);
  const labels = memory.bytes(capacity);
  const copies = new Map<Split, Bytes>();
  let staged: Bytes | undefined;
  let left = resident;

  let X = input.view();
  // Made once: a batch allocates nothing.
  const place = (b: number, i: number, value: number): void => {
    X[((b >> 4) * I + i) * 16 + (b & 15)] = value;
  };

  /** The split's samples in the kernels' memory, undefined if they do not fit. */
  const residentCopy = (split: Split): Bytes | undefined => {
    const { samples } = split;
    if (!copies.has(split) && samples.length <= left) {
      const copy = memory.bytes(samples.length + OVERREAD);
      copy.view().set(samples);
      copies.set(split, copy);
      left -= samples.length;
    }
    return copies.get(split);
  };
  return {
    labels,
    load(split, order, from, n, B) {
      const copy = residentCopy(split);
      if (copy === undefined) staged ??= memory.bytes(capacity * I + OVERREAD);
      const S = copy ?? (staged as Bytes);
      const rows = chosen.view();
      const classes = labels.view();
      for (let b = 0; b < n; b++) {
        rows[b] = copy === undefined ? b : order[from + b]!;
        classes[b] = split.labels[order[from + b]!]!;
      }
      if (copy === undefined) gather(split.samples, I, order, from, n, S.view());
      memory.kernels.assemble(S.at, chosen.at, input.at, room.at, I, n, B, scale, shift);
      if (numeric !== undefined) {
        X = input.view();
        standardise(numeric, split, order, from, n, place);
      }
    },
  };
}

/** The kernel reads whole vectors, so up to so many bytes beyond the last sample. */
const OVERREAD = 15;

/** Copies the samples order[from .. from + n), of I bytes each, one after another. */
function gather(
  samples: Uint8Array,
  I: number,
  order: Uint32Array,
  from: number,
  n: number,
  into: Uint8Array,
): void {
  for (let b = 0; b < n; b++) {
    const first = order[from + b]! * I;
    for (let i = 0; i < I; i++) into[b * I + i] = samples[first + i]!;
  }
}

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
    const first = order[from + b]! * J;
    for (let j = 0; j < J; j++) put(b, columns[j]!, (numeric[first + j]! - mean[j]!) / std[j]!);
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
