// optimizer.test.ts — optimisers and schedules: whole runs against a naive engine in float64
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../src/data/dataset.ts';
import { shuffled } from '../src/network/batch.ts';
import { createMemory } from '../src/network/compile.ts';
import { initialWeights } from '../src/network/init.ts';
import { createLayer } from '../src/network/layer.ts';
import { paddedBatch } from '../src/network/network.ts';
import { clipGradients } from '../src/network/optimizer.ts';
import { learningRateAt, type Schedule } from '../src/network/schedule.ts';
import { type TrainingJob, type TrainingOptions, train } from '../src/network/train.ts';
import type { LayerMask } from '../src/sparse/mask.ts';
import { denseLayer } from '../src/sparse/wiring.ts';
import { stream } from '../src/stats/stream.ts';
import * as naive from './naive.ts';

const rates = (schedule: Schedule, epochs: number, stepsPerEpoch: number): number[] =>
  Array.from({ length: epochs * stepsPerEpoch }, (_, step) =>
    learningRateAt(step, { learningRate: 0.8, schedule, epochs, stepsPerEpoch }),
  );

describe('the learning rate', () => {
  it('is constant unless told', () => {
    expect(new Set(rates({ kind: 'constant' }, 3, 4))).toEqual(new Set([0.8]));
  });

  it('rises linearly through the warm-up and reaches its full value at the end of it', () => {
    const warm = rates({ kind: 'constant', warmup: 1 }, 2, 4);
    expect(warm).toEqual([0.2, 0.4, expect.closeTo(0.6), 0.8, 0.8, 0.8, 0.8, 0.8]);
    // Half an epoch of 4 batches.
    expect(rates({ kind: 'constant', warmup: 0.5 }, 1, 4)).toEqual([0.4, 0.8, 0.8, 0.8]);
  });

  it('falls by gamma after each milestone', () => {
    const stepped = rates({ kind: 'step', milestones: [1, 1.5, 9], gamma: 0.5 }, 2, 4);
    expect(stepped).toEqual([0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.2, 0.2]);
    expect(rates({ kind: 'step', milestones: [1] }, 2, 1)[1]).toBeCloseTo(0.08, 15);
  });

  it('falls along half a cosine between the warm-up and the end', () => {
    const cosine = rates({ kind: 'cosine', warmup: 1, final: 0.25 }, 3, 2);
    const at = (t: number) => 0.8 * (0.25 + 0.75 * ((1 + Math.cos(Math.PI * t)) / 2));
    const expected = [0.4, 0.8, at(0), at(0.25), at(0.5), at(0.75)];
    cosine.forEach((rate, step) => {
      expect(rate).toBeCloseTo(expected[step]!, 12);
    });
  });
});

describe('clipping', () => {
  const layers = () => {
    const memory = createMemory();
    const mask: LayerMask = {
      inputs: 2,
      outputs: 1,
      rows: Int32Array.of(0, 2),
      columns: Int32Array.of(0, 1),
    };
    const [one, two] = [createLayer(memory, mask, 16, 1), createLayer(memory, mask, 16, 1)];
    one.weights.gradient.view().set([3, -4]);
    two.bias.gradient.view()[0] = 12;
    return { kernels: memory.kernels, layers: [one, two] };
  };

  it('scales all gradients alike, by their global norm', () => {
    const { kernels, layers: both } = layers();
    clipGradients(kernels, both, 6.5);
    expect([...both[0]!.weights.gradient.view()]).toEqual([1.5, -2]);
    expect(both[1]!.bias.gradient.view()[0]).toBe(6);
  });

  it('leaves gradients up to the limit alone', () => {
    const { kernels, layers: both } = layers();
    clipGradients(kernels, both, 13);
    expect([...both[0]!.weights.gradient.view()]).toEqual([3, -4]);
  });
});

const I = 13;
const C = 3;

