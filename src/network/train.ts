// train.ts — the training loop

import { fanInOf, withoutFanIn, withoutFanOut } from '../sparse/fan-in.ts';
import { type Mask, maskToTensors } from '../sparse/mask.ts';
import { dropFraction } from '../sparse/rewiring.ts';
import type { Tensor, TensorFile } from '../tensor.ts';
import { shuffled } from './batch.ts';
import { accuracy } from './evaluate.ts';
import { finalAccuracy } from './final-accuracy.ts';
import { checkJob, stepsPerEpoch, TrainingError, type TrainingJob } from './job.ts';
import type { GradientStatistics, TrainingMetrics } from './metrics.ts';
import { backward, forward, type Network, paddedBatch, parameterGradients } from './network.ts';
import {
  addGradients,
  gradientScores,
  rewire,
  type Scores,
  setScores,
  summedScores,
} from './rewire.ts';
import { fanInTensors, type Run, resumeRun, saveRun, startRun } from './run.ts';
import { learningRateAt } from './schedule.ts';

export type { GradientWindows } from './gradients.ts';
export type { RewiringOptions, TrainingJob, TrainingOptions } from './job.ts';

/** What a run asks and tells while it trains. */
export interface TrainingHooks {
  /** A state that `save` was given: the run goes on from there. */
  readonly resume?: TensorFile | undefined;
  /** Whether a checkpoint is wanted now. Asked after each batch, so it must be cheap. */
  due(): boolean;
  /** Takes the whole state: after each epoch, and when `due` says so. */
  save(state: TensorFile): void;
  /** Samples seen, of how many. */
  progress(done: number, of: number, note: string): void;
}

/** What a run leaves. */
export interface TrainingResult {
  readonly metrics: TrainingMetrics;
  /** The final mask: not the one it began with if it was rewired. */
  readonly mask: Mask;
  /**
   * For each layer l, under torch's names: `layers.l.crow_indices`, `col_indices` and `size` (a
   * sparse CSR tensor), `layers.l.values` [K] and `layers.l.bias` [O].
   */
  readonly model: TensorFile;
  /**
   * The fan-in of each neuron over time: `steps` [U + 1], 0 and the batches seen before each of U
   * rewirings, and for each layer l `layers.l.fan_in` [U + 1, O].
   */
  readonly topology: TensorFile;
  /** Of the windows that the job asks for. */
  readonly gradients: GradientStatistics;
}

/**
 * Trains a sparse network. The same job gives the same bits on every machine, resumed or not.
 * @throws TrainingError when the job is wrong or training diverges; RangeError when the state to
 * resume from is wrong.
 */
export function train(job: TrainingJob, hooks: TrainingHooks): TrainingResult {
  checkJob(job);
  const run = hooks.resume === undefined ? startRun(job) : resumeRun(job, hooks.resume);
  while (run.position.epochs.length < job.options.epochs) trainEpoch(run, hooks);
  return result(run);
}

/** Batches between two reports of progress. */
const REPORT_EVERY = 16;

/** Trains to the end of the epoch, from its beginning or from where a resumed run stands. */
function trainEpoch(run: Run, hooks: TrainingHooks): void {
  const { job, position } = run;
  const { epochs, batch } = job.options;
  const N = job.dataset.train.labels.length;
  const epoch = position.epochs.length;
  const order = shuffled(N, job.seed, epoch);
  const note = `epoch ${epoch + 1} of ${epochs}`;
  const first = (position.step - epoch * stepsPerEpoch(job)) * batch;
  for (let from = first; from < N; from += batch) {
    if (from > first && hooks.due()) hooks.save(saveRun(run));
    if (position.step % REPORT_EVERY === 0) hooks.progress(epoch * N + from, epochs * N, note);
    trainBatch(run, order, from);
  }
  checkWeights(run);
  const testAccuracy = accuracy(run.network, run.batch, job.dataset.test, run.capacity);
  const { validation } = job.dataset;
  const held = validation && {
    validationAccuracy: accuracy(run.network, run.batch, validation, run.capacity),
  };
  position.epochs.push({ epoch: epoch + 1, loss: position.lossSum / N, testAccuracy, ...held });
  position.lossSum = 0;
  hooks.save(saveRun(run));
  hooks.progress((epoch + 1) * N, epochs * N, note);
}

/** One batch, order[from ..]. Now and then a change of topology follows, or stands in its place. */
function trainBatch(run: Run, order: Uint32Array, from: number): void {
  const { job, network, batch, optimizer, meter, position } = run;
  const n = Math.min(job.options.batch, order.length - from);
  const B = paddedBatch(n);
  batch.load(job.dataset.train, order, from, n, B);
  forward(network, B);
  const loss = lossGradient(run, n, B);
  if (!Number.isFinite(loss)) throw diverged(run, `the loss became ${loss}`, position.step, B);
  position.lossSum += loss;
  backward(network, B);
  const fraction = fractionToReplace(run);
  if (run.room !== undefined && run.sums !== undefined && updateComes(run)) {
    addGradients(network, B, run.room, run.sums);
  }
  // As in the TF1 code, RigL's update takes the place of the optimiser's step, and SET's follows it.
  if (fraction === undefined || run.room === undefined) {
    parameterGradients(network, B);
    meter.measure(position.step);
    optimizer.step(network.layers, learningRateAt(position.step, run.scheduled));
  }
  if (fraction !== undefined) changeTopology(run, fraction, B);
  position.step++;
}

