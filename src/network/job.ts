// job.ts — what a training run is asked to do, and whether it can be done
import type { Dataset, Split } from '../data/dataset.ts';
import { type Mask, maskFromTensors, maskToTensors } from '../sparse/mask.ts';
import type { GradientWindows } from './gradients.ts';
import type { Rewind } from './init.ts';
import type { Schedule, ScheduledRun } from './schedule.ts';

/**
 * Training that cannot begin, or not go on, for a reason that a person can mend. The engine, which
 * this room does not know, shows errors of this name without a stack.
 */
export class TrainingError extends Error {
  override readonly name = 'StageError';
}

/** How the network is trained. */
export interface TrainingOptions {
  /** Passes over the training samples, at least 1. */
  readonly epochs: number;
  /** Samples per batch, at least 1. The last batch of an epoch may be smaller. */
  readonly batch: number;
  /**
   * Adam with betas 0.9 and 0.999 and epsilon 1e-8, AdamW (the same with decoupled weight decay), or
   * SGD with momentum.
   */
  readonly optimizer: 'adam' | 'adamw' | 'sgd';
  /** The full value, above 0; `schedule` moves it. */
  readonly learningRate: number;
  /** SGD only, in [0, 1): 0.9 unless told. */
  readonly momentum?: number | undefined;
  /** SGD only: Nesterov's momentum. False unless told. */
  readonly nesterov?: boolean | undefined;
  /**
   * 0 unless told. Adam and SGD add this times the weight to its gradient (L2); AdamW takes this
   * times the learning rate off the weight. Biases do not decay.
   */
  readonly weightDecay?: number | undefined;
  /** Constant unless told. */
  readonly schedule?: Schedule | undefined;
  /**
   * Gradients whose global L2 norm, over all weights and biases, is greater are scaled down to it.
   * Above 0; none unless told.
   */
  readonly clipNorm?: number | undefined;
  /** The share of a label that all classes divide evenly, in [0, 1): 0 unless told. */
  readonly labelSmoothing?: number | undefined;
}

/** When, how much and by which rule the topology changes. */
export interface RewiringOptions {
  /**
   * What grows: connections of great gradient (RigL, the default), or random ones (SET, in the
   * variant of RigL's TF1 code). Both drop the least weights.
   */
  readonly rule?: 'rigl' | 'set' | undefined;
  /**
   * Fraction of a layer's connections replaced at first, in [0, 1]; it falls to 0 along a cosine.
   * 0.3 in RigL.
   */
  readonly fraction: number;
  /** Batches between two updates, at least 1; the first comes after so many. 100 in RigL. */
  readonly every: number;
  /** Fraction of all batches from which the topology stays, in [0, 1]. 0.75 in RigL. */
  readonly stop: number;
  /**
   * RigL only: batches, up to and with that of the update, whose gradients are averaged; fewer than
   * `every`. 1 unless told.
   */
  readonly accumulate?: number | undefined;
}

/** One training run: the same job gives the same bits, on every machine. */
export interface TrainingJob {
  readonly dataset: Dataset;
  readonly mask: Mask;
  readonly options: TrainingOptions;
  readonly seed: number;
  /** Weights of another run that are taken over where both have the connection; none unless told. */
  readonly rewind?: Rewind | undefined;
  /** RigL or SET; without it the mask is frozen. */
  readonly rewiring?: RewiringOptions | undefined;
  /** When gradients are measured; never unless told. It changes nothing else. */
  readonly gradients?: GradientWindows | undefined;
}

/** Batches in an epoch. */
export const stepsPerEpoch = ({ dataset, options }: TrainingJob): number =>
  Math.ceil(dataset.train.labels.length / options.batch);

/** A job, as its schedule sees it. */
export function scheduledRun(job: TrainingJob): ScheduledRun {
  const { learningRate, schedule = { kind: 'constant' }, epochs } = job.options;
  return { learningRate, schedule, epochs, stepsPerEpoch: stepsPerEpoch(job) };
}

