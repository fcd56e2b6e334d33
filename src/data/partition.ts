// partition.ts — who trains, who validates, who tests: seeded, and fair to every class
import { stream } from '../stats/stream.ts';
import type { Split } from './dataset.ts';

/** Which samples go where: indices, each list ascending. */
export interface Partition {
  readonly chosen: Uint32Array;
  readonly rest: Uint32Array;
}

/**
 * Chooses a share of every class at random: round(share * n) of a class of n, halves up. The same
 * seed and name choose the same samples, and another name others.
 * @param labels [N] in 0..255.
 * @param share in [0, 1].
 */
export function stratified(
  labels: Uint8Array,
  share: number,
  { seed, name }: { readonly seed: number; readonly name: string },
): Partition {
  return partition(labels, (size) => Math.floor(share * size + 0.5), { seed, name });
}

/**
 * Chooses at most `count` samples at random, so that classes keep their shares: each class gets its
 * quota rounded down, and the classes with the greatest remainders one more, the first of equals.
 * @param labels [N] in 0..255.
 */
export function stratifiedCount(
  labels: Uint8Array,
  count: number,
  { seed, name }: { readonly seed: number; readonly name: string },
): Partition {
  const sizes = classSizes(labels);
  const total = Math.min(count, labels.length);
  const quotas = sizes.map((size) => (labels.length === 0 ? 0 : (total * size) / labels.length));
  const counts = quotas.map(Math.floor);
  const missing = total - counts.reduce((sum, n) => sum + n, 0);
  const byRemainder = quotas
    .map((quota, label) => ({ label, remainder: quota - Math.floor(quota) }))
    .sort((a, b) => b.remainder - a.remainder || a.label - b.label);
  for (const { label } of byRemainder.slice(0, missing)) counts[label]!++;
  return partition(labels, (_, label) => counts[label]!, { seed, name });
}

/** Samples of each label 0..255. */
function classSizes(labels: Uint8Array): number[] {
  const sizes: number[] = Array(256).fill(0);
  for (let i = 0; i < labels.length; i++) sizes[labels[i]!]!++;
  return sizes;
}

function partition(
  labels: Uint8Array,
  countOf: (size: number, label: number) => number,
  { seed, name }: { readonly seed: number; readonly name: string },
): Partition {
  const members = classSizes(labels).map((size) => new Uint32Array(size));
  const filled = new Uint32Array(members.length);
  for (let i = 0; i < labels.length; i++) members[labels[i]!]![filled[labels[i]!]!++] = i;
  const isChosen = new Uint8Array(labels.length);
  let total = 0;
  for (const [label, indices] of members.entries()) {
    if (indices.length === 0) continue;
    stream(seed, 'partition', name, label).shuffle(indices);
    const count = countOf(indices.length, label);
    for (const index of indices.subarray(0, count)) isChosen[index] = 1;
    total += count;
  }
  const chosen = new Uint32Array(total);
  const rest = new Uint32Array(labels.length - total);
  let [c, r] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    if (isChosen[i] === 1) chosen[c++] = i;
    else rest[r++] = i;
  }
  return { chosen, rest };
}

/** The samples of these indices, in their order, copied. */
export function samplesAt({ samples, labels, numeric }: Split, indices: Uint32Array): Split {
  const N = labels.length;
  const chosen = {
    samples: rowsAt(samples, N, indices, new Uint8Array(widthOf(samples, N) * indices.length)),
    labels: rowsAt(labels, N, indices, new Uint8Array(indices.length)),
  };
  if (numeric === undefined) return chosen;
  const length = widthOf(numeric, N) * indices.length;
  return numeric instanceof Int16Array
    ? { ...chosen, numeric: rowsAt(numeric, N, indices, new Int16Array(length)) }
    : { ...chosen, numeric: rowsAt(numeric, N, indices, new Float32Array(length)) };
}

const widthOf = ({ length }: { readonly length: number }, N: number): number =>
  N === 0 ? 0 : length / N;

/** Copies the rows at these indices, of an array of N rows. */
function rowsAt<Items extends Uint8Array | Int16Array | Float32Array>(
  from: Items,
  N: number,
  indices: Uint32Array,
  into: Items,
): Items {
  const width = widthOf(from, N);
  // Item by item: rows are short, and a view of each would take longer than its copy.
  for (let row = 0; row < indices.length; row++) {
    const start = indices[row]! * width;
    for (let k = 0; k < width; k++) into[row * width + k] = from[start + k]!;
  }
  return into;
}

/** Holds a share of every class out of some samples. */
export function holdOut(
  split: Split,
  share: number,
  draw: { readonly seed: number; readonly name: string },
): { readonly held: Split; readonly kept: Split } {
  const { chosen, rest } = stratified(split.labels, share, draw);
  return { held: samplesAt(split, chosen), kept: samplesAt(split, rest) };
}

/** At most `count` of some samples, with the classes' shares; all of them when it is undefined. */
export function atMost(
  split: Split,
  count: number | undefined,
  draw: { readonly seed: number; readonly name: string },
): Split {
  if (count === undefined || split.labels.length <= count) return split;
  return samplesAt(split, stratifiedCount(split.labels, count, draw).chosen);
}
