// pipeline init --python --template: what is written, and, where the packages are, that it resumes to the same weights.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { makeRig } from './rig.ts';

const templates = [
  {
    name: 'sklearn',
    packages: ['sklearn'],
    task: 'train/0.0001/0.1/0',
    pick: ['penalties=[0.0001]', 'rates=[0.1]'],
  },
  {
    name: 'pytorch',
    packages: ['torch'],
    task: 'train/8/0.01/0',
    pick: ['widths=[8]', 'rates=[0.01]'],
  },
];

/** Whether the `python` on PATH has what a study needs: an environment with requirements.txt and no more, activated. */
const has = (packages: readonly string[]): boolean =>
  spawnSync('python', ['-c', `import ${[...packages, 'safetensors', 'pipeline_study'].join(', ')}`])
    .status === 0;

describe.each(templates)('the template $name', ({ name, packages, task, pick }) => {
  test('comes with everything that it needs, pinned, and says what is missing', async () => {
    const rig = makeRig({});
    const { code, stderr } = await rig.run('init', '--python', '--template', name, 'study');
    expect([code, stderr]).toEqual([0, expect.stringContaining('study/README.md says how')]);
    const folder = join(rig.folder, 'study');
    const requirements = readFileSync(join(folder, 'requirements.txt'), 'utf8').trim().split('\n');
    const [, version] = /^pipeline-study==(.*)$/.exec(requirements.at(-1) ?? '') ?? [];
    expect(requirements[1]).toBe('--find-links ./wheels');
    const wheel = `wheels/pipeline_study-${version}-py3-none-any.whl`;
    expect(existsSync(join(folder, wheel))).toBe(true);
    expect(
      requirements.slice(2).filter((line) => !/^[\w-]+==[\d.]+(?: ; .+)?$/.test(line)),
    ).toEqual([]);
    const pipeline = readFileSync(join(folder, 'pipeline.yaml'), 'utf8');
    expect(pipeline).toMatch(/^# yaml-language-server: \$schema=\.\/pipeline\.schema\.json\n/);
    const schema = JSON.parse(readFileSync(join(folder, 'pipeline.schema.json'), 'utf8'));
    expect(new Ajv2020({ allowUnionTypes: true }).validate(schema, parse(pipeline))).toBe(true);
    expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toContain('pipeline-local/');
    const checked = await rig.run('check', '-C', 'study');
    expect([checked.code, checked.stderr]).toEqual([
      2,
      expect.stringContaining('.venv/bin/python -m pip install -r requirements.txt'),
    ]);
  });

  test.skipIf(!process.env.FULL || !has(packages))(
    'goes on after kill -9 of everything, to the same weights',
    async () => {
      const rig = makeRig({});
      await rig.run('init', '--python', '--template', name, '.');
      const prefix = spawnSync('python', ['-c', 'import sys; print(sys.prefix)']).stdout;
      symlinkSync(prefix.toString().trim(), join(rig.folder, '.venv'));
      const sets = ['seeds=[0]', 'epochs=40', ...pick].flatMap((set) => ['--set', set]);
      const run = rig.start(['make', '--json', ...sets, 'train']);
      await run.line((line) => line.includes('"event":"metrics"'));
      run.process.kill('SIGKILL');
      await run.ended;
      expect(readdirSync(join(rig.folder, 'cache/checkpoints'))).toHaveLength(1);
      const resumed = await rig.make(...sets, 'train');
      expect(resumed.code).toBe(0);
      const lines = resumed.events.flatMap(({ event, line }) => (event === 'log' ? [line] : []));
      expect(lines).toContainEqual(expect.stringMatching(/^goes on after epoch \d+$/));
      const digests = async (): Promise<unknown> =>
        JSON.parse((await rig.run('show', task, ...sets, '--json')).stdout).outputs;
      const interrupted = await digests();
      expect((await rig.make(...sets, 'train', '--force')).code).toBe(0);
      expect(await digests()).toEqual(interrupted);
      expect((await rig.make(...sets, '--plots')).code).toBe(0);
      expect(rig.read('artifacts/summary/table.md')).toContain('| test accuracy |');
    },
  );
});

test('a template that there is not is refused with those that there are', async () => {
  const { code, stderr } = await makeRig({}).run('init', '--template', 'keras');
  expect([code, stderr]).toEqual([2, expect.stringContaining('pytorch, sklearn')]);
});
