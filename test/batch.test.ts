// batch.test.ts — samples on their way into the kernels' memory
import { expect, it } from 'vitest';
import { createBatch } from '../src/network/batch.ts';
import { createMemory } from '../src/network/memory.ts';
import * as naive from './naive.ts';

it.each([
  { name: 'on words', features: 8, offset: 0 },
  { name: 'between words', features: 8, offset: 3 },
  { name: 'of a length that is no number of words', features: 7, offset: 0 },
])('samples that lie $name are gathered in their order', ({ features, offset }) => {
  const N = 40;
  const stored = Uint8Array.from({ length: N * features + offset }, (_, at) => (at * 37) % 256);
  const split = {
    samples: stored.subarray(offset),
    labels: Uint8Array.from({ length: N }, (_, s) => s % 10),
  };
  const order = Uint32Array.from({ length: N }, (_, s) => (s * 7) % N);
  const shape = { features, classes: 10, height: 1, width: features };
  const memory = createMemory();
  const input = memory.floats(features * 32);
  const batch = createBatch(memory, { shape, mean: 0, std: 1 }, input, 32);
  const [from, n, B] = [15, 19, 32];
  input.view().fill(NaN);
  batch.load(split, order, from, n, B);
  for (let b = 0; b < B; b++) {
    const sample = order[from + b];
    if (b < n) expect(batch.labels.view()[b]).toBe(sample % 10);
    for (let i = 0; i < features; i++) {
      const byte = b < n ? split.samples[sample * features + i] : 0;
      expect(input.view()[naive.tiled(features, i, b)]).toBeCloseTo(byte / 255, 6);
    }
  }
});
