// What a person can get wrong on a command line is told in words: no stack, no bare code of the system.
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type MadeRig, madeRig, makeRig, repository } from './rig.ts';

const FILES = {
  'pipeline.yaml': `params: { n: 1 }
stages:
  s:
    command: [sh, -c, 'echo $0 > o.txt; echo "{}" > j.json', '{params.n}']
    params: { n: $n }
    outputs: { o: o.txt, j: j.json }
    artifacts: { o: o.txt }
`,
  f: 'a file\n',
  LICENSE: 'Do as you like.\n',
};

async function rigWithPlaces(): Promise<MadeRig> {
  const rig = await madeRig(FILES);
  mkdirSync(join(rig.folder, 'd'));
  symlinkSync('loop', join(rig.folder, 'loop'));
  return rig;
}

/** What every error of a user has in common. */
const isWorded = (text: string): void => {
  expect(text).not.toMatch(/\bE[A-Z]{3,}\b|^\s+at |\bbug\b|\[object|undefined/m);
};

describe('a place that cannot be one', () => {
  const long = 'x'.repeat(300);
  const FOLDER = 'd is a folder: name a file';
  const BELOW = 'f/x cannot be written: f is a file and not a folder';
  const cases: readonly (readonly [words: readonly string[], told: string])[] = [
    [['make', '--trace', 'd'], FOLDER],
    [['show', 's:o', '-o', 'd'], FOLDER],
    [['graph', '-o', 'd'], FOLDER],
    [['archive', 'd'], 'd is a folder: name a file'],
    [['diff', '--html', 'd'], FOLDER],
    [['status', '--file', 'd'], 'd cannot be read: it is a folder and not a file'],
    [['verify', 'f', '--html', 'd'], 'd cannot be written: it is a folder and not a file'],
    [['make', '--trace', 'f/x'], BELOW],
    [['show', 's:o', '-o', 'f/x'], BELOW],
    [['make', '--cache', 'f'], 'it is a file and not a folder'],
    [['status', '--cache', 'f/x'], 'f is a file and not a folder'],
    [['du', '--cache', 'f'], 'it is a file and not a folder'],
    [['runs', '-C', 'f'], 'f is a file and not a folder'],
    [['init', 'f'], 'f is a file and not a folder'],
    [['make', '--mirror', 'f'], 'f is a file and not a folder'],
    [['make', '--mirror', 'none'], 'there is no folder none'],
    [['verify', 'f/x'], 'something on the way to it is no folder'],
    [['import', 'none'], 'there is no none'],
    [['graph', '-o', 'none/x'], 'there is no folder none'],
    [['show', 's:o', '-o', 'loop'], 'links on the way to it lead back to themselves'],
    [['status', '--file', 'loop'], 'links on the way to it lead back to themselves'],
    [['export', 's:o', long], 'its name is longer than the file system allows'],
    [['make', '--cache', long], 'its name is longer than the file system allows'],
    [['make', '--cache', '/dev/null/x'], '/dev/null is a file and not a folder'],
    [['make', '--cache', ''], '--cache is empty'],
    [['graph', '-o', ''], '--output is empty'],
    [['verify', ''], 'the argument file is empty'],
  ];
  test('is told by every command that takes one', async () => {
    const rig = await rigWithPlaces();
    for (const [words, told] of cases) {
      const { code, stdout, stderr } = await rig.run(...words);
      expect({ words, code, stderr }).toMatchObject({ code: 2 });
      expect({ words, stderr }).toMatchObject({ stderr: expect.stringContaining(told) });
      isWorded(stdout + stderr);
    }
  });

  test('below a file system that takes no folders is told, and not waited for', async (context) => {
    if (process.platform !== 'linux') context.skip('only Linux has a /proc');
    const rig = makeRig(FILES);
    for (const words of [
      ['make', '--cache', '/proc/x'],
      ['init', '/proc/x'],
    ]) {
      const { code, stderr } = await rig.run(...words);
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining('/proc/x cannot be made as a folder: the file system does not'),
      ]);
    }
  });
});

describe('a form that cannot be written', () => {
  test('is told with those that can', async () => {
    const rig = await rigWithPlaces();
    const graph = await rig.run('graph', '-o', 'g.png');
    expect([graph.code, graph.stderr]).toEqual([
      2,
      expect.stringMatching(/cannot be written as \.png\n.*\.txt, .*\.svg, \.json can/),
    ]);
    expect((await rig.run('graph', '-o', 'g.png', '--format', 'dot')).code).toBe(0);
    const shown = await rig.run('show', 's:j', '-o', 'j.npy');
    expect([shown.code, shown.stderr]).toEqual([
      2,
      expect.stringMatching(/this output is json.*not as \.npy\n.*pipeline export/),
    ]);
  });

  test('is not made for a study without a report', async () => {
    const rig = await rigWithPlaces();
    expect((await rig.run('make', '-q', '--set', 'n=2')).code).toBe(0);
    const { code, stderr } = await rig.run('diff', '--html', 'x.html');
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^error: run .* made no report/)]);
  });
});

