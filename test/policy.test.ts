// How the tasks of a stage are run: resources, retries, timeouts, allowed failures, and the record of a run.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, test } from 'vitest';
import type { ActionRecord } from '../src/engine/model/record.ts';
import { DOOR, makeRig, type Rig, type SaidEvent, tasksOf } from './rig.ts';

const stage = (run: string, inputs = '{}'): string => `${DOOR}
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
export default defineStage({
  params: z.object({ n: z.int(), folder: z.string() }), inputs: ${inputs}, outputs: { out: json() },
  ${run}
});
`;

/** A rig whose stages know its folder. */
function rigOf(yaml: string, files: Record<string, string>): Rig {
  const rig = makeRig(files);
  rig.write('pipeline.yaml', yaml.replaceAll('FOLDER', rig.folder));
  return rig;
}

const messageOf = (event: SaidEvent | undefined): string =>
  (event?.error as { message: string } | undefined)?.message ?? '';
const of = (events: readonly SaidEvent[], kind: string): readonly SaidEvent[] =>
  events.filter(({ event }) => event === kind);

describe('resources', () => {
  test('no more run at once than there is of what they take, and the rest goes on beside them', async () => {
    const rig = rigOf(
      `resources: { memory: 3 }
stages:
  big: { run: one.ts, matrix: { n: [1, 2, 3] }, params: { folder: FOLDER }, resources: { memory: 2 } }
  small: { run: one.ts, matrix: { n: [4, 5, 6] }, params: { folder: FOLDER }, resources: { memory: 0.5 } }
`,
      {
        'one.ts': stage(`run({ params: { n, folder } }) {
          const mark = (text: string) => appendFileSync(folder + '/marks', text + ' ');
          mark('begin-' + n);
          sleep(30);
          mark('end-' + n);
          return { out: n };
        }`),
      },
    );
    const { code, events } = await rig.make('-j', '4');
    expect([code, tasksOf(events, 'built').length]).toEqual([0, 6]);
    let taken = 0;
    for (const mark of rig.read('marks').trim().split(' ')) {
      const [what, n] = mark.split('-');
      taken += (what === 'begin' ? 1 : -1) * (Number(n) <= 3 ? 2 : 0.5);
      expect(taken).toBeLessThanOrEqual(3);
    }
    expect(taken).toBe(0);
  });

  test('one that there is not, or not enough of, is shown where it was written', async () => {
    const rig = rigOf(
      `resources: { memory: 3, gpu: 0 }
stages:
  big: { run: one.ts, resources: { memory: 4 } }
  odd: { run: one.ts, resources: { memori: 1 }, retries: many, timeout: soon, allow-failure: perhaps }
`,
      { 'one.ts': stage('run: ({ params: { n } }) => ({ out: n })') },
    );
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(2);
    expect(stderr).toMatchInlineSnapshot(`
      "pipeline.yaml:1:30: error: \`resources\`: \`gpu\` must be a number above 0
          1 | resources: { memory: 3, gpu: 0 }
            |                              ^

      pipeline.yaml:3:44: error: stage \`big\` asks for 4 of resource \`memory\`, of which there is 3
          3 |   big: { run: one.ts, resources: { memory: 4 } }
            |                                            ^
        hint: none of its tasks could ever run

      pipeline.yaml:4:36: error: there is no resource \`memori\`
          4 |   odd: { run: one.ts, resources: { memori: 1 }, retries: many, timeout: soon, allow-failure: perhaps }
            |                                    ^^^^^^
        hint: did you mean \`memory\`?

      pipeline.yaml:4:58: error: \`retries\` of stage \`odd\` must be an integer
          4 |   odd: { run: one.ts, resources: { memori: 1 }, retries: many, timeout: soon, allow-failure: perhaps }
            |                                                          ^^^^
        hint: retries: 2, or retries: { times: 2, delay: 10s }

      pipeline.yaml:4:73: error: \`timeout\` of stage \`odd\` must be a time
          4 |   odd: { run: one.ts, resources: { memori: 1 }, retries: many, timeout: soon, allow-failure: perhaps }
            |                                                                         ^^^^
        hint: such as 90s, 10m or 2h; a bare number counts seconds; at most 24d

      pipeline.yaml:4:94: error: \`allow-failure\` of stage \`odd\` must be true or false, not a string
          4 |   odd: { run: one.ts, resources: { memori: 1 }, retries: many, timeout: soon, allow-failure: perhaps }
            |                                                                                              ^^^^^^^

      6 errors; nothing was run
      "
    `);
  });
});

