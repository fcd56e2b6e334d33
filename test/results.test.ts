// results.test.ts — runs by name and tag, what differs between them, and outputs of selections as files
import { appendFileSync, chmodSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DOOR, type MadeRig, madeRig, makeRig } from './rig.ts';

const PIPELINE = `params:
  gain: 1
stages:
  train:
    run: train.ts
    matrix: { lr: [0.1, 0.5], seed: [0, 1] }
    params: { gain: $gain }
  other: { run: other.ts, params: { gain: $gain } }
`;
const TRAIN = `${DOOR}
import { offset } from './offset.ts';
export default defineStage({
  params: z.object({ lr: z.number(), seed: z.number(), gain: z.number() }),
  inputs: {},
  outputs: { metrics: json(), model: tensors() },
  run: ({ params: { lr, seed, gain } }) => ({
    metrics: { accuracy: lr + seed + offset, loss: [gain, lr], size: gain * 10 },
    model: { tensors: { w: { shape: [1], data: Float32Array.of(lr) } }, metadata: {} },
  }),
});
`;
const OTHER = `${DOOR}
export default defineStage({
  params: z.object({ gain: z.number() }),
  inputs: {},
  outputs: { metrics: json() },
  run: ({ params: { gain } }) => ({ metrics: { other: gain } }),
});
`;
/** Two runs: the second has another param and another source. */
async function twoRuns(): Promise<MadeRig> {
  const rig = await madeRig(
    {
      'pipeline.yaml': PIPELINE,
      'train.ts': TRAIN,
      'other.ts': OTHER,
      'offset.ts': 'export const offset = 0;',
    },
    '--name',
    'first',
  );
  rig.write('offset.ts', 'export const offset = 0.001;');
  await rig.make('--set', 'gain=2', '--name', 'second');
  return rig;
}
const json = async (rig: MadeRig, ...words: string[]) =>
  JSON.parse((await rig.run(...words, '--json')).stdout);

describe('pipeline diff', () => {
  test('says what caused the difference, then the numbers, the largest first, and series last', async () => {
    const rig = await twoRuns();
    const { stdout } = await rig.run('diff', '--stage', 'train');
    const heads = stdout.split('\n').filter((line) => /^\w/.test(line));
    expect(heads).toEqual([
      'params (1)',
      'sources (1)',
      'metrics (8)',
      'series (4)',
      'outputs (4)',
    ]);
    expect(stdout).toContain('offset.ts  changed');
    const { causes, effects } = await json(rig, 'diff');
    expect(causes).toMatchObject({
      sources: [{ file: 'offset.ts' }],
      code: ['train'],
      inputs: [],
      tools: [],
    });
    const finals = effects.filter(({ steps }: { steps?: number }) => steps === undefined);
    const sizes = finals.map(({ relative }: { relative: number }) => relative);
    expect(sizes).toEqual([...sizes].sort((a: number, b: number) => b - a));
    expect(finals[0]).toMatchObject({ relative: 0.5 });
    expect(effects.at(-1)).toMatchObject({ name: 'loss', steps: 1 });
  });

  test('takes stages and numbers, and suggests those that there are', async () => {
    const rig = await twoRuns();
    const { effects } = await json(rig, 'diff', 'first', 'second', '--metric', 'acc*');
    expect(effects.map(({ name }: { name: string }) => name)).toEqual(Array(4).fill('accuracy'));
    const { code, stderr } = await rig.run('diff', '--stage', 'trian');
    expect(code).toBe(2);
    expect(stderr).toContain('did you mean `train`?');
  });
});

describe('names and tags of runs', () => {
  test('find a run wherever one is named; a tag moves', async () => {
    const rig = await twoRuns();
    const [second, first] = await json(rig, 'runs');
    expect([first.name, second.name]).toEqual(['first', 'second']);
    expect(second.changes).toMatchObject({
      params: [{ path: 'gain' }],
      sources: [{ file: 'offset.ts' }],
    });
    await rig.run('tag', 'first', 'best');
    expect((await json(rig, 'diff', 'best', 'last')).before).toBe(first.id);
    await rig.run('tag', 'last', 'best');
    const tags = (await json(rig, 'runs')).map(({ tags = [] }: { tags?: string[] }) => tags);
    expect(tags).toEqual([['best'], []]);
    expect((await rig.run('runs')).stdout).toMatch(
      /second #best {2}\(gain: 1 → 2, offset\.ts changed\)/,
    );
    await rig.run('tag', 'best', 'best', '--remove');
    expect(await json(rig, 'tag', 'last')).toMatchObject({ tags: [] });
  });

  test('runs are filtered by names, tags, outcomes and params', async () => {
    const rig = await twoRuns();
    const named = async (...where: string[]): Promise<readonly string[]> =>
      (await json(rig, 'runs', ...where.flatMap((one) => ['--where', one]))).map(
        ({ name }: { name: string }) => name,
      );
    expect(await named('gain=2')).toEqual(['second']);
    expect(await named('name=f*', 'built>=5')).toEqual(['first']);
    const { code, stderr } = await rig.run('runs', '--where', 'gainn=2');
    expect([code, stderr]).toEqual([2, expect.stringContaining('did you mean `gain`?')]);
  });

  test.each([
    [['make', '--name', 'last']],
    [['make', '--name', 'a b']],
    [['tag', 'first', '-x']],
    [['tag', 'first', 'best', '--remove']],
    [['tag', 'nobody', 'best']],
  ])('refuses %j', async (words) => {
    const { code, stderr } = await (await twoRuns()).run(...words);
    expect(code).toBe(2);
    expect(stderr).not.toContain('bug');
  });
});