test('a number that cannot be one is told with its bounds', async () => {
  const rig = makeRig({ 'pipeline.yaml': 'stages: {}' });
  const cases = [
    ['make', '-j', '0'],
    ['make', '-j', '1e9'],
    ['runs', '-n', '-1'],
    ['gc', '--keep-runs', '1.5'],
  ];
  for (const words of cases) {
    const { code, stderr } = await rig.run(...words);
    expect([code, stderr]).toEqual([2, expect.stringContaining('It must be an integer')]);
  }
});

test('a zero byte in a name, and a line that is too long to be shown', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  a: { run: "a\\0.mjs" }
  b: { command: ["a\\0"], env: { X: "a\\0" }, outputs: { o: o.txt } }
  c: { command: [x, ${'y'.repeat(500)}], outpts: { o: o.txt }, outputs: { o: o.txt } }
`,
  });
  const { code, stderr } = await rig.run('check');
  expect(code).toBe(2);
  expect(stderr.match(/cannot hold a zero byte/g)).toHaveLength(3);
  for (const line of stderr.split('\n')) expect(line.length).toBeLessThan(220);
  const lines = stderr.split('\n');
  const [source, carets] = lines.slice(lines.findIndex((line) => line.includes('outpts:')));
  expect(source!.slice(carets!.indexOf('^'), carets!.lastIndexOf('^') + 1)).toBe('outpts');
});

describe('words of a command line that mean nothing', () => {
  const cases: readonly (readonly [words: string[], code: number, told: string])[] = [
    [['help', 'mkae'], 2, "error: unknown command 'mkae'\n(Did you mean make?)"],
    [['-C', 'x', 'make'], 2, '(it stands after the command: pipeline make -C …)'],
    [['--nope'], 2, "error: unknown option '--nope'\n(run with --help"],
    [['completion', 'tcsh'], 2, "error: 'tcsh' is invalid for 'shell'. Allowed choices are bash"],
    [['make', 's[a=1'], 2, '`s[a=1` lacks a ] at its end\n  hint: s[a=1]'],
    [['make', 's/x/y/z/q'], 2, 'no task is called `s/x/y/z/q`\n  hint: the only task of the'],
    [['make', ''], 2, 'the argument targets is empty'],
    [['show', 's', '-o', 'x'], 2, 'no output is named\n  hint: one of o, j: TASK:OUTPUT'],
    [
      ['verify', 'a', '--rerun', '2'],
      2,
      'word too many: the command takes `file`\n  hint: --rerun takes',
    ],
    [['check', 's'], 2, '`s` is one word too many: the command takes no argument'],
    [['help', 'why'], 0, 'Usage: pipeline why'],
    [['help'], 0, 'Usage: pipeline [options]'],
  ];
  test('are told as JSON where --json is given', async () => {
    const rig = await rigWithPlaces();
    const cases: readonly (readonly [words: string[], message: string, hint: string])[] = [
      [['make', '--jsn', '--json'], "unknown option '--jsn'", 'Did you mean --json?'],
      [['mkae', '--json'], "unknown command 'mkae'", 'Did you mean make?'],
      [
        ['--json'],
        "unknown option '--json'",
        'it stands after the command: pipeline make --json …',
      ],
      [['export', '--json'], "missing required argument 'task:output'", 'run with --help'],
      [['help', 'mkae', '--json'], "unknown command 'mkae'", 'Did you mean make?'],
    ];
    for (const [words, message, hint] of cases) {
      const { code, stdout, stderr } = await rig.run(...words);
      expect([words, code, stderr]).toEqual([words, 2, '']);
      const [told] = JSON.parse(stdout).diagnostics;
      expect(told.message).toBe(message);
      expect(told.hint).toContain(hint);
    }
    const named = await rig.run('make', '--', '--json');
    expect([named.code, named.stdout]).toEqual([2, '']);
  });
  test('are told with what may be meant', async () => {
    const rig = await rigWithPlaces();
    for (const [words, code, told] of cases) {
      const run = await rig.run(...words);
      expect({ words, code: run.code }).toEqual({ words, code });
      expect({ words, said: run.stdout + run.stderr }).toMatchObject({
        said: expect.stringContaining(told),
      });
    }
  });
});

test('a folder that was removed meanwhile is told in a sentence', () => {
  const script = 'd=$(mktemp -d); cd "$d"; rmdir "$d"; exec "$0" "$1" status';
  const cli = join(repository, 'dist/cli.cjs');
  const { status, stderr } = spawnSync('sh', ['-c', script, process.execPath, cli], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([
    2,
    'error: the folder in which this runs has been removed\n  hint: cd to one that is there\n',
  ]);
});
