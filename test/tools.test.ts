// tools.test.ts — code that runs beside a bundle: found before keying, part of the key, its results marked
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Digest, keyOf } from '../src/engine/model/key.ts';
import { DOOR, digestsOf, makeRig, ownPackages, type Rig, studyRig, tasksOf } from './rig.ts';

const keysOf = (events: readonly { event: string; task?: string; key?: unknown }[]) =>
  Object.fromEntries(
    events.flatMap(({ event, task, key }) => (event === 'built' ? [[task, key]] : [])),
  );

test('keys of tasks without tools are what they were before there were tools', () => {
  const code = 'c'.repeat(64) as Digest;
  const parts = { code, params: { a: 1 }, inputs: {}, outputs: { out: 'json' }, source: null };
  expect(keyOf(parts)).toBe('4e2cca690bec9dd8cc884c7fa97ab2f1edd65752033ebda5b8f8be8e01d32217');
  expect(keyOf({ ...parts, tools: { abacus: '1.0.0' } })).not.toBe(keyOf(parts));
});

describe('a stage with a tool', () => {
  const STAGE = `${DOOR}
    const find = (load) => {
      const { version, note } = load('abacus');
      return { versions: { abacus: version }, tolerance: 0.1, note };
    };
    export default defineStage({
      params: z.object({ counts: z.boolean() }),
      inputs: {},
      outputs: { sum: json() },
      tools: ({ counts }) => (counts ? find : undefined),
      run: ({ load }) => ({ sum: load('abacus').add(1, 1) }),
    });`;
  const PIPELINE = `
    params: { counts: true }
    stages:
      sum: { run: sum.mjs, params: { counts: $counts } }
      double: { run: double.mjs, inputs: { sum: sum.sum } }`;
  const DOUBLE = `${DOOR}
    export default defineStage({
      params: z.object({}),
      inputs: { sum: json() },
      outputs: { double: json() },
      run: ({ inputs }) => ({ double: 2 * inputs.sum }),
    });`;
  const abacus = (version: string, note = ''): string => `
    exports.version = '${version}';
    exports.add = (a, b) => a + b;
    ${note && `exports.note = '${note}';`}`;

  function toolRig(): Rig {
    const rig = makeRig({ 'pipeline.yaml': PIPELINE, 'sum.mjs': STAGE, 'double.mjs': DOUBLE });
    ownPackages(rig, ['zod']);
    rig.write('node_modules/abacus/index.js', abacus('1.0.0', 'beads stick'));
    return rig;
  }

  test('is keyed by its version; another version meets no result of the first', async () => {
    const rig = toolRig();
    const first = await rig.make();
    expect(first.code).toBe(0);
    expect(tasksOf(first.events, 'built')).toEqual(['double', 'sum']);
    expect(tasksOf((await rig.make()).events, 'built')).toEqual([]);

    rig.write('node_modules/abacus/index.js', abacus('1.1.0'));
    const why = await rig.run('why', 'sum');
    expect(why.stdout).toContain('tools.abacus: 1.0.0 → 1.1.0');
    const second = await rig.make();
    expect(tasksOf(second.events, 'built')).toEqual(['sum']);
    expect(keysOf(second.events).sum).not.toBe(keysOf(first.events).sum);

    rig.write('node_modules/abacus/index.js', abacus('1.0.0'));
    expect(tasksOf((await rig.make()).events, 'built')).toEqual([]);
  });

  test('has its results marked as inexact, and what uses them is exact', async () => {
    const rig = toolRig();
    await rig.make();
    const sum = await rig.run('why', 'sum');
    expect(sum.stdout).toContain('tools    abacus 1.0.0');
    expect(sum.stdout).toContain('inexact  another run may differ by 0.1, relatively');
    const json = JSON.parse((await rig.run('why', 'sum', '--json')).stdout);
    expect(json).toMatchObject({ tolerance: 0.1, parts: { tools: { abacus: '1.0.0' } } });
    const double = JSON.parse((await rig.run('why', 'double', '--json')).stdout);
    expect(double).not.toHaveProperty('tolerance');
    expect(double.parts).not.toHaveProperty('tools');
  });

  test('says what there is to know of it once a run, and only when it runs', async () => {
    const rig = toolRig();
    const notes = async () =>
      (await rig.make()).events.filter(({ event }) => event === 'warning').map((e) => e.message);
    expect(await notes()).toEqual(['beads stick']);
    expect(await notes()).toEqual([]);
  });

  test('finds the packages of the project, wherever the cache lies', async () => {
    const rig = toolRig();
    const cache = mkdtempSync(join(tmpdir(), 'pipeline-cache-'));
    onTestFinished(() => rmSync(cache, { recursive: true, force: true }));
    expect((await rig.make('--cache', cache)).code).toBe(0);
    expect(readdirSync(rig.folder)).not.toContain('cache');
  });

  test('that is missing is said before anything runs', async () => {
    const rig = toolRig();
    rmSync(join(rig.folder, 'node_modules/abacus'), { recursive: true });
    const { code, stderr } = await rig.run('make');
    expect(code).toBe(2);
    expect(stderr).toContain('stage `sum` cannot use the packages that its params ask for');
    expect(stderr).toContain("Cannot find module 'abacus'");
  });

  test('cannot be loaded without being declared', async () => {
    const rig = toolRig();
    const { code, stderr } = await rig.run('make', '--set', 'counts=false');
    expect(code).toBe(1);
    expect(stderr).toContain('the stage loads abacus, but declares no tools for these params');
  });
});

