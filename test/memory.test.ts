// The memory of programs: sampled with all that they start, recorded, and limited.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { formatSize } from '../src/engine/files/size.ts';
import { openMemoryGroup } from '../src/engine/process/memory-group.ts';
import { listedMemory, listProcesses } from '../src/engine/process/memory-use.ts';
import { runProgram } from '../src/engine/process/shell.ts';
import { makeRig } from './rig.ts';

const MIB = 2 ** 20;
/** A program of Node that takes so much memory and holds it. */
const taking = (mib: number, then = 'setTimeout(() => {}, 30_000)'): string =>
  `globalThis.held = Buffer.alloc(${mib} * 2 ** 20, 1); ${then}`;

const runIn = (script: string, limit_mib?: number) => {
  const folder = mkdtempSync(join(tmpdir(), 'memory-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return runProgram({
    argv: [process.execPath, '-e', script],
    env: { PATH: process.env.PATH ?? '' },
    ...{ folder, line: () => undefined, signal: new AbortController().signal },
    ...(limit_mib !== undefined && { memory_bytes: limit_mib * MIB }),
  });
};

describe.skipIf(!existsSync('/proc/self/status'))('a program', () => {
  test('is seen with the most memory that it had, and what it started with it', async () => {
    const child = `require('child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(taking(100, 'setTimeout(() => {}, 800)'))}])`;
    const { code, peak_bytes = 0 } = await runIn(taking(100, child), 2000);
    expect(code).toBe(0);
    expect(peak_bytes).toBeGreaterThan(200 * MIB);
    expect(peak_bytes).toBeLessThan(400 * MIB);
  });

  test('that takes more than it may is ended with all that it started, in its session or not', async () => {
    const away = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(taking(300))}], { detached: true }); setTimeout(() => {}, 30_000)`;
    const ends = await Promise.all([runIn(taking(300), 200), runIn(away, 200)]);
    expect(ends.map(({ isOverLimit, signal }) => [isOverLimit, signal])).toEqual([
      [true, 'SIGKILL'],
      [true, 'SIGKILL'],
    ]);
  });
});

test('a limit is a failure of cause memory, which may be retried; a peak is recorded and told', async () => {
  const rig = makeRig({
    'take.cjs': `
const { existsSync, writeFileSync } = require('node:fs');
const isFirst = !existsSync(process.env.MARK);
writeFileSync(process.env.MARK, '');
globalThis.held = Buffer.alloc((isFirst ? 400 : 80) * 2 ** 20, 1);
setTimeout(() => writeFileSync('x.json', '1'), isFirst ? 30_000 : 600);
`,
    'pipeline.yaml': `stages:
  a:
    command: [${process.execPath}, take.cjs]
    inputs: { script: { file: take.cjs } }
    outputs: { x: x.json }
    pass: [MARK]
    resources: { memory: 250MiB }
    retries: { times: 1, delay: 1ms, on: [memory] }
`,
  });
  const { stdout } = await rig.runWith(['make', '--json'], { MARK: join(rig.folder, 'mark') });
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const retry = events.find(({ event }) => event === 'retrying');
  expect(retry.error).toMatchObject({ cause: 'memory' });
  expect(retry.error.message).toContain(
    'it took more memory than the 250 MiB of `memory` in its resources, and was stopped',
  );
  const built = events.find(({ event }) => event === 'built');
  expect(built.memory).toBeGreaterThan(80 * MIB);
  expect((await rig.run('why', 'a')).stdout).toMatch(/cost +[\d.]+ s, \d+(\.\d)? MiB of memory/);
  const log = JSON.parse((await rig.run('log', 'a', '--json')).stdout);
  expect(log.cost.memory).toBe(built.memory);
});

test('where there is no /proc, ps tells of a group and its descendants', async () => {
  const listed = await listProcesses();
  const own = listed.find(({ pid }) => pid === process.pid);
  expect(own?.bytes).toBeGreaterThan(10 * MIB);
  const rows = [
    { pid: 1, parent: 0, group: 1, bytes: 1 },
    { pid: 2, parent: 1, group: 2, bytes: 10 },
    { pid: 3, parent: 2, group: 3, bytes: 100 },
    { pid: 4, parent: 3, group: 3, bytes: 1000 },
    { pid: 5, parent: 1, group: 2, bytes: 10_000 },
  ];
  expect(listedMemory(rows, 2)).toBe(11_110);
});

describe('a control group', () => {
  /** A tree of plain files where the system would have its groups. */
  const tree = (files: Record<string, string>, own: string) => {
    const top = mkdtempSync(join(tmpdir(), 'groups-'));
    onTestFinished(() => rmSync(top, { recursive: true }));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(top, path, '..'), { recursive: true });
      writeFileSync(join(top, path), text);
    }
    writeFileSync(join(top, 'mounts'), `30 20 0:26 / ${top} rw - cgroup2 cgroup2 rw\n`);
    writeFileSync(join(top, 'own'), `9:name=systemd:/\n0::${own}\n`);
    return { top, place: { mounts: join(top, 'mounts'), own: join(top, 'own') } };
  };

  test('is made where the memory controller is handed on, with the limit', () => {
    const { top, place } = tree(
      {
        'cgroup.subtree_control': 'cpu memory',
        'user/cgroup.subtree_control': 'cpu io memory pids\n',
        'user/job/cgroup.subtree_control': '',
        'user/job/memory.max': 'max\n',
      },
      '/user/job',
    );
    const group = openMemoryGroup(2 ** 30, '7-9', place);
    const folder = join(top, 'user/pipeline-7-9');
    expect(readFileSync(join(folder, 'memory.max'), 'utf8')).toBe('1073741824');
    expect(group?.add(123)).toBe(true);
    expect(readFileSync(join(folder, 'cgroup.procs'), 'utf8')).toBe('123');
    expect(group?.ranOut()).toBe(false);
    writeFileSync(join(folder, 'memory.events'), 'low 0\noom 1\noom_kill 2\n');
    expect(group?.ranOut()).toBe(true);
  });

  test.each([
    ['what this process may take is limited', { 'user/job/memory.max': '1000000\n' }],
    ['no controller is handed on', { 'user/cgroup.subtree_control': 'cpu\n' }],
  ])('is not made where %s', (_, more) => {
    const files = { 'user/cgroup.subtree_control': 'memory\n', 'user/job/memory.max': 'max\n' };
    const { top, place } = tree({ ...files, ...more }, '/user/job');
    expect(openMemoryGroup(2 ** 30, 'x', place)).toBeUndefined();
    expect(readdirSync(join(top, 'user'))).not.toContain('pipeline-x');
  });

  test('of this machine holds a program, where one can be made', async ({ skip }) => {
    const group = openMemoryGroup(64 * MIB, `test-${process.pid}`);
    if (group === undefined) return skip('no control group of version 2 can be made here');
    group.close();
    expect(await runIn(taking(300), 64)).toMatchObject({ isOverLimit: true, signal: 'SIGKILL' });
  });
});

test.each([
  [512, '512 B'],
  [2 ** 20, '1 MiB'],
  [1.5 * 2 ** 30, '1.5 GiB'],
  [300 * 2 ** 20, '300 MiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
});
