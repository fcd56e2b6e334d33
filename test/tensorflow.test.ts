// tensorflow.test.ts — the oracle: TensorFlow.js trains the same nets, and comes to the same numbers
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { synthDigits, synthDigitsDefaults } from '../src/data/synth-digits.ts';
import {
  beyondTensorflow,
  TENSORFLOW_TOLERANCE,
  type TensorflowResult,
  trainWithTensorflow,
} from '../src/network/tensorflow.ts';
import { openNode, openWasm, type TensorflowBackend } from '../src/network/tensorflow-backend.ts';
import {
  type TrainingHooks,
  type TrainingJob,
  type TrainingOptions,
  train,
} from '../src/network/train.ts';
import type { LayerMask, Mask } from '../src/sparse/mask.ts';
import { makeMask } from '../src/sparse/wiring.ts';
import { decodeSafetensors, encodeSafetensors, type TensorFile } from '../src/tensor.ts';
import { repository } from './rig.ts';

const load = createRequire(join(repository, 'package.json'));
const node = await openNode(load).catch(() => undefined);
const wasm = await openWasm(load);
const BACKENDS: readonly [title: string, name: string, backend: TensorflowBackend | undefined][] = [
  ['its WebAssembly backend', 'wasm', wasm],
  [`tfjs-node${node ? '' : ' (skipped: it does not load here)'}`, 'tensorflow', node],
];

/** Relative difference of a batch's mean loss, over the first 50 batches. Measured: 7e-6 (Adam), 4e-7 (SGD). */
const STEP_LOSS_TOLERANCE = 1e-4;
/** Difference of the final accuracy, of 1,000 samples. Measured: 0, and 0.001 for Adam with weight decay. */
const ACCURACY_TOLERANCE = 0.005;

const BATCH = 64;
const STEPS = 50;
/** The last batch is smaller. */
const dataset = synthDigits({ ...synthDigitsDefaults, train: STEPS * BATCH - 20, test: 1000 });

function maskOf(sparsity: number): Mask {
  const profile =
    sparsity === 0 ? ({ family: 'dense' } as const) : ({ family: 'lognormal', cv: 1 } as const);
  const made = makeMask({ widths: [784, 48, 32, 10], sparsity, rule: 'erk', profile, seed: 3 });
  if ('infeasible' in made) throw new Error('infeasible');
  return made.mask;
}

const SPARSE = maskOf(0.9);
const ADAM: TrainingOptions = { epochs: 1, batch: BATCH, optimizer: 'adam', learningRate: 0.002 };
const SGD: TrainingOptions = {
  ...ADAM,
  optimizer: 'sgd',
  learningRate: 0.05,
  momentum: 0.8,
  weightDecay: 1e-3,
};
const JOB: TrainingJob = { dataset, mask: SPARSE, options: ADAM, seed: 1 };
const JOBS: readonly [name: string, job: TrainingJob][] = [
  ['Adam, 90 % sparse', JOB],
  ['Adam with weight decay', { ...JOB, options: { ...ADAM, weightDecay: 1e-3 } }],
  ['SGD with momentum and weight decay', { ...JOB, options: SGD }],
  ['Adam, dense', { ...JOB, mask: maskOf(0) }],
];

/** Of one rule each: that the others' steps are ours is shown step by step. */
const LONG_JOBS = process.env.FULL ? JOBS : JOBS.filter((_, n) => n % 2 === 0);

const quiet: TrainingHooks = { due: () => false, save: () => {}, progress: () => {} };

type Train = (job: TrainingJob, hooks: TrainingHooks) => TensorflowResult;

/** Mean loss of each batch of a one-epoch run, from the sums in its checkpoints. */
function lossesOf(trainIt: Train, job: TrainingJob): readonly number[] {
  const sums: number[] = [0];
  const { metrics } = trainIt(job, {
    ...quiet,
    due: () => true,
    save({ metadata }) {
      const { lossSum, epochs } = JSON.parse(metadata.position!);
      if (epochs.length === 0) sums.push(lossSum);
    },
  });
  const N = dataset.train.labels.length;
  sums.push(metrics.loss * N);
  return sums.slice(1).map((sum, b) => (sum - sums[b]!) / Math.min(BATCH, N - b * BATCH));
}

const apart = (a: number, b: number): number => Math.abs(a - b) / Math.abs(a);