function randomLayer(inputs: number, outputs: number, density: number): LayerMask {
  const random = stream(2, 'mask', inputs, outputs);
  const rows = new Int32Array(outputs + 1);
  const columns: number[] = [];
  for (let o = 0; o < outputs; o++) {
    // Neuron 1 has no connections.
    for (let i = 0; i < inputs; i++) if (random.uniform() < density && o !== 1) columns.push(i);
    rows[o + 1] = columns.length;
  }
  return { inputs, outputs, rows, columns: Int32Array.from(columns) };
}

const MASK = [randomLayer(I, 10, 0.4), denseLayer(10, C)];

/** 53 samples: no batch size below divides it. */
function dataset(): Dataset {
  const random = stream(4, 'data');
  const split = (n: number) => ({
    samples: Uint8Array.from({ length: n * I }, () => random.below(256)),
    labels: Uint8Array.from({ length: n }, () => random.below(C)),
  });
  const shape = { features: I, classes: C, height: 1, width: I };
  return { shape, train: split(53), test: split(7), mean: 0.5, std: 0.3 };
}

const DATA = dataset();
const BASE: TrainingOptions = { epochs: 3, batch: 20, optimizer: 'adam', learningRate: 0.02 };

describe('a run agrees with a naive engine in float64, partial batches and all', () => {
  it.each<Partial<TrainingOptions>>([
    { optimizer: 'adam', weightDecay: 0.01 },
    { optimizer: 'adam', batch: 1, epochs: 1 },
    { optimizer: 'adam', batch: 17 },
    { optimizer: 'adam', batch: 52 },
    { optimizer: 'adamw', weightDecay: 0.1 },
    { optimizer: 'sgd' },
    { optimizer: 'sgd', momentum: 0, weightDecay: 0.01 },
    { optimizer: 'sgd', nesterov: true, weightDecay: 0.01 },
    { optimizer: 'sgd', clipNorm: 0.5 },
    { optimizer: 'adamw', clipNorm: 0.5, labelSmoothing: 0.1, weightDecay: 0.1 },
    {
      optimizer: 'sgd',
      labelSmoothing: 0.2,
      schedule: { kind: 'cosine', warmup: 1.2, final: 0.1 },
    },
    { optimizer: 'adam', schedule: { kind: 'step', milestones: [1, 2], gamma: 0.3 } },
  ])('%o', (change) => {
    const options = { ...BASE, ...change };
    const job = { dataset: DATA, mask: MASK, options, seed: 5 };
    const { metrics, model } = train(job, { due: () => false, save() {}, progress() {} });
    const expected = naiveRun(job);
    metrics.epochs.forEach(({ loss }, e) => {
      expect(loss).toBeCloseTo(expected.losses[e]!, 4);
    });
    MASK.forEach((_, l) => {
      const { data } = model.tensors[`layers.${l}.values`]!;
      expected.weights[l]!.forEach((w, k) => {
        expect(data[k]).toBeCloseTo(w, 3);
      });
    });
  });
});

interface Parameter {
  readonly w: Float64Array;
  readonly g: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
  readonly decay: number;
}

