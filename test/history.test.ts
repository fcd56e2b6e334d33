// What a run leaves behind: runs, log, diff, and how runs are named.
import { describe, expect, test } from 'vitest';
import type { Key, TaskId } from '../src/engine/model/key.ts';
import type { RunRecord, TaskLog } from '../src/engine/model/record.ts';
import { differences } from '../src/engine/store/compare.ts';
import { findRuns, recordRun } from '../src/engine/store/history.ts';
import type { RunHistory } from '../src/engine/store/store.ts';
import { bundledRig, DOOR, type Rig } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { seeds: [0, 1], gain: 2 }
presets: { loud: { gain: 10 } }
stages:
  draw: { run: draw.ts, matrix: { seed: $seeds }, params: { gain: $gain } }
  fails: { run: fails.ts, params: { gain: $gain } }
`,
  'draw.ts': `${DOOR}
export default defineStage({
  params: z.object({ seed: z.int(), gain: z.number() }),
  inputs: {},
  outputs: { metrics: json() },
  run({ params: { seed, gain }, log }) {
    log('seed ' + seed);
    return { metrics: { level: seed * gain, name: 'draw' } };
  },
});`,
  'fails.ts': `${DOOR}
export default defineStage({
  params: z.object({ gain: z.number() }),
  inputs: {},
  outputs: { nothing: json() },
  run({ params, log }) {
    log('about to fail');
    throw new RangeError('too loud: ' + params.gain);
  },
});`,
};

const jsonOf = async (rig: Rig, ...words: string[]) =>
  JSON.parse((await rig.run(...words, '--json')).stdout);

describe('the history', () => {
  test('has every run that made or tried something, with its targets, presets, params and ends', async () => {
    const rig = await bundledRig(FILES);
    await rig.make('draw');
    await rig.make('draw');
    await rig.make('--preset', 'loud', '--set', 'seeds=[1]');
    const runs = await jsonOf(rig, 'runs');
    expect(runs).toMatchObject([
      {
        targets: [],
        presets: ['loud'],
        sets: ['seeds=[1]'],
        params: { seeds: [1], gain: 10 },
        outcomes: { 'draw[1]': 'built', fails: 'failed' },
        tally: { built: 1, failed: 1 },
        versions: { node: process.version },
        pinned: false,
      },
      { targets: ['draw'], tally: { built: 2 }, outcomes: { 'draw[0]': 'built' } },
    ]);
    const { stdout } = await rig.run('runs', '-n', '1');
    expect(stdout).toContain("1 built, 1 failed  --preset loud --set 'seeds=[1]'");
    expect(stdout.trim().split('\n')).toHaveLength(1);
    const shell = await rig.run('complete', 'diff', '');
    expect(shell.stdout.split('\n')).toEqual(['last', runs[0].id, runs[1].id, '']);
  });

  test('keeps what each task said, and the error of one that failed', async () => {
    const rig = await bundledRig(FILES);
    await rig.make();
    await rig.make('draw', '--set', 'gain=3');
    expect((await rig.run('log', 'draw/1')).stdout).toBe('seed 1\n');
    expect(await jsonOf(rig, 'log', 'draw[1]', '--run', 'last~1')).toMatchObject({
      outcome: 'built',
      lines: ['seed 1'],
    });
    const failed = await rig.run('log', 'fails');
    expect(failed.stdout).toMatch(/^about to fail\nRangeError: too loud: 2\n +at .*fails\.ts:/);
    const unknown = await rig.run('log', 'fail');
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      expect.stringContaining('did you mean `fails`?'),
    ]);
  });

  test('diff tells params, numbers and outputs that moved', async () => {
    const rig = await bundledRig(FILES);
    await rig.make('draw');
    await rig.make('draw', '--set', 'gain=3', '--set', 'seeds=[0, 1, 2]');
    expect(await jsonOf(rig, 'diff')).toMatchObject({
      params: [
        { path: 'seeds.2', after: 2 },
        { path: 'gain', before: 2, after: 3 },
      ],
      metrics: [{ task: 'draw[1]', output: 'metrics', path: 'level', before: 2, after: 3 }],
      outputs: [{ task: 'draw[1]', output: 'metrics' }],
      only: { before: [], after: ['draw[2]'] },
      forgotten: [],
    });
    const { stdout } = await rig.run('diff', 'last~1', 'last');
    expect(stdout.replace(/[0-9a-f]{12}/g, '<digest>')).toMatchInlineSnapshot(`
      "params (2)
        seeds.2  –  2
        gain     2  3
      metrics (1)
        draw[1]:metrics.level  2  3  +1  33.3 %
      outputs (1)
        draw[1]:metrics  <digest>  <digest>
      tasks (1)
        draw[2]  –  made
      "
    `);
    const wrong = await rig.run('diff', 'last', 'tomorrow');
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringContaining('there is no run `tomorrow`'),
    ]);
  });
});

describe('a recorder', () => {
  /** A history in memory. */
  const memory = () => {
    const kept: { run?: RunRecord; logs: TaskLog[] } = { logs: [] };
    const history: RunHistory = {
      begin: () => ({ note() {}, noteNow() {}, close() {} }),
      settle: () => undefined,
      runs: () => [],
      run: () => undefined,
      log: () => undefined,
      putLog: (log) => void kept.logs.push(log),
      put(run, logs = []) {
        kept.run = run;
        kept.logs.push(...logs);
      },
    };
    return { kept, history };
  };
  const facts = {
    ...{ id: 'r', host: 'h', command: 'make', targets: [], presets: [], sets: [] },
    ...{ params: {}, versions: {}, started: '2026-04-12T10:15:02.000Z' },
    process: { host: 'h', pid: 1 },
  };
  const task = 'draw[0]' as TaskId;
  const ends = { built: 0, reused: 0, failed: 0, skipped: 0, interrupted: 0 };
  const tally = { ...ends, infeasible: 0 };
  const key = 'k' as Key;

  test('keeps the first and the last lines of a task that says very much', () => {
    const { kept, history } = memory();
    const recorder = recordRun(history, facts, () => 0);
    for (let line = 0; line < 10_000; line++) {
      recorder.listener({ event: 'log', task, line: `line ${line}` });
    }
    const outputs = {};
    recorder.listener({ event: 'built', task, key, seconds: 1, outputs, unchanged: false });
    recorder.close({ tally, seconds: 1, ran: 1, infeasible: new Map(), interrupted: false });
    const { lines, dropped = 0 } = kept.logs[0]!;
    expect([lines[0], lines.at(-1)]).toEqual(['line 0', 'line 9999']);
    expect(lines.length).toBeLessThanOrEqual(3000);
    expect(lines.length + dropped).toBe(10_000);
  });

  test('remembers what was begun and not ended, and nothing of a run that did nothing', () => {
    const { kept, history } = memory();
    const recorder = recordRun(history, facts, () => 0);
    const ended = { tally, seconds: 1, ran: 0, infeasible: new Map() };
    recorder.listener({ event: 'reused', task, key });
    recorder.close({ ...ended, interrupted: false });
    expect(kept.run).toBeUndefined();
    recorder.listener({ event: 'started', task, key, reason: { kind: 'new' }, slot: 0 });
    recorder.listener({ event: 'interrupted', task, checkpoint: true });
    recorder.close({ ...ended, interrupted: true });
    expect(kept.run).toMatchObject({
      begun: { [task]: key },
      outcomes: { [task]: 'interrupted' },
      state: 'interrupted',
    });
  });
});

describe('names of runs', () => {
  const runs = ['20260412T101502-3fa9c1', '20260412T101502-77ab00', '20260411T000000-3fa000'].map(
    (id) => ({ id }) as RunRecord,
  );
  test.each([
    ['last', [0]],
    ['last~2', [2]],
    ['last~3', []],
    ['20260412', [0, 1]],
    ['77', [1]],
    ['3fa', [0, 2]],
    ['20260411T000000-3fa000', [2]],
    ['x', []],
  ])('%s', (word, found) => {
    expect(findRuns(runs, word)).toEqual(found.map((index) => runs[index]));
  });
});

test('differences are told leaf by leaf, items of lists by their names', () => {
  const before = {
    a: [
      { name: 'x', cv: 1 },
      { name: 'y', cv: 2 },
    ],
    b: [1, 2],
    c: null,
  };
  const after = { a: [{ name: 'y', cv: 3 }], b: [1, 2, 3], d: { e: 1 } };
  expect(differences('', before, after)).toEqual([
    { path: 'a.x', before: { name: 'x', cv: 1 } },
    { path: 'a.y.cv', before: 2, after: 3 },
    { path: 'b.2', after: 3 },
    { path: 'c', before: null },
    { path: 'd', after: { e: 1 } },
  ]);
});
