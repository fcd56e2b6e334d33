// Programs that go wrong: each fails its task with a sentence, and nothing is lost. Real processes, one make.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeRig, type Rig, type SaidEvent } from './rig.ts';

/** With the long runs (`npm run test:full`): how much is printed, and how many files are made. */
const isFull = process.env.FULL !== undefined;
const PRINTED_MIB = isFull ? 1000 : 4;
const FILES = isFull ? 100_000 : 1000;

/** A stage that runs a script of the shell. */
const stage = (name: string, script: string, more = 'outputs: { x: x.json }'): string =>
  `  ${name}: { command: [sh, -c, ${JSON.stringify(script)}], inputs: { given: { file: given.txt } }, ${more} }\n`;

const STAGES = [
  stage('nothing', 'exit 0'),
  stage('half', 'printf "{\\"a\\": " > x.json; kill -9 $$'),
  stage('limited', 'ulimit -f 8; trap "" XFSZ; head -c 1000000 /dev/zero > x.json'),
  stage('leaves', 'sleep 300 & echo 1 > x.json'),
  stage('prints', `yes $(printf %01000d 0) | head -c ${PRINTED_MIB}M; echo 1 > x.json`),
  stage(
    'deaf',
    'trap "" TERM; echo waits; while :; do sleep 0.1; done',
    'timeout: 1s, outputs: { x: x.json }',
  ),
  stage('writes', 'echo more >> given.txt; echo 1 > x.json'),
  stage('many', `seq ${FILES} | (cd m && xargs touch)`, 'outputs: { m: m/ }'),
  stage('litter', `seq ${FILES} | xargs touch; echo 1 > x.json`),
  stage('link', 'ln -s /etc/passwd m/x', 'outputs: { m: m/ }'),
  stage('linked', 'ln -s /etc/passwd x.json'),
  stage('folder', 'mkdir x.json'),
  stage('file', 'rmdir m; echo 1 > m', 'outputs: { m: m/ }'),
  stage('larger', 'head -c 2000 /dev/zero > x.bin', 'outputs: { x: { file: x.bin, max: 1KiB } }'),
  stage(
    'events',
    'echo "no JSON" >> $PIPELINE_EVENTS; echo 1 > x.json',
    'events: true, outputs: { x: x.json }',
  ),
  stage(
    'checkpoint',
    'if [ -e $PIPELINE_CHECKPOINT/s ]; then echo it is torn; exit 75; fi; echo torn > $PIPELINE_CHECKPOINT/s; exit 75',
    'checkpoint: true, outputs: { x: x.json }',
  ),
];
const rig = (): Rig =>
  makeRig({ 'given.txt': 'given\n', 'pipeline.yaml': `stages:\n${STAGES.join('')}` });

const messageOf = (events: readonly SaidEvent[], event: string, task: string): string => {
  const found = events.find((one) => one.event === event && one.task === task);
  return String((found?.error as { message?: string } | undefined)?.message ?? found?.message);
};

test('each fails by a sentence, and what is sound is kept', async () => {
  const project = rig();
  // As events, a gigabyte of lines is more than a test can hold.
  expect((await project.run('make', '-q', 'prints')).code).toBe(0);
  const { code, events } = await project.make('--keep-going');
  expect(code).toBe(1);
  const failed = (task: string): string => messageOf(events, 'failed', task);
  expect(failed('nothing')).toContain('output x is missing: the command did not write x.json');
  expect(failed('half')).toContain('SIGKILL');
  expect(failed('limited')).toMatch(/exit code 1\b/);
  expect(failed('limited')).toMatch(/File too large|write error/);
  expect(failed('deaf')).toContain('1 s');
  expect(failed('writes')).toContain('the command changed its input `given` (given.txt)');
  expect(failed('link')).toContain(
    'output m (m/) cannot be kept: x is a link to a file outside the folder',
  );
  expect(failed('linked')).toContain('output x (x.json) is not a regular file');
  expect(failed('folder')).toContain(
    'is a folder, and an output is one file: declare it as a folder',
  );
  expect(failed('file')).toContain('output m (m/) is a file: declare it as one');
  expect(failed('larger')).toContain(
    'output x (x.bin) cannot be kept: it has 2000 bytes, and `max` allows 1024',
  );
  expect(failed('checkpoint')).toMatch(/exit code 75/);
  const warned = (task: string): string => messageOf(events, 'warning', task);
  expect(warned('leaves')).toContain('left `sleep 300`');
  expect(warned('litter')).toContain(`and ${FILES - 8} more, which are not declared outputs`);
  expect(warned('events')).toContain('no JSON');
  const built = events.filter(({ event }) => event === 'built').map(({ task }) => task);
  expect(built.sort()).toEqual(['events', 'leaves', 'litter', 'many']);
  // No stack, and no bare code of the system.
  for (const { event, error } of events) {
    if (event === 'failed') expect(JSON.stringify(error)).not.toMatch(/at .*\.[jt]s:\d|errno/);
  }
  expect(readFileSync(join(project.folder, 'given.txt'), 'utf8')).toBe('given\n');
  // What is sound is not made again, and the store is whole.
  const again = await project.make('events', 'leaves', 'litter', 'many', 'prints');
  expect(again.code).toBe(0);
  expect(again.events.filter(({ event }) => event === 'built')).toEqual([]);
  expect((await project.run('fsck')).code).toBe(0);
}, 600_000);

const canUnshare = spawnSync('unshare', ['--mount', 'true']).status === 0;

test.skipIf(!canUnshare)(
  'a disk that a program fills is told, and the next make goes on',
  async () => {
    const project = makeRig({
      'pipeline.yaml': `stages:
  small: { command: [sh, -c, 'echo 1 > x.json'], outputs: { x: x.json } }
  fills: { command: [sh, -c, 'head -c 20000000 /dev/zero > x.bin'], outputs: { x: x.bin } }
`,
    });
    const script = `mount -t tmpfs -o size=12M tmpfs disk && ${JSON.stringify(process.execPath)} ${JSON.stringify(join(import.meta.dirname, '../dist/cli.cjs'))} make -j 1 --keep-going --cache disk/cache && exit 9; cp disk/cache/store.lmdb kept.lmdb`;
    spawnSync('mkdir', [join(project.folder, 'disk')]);
    const { stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script], {
      cwd: project.folder,
      encoding: 'utf8',
    });
    const said = stdout + stderr;
    expect(said).toMatch(/No space left on device|disk is full/i);
    expect(said).toMatch(/failed\s+fills|fills failed|fills/);
    expect(said).not.toMatch(/at .*\.[jt]s:\d/);
    expect(existsSync(join(project.folder, 'kept.lmdb'))).toBe(true);
  },
);
