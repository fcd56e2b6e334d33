// train.test.ts — training: the same bits however often it is interrupted, and honest errors
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../src/data/dataset.ts';
import { initialWeights } from '../src/network/init.ts';
import {
  type TrainingHooks,
  type TrainingJob,
  type TrainingOptions,
  train,
} from '../src/network/train.ts';
import type { LayerMask, Mask } from '../src/sparse/mask.ts';
import { stream } from '../src/stats/stream.ts';
import { decodeSafetensors, encodeSafetensors, type TensorFile } from '../src/tensor.ts';

const FEATURES = 22;
const CLASSES = 3;

/** Each class brightens features of its own: easily told apart. */
function separable(train: number, test: number): Dataset {
  const random = stream(11, 'separable');
  const split = (n: number) => {
    const labels = Uint8Array.from({ length: n }, () => random.below(CLASSES));
    const samples = Uint8Array.from({ length: n * FEATURES }, (_, at) => {
      const feature = at % FEATURES;
      const label = labels[Math.floor(at / FEATURES)];
      return random.below(100) + (feature % CLASSES === label ? 100 : 0);
    });
    return { samples, labels };
  };
  const shape = { features: FEATURES, classes: CLASSES, height: 2, width: 11 };
  return { shape, train: split(train), test: split(test), mean: 0.33, std: 0.22 };
}

function randomLayer(inputs: number, outputs: number, density: number): LayerMask {
  const random = stream(12, 'mask', inputs, outputs);
  const rows = new Int32Array(outputs + 1);
  const columns: number[] = [];
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      // Neuron 2 has no connections: its bias must stay 0.
      if ((o !== 2 || density === 1) && random.uniform() < density) columns.push(i);
    }
    rows[o + 1] = columns.length;
  }
  return { inputs, outputs, rows, columns: Int32Array.from(columns) };
}

const MASK: Mask = [
  randomLayer(FEATURES, 24, 0.3),
  randomLayer(24, 12, 0.3),
  randomLayer(12, CLASSES, 1),
];
const OPTIONS: TrainingOptions = { epochs: 3, batch: 40, optimizer: 'adam', learningRate: 0.01 };
const RIGL = { fraction: 0.3, every: 2, stop: 0.75 };
const SET = { ...RIGL, rule: 'set' } as const;
const AVERAGING = { fraction: 0.3, every: 3, stop: 0.8, accumulate: 2 };
/** 150 samples in batches of 40: the last one holds 30. */
const JOB: TrainingJob = { dataset: separable(150, 70), mask: MASK, options: OPTIONS, seed: 1 };
const STEPS_PER_EPOCH = 4;

const quiet: TrainingHooks = { due: () => false, save: () => {}, progress: () => {} };

const digest = (file: TensorFile): string =>
  createHash('sha256').update(encodeSafetensors(file)).digest('hex');

/** A job that differs from JOB. */
interface Case extends Pick<TrainingJob, 'rewiring' | 'gradients'> {
  readonly name: string;
  readonly options: Partial<TrainingOptions>;
}

