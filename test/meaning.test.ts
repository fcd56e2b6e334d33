// Two pipeline files that mean the same have the same digest; whatever a plan rests on is in it.
import { expect, test } from 'vitest';
import { readPipeline } from '../src/engine/config/config.ts';
import { meaningOf } from '../src/engine/pipeline/meaning.ts';

const TEXT = `params:
  spare: 1
  sizes: [1, 2]
  point: { place: { file: a, text: b, start: 1, end: 2 } }
  rate: 0.5
resources: { gpu: 2 }
stages:
  draw:
    run: draw.ts
    matrix: { size: $sizes, seed: [0, 1], exclude: [{ size: 1, seed: 1 }] }
    params: { rate: $rate, point: $point, own: { file: a, text: b, start: 1, end: 2 } }
    retries: { times: 2, on: [memory] }
    resources: { gpu: 1 }
  page:
    run: page.ts
    inputs: { draws: { from: draw.n, where: { seed: 0 } } }
    artifacts: { page: page.txt }
    infeasible: skip
`;

const meaning = (text: string): string | undefined => {
  const read = readPipeline({ text, file: 'pipeline.yaml', presets: [], sets: [] });
  if (!read.ok) throw new Error(JSON.stringify(read.diagnostics));
  return meaningOf(read.value);
};

const edited = (from: string, to: string): string => {
  expect(TEXT).toContain(from);
  return TEXT.replace(from, to);
};

test.each([
  ['spare: 1', 'spare: { much: [longer] }'],
  ['params:', '# a comment\nparams:'],
  ['rate: 0.5', 'rate: 0.50'],
  ['resources: { gpu: 2 }', 'resources:\n  gpu: 2'],
  ['seed: [0, 1]', 'seed: [ 0,   1 ]'],
])('%j written as %j means the same', (from, to) => {
  expect(meaning(TEXT)).toMatch(/^[0-9a-f]{64}$/);
  expect(meaning(edited(from, to))).toBe(meaning(TEXT));
});

test.each([
  ['sizes: [1, 2]', 'sizes: [2, 1]'],
  ['sizes: [1, 2]', 'sizes: [1, 3]'],
  ['rate: 0.5', 'rate: 0.6'],
  ['rate: 0.5', 'rate: "0.5"'],
  ['place: { file: a', 'place: { file: c'],
  ['own: { file: a', 'own: { file: c'],
  ['own: { file: a, text: b, start: 1, end: 2 }', 'own: { file: a, text: b, start: 1, end: 3 }'],
  ['exclude: [{ size: 1, seed: 1 }]', 'exclude: [{ size: 1, seed: 0 }]'],
  ['run: draw.ts', 'run: other.ts'],
  ['where: { seed: 0 }', 'where: { seed: 1 }'],
  ['from: draw.n', 'from: draw.m'],
  ['page: page.txt', 'page: page.md'],
  ['infeasible: skip', 'infeasible: fail'],
  ['times: 2', 'times: 3'],
  ['on: [memory]', 'on: [timeout]'],
  ['gpu: 2', 'gpu: 3'],
  ['resources: { gpu: 1 }', 'resources: { gpu: 2 }'],
  ['  page:\n', '  leaf:\n'],
])('%j is another pipeline as %j', (from, to) => {
  expect(meaning(edited(from, to))).not.toBe(meaning(TEXT));
});

test('a pipeline of which something is to be warned has no meaning: the warning names a line', () => {
  const text = edited('spare: 1', 'spare: yes');
  const read = readPipeline({ text, file: 'pipeline.yaml', presets: [], sets: [] });
  expect(read.ok && read.value.warnings).toHaveLength(1);
  expect(meaning(text)).toBeUndefined();
});
