// evaluate.ts — how well a network does on samples it was not trained on
import type { Split } from '../data/dataset.ts';
import { type Batch, inOrder } from './batch.ts';
import { forward, type Network, paddedBatch } from './network.ts';

/** Fraction of a split's samples classified rightly, in [0, 1]; `capacity` samples at a time. */
export function accuracy(network: Network, batch: Batch, split: Split, capacity: number): number {
  const { memory, output } = network;
  const N = split.labels.length;
  const order = inOrder(N);
  let correct = 0;
  for (let from = 0; from < N; from += capacity) {
    const n = Math.min(capacity, N - from);
    const B = paddedBatch(n);
    batch.load(split, order, from, n, B);
    forward(network, B);
    const logits = output.activations.at;
    correct += memory.kernels.countCorrect(logits, batch.labels.at, output.outputs, n);
  }
  return correct / N;
}
