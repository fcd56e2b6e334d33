// tensorflow.ts — the same training by TensorFlow.js: masked dense layers, an oracle for ours
import type { Tensor1D, Tensor2D, Tensor as TfTensor, Variable } from '@tensorflow/tfjs-core';
import type { Dataset, Split } from '../data/dataset.ts';
import { withoutFanIn, withoutFanOut } from '../sparse/fan-in.ts';
import { type LayerMask, maskToTensors } from '../sparse/mask.ts';
import type { Tensor, TensorFile } from '../tensor.ts';
import { inOrder, shuffled, standardise } from './batch.ts';
import { finalAccuracy } from './final-accuracy.ts';
import { startingWeights } from './init.ts';
import { checkJob, scheduledRun, type TrainingJob, type TrainingOptions } from './job.ts';
import type { EpochRecord } from './metrics.ts';
import type { Tensorflow } from './tensorflow-backend.ts';
import type { TrainingHooks, TrainingResult } from './train.ts';

/**
 * How far apart, relatively, the losses and accuracies of two runs may lie, here or on another machine: sums are taken
 * in another order, and training makes the difference grow. Measured: 1.3e-4 after four epochs of 50 batches.
 */
export const TENSORFLOW_TOLERANCE = 0.01;

/** Options that this engine knows. One of another name must be off. */
const KNOWN: readonly (keyof TrainingOptions)[] = [
  'epochs',
  'batch',
  'optimizer',
  'learningRate',
  'momentum',
  'weightDecay',
];
const OFF: readonly unknown[] = [undefined, null, false, 0];

/** What a run leaves; the mask stays, so there is no topology over time. */
export type TensorflowResult = Omit<TrainingResult, 'topology'>;

/** Names of the options that ask for more than this engine can do: it would leave them out without a word. */
export function beyondTensorflow(options: TrainingOptions): readonly string[] {
  const known = (name: string): boolean => name === 'engine' || KNOWN.some((own) => own === name);
  const { schedule, ...others } = options;
  const moves = schedule !== undefined && (schedule.kind !== 'constant' || schedule.warmup !== 0);
  const beyond = Object.entries({ ...others, schedule: moves }).filter(
    ([name, value]) => !known(name) && !OFF.includes(value),
  );
  const optimizer = ['adam', 'sgd'].includes(options.optimizer) ? [] : ['optimizer'];
  return [...optimizer, ...beyond.map(([name]) => name)];
}

/** Numbers that are learned: [I][O] weights, 0 where there is no connection, or [O] biases. */
interface Parameter {
  readonly values: Variable;
  /** One for SGD, two for Adam. */
  readonly moments: readonly Variable[];
  /** 1 where a number is learned, 0 where it stays 0. */
  readonly mask: Tensor2D | Tensor1D;
  readonly decay: number;
  /** Where in `values` the numbers lie that a checkpoint keeps. */
  readonly places: Int32Array;
}

interface Layer {
  readonly weights: Parameter;
  readonly bias: Parameter;
}

/** Where a run stands, kept as JSON. */
interface Position {
  step: number;
  lossSum: number;
  readonly epochs: EpochRecord[];
  /** Adam's β₁ᵗ and β₂ᵗ, as running products. */
  readonly powers: [number, number];
}

interface Run {
  readonly tf: Tensorflow;
  readonly job: TrainingJob;
  readonly layers: readonly Layer[];
  readonly position: Position;
}

/** Evaluation takes so many samples at a time. */
const EVALUATION_BATCH = 512;
/** Batches between two reports of progress. */
const REPORT_EVERY = 4;

const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-8;

/**
 * Trains as `train` does, from the same weights, in the same order of samples, by the same formulas: results agree
 * within TENSORFLOW_TOLERANCE. No tensor outlives the call.
 * @throws RangeError when the job or the resumed state is wrong; Error when training diverges.
 */
export function trainWithTensorflow(
  tf: Tensorflow,
  job: TrainingJob,
  hooks: TrainingHooks,
): TensorflowResult {
  checkJob(job);
  const beyond = [...(job.rewiring ? ['rewiring'] : []), ...beyondTensorflow(job.options)];
  if (beyond.length > 0) throw new RangeError(`TensorFlow.js cannot do ${beyond.join(', ')}`);
  const run = startRun(tf, job);
  try {
    if (hooks.resume !== undefined) restore(run, hooks.resume);
    while (run.position.epochs.length < job.options.epochs) trainEpoch(run, hooks);
    return result(run);
  } finally {
    tf.dispose([...named(run)].map(([, variable]) => variable));
    tf.dispose(parametersOf(run).map(({ mask }) => mask));
  }
}