/** The loss of the batch, summed over its n samples; leaves its gradient at the logits. */
function lossGradient({ job, network, batch }: Run, n: number, B: number): number {
  const { memory, output } = network;
  const { activations, gradient, outputs } = output;
  const { labelSmoothing = 0 } = job.options;
  const Z = activations.at;
  const labels = batch.labels.at;
  const dZ = gradient.at;
  const loss = memory.kernels.softmaxCrossEntropy(Z, labels, dZ, outputs, n, B);
  if (labelSmoothing === 0) return loss;
  return loss + memory.kernels.smoothLabels(Z, labels, dZ, outputs, n, labelSmoothing);
}

/**
 * The fraction of connections to replace on this batch; undefined when the topology stays. t counts
 * batches seen, so the first update comes after `every` of them.
 */
function fractionToReplace({ job, position: { step } }: Run): number | undefined {
  const { rewiring } = job;
  if (rewiring === undefined || step === 0 || step % rewiring.every !== 0) return undefined;
  const stop = updatesEnd(job);
  if (step >= stop) return undefined;
  return dropFraction(step, { fraction: rewiring.fraction, stop });
}

/** Whether this batch is among those whose gradients the next update averages. */
function updateComes({ job, position: { step } }: Run): boolean {
  const { rewiring } = job;
  if (rewiring === undefined) return false;
  const next = Math.ceil(step / rewiring.every) * rewiring.every;
  return next > 0 && next - step < (rewiring.accumulate ?? 1) && next < updatesEnd(job);
}

/** Batches after which the topology stays, not necessarily whole. */
const updatesEnd = (job: TrainingJob): number =>
  (job.rewiring?.stop ?? 0) * (job.options.epochs * stepsPerEpoch(job));

/** What says where connections grow, after `backward`. */
function scoresOf({ job, network, position, room, sums }: Run, B: number): Scores {
  if (room === undefined) return setScores(network, job.seed, position.step);
  return sums === undefined ? gradientScores(network, B, room) : summedScores(network, sums, room);
}

function changeTopology(run: Run, fraction: number, B: number) {
  const { job, network, position, fanIns, sums = [] } = run;
  const { step } = position;
  const scores = scoresOf(run, B);
  position.rewirings.push(rewire(network, { step, fraction, scores, initial: job.mask }));
  for (const sum of sums) sum.view().fill(0);
  network.layers.forEach(({ mask }, l) => {
    fanIns[l]!.push(fanInOf(mask));
  });
}

/**
 * The loss tells of broken weights one batch later; the last batch of an epoch has none after it.
 */
function checkWeights(run: Run): void {
  if (firstBroken(run.network, 0) === undefined) return;
  throw diverged(run, 'the weights broke', run.position.step - 1, 0);
}

/** The first layer whose parameters or activations, for a batch of padded size B, are not finite. */
function firstBroken({ layers }: Network, B: number): string | undefined {
  for (const [l, { weights, bias, activations, outputs }] of layers.entries()) {
    if (!weights.values.view().every(Number.isFinite)) return `the weights of layer ${l}`;
    if (!bias.values.view().every(Number.isFinite)) return `the biases of layer ${l}`;
    const batch = activations.view().subarray(0, outputs * B);
    if (!batch.every(Number.isFinite)) return `the activations of layer ${l}`;
  }
  return undefined;
}

/**
 * What went wrong on the batch that came after `step` others, of padded size B, where, and what to
 * try. Layers count from 0, as in the names of tensors.
 */
function diverged(run: Run, what: string, step: number, B: number): TrainingError {
  const { job, network, position } = run;
  const { learningRate, clipNorm, schedule } = job.options;
  const broken = firstBroken(network, B);
  const where = broken === undefined ? '' : `: ${broken} are the first that are not finite`;
  const remedies = [`a smaller learning rate, such as ${learningRate / 10}`];
  if (clipNorm === undefined) remedies.push('clipNorm: 1');
  if (schedule?.warmup === undefined || schedule.warmup === 0) remedies.push('a warm-up');
  return new TrainingError(
    `training diverged: ${what} in epoch ${position.epochs.length + 1}, ` +
      `step ${step + 1}, at learning rate ${learningRateAt(step, run.scheduled)}${where}; ` +
      `try ${remedies.join(', or ')}`,
  );
}

function result(run: Run): TrainingResult {
  const { job, network, position } = run;
  const { epochs, rewirings, step } = position;
  const mask = network.layers.map((layer) => layer.mask);
  const tensors: Record<string, Tensor> = { ...maskToTensors(mask).tensors };
  network.layers.forEach(({ weights, bias, connections, outputs }, l) => {
    tensors[`layers.${l}.values`] = { shape: [connections], data: weights.values.view().slice() };
    tensors[`layers.${l}.bias`] = { shape: [outputs], data: bias.values.view().slice() };
  });
  return {
    metrics: {
      method: job.rewiring === undefined ? 'static' : (job.rewiring.rule ?? 'rigl'),
      ...finalAccuracy(epochs, run.scheduled),
      loss: epochs[epochs.length - 1]!.loss,
      epochs,
      steps: step,
      connections: network.layers.map(({ connections }) => connections),
      withoutFanIn: withoutFanIn(mask),
      withoutFanOut: withoutFanOut(mask),
      rewirings,
    },
    mask,
    model: { tensors, metadata: { format: 'model/1' } },
    topology: {
      tensors: {
        steps: {
          shape: [rewirings.length + 1],
          data: Int32Array.of(0, ...rewirings.map((rewiring) => rewiring.step)),
        },
        ...fanInTensors(run),
      },
      metadata: { format: 'topology/1' },
    },
    gradients: run.meter.statistics(),
  };
}
