// The first hour of a study of one's own: init, check, schema, completion, and the door as a package.
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { $ } from 'zx';
import { pipelineSchema } from '../src/engine/pipeline/schema.ts';
import { makeRig, repository } from './rig.ts';

describe('init', () => {
  test('writes a pipeline that works at once, without packages of its own, and overwrites nothing', async () => {
    const rig = makeRig({});
    // The rig's link to node_modules lies above: this folder is to have none at all.
    const folder = join(rig.folder, 'study');
    expect((await rig.run('init', 'study')).stdout.split('\n')).toContain('study/pipeline.yaml');
    const made = await rig.run('make', '-C', 'study');
    expect([made.code, made.stderr]).toEqual([0, expect.stringContaining('4 tasks: 4 built')]);
    expect(readFileSync(join(folder, 'artifacts/summary/summary.md'), 'utf8')).toContain('| 0 | ');
    expect((await rig.run('make', '-C', 'study', '--preset', 'long')).code).toBe(0);
    writeFileSync(join(folder, 'pipeline.yaml'), 'mine');
    const again = await rig.run('init', 'study');
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('exists already')]);
    expect(readFileSync(join(folder, 'pipeline.yaml'), 'utf8')).toBe('mine');
  });

  test('--python writes a study in Python that goes on where it was interrupted', async () => {
    const rig = makeRig({});
    expect((await rig.run('init', '--python', 'study')).stderr).toContain('try: pipeline make');
    const folder = join(rig.folder, 'study');
    const small = ['seeds=[0]', 'hidden=[2]', 'rates=[0.1]', 'epochs=100'].flatMap((set) => [
      '--set',
      set,
    ]);
    const long = ['make', '-C', 'study', '--json', ...small, 'train'];
    const first = rig.start(long);
    await first.line((line) => line.includes('"event":"metrics"'));
    first.process.kill('SIGINT');
    expect((await first.ended).code).toBe(130);
    const resumed = await rig.run(...long);
    expect(resumed.stdout).toMatch(/goes on after epoch \d+/);
    const curve = async (): Promise<string> =>
      (await rig.run('show', '-C', 'study', ...small, 'train/2/0.1/0:curve')).stdout;
    const interrupted = await curve();
    expect(JSON.parse(interrupted)).toHaveLength(100);
    await rig.run(...long, '--force');
    expect(await curve()).toBe(interrupted);
    expect((await rig.run('make', '-C', 'study', '--preset', 'quick')).code).toBe(0);
    const table = readFileSync(join(folder, 'artifacts/summary/table.md'), 'utf8');
    expect(table).toContain('| 8 | 0.5');
  });

  test('its stages have types, from the package as it would be installed', async () => {
    const rig = makeRig({});
    await rig.run('init', 'study');
    const folder = join(rig.folder, 'study');
    const packages = join(folder, 'node_modules');
    mkdirSync(join(packages, '@profiled-sparse'), { recursive: true });
    symlinkSync(repository, join(packages, '@profiled-sparse/pipeline'));
    symlinkSync(join(repository, 'node_modules/zod'), join(packages, 'zod'));
    const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
    expect(version).toBeTruthy();
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023'];
    const tsc = join(repository, 'node_modules/typescript/bin/tsc');
    const files = ['stages/walk.ts', 'stages/summary.ts'];
    const checked = await $({
      cwd: folder,
      nothrow: true,
    })`${process.execPath} ${tsc} ${flags} ${files}`;
    expect([checked.exitCode, checked.stdout]).toEqual([0, '']);
    // A wrong output is a mistake that the types find.
    const stage = join(folder, 'stages/summary.ts');
    writeFileSync(
      stage,
      readFileSync(stage, 'utf8').replace('return { page, ends }', 'return { page: 1, ends }'),
    );
    const wrong = await $({
      cwd: folder,
      nothrow: true,
    })`${process.execPath} ${tsc} ${flags} ${files}`;
    expect(wrong.stdout).toContain("Type 'number' is not assignable to type 'string'");
  });
});