/** @throws TrainingError that says what is wrong: a job that passes cannot lead a kernel astray. */
export function checkJob({ dataset, mask, options, ...job }: TrainingJob): void {
  const { rewind, rewiring, gradients } = job;
  const [wrong] = optionFaults(options);
  if (wrong !== undefined) fail(wrong.message);
  if (rewiring !== undefined) checkRewiring(rewiring);
  if (gradients !== undefined) checkWindows(gradients);
  checkSplit('training', dataset.train, dataset);
  checkSplit('test', dataset.test, dataset);
  if (dataset.validation !== undefined) checkSplit('validation', dataset.validation, dataset);
  if (dataset.std === 0) fail('all training samples are one constant: their deviation is 0');
  if (!(dataset.std > 0 && dataset.std < Infinity)) {
    fail(`the data set's standard deviation is ${dataset.std}, not above 0`);
  }
  if (!Number.isFinite(dataset.mean)) fail(`the data set's mean is ${dataset.mean}`);
  checkMask(mask, dataset);
  if (rewind !== undefined) checkRewind(rewind.mask, mask);
}

function fail(what: string): never {
  throw new TrainingError(`cannot train: ${what}`);
}

const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 1;

/** An option that makes no sense, alone or beside others. */
export interface OptionFault {
  /** The way to it, such as ['schedule', 'warmup']. */
  readonly path: readonly string[];
  readonly message: string;
}

/** Everything that is wrong with some options. */
export function optionFaults(options: TrainingOptions): readonly OptionFault[] {
  const { epochs, batch, learningRate, momentum = 0.9, nesterov = false } = options;
  const { optimizer, weightDecay = 0, clipNorm = 1, labelSmoothing = 0 } = options;
  const faults: OptionFault[] = [];
  const demand = (right: boolean, name: string, message: string): void => {
    if (!right) faults.push({ path: [name], message: `${name} ${message}` });
  };
  demand(isCount(epochs), 'epochs', `is ${epochs}, not a whole number from 1`);
  demand(isCount(batch), 'batch', `is ${batch}, not a whole number from 1`);
  const isRate = learningRate > 0 && learningRate < Infinity;
  demand(isRate, 'learningRate', `is ${learningRate}, not a number above 0`);
  demand(momentum >= 0 && momentum < 1, 'momentum', `is ${momentum}, not in [0, 1)`);
  demand(!nesterov || optimizer === 'sgd', 'nesterov', `needs optimizer sgd, not ${optimizer}`);
  demand(!nesterov || momentum > 0, 'nesterov', 'needs a momentum above 0');
  const isDecay = weightDecay >= 0 && weightDecay < Infinity;
  demand(isDecay, 'weightDecay', `is ${weightDecay}, not a number from 0`);
  demand(clipNorm > 0 && clipNorm < Infinity, 'clipNorm', `is ${clipNorm}, not a number above 0`);
  const isShare = labelSmoothing >= 0 && labelSmoothing < 1;
  demand(isShare, 'labelSmoothing', `is ${labelSmoothing}, not in [0, 1)`);
  return [...faults, ...scheduleFaults(options)];
}

function scheduleFaults({ schedule, epochs }: TrainingOptions): readonly OptionFault[] {
  if (schedule === undefined) return [];
  const faults: OptionFault[] = [];
  const demand = (right: boolean, name: string, message: string): void => {
    const path = ['schedule', name];
    if (!right) faults.push({ path, message: `${path.join('.')} ${message}` });
  };
  const { warmup = 0 } = schedule;
  const isWarmup = warmup >= 0 && warmup <= epochs;
  demand(isWarmup, 'warmup', `is ${warmup}, not a number of epochs in [0, ${epochs}]`);
  if (schedule.kind === 'step') {
    const { milestones, gamma = 0.1 } = schedule;
    const ascends = milestones.every((m, i) => m > (milestones[i - 1] ?? 0) && m < Infinity);
    demand(ascends, 'milestones', `are ${milestones.join(', ')}, not ascending from above 0`);
    demand(gamma > 0 && gamma <= 1, 'gamma', `is ${gamma}, not in (0, 1]`);
  } else if (schedule.kind === 'cosine') {
    const { final = 0 } = schedule;
    demand(final >= 0 && final <= 1, 'final', `is ${final}, not in [0, 1]`);
  }
  return faults;
}

