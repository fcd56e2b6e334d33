import { describe, expect, test } from 'vitest';
import { trainingWork } from '../stages/training-work.ts';
import { DOOR, makeRig } from './rig.ts';

const training = { epochs: 10, batch: 128 };
const rigl = { every: 100, stop: 0.75 };

const work = (params: Parameters<typeof trainingWork>[0], upstream: object): number =>
  trainingWork(params, (name) => (upstream as { [name: string]: unknown })[name]);

const mnist = { dataset: 'mnist', hidden: '512-256', sparsity: 0.9 };

describe('the work of training', () => {
  const sparse = work({ training }, mnist);

  test('is that of a dense network six to seven times that of one with a tenth of it', () => {
    // docs/training.md: a step takes 7.0 times as long on Node 24, 6.4 on Node 20.
    const ratio = work({ training }, { ...mnist, sparsity: 0 }) / sparse;
    expect(ratio).toBeGreaterThan(5.5);
    expect(ratio).toBeLessThan(7);
  });

  test('knows what RigL adds: about a twelfth, and nothing where it never rewires', () => {
    const added = work({ training, rigl }, mnist) / sparse - 1;
    expect(added).toBeGreaterThan(0.03);
    expect(added).toBeLessThan(0.12);
    expect(work({ training, rigl: { ...rigl, stop: 0 } }, mnist)).toBe(sparse);
  });

  test('takes a network as a label, as a list and as a single width', () => {
    expect(work({ training }, { ...mnist, hidden: [512, 256] })).toBe(sparse);
    const one = work({ training }, { ...mnist, hidden: 512 });
    expect(one).toBe(work({ training }, { ...mnist, hidden: [512] }));
    expect(work({ training }, { ...mnist, hidden: '512-512-256' })).toBeGreaterThan(sparse);
  });

  test('counts the samples that are evaluated, and those that a limit leaves', () => {
    const covtype = (limit: object): number =>
      work({ training }, { ...mnist, dataset: { kind: 'covtype', limit } });
    const train = { train: 100_000 };
    expect(covtype(train)).toBeLessThan(covtype({}));
    expect(covtype({ ...train, test: 20_000 })).toBeLessThan(covtype(train));
    const least = { ...train, test: 20_000, validation: 10_000 };
    expect(covtype(least)).toBeLessThan(covtype({ ...train, test: 20_000 }));
  });
});

test('a module without a record is predicted by the rate of another that tells its work', async () => {
  const stage = (name: string): string =>
    `${DOOR}export default defineStage({ params: z.object({ size: z.number() }), inputs: {},
  outputs: { out: text() }, work: ({ size }) => size, run: () => ({ out: '${name}' }) });\n`;
  const rig = makeRig({
    'first.ts': stage('first'),
    'second.ts': stage('second'),
    'pipeline.yaml': `stages:
  first: { run: first.ts, params: { size: 10 } }
  second: { run: second.ts, params: { size: 40 } }\n`,
  });
  await rig.make('first');
  const estimateOf = async (...words: string[]) =>
    (await rig.make(...words, '--dry-run')).events.at(-1) as unknown as {
      readonly seconds: number;
      readonly unknown: object;
    };
  const first = await estimateOf('first', '--force', 'first');
  const second = await estimateOf('second');
  expect(second.unknown).toEqual({});
  expect(second.seconds / first.seconds).toBeCloseTo(4, 6);
});