/** Trains as the definitions read. B is n: there is no padding. */
function naiveRun({ dataset: { train: split, mean, std }, mask, options, seed }: TrainingJob) {
  const { epochs, batch, labelSmoothing = 0, clipNorm = Infinity, weightDecay = 0 } = options;
  const parameter = (w: Float64Array, decay: number): Parameter => ({
    w,
    g: w.map(() => 0),
    m: w.map(() => 0),
    v: w.map(() => 0),
    decay,
  });
  const layers = mask.map((layer, l) => ({
    ...layer,
    weights: parameter(Float64Array.from(initialWeights(layer, seed, l)), weightDecay),
    bias: parameter(new Float64Array(layer.outputs), 0),
  }));
  const N = split.labels.length;
  const stepsPerEpoch = Math.ceil(N / batch);
  const losses: number[] = [];
  let step = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = shuffled(N, seed, epoch);
    let lossSum = 0;
    for (let from = 0; from < N; from += batch) {
      const chosen = order.slice(from, from + batch);
      const n = chosen.length;
      const labels = Array.from(chosen, (s) => split.labels[s]!);
      const X = new Float64Array(I * paddedBatch(n));
      for (let b = 0; b < n; b++) {
        for (let i = 0; i < I; i++) {
          X[naive.tiled(I, i, b)] = (split.samples[chosen[b]! * I + i]! / 255 - mean) / std;
        }
      }
      lossSum += gradients(layers, X, labels, labelSmoothing);
      const all = layers.flatMap(({ weights, bias }) => [weights, bias]);
      const norm = Math.sqrt(all.reduce((sum, { g }) => sum + naive.sumSquares(g, g.length), 0));
      for (const { g } of all) if (norm > clipNorm) naive.scale(g, g.length, clipNorm / norm);
      const { learningRate, schedule = { kind: 'constant' } } = options;
      const rate = learningRateAt(step++, { learningRate, schedule, epochs, stepsPerEpoch });
      for (const one of all) naiveStep(one, options, rate, step);
    }
    losses.push(lossSum / N);
  }
  return { losses, weights: layers.map(({ weights }) => weights.w) };
}

type NaiveLayer = LayerMask & { readonly weights: Parameter; readonly bias: Parameter };

/** Writes the gradients of one batch; the result is its summed loss. */
function gradients(
  layers: readonly NaiveLayer[],
  X: Float64Array,
  labels: readonly number[],
  smoothing: number,
): number {
  const n = labels.length;
  const B = paddedBatch(n);
  const activations = [X];
  layers.forEach(({ rows, columns, inputs, outputs, weights, bias }, l) => {
    const Y = new Float64Array(outputs * B);
    const relu = l < layers.length - 1 ? 1 : 0;
    naive.forward(activations[l]!, Y, rows, columns, weights.w, bias.w, inputs, outputs, B, relu);
    activations.push(Y);
  });
  const Z = activations[layers.length]!;
  let dY = new Float64Array(Z.length);
  const loss = naive.softmaxCrossEntropy(Z, labels, dY, C, n, B);
  const growth = naive.smoothLabels(Z, labels, dY, C, n, smoothing);
  for (let l = layers.length - 1; l >= 0; l--) {
    const { rows, columns, inputs, outputs, weights, bias } = layers[l]!;
    naive.weightGradient(activations[l]!, dY, rows, columns, weights.g, inputs, outputs, B);
    naive.biasGradient(dY, rows, bias.g, outputs, B);
    const dX = new Float64Array(inputs * B);
    for (let o = 0; o < outputs; o++) {
      for (let k = rows[o]!; k < rows[o + 1]!; k++) {
        for (let b = 0; b < n; b++) {
          const at = naive.tiled(inputs, columns[k]!, b);
          if (activations[l]![at]! > 0) dX[at]! += weights.w[k]! * dY[naive.tiled(outputs, o, b)]!;
        }
      }
    }
    dY = dX;
  }
  return loss + growth;
}

/** The t-th step of one parameter, t from 1. */
function naiveStep(
  { w, g, m, v, decay }: Parameter,
  { optimizer, momentum = 0.9, nesterov = false }: TrainingOptions,
  rate: number,
  t: number,
): void {
  const K = w.length;
  if (optimizer === 'sgd') {
    const kernel = nesterov ? naive.nesterov : naive.sgd;
    kernel(w, g, m, K, rate, momentum, decay);
    return;
  }
  if (optimizer === 'adamw') naive.scale(w, K, 1 - rate * decay);
  const corrected = rate / (1 - 0.9 ** t);
  const unbias = 1 / (1 - 0.999 ** t);
  naive.adam(w, g, m, v, K, corrected, 0.9, 0.999, unbias, 1e-8, optimizer === 'adam' ? decay : 0);
}