describe('retries', () => {
  const FLAKY = stage(`run({ params: { n, folder }, log }) {
    const file = folder + '/tries-' + n;
    const tries = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    writeFileSync(file, String(tries + 1));
    if (tries < n) throw new Error('try ' + tries);
    return { out: 'well' };
  }`);

  test('a failed task is tried again after pauses that double, and only as often as it says', async () => {
    const rig = rigOf(
      `stages:
  flaky: { run: flaky.ts, matrix: { n: [2, 9] }, params: { folder: FOLDER }, retries: { times: 2, delay: 1ms } }
`,
      { 'flaky.ts': FLAKY },
    );
    const { code, events } = await rig.make('-k');
    expect(code).toBe(1);
    expect(tasksOf(events, 'built')).toEqual(['flaky[2]']);
    expect(tasksOf(events, 'failed')).toEqual(['flaky[9]']);
    const retries = of(events, 'retrying').filter(({ task }) => task === 'flaky[2]');
    expect(retries.map(({ attempt, of, pause }) => [attempt, of, pause])).toEqual([
      [1, 2, 0.001],
      [2, 2, 0.002],
    ]);
    expect(retries.map(messageOf)).toEqual(['try 0', 'try 1']);
    expect(rig.read('tries-9')).toBe('3');
    // How a task is run is no part of its key.
    rig.edit('pipeline.yaml', 'times: 2, delay: 1ms', 'times: 7, delay: 1ms');
    const again = await rig.make('flaky/2');
    expect(tasksOf(again.events, 'reused')).toEqual(['flaky[2]']);
  });
});

describe('a timeout', () => {
  test('ends a task that takes longer, in words, and the worker with it', async () => {
    const rig = rigOf(
      `stages:
  slow: { run: slow.ts, matrix: { n: [1] }, params: { folder: FOLDER }, timeout: 300ms }
  loud: { command: [sh, -c, 'while :; do sleep 1; done'], outputs: { out: { file: out.txt, kind: text } }, timeout: 0.3 }
`,
      { 'slow.ts': stage('run() { for (;;) sleep(50); }') },
    );
    const { code, events } = await rig.make('-k');
    expect(code).toBe(1);
    expect(of(events, 'failed').map(messageOf)).toEqual([
      'it took longer than its timeout of 0.3 s, and was stopped',
      'it took longer than its timeout of 0.3 s, and was stopped',
    ]);
  });
});

describe('allow-failure', () => {
  test('a failure that is allowed fails neither the run nor what does not need it', async () => {
    const rig = rigOf(
      `stages:
  maybe: { run: one.ts, matrix: { n: [0, 1] }, params: { folder: FOLDER }, allow-failure: true }
  after: { run: after.ts, matrix: { n: [0, 1] }, params: { folder: FOLDER }, inputs: { before: maybe.out } }
  last: { run: after.ts, matrix: { n: [7] }, params: { folder: FOLDER }, inputs: { before: { from: after.out, where: { n: 1 } } } }
`,
      {
        'one.ts': stage(
          "run({ params: { n } }) { if (n === 0) throw new StageError('no'); return { out: n }; }",
        ),
        'after.ts': stage('run: ({ params: { n } }) => ({ out: n })', '{ before: json() }'),
      },
    );
    rig.edit('pipeline.yaml', 'matrix: { n: [7] }, ', '');
    rig.edit(
      'pipeline.yaml',
      'last: { run: after.ts, params: {',
      'last: { run: after.ts, params: { n: 7,',
    );
    const { code, events } = await rig.make('-j', '1');
    expect(code).toBe(0);
    expect(of(events, 'failed')).toMatchObject([{ task: 'maybe[0]', allowed: true }]);
    expect(tasksOf(events, 'skipped')).toEqual(['after[0]']);
    expect(tasksOf(events, 'built')).toEqual(['after[1]', 'last', 'maybe[1]']);
    expect((await rig.run('make')).stderr).toContain('failed  maybe[0] (allowed to)');
  });
});