// ---- the network ----

function startRun(tf: Tensorflow, job: TrainingJob): Run {
  const layers = job.mask.map((mask, l) => startLayer(tf, job, mask, l));
  return { tf, job, layers, position: { step: 0, lossSum: 0, epochs: [], powers: [1, 1] } };
}

function startLayer(tf: Tensorflow, job: TrainingJob, mask: LayerMask, l: number): Layer {
  const { outputs, inputs, rows } = mask;
  const { optimizer, weightDecay = 0 } = job.options;
  const places = placesOf(mask);
  const weights = new Float32Array(outputs * inputs);
  const connected = new Float32Array(outputs * inputs);
  const drawn = startingWeights(job, l);
  places.forEach((at, k) => {
    weights[at] = drawn[k]!;
    connected[at] = 1;
  });
  // A neuron without connections says 0: its bias stays.
  const alive = Float32Array.from({ length: outputs }, (_, o) => (rows[o]! < rows[o + 1]! ? 1 : 0));
  const moments = (shape: number[]): readonly Variable[] =>
    Array.from({ length: optimizer === 'adam' ? 2 : 1 }, () => zeros(tf, shape, false));
  const values = zeros(tf, [inputs, outputs], true);
  assign(tf, values, weights);
  return {
    weights: {
      values,
      moments: moments([inputs, outputs]),
      mask: tf.tensor2d(connected, [inputs, outputs]),
      decay: weightDecay,
      places,
    },
    bias: {
      values: zeros(tf, [outputs], true),
      moments: moments([outputs]),
      mask: tf.tensor1d(alive),
      decay: 0,
      places: Int32Array.from(inOrder(outputs)),
    },
  };
}

const zeros = (tf: Tensorflow, shape: number[], trainable: boolean): Variable =>
  tf.tidy(() => tf.variable(tf.zeros(shape), trainable));

function assign(tf: Tensorflow, variable: Variable, data: Float32Array): void {
  tf.tidy(() => variable.assign(tf.tensor(data, variable.shape)));
}

/** Where each connection lies in a dense [I][O], in the order of the CSR. */
function placesOf({ outputs, rows, columns }: LayerMask): Int32Array {
  const places = new Int32Array(columns.length);
  for (let o = 0; o < outputs; o++) {
    for (let k = rows[o]!; k < rows[o + 1]!; k++) places[k] = columns[k]! * outputs + o;
  }
  return places;
}

const parametersOf = ({ layers }: Run): readonly Parameter[] =>
  layers.flatMap(({ weights, bias }) => [weights, bias]);

/** W∘M of each layer, [I][O]. */
const maskedWeights = ({ tf, layers }: Run): readonly Tensor2D[] =>
  layers.map(({ weights: { values, mask } }) => tf.mul(values, mask));

/** Y = ReLU(X·W + b), layer by layer, without ReLU at the end: X [n][I] and every layer's Y [n][O]. */
function forward({ tf, layers }: Run, masked: readonly Tensor2D[], X: Tensor2D): Tensor2D[] {
  const activations = [X];
  layers.forEach(({ bias }, l) => {
    const sum: Tensor2D = tf.add(tf.matMul(activations[l]!, masked[l]!), bias.values);
    activations.push(l === layers.length - 1 ? sum : tf.relu(sum));
  });
  return activations;
}

/**
 * dW = Xᵀ·dY and db = Σ dY of every parameter, with dX = dY·Wᵀ through ReLU, from the logits' gradient down. In the order
 * of `parametersOf`. By hand: TensorFlow.js registers the gradients of its operations only with all its packages. And
 * transposed by hand: on WebAssembly matMul is 15 times slower when it is asked to.
 */
function backward(
  { tf, layers }: Run,
  masked: readonly Tensor2D[],
  activations: readonly Tensor2D[],
  logitsGradient: Tensor2D,
): readonly TfTensor[] {
  const gradients: TfTensor[] = [];
  let dY = logitsGradient;
  for (let l = layers.length - 1; l >= 0; l--) {
    const X = activations[l]!;
    gradients.unshift(tf.matMul(tf.transpose(X), dY), tf.sum(dY, 0));
    if (l > 0) dY = tf.mul(tf.matMul(dY, tf.transpose(masked[l]!)), tf.step(X));
  }
  return gradients;
}

// ---- one step ----

