// What status, why and a dry run printed is printed again while it is still so, and never when it is not. Through the real binary.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DOOR, type Ended, makeRig, type Rig } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { spare: 1, seeds: [0, 1], size: 3 }
stages:
  draw: { run: draw.ts, matrix: { seed: $seeds }, params: { size: $size } }
  page: { run: page.ts, inputs: { draws: draw.n }, artifacts: { page: page.txt } }
`,
  'draw.ts': `${DOOR}export default defineStage({
  params: z.object({ seed: z.int(), size: z.int() }), inputs: {}, outputs: { n: json() },
  run: ({ params: { seed, size } }) => ({ n: seed * size }) });
`,
  'page.ts': `${DOOR}export default defineStage({
  params: z.object({}), inputs: { draws: collect(json()) }, outputs: { page: text() },
  run: ({ inputs }) => ({ page: inputs.draws.map(({ value }) => value).join() }) });
`,
};

const COMMANDS = [
  ['status'],
  ['status', 'draw', '--json'],
  ['why', 'page'],
  ['make', '--dry-run'],
  ['make', '-n', '--json', '--force', 'draw/1'],
];

const kept = (rig: Rig): number => {
  try {
    return readdirSync(join(rig.folder, 'cache/memos')).length;
  } catch {
    return 0;
  }
};

/** What a command prints when everything is looked at anew. */
const anew = (rig: Rig, words: readonly string[]): Promise<Ended> =>
  rig.runWith(words, { PIPELINE_NO_MEMO: '1', PIPELINE_NO_HINTS: '1' });

/** Everything that is printed is what is printed when everything is looked at anew. */
async function expectTrue(rig: Rig, commands: readonly (readonly string[])[]): Promise<void> {
  for (const words of commands) {
    expect([words, await rig.run(...words)]).toEqual([words, await anew(rig, words)]);
  }
}

test('what was printed is printed again, from one entry for each way to ask', async () => {
  const rig = makeRig(FILES);
  // Without a store there is nowhere to keep it.
  await rig.run('status');
  expect(kept(rig)).toBe(0);
  await rig.run('make', '-q');
  const before = kept(rig);
  for (const [n, words] of COMMANDS.entries()) {
    const first = await rig.run(...words);
    expect([words, first.code, kept(rig)]).toEqual([words, 0, before + n + 1]);
    expect([words, await rig.run(...words)]).toEqual([words, first]);
    expect([words, await anew(rig, words)]).toEqual([words, first]);
  }
  // A mistake is told each time.
  const wrong = [await rig.run('why', 'pge'), await rig.run('why', 'pge')];
  expect(wrong.map(({ code }) => code)).toEqual([2, 2]);
  expect(kept(rig)).toBe(before + COMMANDS.length);
});

test('what was printed is printed again when the pipeline is written anew and means the same', async () => {
  const rig = makeRig(FILES);
  await rig.run('make', '-q');
  const before = await rig.run('why', 'page');
  const memos = join(rig.folder, 'cache/memos');
  const records = join(rig.folder, 'cache/known');
  rmSync(records, { recursive: true, force: true });
  rig.edit('pipeline.yaml', 'spare: 1', 'spare: [1, 2, 3]');
  const [count, again] = [kept(rig), await rig.run('why', 'page')];
  expect(again).toEqual(before);
  // Whoever looks at records keeps what it found: this one did not look.
  expect(existsSync(records)).toBe(false);
  expect(kept(rig)).toBe(count);
  // The entry counts for the new text from now on.
  rmSync(memos, { recursive: true });
  expect(await rig.run('why', 'page')).toEqual(before);
  expect(existsSync(records)).toBe(true);
});

test('a pipeline file that is named in an unusual way is looked at each time', async () => {
  const rig = makeRig({ ...FILES, 'other.yaml': FILES['pipeline.yaml'] });
  await rig.run('make', '-q');
  const words = ['status', '--file=other.yaml'];
  await rig.run(...words);
  rig.edit('other.yaml', 'size: 3', 'size: 4');
  await expectTrue(rig, [words]);
});

test('nothing is printed again that is no longer so', async () => {
  const rig = makeRig(FILES);
  await rig.run('make', '-q');
  const commands = [['status', 'draw']];
  const changes: (() => unknown)[] = [
    () => rig.edit('pipeline.yaml', 'spare: 1', 'spare: none'),
    () => rig.edit('pipeline.yaml', 'size: 3', 'size: 4'),
    () => rig.edit('draw.ts', 'seed * size', 'seed + size'),
    () => rig.run('make', '-q'),
    () => rig.run('invalidate', 'page'),
    () => rmSync(join(rig.folder, 'cache/store.lmdb')),
  ];
  for (const change of changes) {
    for (const words of commands) await rig.run(...words);
    await change();
    await expectTrue(rig, commands);
  }
}, 120_000);