describe('pipeline export of a selection', () => {
  test('writes a file for each task, and an index', async () => {
    const rig = await twoRuns();
    const { code, stderr } = await rig.run(
      'export',
      'train[lr=0.1]:model',
      'out/',
      '--set',
      'gain=2',
    );
    expect([code, stderr]).toEqual([0, expect.stringContaining('2 files')]);
    const names = ['train-0.1-0.model.safetensors', 'train-0.1-1.model.safetensors'];
    expect(readdirSync(join(rig.folder, 'out')).sort()).toEqual(['index.json', ...names]);
    expect(JSON.parse(rig.read('out/index.json'))).toMatchObject([
      {
        file: names[0],
        task: 'train[0.1,0]',
        at: { lr: '0.1', seed: '0' },
        output: 'model',
        kind: 'tensors',
      },
      { file: names[1] },
    ]);
    const again = await rig.run('export', 'train[lr=0.1]:model', 'out/', '--set', 'gain=2');
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('exists')]);
  });

  test('writes all outputs where none is named, in a form that is asked for', async () => {
    const rig = await twoRuns();
    await rig.run('export', 'other', 'out/', '--set', 'gain=2');
    expect(JSON.parse(rig.read('out/other.metrics.json'))).toEqual({ other: 2 });
    await rig.run('export', 'train:metrics', 'csv/', '--format', 'csv', '--set', 'gain=2');
    expect(readdirSync(join(rig.folder, 'csv'))).toHaveLength(5);
    const wrong = await rig.run('export', 'train:modle', 'no/', '--set', 'gain=2');
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringContaining('did you mean `model`?'),
    ]);
    expect(existsSync(join(rig.folder, 'no'))).toBe(false);
  });

  test('links large outputs where it is asked to, and nothing but a changed link harms the store', async () => {
    const rig = makeRig({
      'pipeline.yaml': `stages:
  big:
    command: [sh, -c, 'head -c 9000000 /dev/zero > a.bin; echo small > b.txt']
    outputs: { a: a.bin, b: b.txt }
    artifacts: { a: a.bin }
`,
    });
    await rig.run('make');
    const linked = await rig.run('export', 'big', 'out/', '--link');
    expect([linked.code, linked.stderr]).toEqual([0, expect.stringContaining(', 1 link)')]);
    const file = join(rig.folder, 'out/big.a.bin');
    expect([statSync(file).nlink, statSync(file).mode & 0o777]).toEqual([2, 0o444]);
    // Onto itself, and a single file over another.
    await rig.run('export', 'big', 'out/', '--link', '--force');
    await rig.run('export', 'big:a', 'out/single.bin', '--link');
    const names = ['big.a.bin', 'big.b.txt', 'index.json', 'single.bin'];
    expect([readdirSync(join(rig.folder, 'out')).sort(), statSync(file).nlink]).toEqual([names, 3]);
    // A copy belongs to whoever made it.
    await rig.run('export', 'big:a', 'copy.bin');
    rmSync(join(rig.folder, 'artifacts/big/a.bin'));
    await rig.run('make');
    for (const copy of ['copy.bin', 'artifacts/big/a.bin']) {
      const { nlink, mode } = statSync(join(rig.folder, copy));
      expect([nlink, mode & 0o200]).toEqual([1, 0o200]);
    }
    rmSync(file);
    expect((await rig.run('fsck')).code).toBe(0);
    chmodSync(join(rig.folder, 'out/single.bin'), 0o644);
    appendFileSync(join(rig.folder, 'out/single.bin'), 'x');
    expect((await rig.run('fsck')).code).toBe(2);
    expect((await rig.run('make', '--verify')).code).toBe(0);
    expect((await rig.run('fsck')).code).toBe(0);
  });
});
