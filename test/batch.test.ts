// batch.test.ts — samples on their way into the kernels' memory
import { expect, it } from 'vitest';
import { createBatch } from '../src/network/batch.ts';
import { createMemory } from '../src/network/compile.ts';
import * as naive from './naive.ts';

const N = 40;

function stored(features: number) {
  const split = (from: number) => ({
    samples: Uint8Array.from({ length: N * features }, (_, at) => ((at + from) * 37) % 256),
    labels: Uint8Array.from({ length: N }, (_, s) => (s + from) % 10),
  });
  return { splits: [split(0), split(3)], shape: { features, classes: 10, height: 1, width: 1 } };
}

const order = Uint32Array.from({ length: N }, (_, s) => (s * 7) % N);

it.each([
  { name: 'all samples lie in memory', features: 8, resident: Infinity },
  { name: 'a sample is no number of words long', features: 7, resident: Infinity },
  { name: 'a sample is longer than a vector', features: 37, resident: Infinity },
  { name: 'only the first split fits into memory', features: 7, resident: N * 7 },
  { name: 'no split fits into memory', features: 18, resident: 0 },
])('samples are gathered in their order when $name', ({ features, resident }) => {
  const { splits, shape } = stored(features);
  const memory = createMemory();
  const input = memory.floats(features * 32);
  const batch = createBatch(memory, { shape, mean: 0, std: 1 }, input, 32, resident);
  const [from, n, B] = [15, 19, 32];
  // Each split twice: what one leaves behind must not reach the other.
  for (const split of [...splits, ...splits]) {
    input.view().fill(NaN);
    batch.load(split, order, from, n, B);
    for (let b = 0; b < B; b++) {
      const sample = order[from + b]!;
      if (b < n) expect(batch.labels.view()[b]).toBe(split.labels[sample]);
      for (let i = 0; i < features; i++) {
        const byte = b < n ? split.samples[sample * features + i]! : 0;
        expect(input.view()[naive.tiled(features, i, b)]).toBeCloseTo(byte / 255, 6);
      }
    }
  }
});