function checkRewiring(options: RewiringOptions): void {
  const { fraction, every, stop, rule } = options;
  if (!(fraction >= 0 && fraction <= 1)) fail(`rewiring.fraction is ${fraction}, not in [0, 1]`);
  if (!isCount(every)) fail(`rewiring.every is ${every}, not a whole number from 1`);
  if (!(stop >= 0 && stop <= 1)) fail(`rewiring.stop is ${stop}, not in [0, 1]`);
  const [wrong] = accumulateFaults(options);
  if (wrong !== undefined) fail(`rewiring.${wrong.message}`);
  if (rule === 'set' && options.accumulate !== undefined) {
    fail('rewiring.accumulate is set, but SET does not look at gradients');
  }
}

/** What is wrong with `accumulate` beside the other options. */
export function accumulateFaults({
  accumulate: n = 1,
  every,
}: Pick<RewiringOptions, 'accumulate' | 'every'>): readonly OptionFault[] {
  if (isCount(n) && (n === 1 || n < every)) return [];
  const what = isCount(n) ? `fewer than every (${every})` : 'a whole number from 1';
  return [{ path: ['accumulate'], message: `accumulate is ${n}, not ${what}` }];
}

function checkRewind(initial: Mask, mask: Mask): void {
  const widths = (layers: Mask): string =>
    [layers[0]!.inputs, ...layers.map((l) => l.outputs)].join('-');
  if (widths(initial) !== widths(mask)) {
    fail(`the mask has widths ${widths(mask)}, but the weights to begin with ${widths(initial)}`);
  }
}

function checkWindows(windows: GradientWindows): void {
  for (const [name, n] of Object.entries(windows)) {
    if (!(n === 0 || isCount(n))) fail(`gradients.${name} is ${n}, not a whole number from 0`);
  }
}

function checkSplit(
  name: string,
  { samples, labels, numeric }: Split,
  { shape, numeric: columns }: Dataset,
): void {
  const { features, classes } = shape;
  if (labels.length === 0) fail(`the data set has no ${name} samples`);
  if (samples.length !== labels.length * features) {
    fail(`${labels.length} ${name} labels of ${features} features, but ${samples.length} bytes`);
  }
  const J = columns?.columns.length ?? 0;
  if ((numeric?.length ?? 0) !== labels.length * J) {
    fail(
      `${labels.length} ${name} labels of ${J} numeric columns, but ${numeric?.length ?? 0} numbers`,
    );
  }
  const wrong = labels.findIndex((label) => label >= classes);
  if (wrong >= 0) {
    fail(`the label of ${name} sample ${wrong} is ${labels[wrong]}, but classes is ${classes}`);
  }
}

function checkMask(mask: Mask, { shape: { features, classes } }: Dataset): void {
  if (mask.length === 0) fail('the mask has no layers');
  // Kernels follow a mask without looking, so it is read as carefully as one from a file.
  try {
    maskFromTensors(maskToTensors(mask));
  } catch (error) {
    if (error instanceof RangeError) fail(error.message);
    throw error;
  }
  const first = mask[0]!.inputs;
  const last = mask[mask.length - 1]!.outputs;
  if (first !== features)
    fail(`the mask takes ${first} inputs, but samples have ${features} features`);
  if (last !== classes)
    fail(`the mask gives ${last} outputs, but the data set has ${classes} classes`);
  const empty = mask.findIndex(({ columns }) => columns.length === 0);
  if (empty >= 0) {
    fail(`layer ${empty} has no connections, so nothing reaches the output; lower the sparsity`);
  }
}
