// train.ts — the training loop
import { type Mask, maskToTensors } from '../sparse/mask.ts';
import { dropFraction } from '../sparse/rigl.ts';
import type { Tensor, TensorFile } from '../tensor.ts';
import { shuffled } from './batch.ts';
import { accuracy } from './evaluate.ts';
import { checkJob, type TrainingJob } from './job.ts';
import type { TrainingMetrics } from './metrics.ts';
import { backward, forward, paddedBatch, parameterGradients } from './network.ts';
import { rewire } from './rewire.ts';
import { type Run, resumeRun, saveRun, startRun } from './run.ts';

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
  /** The final mask: with RigL not the one it began with. */
  readonly mask: Mask;
  /**
   * For each layer l, under torch's names: `layers.l.crow_indices`, `col_indices` and `size` (a
   * sparse CSR tensor), `layers.l.values` [K] and `layers.l.bias` [O].
   */
  readonly model: TensorFile;
}

/**
 * Trains a sparse network. The same job gives the same bits on every machine, resumed or not.
 * @throws RangeError when the job or the resumed state is wrong; Error when training diverges.
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
  const first = (position.step - epoch * Math.ceil(N / batch)) * batch;
  for (let from = first; from < N; from += batch) {
    if (from > first && hooks.due()) hooks.save(saveRun(run));
    if (position.step % REPORT_EVERY === 0) hooks.progress(epoch * N + from, epochs * N, note);
    trainBatch(run, order, from);
  }
  checkWeights(run);
  const testAccuracy = accuracy(run.network, run.batch, job.dataset.test, run.capacity);
  position.epochs.push({ epoch: epoch + 1, loss: position.lossSum / N, testAccuracy });
  position.lossSum = 0;
  hooks.save(saveRun(run));
  hooks.progress((epoch + 1) * N, epochs * N, note);
}

/** One batch, order[from ..]. Now and then RigL's update takes the place of the optimiser's step. */
function trainBatch(run: Run, order: Uint32Array, from: number): void {
  const { job, network, batch, optimizer, position } = run;
  const { memory, output, layers } = network;
  const n = Math.min(job.options.batch, order.length - from);
  const B = paddedBatch(n);
  batch.load(job.dataset.train, order, from, n, B);
  forward(network, B);
  const loss = memory.kernels.softmaxCrossEntropy(
    output.activations.at,
    batch.labels.at,
    output.gradient.at,
    output.outputs,
    n,
    B,
  );
  if (!Number.isFinite(loss)) throw diverged(run, `the loss became ${loss}`);
  position.lossSum += loss;
  backward(network, B);
  const update = topologyUpdate(run);
  if (update === undefined) {
    parameterGradients(network, B);
    optimizer.step(layers);
  } else {
    position.rewirings.push(rewire(network, { B, step: position.step, ...update }));
  }
  position.step++;
}

/** How RigL changes the topology on this batch; undefined when it does not. */
function topologyUpdate({ job, position: { step }, room }: Run) {
  const { rewiring, options, dataset } = job;
  if (rewiring === undefined || room === undefined) return undefined;
  if (step === 0 || step % rewiring.every !== 0) return undefined;
  const steps = options.epochs * Math.ceil(dataset.train.labels.length / options.batch);
  const stop = rewiring.stop * steps;
  if (step >= stop) return undefined;
  return { room, fraction: dropFraction(step, { fraction: rewiring.fraction, stop }) };
}

/**
 * The loss tells of broken weights one batch later; the last batch of an epoch has none after it.
 */
function checkWeights(run: Run): void {
  for (const { weights, bias } of run.network.layers) {
    for (const { values } of [weights, bias]) {
      if (!values.view().every(Number.isFinite))
        throw diverged(run, 'a weight became infinite or NaN');
    }
  }
}

function diverged({ job, position }: Run, what: string): Error {
  const { learningRate } = job.options;
  return new Error(
    `training diverged: ${what} in epoch ${position.epochs.length + 1}, ` +
      `step ${position.step + 1}, at learning rate ${learningRate}; ` +
      `try a smaller learning rate, such as ${learningRate / 10}`,
  );
}

function result({ job, network, position }: Run): TrainingResult {
  const { epochs, rewirings, step } = position;
  const last = epochs[epochs.length - 1];
  const mask = network.layers.map((layer) => layer.mask);
  const tensors: Record<string, Tensor> = { ...maskToTensors(mask).tensors };
  network.layers.forEach(({ weights, bias, connections, outputs }, l) => {
    tensors[`layers.${l}.values`] = { shape: [connections], data: weights.values.view().slice() };
    tensors[`layers.${l}.bias`] = { shape: [outputs], data: bias.values.view().slice() };
  });
  return {
    metrics: {
      method: job.rewiring === undefined ? 'static' : 'rigl',
      accuracy: last.testAccuracy,
      loss: last.loss,
      epochs,
      steps: step,
      connections: network.layers.map(({ connections }) => connections),
      rewirings,
    },
    mask,
    model: { tensors, metadata: { format: 'model/1' } },
  };
}