describe('a resumed run ends in the same bits', () => {
  const cosine: Partial<TrainingOptions> = {
    schedule: { kind: 'cosine', warmup: 0.7, final: 0.1 },
    clipNorm: 0.7,
    labelSmoothing: 0.1,
    weightDecay: 0.01,
  };
  const gradients = { firstBatches: 6, lastEpochs: 2 };
  it.each<Case>([
    { name: 'static, Adam', options: {} },
    { name: 'static, SGD', options: { optimizer: 'sgd' } },
    { name: 'RigL, Adam', options: {}, rewiring: RIGL },
    { name: 'RigL, SGD', options: { optimizer: 'sgd' }, rewiring: RIGL },
    { name: 'RigL, AdamW', options: { optimizer: 'adamw', ...cosine }, rewiring: RIGL, gradients },
    { name: 'RigL, averaging', options: {}, rewiring: AVERAGING },
    { name: 'SET, Adam', options: {}, rewiring: SET, gradients },
    {
      name: 'SET, Nesterov',
      options: { optimizer: 'sgd', nesterov: true, ...cosine },
      rewiring: SET,
      gradients,
    },
  ])('$name, from every batch', ({ options, rewiring, gradients: windows }) => {
    const job: TrainingJob = {
      ...JOB,
      options: { ...OPTIONS, ...options },
      rewiring,
      gradients: windows,
    };
    const whole = train(job, quiet);
    const saved: Uint8Array[] = [];
    train(job, {
      ...quiet,
      due: () => true,
      save: (state) => saved.push(encodeSafetensors(state)),
    });
    expect(saved).toHaveLength(STEPS_PER_EPOCH * OPTIONS.epochs);
    for (const state of saved) {
      const resumed = train(job, { ...quiet, resume: decodeSafetensors(state) });
      expect(digest(resumed.model)).toBe(digest(whole.model));
      expect(resumed.metrics).toEqual(whole.metrics);
      expect(resumed.mask).toEqual(whole.mask);
      expect(resumed.topology).toEqual(whole.topology);
      expect(resumed.gradients).toEqual(whole.gradients);
    }
  });

  it('and a run that is interrupted again and again comes to the same end', () => {
    const job = { ...JOB, rewiring: RIGL };
    const stop = new Error('interrupted');
    let resume: TensorFile | undefined;
    let interruptions = 0;
    const step = () =>
      train(job, {
        ...quiet,
        resume,
        due: () => true,
        save(state) {
          resume = state;
          interruptions++;
          throw stop;
        },
      });
    for (let n = 0; n < STEPS_PER_EPOCH * OPTIONS.epochs; n++) expect(step).toThrow(stop);
    expect(interruptions).toBe(STEPS_PER_EPOCH * OPTIONS.epochs);
    expect(digest(step().model)).toBe(digest(train(job, quiet).model));
  });

  it('but not from the state of another job', () => {
    const states: TensorFile[] = [];
    train(JOB, { ...quiet, save: (state) => states.push(state) });
    const resume = states[0]!;
    expect(() => train({ ...JOB, seed: 2 }, { ...quiet, resume })).toThrow('another job');
    const { 'layers.1.bias.moments.0': _, ...tensors } = resume.tensors;
    expect(() => train(JOB, { ...quiet, resume: { ...resume, tensors } })).toThrow(
      'cannot resume: it lacks layers.1.bias.moments.0 [12]',
    );
    expect(() => train(JOB, { ...quiet, resume: { ...resume, metadata: {} } })).toThrow('format');
  });
});

