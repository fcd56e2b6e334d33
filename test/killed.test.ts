// Runs that did not end in order: killed, interrupted twice, or still going on. They are runs like any other.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bundledRig, DOOR, type Rig } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { gain: 1 }
stages:
  quick: { run: quick.ts, params: { gain: $gain } }
  slow: { run: slow.ts, inputs: { from: quick.out } }
`,
  'quick.ts': `${DOOR}
export default defineStage({
  params: z.object({ gain: z.number() }), inputs: {}, outputs: { out: json() },
  run({ params, log }) { log('quick says ' + params.gain); return { out: params.gain }; },
});`,
  // Ends at once where it is allowed to.
  'slow.ts': `${DOOR}
import { existsSync } from 'node:fs';
export default defineStage({
  params: z.object({}), inputs: { from: json<number>() }, outputs: { out: json() },
  async run({ inputs, log }) {
    log('slow says ' + inputs.from);
    while (!existsSync('open')) await new Promise((resolve) => setTimeout(resolve, 5));
    return { out: inputs.from };
  },
});`,
};

const jsonOf = async (rig: Rig, ...words: string[]) =>
  JSON.parse((await rig.run(...words, '--json')).stdout);

/** Starts a make, and waits until its second task runs. */
async function begin(rig: Rig, ...words: string[]) {
  const making = rig.start(['make', '--json', ...words]);
  await making.line((line) => line.includes('slow says'));
  return making;
}

async function kill(rig: Rig, ...words: string[]): Promise<void> {
  const making = await begin(rig, ...words);
  making.process.kill('SIGKILL');
  await making.ended;
}

describe('a run that was killed', () => {
  test('is listed, has its tasks and their logs, and can be compared and pinned', async () => {
    const rig = await bundledRig(FILES);
    await kill(rig);
    await kill(rig, '--set', 'gain=2');
    // What it had in hand has expired: nothing is wrong with the store.
    expect((await rig.run('fsck')).code).toBe(0);
    const runs = await jsonOf(rig, 'runs');
    expect(runs).toMatchObject([
      { state: 'killed', sets: ['gain=2'], outcomes: { quick: 'built', slow: 'interrupted' } },
      { state: 'killed', sets: [], outcomes: { quick: 'built', slow: 'interrupted' } },
    ]);
    expect(runs[0].tally).toMatchObject({ built: 1, interrupted: 1 });
    expect(runs[0].seconds).toBeGreaterThan(0);
    expect((await rig.run('runs')).stdout).toMatch(
      /killed, 1 built, 1 interrupted {2}--set gain=2/,
    );
    expect((await rig.run('log', 'slow')).stdout).toBe('slow says 2\n');
    expect((await rig.run('log', 'quick', '--run', 'last~1')).stdout).toBe('quick says 1\n');
    expect(await jsonOf(rig, 'diff')).toMatchObject({
      params: [{ path: 'gain', before: 1, after: 2 }],
      metrics: [{ task: 'quick', before: 1, after: 2 }],
    });
    expect((await rig.run('why', 'quick', '--set', 'gain=2')).stdout).toContain(
      'make --json --set gain=2',
    );
    expect((await rig.run('pin', 'last~1')).code).toBe(0);
    // The next run finds them dead, and writes their records.
    rig.write('open', '');
    expect((await rig.run('make')).code).toBe(0);
    expect(readdirSync(join(rig.folder, 'cache/runs'))).toEqual([]);
    expect(
      (await jsonOf(rig, 'runs')).map(({ state, pinned }: Record<string, unknown>) => [
        state,
        pinned,
      ]),
    ).toEqual([
      ['finished', false],
      ['killed', false],
      ['killed', true],
    ]);
    expect((await rig.run('log', 'quick', '--run', 'last~2')).stdout).toBe('quick says 1\n');
  });

  test('protects what it made from gc, as any other run does', async () => {
    const rig = await bundledRig(FILES);
    await kill(rig, '--set', 'gain=7');
    expect((await jsonOf(rig, 'gc')).traces).toEqual([]);
    rig.write('open', '');
    const { events } = await rig.make('quick', '--set', 'gain=7');
    expect(events.map(({ event }) => event)).toContain('reused');
    expect((await jsonOf(rig, 'gc', '--keep-runs', '0')).traces).toHaveLength(1);
  });
});

test('a run that goes on is listed as running, with what its tasks have said so far', async () => {
  const rig = await bundledRig(FILES);
  const making = await begin(rig);
  expect(await jsonOf(rig, 'runs')).toMatchObject([
    { state: 'running', tally: { built: 1, running: 1 }, outcomes: { slow: 'running' } },
  ]);
  expect(await jsonOf(rig, 'log', 'slow')).toMatchObject({
    outcome: 'running',
    lines: ['slow says 1'],
  });
  rig.write('open', '');
  expect((await making.ended).code).toBe(0);
  const [run, ...others] = await jsonOf(rig, 'runs');
  expect([run.state, run.tally.built, others]).toEqual(['finished', 2, []]);
  expect(readdirSync(join(rig.folder, 'cache/runs'))).toEqual([]);
});

test.runIf(process.env.FULL)(
  'a run that was interrupted, once or twice, is listed as interrupted',
  async () => {
    const rig = await bundledRig(FILES);
    const twice = await begin(rig);
    twice.process.kill('SIGINT');
    await twice.line((line) => line.includes('stopping'));
    twice.process.kill('SIGINT');
    expect((await twice.ended).code).toBe(130);
    const once = await begin(rig, '--set', 'gain=2');
    once.process.kill('SIGINT');
    const { stdout } = await once.ended;
    // It saved nothing: nobody says that the next make goes on from there.
    expect(stdout).toContain('{"event":"interrupted","task":"slow","checkpoint":false}');
    expect(await jsonOf(rig, 'runs')).toMatchObject([
      { state: 'interrupted', outcomes: { quick: 'built', slow: 'interrupted' } },
      { state: 'interrupted', outcomes: { quick: 'built', slow: 'interrupted' } },
    ]);
    const shown = rig.start(['make', '--set', 'gain=3']);
    const journals = (): string =>
      readdirSync(join(rig.folder, 'cache/runs'))
        .map((name) => rig.read(`cache/runs/${name}`))
        .join('');
    await expect.poll(journals, { timeout: 20_000 }).toContain('slow says 3');
    shown.process.kill('SIGINT');
    const { stderr } = await shown.ended;
    expect(stderr).toMatch(/^stopped slow$/m);
    expect(stderr).toContain('2 tasks: 1 built, 0 reused, 1 stopped (');
  },
);

test('a make that has nothing to do leaves no trace of itself', async () => {
  const rig = await bundledRig(FILES);
  await rig.run('make', 'quick');
  const journals = existsSync(join(rig.folder, 'cache/runs'));
  const { stderr } = await rig.runWith(['make', 'quick'], { PIPELINE_NO_MEMO: '1' });
  expect([journals, stderr]).toEqual([true, expect.stringContaining('nothing to do')]);
  expect(await jsonOf(rig, 'runs')).toHaveLength(1);
});