/** The samples order[from .. from + n), normalised to the same floats as ours: [n][I]. */
function batchOf(
  { tf, job }: Run,
  split: Split,
  order: Uint32Array,
  from: number,
  n: number,
): Tensor2D {
  const I = job.dataset.shape.features;
  const { samples } = split;
  const { numeric } = job.dataset;
  const shades = shadesOf(job.dataset);
  const batch = new Float32Array(n * I);
  for (let b = 0; b < n; b++) {
    const sample = order[from + b]! * I;
    for (let i = 0; i < I; i++) batch[b * I + i] = shades[samples[sample + i]!]!;
  }
  if (numeric !== undefined) {
    standardise(numeric, split, order, from, n, (b, i, value) => {
      batch[b * I + i] = value;
    });
  }
  return tf.tensor2d(batch, [n, I]);
}

/** What each byte becomes, in the float32 steps of the kernel. */
function shadesOf({ mean, std }: Dataset): Float32Array {
  const scale = Math.fround(1 / (255 * std));
  const shift = Math.fround(-mean / std);
  return Float32Array.from({ length: 256 }, (_, byte) => Math.fround(byte * scale) + shift);
}

/** [n][C]: 1 at each sample's class. Not by tf.oneHot: on WebAssembly its floats hold the bits of the integer 1. */
function labelsOf({ tf, job }: Run, order: Uint32Array, from: number, n: number): Tensor2D {
  const { train, shape } = job.dataset;
  const labels = new Float32Array(n * shape.classes);
  for (let b = 0; b < n; b++) labels[b * shape.classes + train.labels[order[from + b]!]!] = 1;
  return tf.tensor2d(labels, [n, shape.classes]);
}

function trainBatch(run: Run, order: Uint32Array, from: number): void {
  const { tf, job, position } = run;
  const { train } = job.dataset;
  const n = Math.min(job.options.batch, order.length - from);
  const loss = tf.tidy(() => {
    const labels = labelsOf(run, order, from, n);
    const masked = maskedWeights(run);
    const activations = forward(run, masked, batchOf(run, train, order, from, n));
    const shares = tf.logSoftmax(activations[run.layers.length]!);
    const [sum] = tf.neg(tf.sum(tf.mul(labels, shares))).dataSync();
    if (!Number.isFinite(sum)) throw diverged(run, `the loss became ${sum}`);
    const dZ: Tensor2D = tf.div(tf.sub(tf.exp(shares), labels), n);
    const gradients = backward(run, masked, activations, dZ);
    const follow = job.options.optimizer === 'adam' ? adam(run) : sgd(run);
    for (const [p, parameter] of parametersOf(run).entries()) {
      const { values, mask, decay } = parameter;
      const gradient = tf.mul(gradients[p]!, mask);
      follow(parameter, decay === 0 ? gradient : tf.add(gradient, tf.mul(decay, values)));
    }
    return sum;
  });
  position.lossSum += loss!;
  position.step++;
}

type Follow = (parameter: Parameter, gradient: TfTensor) => void;

/** m = β₁·m + (1 - β₁)·g, v = β₂·v + (1 - β₂)·g², w = w - rate·m / (√(v·unbias) + ε). */
function adam({ tf, job, position }: Run): Follow {
  position.powers[0] *= BETA_1;
  position.powers[1] *= BETA_2;
  const rate = job.options.learningRate / (1 - position.powers[0]);
  const unbias = 1 / (1 - position.powers[1]);
  return ({ values, moments: [m, v] }, g) => {
    m!.assign(tf.add(tf.mul(BETA_1, m!), tf.mul(1 - BETA_1, g)));
    v!.assign(tf.add(tf.mul(BETA_2, v!), tf.mul(1 - BETA_2, tf.mul(g, g))));
    const scale = tf.add(tf.sqrt(tf.mul(v!, unbias)), EPSILON);
    values.assign(tf.sub(values, tf.div(tf.mul(rate, m!), scale)));
  };
}

/** u = momentum·u + g, w = w - rate·u. */
function sgd({ tf, job }: Run): Follow {
  const { learningRate, momentum = 0.9 } = job.options;
  return ({ values, moments: [u] }, g) => {
    u!.assign(tf.add(tf.mul(momentum, u!), g));
    values.assign(tf.sub(values, tf.mul(learningRate, u!)));
  };
}

// ---- epochs ----

