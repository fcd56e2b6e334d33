// The Python module: its wheel, and a program that uses it as a task. Its own tests are in python/tests, run by pytest.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { makeRig, repository } from './rig.ts';

const sources = join(repository, 'python/src');
const hasPython = spawnSync('python3', ['--version']).status === 0;
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

describe('the wheel', () => {
  test('holds the sources as they are, and is what its record says', async () => {
    const { stdout } = await makeRig({}).run('python-wheel');
    const wheel = stdout.trim();
    const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
    expect(wheel).toMatch(new RegExp(`/pipeline_study-${version}-py3-none-any\\.whl$`));
    const files = unzipSync(readFileSync(wheel));
    const info = `pipeline_study-${version}.dist-info`;
    const own = readdirSync(join(sources, 'pipeline_study')).filter((name) => /\./.test(name));
    expect(Object.keys(files).filter((path) => path.startsWith('pipeline_study/'))).toEqual(
      own.sort().map((name) => `pipeline_study/${name}`),
    );
    for (const name of own) {
      // Where this fails: npm run build:python
      const source = readFileSync(join(sources, 'pipeline_study', name), 'utf8');
      expect(text(files[`pipeline_study/${name}`]), name).toBe(source);
    }
    const recorded = text(files[`${info}/RECORD`])
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','));
    expect(recorded.map(([path]) => path)).toEqual(Object.keys(files));
    for (const [path = '', digest, size] of recorded.slice(0, -1)) {
      const bytes = files[path] ?? new Uint8Array();
      const sha256 = createHash('sha256').update(bytes).digest('base64url');
      expect([digest, size]).toEqual([`sha256=${sha256}`, String(bytes.length)]);
    }
    expect(text(files[`${info}/METADATA`])).toContain(`\nVersion: ${version}\n`);
    expect(text(files['pipeline_study/__init__.py'])).toContain(`__version__ = "${version}"`);
  });

  test('is told as JSON', async () => {
    const { stdout } = await makeRig({}).run('python-wheel', '--json');
    expect(existsSync(JSON.parse(stdout).wheel)).toBe(true);
  });
});

const TRAIN = `
import json, os, time
from pipeline_study import checkpoint, inputs, log, log_metrics, outputs, params, progress
p = params(epochs=2)
points = [item.json() for item in inputs.list('points')]
saved = checkpoint()
epoch = saved.load_json('state.json', 0)
log('begins at %d' % epoch)
while epoch < p.epochs:
    epoch += 1
    progress(epoch, p.epochs, 'epoch')
    log_metrics(epoch, loss=sum(points) / epoch, odd=float('nan'))
    saved.save_json('state.json', epoch)
    if epoch == 2:
        log('held')
    while epoch == 2 and os.path.exists(os.environ.get('HOLD', '')):
        time.sleep(0.02)
outputs.model.write_text(json.dumps({'epoch': epoch, 'rate': p.rate}))
`;

const STUDY = `params: { seeds: [1, 2] }
stages:
  data: { command: [sh, -c, 'cp params.json d.json && echo 3 > d.json'], outputs: { d: d.json }, params: { seed: $seed }, matrix: { seed: $seeds } }
  train:
    command: [python3, train.py]
    params: { epochs: 3, rate: 0.5 }
    inputs: { script: { file: train.py }, points: data.d }
    outputs: { model: deep/model.json, curve: { kind: metrics-log } }
    env: { PYTHONPATH: ${sources} }
    checkpoint: true
    events: true
    task-file: true
    pass: [HOLD]
`;

describe.skipIf(!hasPython)('a program with the module', () => {
  test('goes on after kill -9 of everything, to the outputs of one that was not interrupted', async () => {
    const rig = makeRig({ 'train.py': TRAIN, 'pipeline.yaml': STUDY });
    const hold = join(rig.folder, 'hold');
    writeFileSync(hold, '');
    const first = rig.start(['make', '--json'], { HOLD: hold });
    await first.line((line) => line.includes('held'));
    first.process.kill('SIGKILL');
    await first.ended;
    const { code, events } = await rig.make();
    expect(code).toBe(0);
    expect(events.filter(({ event }) => event === 'warning')).toEqual([]);
    expect(events.find(({ event }) => event === 'log')).toMatchObject({ line: 'begins at 2' });
    expect(events.find(({ event }) => event === 'progress')).toMatchObject({ done: 3, of: 3 });
    const shown = async (output: string): Promise<unknown> =>
      JSON.parse((await rig.run('show', `train:${output}`, '--json')).stdout);
    expect(await shown('model')).toEqual({ epoch: 3, rate: 0.5 });
    expect(await shown('curve')).toEqual(
      [6, 3, 2].map((loss, n) => ({ loss, odd: null, step: n + 1 })),
    );
  });

  test('runs in the Python that is here without a warning of its own', () => {
    const words = ['-W', 'error', '-c', 'import pipeline_study; pipeline_study.params()'];
    const env = { ...process.env, PYTHONPATH: sources, PYTHONDONTWRITEBYTECODE: '1' };
    expect(execFileSync('python3', words, { env }).toString()).toBe('');
  });
});
