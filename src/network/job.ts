// job.ts — what a training run is asked to do, and whether it can be done
import type { Dataset, Split } from '../data/dataset.ts';
import { type Mask, maskFromTensors, maskToTensors } from '../sparse/mask.ts';

/** How the network is trained. */
export interface TrainingOptions {
  /** Passes over the training samples, at least 1. */
  readonly epochs: number;
  /** Samples per batch, at least 1. The last batch of an epoch may be smaller. */
  readonly batch: number;
  /** Adam with betas 0.9 and 0.999 and epsilon 1e-8, or SGD with momentum. */
  readonly optimizer: 'adam' | 'sgd';
  /** Constant over the run. */
  readonly learningRate: number;
  /** SGD only, in [0, 1): 0.9 unless told. */
  readonly momentum?: number | undefined;
  /** L2: this times the weight is added to its gradient. Biases do not decay. 0 unless told. */
  readonly weightDecay?: number | undefined;
}

/** When and how much RigL changes the topology. */
export interface RewiringOptions {
  /**
   * Fraction of a layer's connections replaced at first, in [0, 1]; it falls to 0 along a cosine.
   * 0.3 in RigL.
   */
  readonly fraction: number;
  /** Batches between two updates, at least 1; the first comes after so many. 100 in RigL. */
  readonly every: number;
  /** Fraction of all batches from which the topology stays, in [0, 1]. 0.75 in RigL. */
  readonly stop: number;
}

/** One training run: the same job gives the same bits, on every machine. */
export interface TrainingJob {
  readonly dataset: Dataset;
  readonly mask: Mask;
  readonly options: TrainingOptions;
  readonly seed: number;
  /** RigL; without it the mask is frozen. */
  readonly rewiring?: RewiringOptions | undefined;
}

/** @throws RangeError that says what is wrong: a job that passes cannot lead a kernel astray. */
export function checkJob({ dataset, mask, options, rewiring }: TrainingJob): void {
  checkOptions(options);
  if (rewiring !== undefined) checkRewiring(rewiring);
  checkSplit('training', dataset.train, dataset);
  checkSplit('test', dataset.test, dataset);
  if (!(dataset.std > 0)) fail(`the data set's standard deviation is ${dataset.std}, not above 0`);
  if (!Number.isFinite(dataset.mean)) fail(`the data set's mean is ${dataset.mean}`);
  checkMask(mask, dataset);
}

function fail(what: string): never {
  throw new RangeError(`cannot train: ${what}`);
}

const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 1;

function checkOptions(options: TrainingOptions): void {
  const { epochs, batch, learningRate, momentum = 0, weightDecay = 0 } = options;
  if (!isCount(epochs)) fail(`epochs is ${epochs}, not a whole number from 1`);
  if (!isCount(batch)) fail(`batch is ${batch}, not a whole number from 1`);
  if (!(learningRate > 0 && learningRate < Infinity)) {
    fail(`learningRate is ${learningRate}, not a number above 0`);
  }
  if (!(momentum >= 0 && momentum < 1)) fail(`momentum is ${momentum}, not in [0, 1)`);
  if (!(weightDecay >= 0 && weightDecay < Infinity)) {
    fail(`weightDecay is ${weightDecay}, not a number from 0`);
  }
}

function checkRewiring({ fraction, every, stop }: RewiringOptions): void {
  if (!(fraction >= 0 && fraction <= 1)) fail(`rewiring.fraction is ${fraction}, not in [0, 1]`);
  if (!isCount(every)) fail(`rewiring.every is ${every}, not a whole number from 1`);
  if (!(stop >= 0 && stop <= 1)) fail(`rewiring.stop is ${stop}, not in [0, 1]`);
}

function checkSplit(name: string, { samples, labels }: Split, { shape }: Dataset): void {
  const { features, classes } = shape;
  if (labels.length === 0) fail(`the data set has no ${name} samples`);
  if (samples.length !== labels.length * features) {
    fail(`${labels.length} ${name} labels of ${features} features, but ${samples.length} bytes`);
  }
  const wrong = labels.findIndex((label) => label >= classes);
  if (wrong >= 0) {
    fail(`the label of ${name} sample ${wrong} is ${labels[wrong]}, but classes is ${classes}`);
  }
}

function checkMask(mask: Mask, { shape: { features, classes } }: Dataset): void {
  if (mask.length === 0) fail('the mask has no layers');
  // Kernels follow a mask without looking, so it is read as carefully as one from a file.
  maskFromTensors(maskToTensors(mask));
  const first = mask[0].inputs;
  const last = mask[mask.length - 1].outputs;
  if (first !== features)
    fail(`the mask takes ${first} inputs, but samples have ${features} features`);
  if (last !== classes)
    fail(`the mask gives ${last} outputs, but the data set has ${classes} classes`);
}