function trainEpoch(run: Run, hooks: TrainingHooks): void {
  const { job, position } = run;
  const { epochs, batch } = job.options;
  const N = job.dataset.train.labels.length;
  const epoch = position.epochs.length;
  const order = shuffled(N, job.seed, epoch);
  const note = `epoch ${epoch + 1} of ${epochs}`;
  const first = (position.step - epoch * Math.ceil(N / batch)) * batch;
  for (let from = first; from < N; from += batch) {
    if (from > first && hooks.due()) hooks.save(save(run));
    if (position.step % REPORT_EVERY === 0) hooks.progress(epoch * N + from, epochs * N, note);
    trainBatch(run, order, from);
  }
  checkWeights(run);
  const testAccuracy = accuracy(run, job.dataset.test);
  const { validation } = job.dataset;
  const held = validation && { validationAccuracy: accuracy(run, validation) };
  position.epochs.push({ epoch: epoch + 1, loss: position.lossSum / N, testAccuracy, ...held });
  position.lossSum = 0;
  hooks.save(save(run));
  hooks.progress((epoch + 1) * N, epochs * N, note);
}

function accuracy(run: Run, split: Split): number {
  const { tf } = run;
  const N = split.labels.length;
  const order = inOrder(N);
  let correct = 0;
  for (let from = 0; from < N; from += EVALUATION_BATCH) {
    const n = Math.min(EVALUATION_BATCH, N - from);
    const said = tf.tidy(() => {
      const activations = forward(run, maskedWeights(run), batchOf(run, split, order, from, n));
      return tf.argMax(activations[run.layers.length]!, 1).dataSync();
    });
    for (let b = 0; b < n; b++) if (said[b] === split.labels[from + b]) correct++;
  }
  return correct / N;
}

function checkWeights(run: Run): void {
  for (const { values } of parametersOf(run)) {
    if (!values.dataSync().every(Number.isFinite)) {
      throw diverged(run, 'a weight became infinite or NaN');
    }
  }
}

const diverged = ({ job, position }: Run, what: string): Error =>
  new Error(
    `training diverged: ${what} in epoch ${position.epochs.length + 1}, ` +
      `step ${position.step + 1}, at learning rate ${job.options.learningRate}`,
  );

// ---- what is kept ----

const FORMAT = 'tensorflow-state/1';

/** All variables by the names they have in a checkpoint, each with the places that are kept. */
function* named({ layers }: Run): Generator<[name: string, variable: Variable, Int32Array]> {
  for (const [l, { weights, bias }] of layers.entries()) {
    for (const [name, { values, moments, places }] of [
      [`layers.${l}.values`, weights],
      [`layers.${l}.bias`, bias],
    ] as const) {
      yield [name, values, places];
      for (const [m, moment] of moments.entries()) yield [`${name}.moments.${m}`, moment, places];
    }
  }
}

function take(variable: Variable, places: Int32Array): Tensor {
  const dense = variable.dataSync();
  return { shape: [places.length], data: Float32Array.from(places, (at) => dense[at]!) };
}

function save(run: Run): TensorFile {
  const tensors: Record<string, Tensor> = {};
  for (const [name, variable, places] of named(run)) tensors[name] = take(variable, places);
  const metadata = { format: FORMAT, position: JSON.stringify(run.position) };
  return { tensors, metadata };
}

function restore(run: Run, { tensors, metadata }: TensorFile): void {
  const { format } = metadata;
  if (format !== FORMAT) throw new RangeError(`cannot resume: the state's format is ${format}`);
  for (const [name, variable, places] of named(run)) {
    const data = Object.hasOwn(tensors, name) ? tensors[name]!.data : undefined;
    if (data?.length !== places.length) throw new RangeError(`cannot resume: it lacks ${name}`);
    const dense = new Float32Array(variable.size);
    places.forEach((at, k) => {
      dense[at] = data[k]!;
    });
    assign(run.tf, variable, dense);
  }
  Object.assign(run.position, JSON.parse(metadata.position!));
}

function result(run: Run): TensorflowResult {
  const { job, layers, position } = run;
  const { mask } = job;
  const { epochs, step } = position;
  const tensors: Record<string, Tensor> = { ...maskToTensors(mask).tensors };
  layers.forEach(({ weights, bias }, l) => {
    tensors[`layers.${l}.values`] = take(weights.values, weights.places);
    tensors[`layers.${l}.bias`] = take(bias.values, bias.places);
  });
  return {
    metrics: {
      method: 'static',
      ...finalAccuracy(epochs, scheduledRun(job)),
      loss: epochs[epochs.length - 1]!.loss,
      epochs,
      steps: step,
      connections: mask.map(({ columns }) => columns.length),
      withoutFanIn: withoutFanIn(mask),
      withoutFanOut: withoutFanOut(mask),
      rewirings: [],
    },
    mask,
    model: { tensors, metadata: { format: 'model/1' } },
    gradients: { windows: [] },
  };
}