describe('training', () => {
  it('gives the same bits on every machine', () => {
    const sgd: TrainingOptions = { ...OPTIONS, optimizer: 'sgd', weightDecay: 1e-4 };
    expect(digest(train({ ...JOB, options: sgd }, quiet).model)).toBe(
      '4e81fe5a562e6ae0c1ed506b5647b9ec72c564b51016edcfe32695a7d9728e27',
    );
    const { model } = train({ ...JOB, rewiring: RIGL }, quiet);
    expect(digest(model)).toBe('b791cc6ee33a2dfdccd4c08cb19350cf1eca3a21a59db8ef692ee928d053db1d');
    const all: TrainingOptions = {
      ...OPTIONS,
      optimizer: 'adamw',
      weightDecay: 0.1,
      schedule: { kind: 'cosine', warmup: 0.5 },
      clipNorm: 0.5,
      labelSmoothing: 0.1,
    };
    expect(digest(train({ ...JOB, options: all, rewiring: SET }, quiet).model)).toBe(
      '5f6c8fb54dc214186a51e8912d8c0d6435672a14514c955accc84d465ce926a7',
    );
    const nesterov: TrainingOptions = { ...OPTIONS, optimizer: 'sgd', nesterov: true };
    expect(digest(train({ ...JOB, options: nesterov }, quiet).model)).toBe(
      '6f157a38e89e5dd3c68fe3abe7cd5c891eeda4d83374a0f7a644689004ef16a5',
    );
  });

  it('gives the same bits after 200 steps of RigL, subnormal numbers flushed', () => {
    // 50 epochs of four batches.
    const options = { ...OPTIONS, epochs: 50 };
    const { model, metrics } = train({ ...JOB, options, rewiring: RIGL }, quiet);
    expect(metrics.steps).toBe(200);
    expect(digest(model)).toBe('b00ac8bb4036920dbc169ba29cc35bd0a4f6faf5092211fd9ed8e155b55810a8');
    for (const { data } of Object.values(model.tensors)) {
      expect(data.some((x) => x !== 0 && Math.abs(Number(x)) < 1e-35)).toBe(false);
    }
  });

  it('depends on the seed', () => {
    const other = train({ ...JOB, seed: 2 }, quiet);
    expect(digest(other.model)).not.toBe(digest(train(JOB, quiet).model));
  });

  it.each(['adam', 'sgd'] as const)('learns to tell separable classes apart (%s)', (optimizer) => {
    const options = { ...OPTIONS, optimizer, epochs: 30, weightDecay: 1e-4 };
    const { metrics } = train({ ...JOB, options }, quiet);
    expect(metrics.accuracy).toBeGreaterThanOrEqual(0.97);
    expect(metrics.epochs.map(({ epoch }) => epoch)).toEqual(
      Array.from({ length: 30 }, (_, e) => e + 1),
    );
    expect(metrics.epochs[0]!.loss).toBeLessThan(2);
    expect(metrics.loss).toBeLessThan(metrics.epochs[0]!.loss / 5);
    expect(metrics.steps).toBe(30 * STEPS_PER_EPOCH);
  });

  it('takes batches of one sample, and batches larger than the data set', () => {
    for (const batch of [1, 1000]) {
      const { metrics } = train({ ...JOB, options: { ...OPTIONS, batch } }, quiet);
      expect(metrics.steps).toBe(OPTIONS.epochs * Math.ceil(150 / batch));
      expect(metrics.loss).toBeLessThan(metrics.epochs[0]!.loss);
    }
  });

  it('RigL changes which connections exist, never how many, and leaves the dense layer alone', () => {
    const { metrics, mask, model } = train({ ...JOB, rewiring: RIGL }, quiet);
    const connections = MASK.map(({ columns }) => columns.length);
    expect(metrics.method).toBe('rigl');
    expect(metrics.connections).toEqual(connections);
    expect(mask.map(({ columns }) => columns.length)).toEqual(connections);
    expect(mask.map(({ rows }, l) => rows[MASK[l]!.outputs])).toEqual(connections);
    expect(mask[2]).toEqual(MASK[2]);
    expect(mask[0]!.columns).not.toEqual(MASK[0]!.columns);
    // Every second batch from the third on, while fewer than 75 % of 12 have been seen.
    expect(metrics.rewirings.map(({ step }) => step)).toEqual([2, 4, 6, 8]);
    for (const { replaced, new: grown } of metrics.rewirings) {
      expect(replaced[2]).toBe(0);
      expect(replaced[0]).toBeGreaterThanOrEqual(grown[0]!);
    }
    expect(metrics.rewirings[0]!.replaced[0]).toBeGreaterThan(0);
    expect(Object.keys(model.tensors)).toContain('layers.0.values');
  });

  it('keeps the bias of a neuron without connections at 0, and counts it', () => {
    const { model, metrics } = train(JOB, quiet);
    expect(model.tensors['layers.0.bias']!.data[2]).toBe(0);
    expect(model.tensors['layers.0.bias']!.data[1]).not.toBe(0);
    expect(metrics.withoutFanIn).toEqual([1, 1, 0]);
    const listeners = [MASK[1]!, MASK[2]!].map(
      ({ columns, inputs }) => inputs - new Set(columns).size,
    );
    expect(metrics.withoutFanOut).toEqual([...listeners, 0]);
  });

  it.each([RIGL, SET])(
    'tells of every update, and of the fan-in of every neuron after it',
    (rule) => {
      const { metrics, mask, topology } = train({ ...JOB, rewiring: rule }, quiet);
      const steps = [0, ...metrics.rewirings.map(({ step }) => step)];
      expect(topology.tensors.steps).toEqual({ shape: [5], data: Int32Array.from(steps) });
      MASK.forEach(({ outputs, columns, rows }, l) => {
        const { shape, data } = topology.tensors[`layers.${l}.fan_in`]!;
        expect(shape).toEqual([5, outputs]);
        const row = (u: number) => [...data.subarray(u * outputs, (u + 1) * outputs)];
        const fanIn = (ends: Int32Array) => [...ends.slice(1)].map((end, o) => end - ends[o]!);
        expect(row(0)).toEqual(fanIn(rows));
        expect(row(4)).toEqual(fanIn(mask[l]!.rows));
        for (let u = 0; u < 5; u++) {
          expect(row(u).reduce((a, b) => a + b)).toBe(columns.length);
          if (u > 0) {
            const { withoutFanIn, overlap } = metrics.rewirings[u - 1]!;
            expect(row(u).filter((k) => k === 0)).toHaveLength(withoutFanIn[l]!);
            expect(overlap[l]).toBeLessThanOrEqual(1);
          }
        }
      });
      expect(metrics.rewirings[3]!.overlap[0]).toBeLessThan(1);
      expect(metrics.rewirings[3]!.overlap[2]).toBe(1);
    },
  );

  it('RigL averages gradients over batches without any other change', () => {
    const masks = [undefined, 1, 2].map((accumulate) => {
      const rewiring = { ...AVERAGING, accumulate };
      const { mask, metrics } = train({ ...JOB, rewiring }, quiet);
      expect(metrics.rewirings.map(({ step }) => step)).toEqual([3, 6, 9]);
      return mask;
    });
    expect(masks[1]).toEqual(masks[0]);
    expect(masks[2]).not.toEqual(masks[0]);
    expect(masks[2]!.map(({ columns }) => columns.length)).toEqual(
      MASK.map(({ columns }) => columns.length),
    );
  });

  it('SET takes its step and rewires then; RigL rewires in place of it', () => {
    // One update only, before the second batch, and none of its connections is replaced.
    const still = { fraction: 0, every: 1, stop: 1 / 6 };
    const frozen = digest(train(JOB, quiet).model);
    const job = (rule: 'rigl' | 'set'): TrainingJob => ({ ...JOB, rewiring: { ...still, rule } });
    expect(digest(train(job('set'), quiet).model)).toBe(frozen);
    expect(digest(train(job('rigl'), quiet).model)).not.toBe(frozen);
    expect(train(job('rigl'), quiet).metrics.rewirings.map(({ step }) => step)).toEqual([1]);
    expect(train(job('set'), quiet).metrics.method).toBe('set');
  });

  it('counts a feature that is constant like any other', () => {
    const { features } = JOB.dataset.shape;
    const constant = (split: Dataset['train']) => ({
      ...split,
      samples: split.samples.map((byte, at) => (at % features < 3 ? 0 : byte)),
    });
    const dataset = { ...JOB.dataset, train: constant(JOB.dataset.train) };
    const { metrics } = train({ ...JOB, dataset, rewiring: RIGL }, quiet);
    expect(metrics.loss).toBeLessThan(metrics.epochs[0]!.loss);
  });

  it('reports progress in samples', () => {
    const seen: number[] = [];
    train(JOB, { ...quiet, progress: (done, of) => seen.push(done / of) });
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });
});