describe.each(BACKENDS)('TensorFlow.js with %s', (_, name, backend) => {
  const { tf } = backend ?? wasm;
  const theirs: Train = (job, hooks) => trainWithTensorflow(tf, job, hooks);
  const ready = () => tf.setBackend(name);

  test.skipIf(!backend).each(JOBS)('has our losses over 50 steps: %s', async (_, job) => {
    await ready();
    const ours = lossesOf(train, job);
    const same = lossesOf(theirs, job);
    expect(ours).toHaveLength(STEPS);
    expect(same).toHaveLength(STEPS);
    expect(ours[STEPS - 1]).toBeLessThan(ours[0]! / 2);
    expect(Math.max(...ours.map((loss, b) => apart(loss, same[b]!)))).toBeLessThan(
      STEP_LOSS_TOLERANCE,
    );
  });

  test.skipIf(!backend).each(LONG_JOBS)('ends where ours ends: %s', async (_, job) => {
    await ready();
    const longer = { ...job, options: { ...job.options, epochs: 4 } };
    const ours = train(longer, quiet);
    const same = theirs(longer, quiet);
    expect(ours.metrics.accuracy).toBeGreaterThan(0.85);
    expect(Math.abs(ours.metrics.accuracy - same.metrics.accuracy)).toBeLessThan(
      ACCURACY_TOLERANCE,
    );
    for (const [e, { loss }] of ours.metrics.epochs.entries()) {
      expect(apart(loss, same.metrics.epochs[e]!.loss)).toBeLessThan(TENSORFLOW_TOLERANCE);
    }
    expect(Object.keys(same.model.tensors)).toEqual(Object.keys(ours.model.tensors));
    for (const [tensor, { shape }] of Object.entries(ours.model.tensors)) {
      expect(same.model.tensors[tensor]!.shape).toEqual(shape);
    }
    expect(same.mask).toEqual(ours.mask);
    expect({ ...same.metrics, loss: 0, accuracy: 0, epochs: [] }).toEqual({
      ...ours.metrics,
      loss: 0,
      accuracy: 0,
      epochs: [],
    });
  });

  test.skipIf(!backend).each([
    ['Adam', ADAM],
    ['SGD', SGD],
  ] as const)('resumes to where an uninterrupted run ends: %s', async (_, options) => {
    await ready();
    const few = { ...dataset, train: firstSamples(300) };
    const job: TrainingJob = { ...JOB, dataset: few, options: { ...options, epochs: 2 } };
    const saved: Uint8Array[] = [];
    const whole = theirs(job, {
      ...quiet,
      due: () => true,
      save: (state) => saved.push(encodeSafetensors(state)),
    });
    expect(saved).toHaveLength(10);
    for (const state of [saved[2], saved[4], saved[9]]) {
      const resumed = theirs(job, { ...quiet, resume: decodeSafetensors(state!) });
      expect(resumed.metrics).toEqual(whole.metrics);
      expect(resumed.model).toEqual(whole.model);
    }
  });

  test.skipIf(!backend)(
    'leaves no tensor behind, and holds no more of them from step to step',
    async () => {
      await ready();
      const before = tf.memory().numTensors;
      const held = new Set<number>();
      theirs(JOB, {
        ...quiet,
        due: () => true,
        save: () => held.add(tf.memory().numTensors),
      });
      expect(held.size).toBe(1);
      expect(tf.memory().numTensors).toBe(before);
      expect(() => theirs({ ...JOB, options: { ...SGD, learningRate: 1e30 } }, quiet)).toThrow(
        /training diverged: the loss became (NaN|Infinity) in epoch 1, step \d/,
      );
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test.skipIf(!backend)(
    'keeps absent connections and the biases of unconnected neurons at 0',
    async () => {
      await ready();
      const [first, ...rest] = SPARSE as [LayerMask, ...LayerMask[]];
      const rows = first.rows.map((at, o) => (o > 0 ? at - first.rows[1]! : 0));
      const mask = [{ ...first, rows, columns: first.columns.slice(first.rows[1]) }, ...rest];
      const { model } = theirs({ ...JOB, mask }, quiet);
      expect(model.tensors['layers.0.bias']!.data[0]).toBe(0);
      expect(model.tensors['layers.0.bias']!.data[1]).not.toBe(0);
      expect(model.tensors['layers.0.values']!.shape).toEqual([mask[0]!.columns.length]);
    },
  );
});

function firstSamples(n: number) {
  const { samples, labels } = dataset.train;
  const { features } = dataset.shape;
  return { samples: samples.subarray(0, n * features), labels: labels.subarray(0, n) };
}

describe('what TensorFlow.js cannot do is refused', () => {
  test('RigL', () => {
    const rewiring = { fraction: 0.3, every: 2, stop: 0.75 };
    expect(() => trainWithTensorflow(wasm.tf, { ...JOB, rewiring }, quiet)).toThrow(
      'TensorFlow.js cannot do rewiring',
    );
  });

  test('options that it does not know, unless they are off', () => {
    const extra = { ...ADAM, engine: 'tensorflow', clip: 0, nesterov: false, smoothing: 0.1 };
    expect(beyondTensorflow(extra)).toEqual(['smoothing']);
    const optimizer = 'adamw' as 'adam';
    expect(beyondTensorflow({ ...ADAM, optimizer })).toEqual(['optimizer']);
  });

  test('the state of another engine', () => {
    const states: TensorFile[] = [];
    train(JOB, { ...quiet, save: (state) => states.push(state) });
    expect(() => trainWithTensorflow(wasm.tf, JOB, { ...quiet, resume: states[0] })).toThrow(
      "cannot resume: the state's format is training-state/1",
    );
  });
});