describe('check', () => {
  test('tells that nothing is wrong, or everything that is, and makes nothing', async () => {
    const rig = makeRig({});
    await rig.run('init', '.');
    expect(await rig.run('check', '--json')).toEqual({
      code: 0,
      stdout: '{"event":"diagnostics","diagnostics":[],"warnings":[]}\n',
      stderr: '',
    });
    rig.edit('pipeline.yaml', 'walks: walk.track', 'walks: wlak.track');
    const { code, stdout } = await rig.run('check', '--json');
    expect([code, JSON.parse(stdout).diagnostics]).toEqual([
      2,
      [expect.objectContaining({ file: 'pipeline.yaml', line: 16, hint: 'did you mean `walk`?' })],
    ]);
    expect(existsSync(join(rig.folder, 'cache/store.lmdb'))).toBe(false);
  });
});

describe('schema', () => {
  const validate = new Ajv2020({ allowUnionTypes: true }).compile(pipelineSchema());
  const valid = (text: string): boolean => validate(parse(text, { merge: true }));

  test('fits the study of this repository, and what init writes', async () => {
    expect(valid(readFileSync(join(repository, 'pipeline.yaml'), 'utf8'))).toBe(true);
    const command = `stages:
  plot:
    command: [python3, plot.py, 150, "{outputs.plot}"]
    inputs: { script: { file: plot.py }, runs: { from: [a.b, c.d], where: { seed: 0 } } }
    env: { MPLBACKEND: agg }
    fingerprint: [python3, --version]
    outputs: { plot: plot.png, facts: { file: facts.json, kind: json } }
`;
    expect(valid(command)).toBe(true);
    const rig = makeRig({});
    await rig.run('init', '.');
    expect(valid(rig.read('pipeline.yaml'))).toBe(true);
    expect(JSON.parse((await rig.run('schema')).stdout)).toEqual(pipelineSchema());
  });

  test.each([
    ['an unknown key', 'stages: { a: { run: a.ts } }\nstagse: {}'],
    ['an unknown key of a stage', 'stages: { a: { run: a.ts, input: {} } }'],
    ['an input that is no stage.output', 'stages: { a: { run: a.ts, inputs: { x: b } } }'],
    ['an axis that is no list', 'stages: { a: { run: a.ts, matrix: { seed: 3 } } }'],
    ['a limit that is no size', 'stages: { a: { run: a.ts } }\nstore: { limit: much }'],
    ['a time that is none', 'stages: { a: { run: a.ts, timeout: soon } }'],
    ['no stages', 'params: {}'],
  ])('does not fit %s', (_, text) => {
    expect(valid(text)).toBe(false);
  });

  test('describes every key that the reader knows', () => {
    const { properties, $defs } = pipelineSchema() as unknown as {
      properties: Record<string, object>;
      $defs: Record<string, { properties?: object; anyOf?: readonly { properties?: object }[] }>;
    };
    const nested = Object.values($defs).flatMap((part) => [part, ...(part.anyOf ?? [])]);
    for (const known of [properties, ...nested.flatMap((part) => part.properties ?? [])]) {
      for (const [key, described] of Object.entries(known)) {
        expect([key, described]).toEqual([
          key,
          expect.objectContaining({ description: expect.any(String) }),
        ]);
      }
    }
  });
});

describe('completion', () => {
  test('knows commands, options, their values, presets and stages', async () => {
    const rig = makeRig({});
    await rig.run('init', '.');
    const offered = async (...words: string[]): Promise<string[]> =>
      (await rig.run('complete', '--', ...words)).stdout.split('\n').slice(0, -1);
    expect(await offered('ma')).toEqual(['make']);
    expect(await offered('make', '--dr')).toEqual(['--dry-run']);
    expect(await offered('make', '--preset', '')).toEqual(['long']);
    expect(await offered('make', '-j', '2', 's')).toEqual(['summary']);
    expect(await offered('graph', '--format', 's')).toEqual(['svg']);
    expect(await offered('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });

  test('its script for bash asks for them', async () => {
    const rig = makeRig({});
    await rig.run('init', '.');
    const script = (await rig.run('completion', 'bash')).stdout;
    const ask = `${script}
pipeline() { ${process.execPath} ${join(repository, 'dist/cli.cjs')} "$@"; }
COMP_LINE='pipeline make --preset '; COMP_POINT=23; _pipeline; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const said = await $({ cwd: rig.folder, nothrow: true })`bash -c ${ask}`;
    expect(said.stdout).toBe('long\n');
    for (const shell of ['zsh', 'fish']) {
      expect((await rig.run('completion', shell)).stdout).toContain('pipeline complete --');
    }
  });
});