describe('gradients of each neuron', () => {
  const windows = { firstBatches: 3, lastEpochs: 1 };

  it('are measured in their windows and change nothing', () => {
    const plain = train(JOB, quiet);
    const measured = train({ ...JOB, gradients: windows }, quiet);
    expect(digest(measured.model)).toBe(digest(plain.model));
    expect(measured.metrics).toEqual(plain.metrics);
    expect(plain.gradients).toEqual({ windows: [] });
    const [first, last] = measured.gradients.windows;
    expect(first).toMatchObject({ name: 'first', from: 0, to: 3, batches: 3 });
    expect(last).toMatchObject({ name: 'last', from: 8, to: 12, batches: 4 });
    for (const { layers } of [first!, last!]) {
      layers.forEach(({ fanIn, l1, l2, perConnection }, l) => {
        const { rows } = MASK[l]!;
        fanIn.forEach((k, o) => {
          expect(k).toBe(rows[o + 1]! - rows[o]!);
          expect(perConnection[o]).toBeCloseTo(k === 0 ? 0 : l1[o]! / k, 7);
          expect(l2[o]).toBeLessThanOrEqual(l1[o]! * (1 + 1e-6));
          expect(l1[o]).toBeLessThanOrEqual(l2[o]! * Math.sqrt(k) * (1 + 1e-6));
        });
      });
    }
  });

  it('are those of the loss alone: momentum, decay and clipping come later', () => {
    // One batch: the first update is weights - rate * gradient without momentum and the like.
    const options: TrainingOptions = {
      ...OPTIONS,
      epochs: 1,
      batch: 150,
      optimizer: 'sgd',
      momentum: 0,
      learningRate: 1,
    };
    const job = { ...JOB, options, gradients: windows };
    const { model, gradients } = train(job, quiet);
    MASK.forEach((mask, l) => {
      const before = initialWeights(mask, job.seed, l);
      const after = model.tensors[`layers.${l}.values`]!.data;
      const { l1, l2 } = gradients.windows[0]!.layers[l]!;
      for (let o = 0; o < mask.outputs; o++) {
        const row = before.subarray(mask.rows[o], mask.rows[o + 1]);
        const moved = Array.from(row, (w, k) => after[mask.rows[o]! + k]! - w);
        expect(l1[o]).toBeCloseTo(
          moved.reduce((sum, d) => sum + Math.abs(d), 0),
          5,
        );
        expect(l2[o]).toBeCloseTo(Math.sqrt(moved.reduce((sum, d) => sum + d * d, 0)), 5);
      }
    });
    const heavy = { ...options, weightDecay: 1, clipNorm: 1e-3, momentum: 0.9 };
    expect(train({ ...job, options: heavy }, quiet).gradients).toEqual(gradients);
  });

  it('leave out the batches on which RigL rewires, and average fan-in over the others', () => {
    const { gradients } = train({ ...JOB, rewiring: RIGL, gradients: windows }, quiet);
    const [first, last] = gradients.windows;
    // Batches 0, 1 and 2, of which RigL takes the last.
    expect(first!.batches).toBe(2);
    expect(last!.batches).toBe(3);
    expect(first!.layers[0]!.fanIn).toEqual(
      [...MASK[0]!.rows.slice(1)].map((e, o) => e - MASK[0]!.rows[o]!),
    );
  });
});