describe('engine: tensorflow', () => {
  const CORE = '@tensorflow/tfjs-core';
  const WASM = ['@tensorflow/tfjs-backend-wasm', '@tensorflow/tfjs-backend-cpu', CORE];
  const NATIVE = 'node_modules/@tensorflow/tfjs-node/index.js';
  const SMALL = [
    'datasets=[{ name: tiny, kind: synth-digits, train: 600, test: 200 }]',
    'seeds=[0]',
    'hidden=[32-16]',
    'training.epochs=2',
    'training.batch=128',
    'training.learningRate=0.001',
  ].flatMap((text) => ['--set', text]);
  const TASK = 'static[tiny,32-16,0.9,erk,uniform,0]';
  const TARGET = 'static/tiny/32-16/0.9/erk/uniform/0';

  /** The study, with the packages that TensorFlow.js needs. */
  const tensorRig = (): Promise<Rig> => studyRig({ packages: ['zod', ...WASM] });

  const inStatic = (rig: Rig, engine: string): void =>
    rig.edit(
      'pipeline.yaml',
      'params: { training: $training, gradients: $gradients }\n  # ... over a grid',
      `params: { training: { epochs: 2, batch: 128, optimizer: adam, learningRate: 0.001, engine: ${engine} } }\n  # ... over a grid`,
    );

  // Two trainings by TensorFlow.js and two bundlings of the whole study: for `npm run test:full`.
  test.runIf(process.env.FULL)(
    'trains on WebAssembly with a word, and tfjs-node, once installed, never meets that',
    async () => {
      const rig = await tensorRig();
      inStatic(rig, 'tensorflow');
      const first = await rig.make(TARGET, ...SMALL);
      expect(first.code).toBe(0);
      expect(first.events.filter(({ event }) => event === 'warning')).toMatchObject([
        {
          message:
            'TensorFlow.js trains on its WebAssembly backend: @tensorflow/tfjs-node is not installed',
        },
      ]);
      const why = JSON.parse((await rig.run('why', TARGET, '--json', ...SMALL)).stdout);
      expect(why).toMatchObject({
        status: 'reuse',
        tolerance: 0.01,
        parts: { tools: { [CORE]: '4.22.0', [WASM[0]!]: '4.22.0' } },
      });

      // Its JavaScript without its native library: the same backend, so the same key.
      rig.write(NATIVE, `throw new Error('no native library\\nat all');`);
      expect(tasksOf((await rig.make(TARGET, ...SMALL)).events, 'built')).toEqual([]);

      // A stand-in that works.
      rig.write(
        NATIVE,
        `const core = require('${CORE}');
       require('@tensorflow/tfjs-backend-wasm');
       const setBackend = () => core.setBackend('wasm');
       module.exports = { ...core, setBackend, version: { 'tfjs-node': '9.9.9' } };`,
      );
      const second = await rig.make(TARGET, ...SMALL);
      expect(tasksOf(second.events, 'built')).toEqual([TASK]);
      expect(keysOf(second.events)[TASK]).not.toBe(keysOf(first.events)[TASK]);
      expect(second.events.filter(({ event }) => event === 'warning')).toEqual([]);
    },
  );

  test.runIf(process.env.FULL)('agrees with engine: sparse, whose key knows no tools', async () => {
    const [ours, theirs] = [await tensorRig(), await tensorRig()];
    inStatic(theirs, 'tensorflow');
    const accuracy = async (rig: Rig) => {
      const made = await rig.make(TARGET, ...SMALL);
      expect(made.code).toBe(0);
      expect(Object.keys(digestsOf(made.events))).toContain(`${TASK}:model`);
      const shown = await rig.run('show', `${TARGET}:metrics`, '--json', ...SMALL);
      return JSON.parse(shown.stdout).accuracy as number;
    };
    expect(Math.abs((await accuracy(ours)) - (await accuracy(theirs)))).toBeLessThanOrEqual(0.01);
    const why = JSON.parse((await ours.run('why', TARGET, '--json', ...SMALL)).stdout);
    expect(why.parts).not.toHaveProperty('tools');
    expect(why.parts.params.training).not.toHaveProperty('engine');
  });

  test.runIf(process.env.FULL)(
    'is refused by RigL when the pipeline is planned, where it was written',
    async () => {
      const rig = await tensorRig();
      rig.edit(
        'pipeline.yaml',
        'learningRate: 0.002 }',
        'learningRate: 0.002, engine: tensorflow }',
      );
      const { code, stderr } = await rig.run('make', ...SMALL);
      expect(code).toBe(2);
      expect(stderr).toContain(
        'TensorFlow.js trains masks that stay: rewiring needs `engine: sparse`',
      );
      expect(stderr).toMatch(/pipeline\.yaml:\d+:\d+: error/);
    },
  );
});