describe('order', () => {
  test('of tasks that could run, the one that took longest when it ran goes first', async () => {
    const rig = rigOf(
      'stages:\n  one: { run: one.ts, matrix: { n: [1, 2, 3] }, params: { folder: FOLDER } }\n',
      { 'one.ts': stage('run: ({ params: { n } }) => ({ out: n })') },
    );
    const order = async (...words: string[]) =>
      of((await rig.make('-j', '1', ...words)).events, 'started').map(({ task }) => task);
    expect(await order()).toEqual(['one[1]', 'one[2]', 'one[3]']);
    const root = open({ path: join(rig.folder, 'cache/store.lmdb'), noSubdir: true, maxDbs: 16 });
    const traces = root.openDB<ActionRecord, string>({ name: 'traces', encoding: 'json' });
    for (const { key, value } of [...traces.getRange()]) {
      const seconds = Number(value.parts.params.n);
      traces.putSync(key, { ...value, cost: { ...value.cost, seconds } });
    }
    await root.close();
    expect(await order('--force')).toEqual(['one[3]', 'one[2]', 'one[1]']);
    expect(await order('one/1', '--force')).toEqual(['one[1]']);
    expect(await order('--force', 'one/2')).toEqual(['one[2]']);
  });
});

describe('a stage that is no pure function', () => {
  test('is warned of when it runs again and gives other bits, and the output is named', async () => {
    const rig = rigOf('stages:\n  one: { run: one.ts, params: { n: 1, folder: FOLDER } }\n', {
      'one.ts': stage('run: ({ params: { folder } }) => ({ out: existsSync(folder + "/mark") })'),
    });
    await rig.make();
    const same = await rig.make('--force');
    expect(of(same.events, 'warning')).toEqual([]);
    writeFileSync(join(rig.folder, 'mark'), '');
    const other = await rig.make('--force');
    expect(of(other.events, 'warning')).toMatchObject([
      {
        task: 'one',
        message: expect.stringMatching(
          /^output out came out with other bits than before \(\w{12} → \w{12}\) from the same code, params and inputs/,
        ),
      },
    ]);
  });
});

describe('--trace', () => {
  test('writes every task as a slice of its slot’s track, valid also when the run is stopped', async () => {
    const rig = rigOf(
      'stages:\n  one: { run: one.ts, matrix: { n: [1, 2] }, params: { folder: FOLDER } }\n',
      {
        'one.ts': stage(`run({ params: { n, folder }, checkpoint, log }) {
          if (n === 1) return { out: n };
          log('waits');
          for (;;) { sleep(5); if (checkpoint.due()) checkpoint.save({ tensors: {}, metadata: {} }); }
        }`),
      },
    );
    const making = rig.start(['make', '--json', '-j', '1', '--trace', 'trace.json']);
    await making.line((line) => line.includes('waits'));
    making.process.kill('SIGINT');
    expect((await making.ended).code).toBe(130);
    expect(existsSync(join(rig.folder, 'trace.json'))).toBe(true);
    const trace = JSON.parse(readFileSync(join(rig.folder, 'trace.json'), 'utf8'));
    // A slice is written when its task is over and kept: the second may be stopped before the first is kept.
    const slices = trace
      .filter(({ ph }: { ph: string }) => ph === 'X')
      .sort((a: { ts: number }, b: { ts: number }) => a.ts - b.ts);
    expect(slices).toMatchObject([
      { name: 'one[1]', tid: 1, args: { end: 'built', reason: { kind: 'new' } } },
      { name: 'one[2]', tid: 1, args: { end: 'interrupted' } },
    ]);
    expect(slices[1].ts).toBeGreaterThanOrEqual(slices[0].ts + slices[0].dur - 2000);
    expect(trace).toContainEqual(
      expect.objectContaining({ ph: 'M', name: 'thread_name', args: { name: 'slot 1' } }),
    );
  });
});