describe('what cannot be trained is said clearly', () => {
  const { dataset } = JOB;
  const withTrain = (split: Dataset['train']) => ({ dataset: { ...dataset, train: split } });
  const nothing = { samples: new Uint8Array(), labels: new Uint8Array() };
  const labels = dataset.train.labels.with(7, 3);
  const beyond = { ...MASK[0]!, columns: MASK[0]!.columns.with(0, 99) };

  it.each<[string, Partial<TrainingJob>]>([
    ['batch is 0, not a whole number from 1', { options: { ...OPTIONS, batch: 0 } }],
    ['epochs is 1.5, not a whole number from 1', { options: { ...OPTIONS, epochs: 1.5 } }],
    ['learningRate is NaN', { options: { ...OPTIONS, learningRate: NaN } }],
    ['momentum is 1, not in [0, 1)', { options: { ...OPTIONS, momentum: 1 } }],
    ['nesterov needs optimizer sgd, not adam', { options: { ...OPTIONS, nesterov: true } }],
    [
      'nesterov needs a momentum above 0',
      { options: { ...OPTIONS, optimizer: 'sgd', momentum: 0, nesterov: true } },
    ],
    ['clipNorm is 0, not a number above 0', { options: { ...OPTIONS, clipNorm: 0 } }],
    ['labelSmoothing is 1, not in [0, 1)', { options: { ...OPTIONS, labelSmoothing: 1 } }],
    [
      'schedule.warmup is 4, not a number of epochs in [0, 3]',
      { options: { ...OPTIONS, schedule: { kind: 'cosine', warmup: 4 } } },
    ],
    [
      'schedule.milestones are 2, 1, not ascending',
      { options: { ...OPTIONS, schedule: { kind: 'step', milestones: [2, 1] } } },
    ],
    ['gradients.lastEpochs is -1', { gradients: { firstBatches: 0, lastEpochs: -1 } }],
    ['rewiring.every is 0', { rewiring: { ...RIGL, every: 0 } }],
    [
      'rewiring.accumulate is 2, not fewer than every (2)',
      { rewiring: { ...RIGL, accumulate: 2 } },
    ],
    ['rewiring.accumulate is 0.5, not a whole number', { rewiring: { ...RIGL, accumulate: 0.5 } }],
    ['SET does not look at gradients', { rewiring: { ...SET, accumulate: 1 } }],
    ['the data set has no training samples', withTrain(nothing)],
    ['the data set has no test samples', { dataset: { ...dataset, test: nothing } }],
    [
      'the label of training sample 7 is 3, but classes is 3',
      withTrain({ ...dataset.train, labels }),
    ],
    [
      '150 training labels of 22 features, but 0 bytes',
      withTrain({ ...dataset.train, samples: new Uint8Array() }),
    ],
    ['all training samples are one constant', { dataset: { ...dataset, std: 0 } }],
    ['layer 1 does not take what layer 0 gives', { mask: [MASK[0]!, MASK[2]!] }],
    ['the mask takes 24 inputs, but samples have 22 features', { mask: [MASK[1]!, MASK[2]!] }],
    ['the mask gives 12 outputs, but the data set has 3 classes', { mask: [MASK[0]!, MASK[1]!] }],
    ['the mask has no layers', { mask: [] }],
    ['ascending', { mask: [beyond, MASK[1]!, MASK[2]!] }],
    ['layer 1 has no connections', { mask: [MASK[0]!, randomLayer(24, 12, 0), MASK[2]!] }],
  ])('%s', (message, change) => {
    const attempt = () => train({ ...JOB, ...change }, quiet);
    expect(attempt).toThrow(message);
    // So named, the engine shows it without a stack.
    expect(attempt).toThrow(expect.objectContaining({ name: 'StageError' }));
  });

  it('a loss that is no number any more, with what to try', () => {
    const options: TrainingOptions = { ...OPTIONS, optimizer: 'sgd', learningRate: 1e30 };
    expect(() => train({ ...JOB, options }, quiet)).toThrow(
      /the loss became (NaN|Infinity) in epoch 1, step \d, at learning rate 1e\+30: the (weights|activations) of layer \d are the first that are not finite; try a smaller/,
    );
    // Mended by what it says.
    const mended = { ...options, learningRate: 0.5, clipNorm: 1 };
    expect(train({ ...JOB, options: mended }, quiet).metrics.loss).toBeLessThan(2);
    // With one batch only, no later loss could tell.
    const once = { ...options, epochs: 1, batch: 150, learningRate: 1e300 };
    expect(() => train({ ...JOB, options: once }, quiet)).toThrow(
      'the weights broke in epoch 1, step 1, at learning rate 1e+300: the weights of layer 0',
    );
  });
});
