// run.ts — a training run: how it starts, what of it a checkpoint keeps, how it continues
import { fanInOf } from '../sparse/fan-in.ts';
import { type Mask, maskFromTensors, maskToTensors } from '../sparse/mask.ts';
import type { Tensor, TensorFile } from '../tensor.ts';
import { type Batch, createBatch } from './batch.ts';
import { createMemory } from './compile.ts';
import { createGradientMeter, type GradientMeter } from './gradients.ts';
import { startingWeights } from './init.ts';
import { scheduledRun, stepsPerEpoch, type TrainingJob } from './job.ts';
import type { Parameter } from './layer.ts';
import type { Floats } from './memory.ts';
import type { EpochRecord, RewiringRecord } from './metrics.ts';
import { createNetwork, type Network, paddedBatch } from './network.ts';
import { createOptimizer, momentsOf, type Optimizer } from './optimizer.ts';
import { type GradientRoom, gradientRoom, gradientSums } from './rewire.ts';
import type { ScheduledRun } from './schedule.ts';

/** Where a run stands. With the network's tensors this is its whole state; it is kept as JSON. */
export interface Position {
  /** Batches seen. */
  step: number;
  /** Loss summed over the samples of the epoch so far, in nats. */
  lossSum: number;
  readonly epochs: EpochRecord[];
  readonly rewirings: RewiringRecord[];
}

/** A run in progress. Shuffling needs no state: each epoch has a stream of its own. */
export interface Run {
  readonly job: TrainingJob;
  readonly network: Network;
  readonly batch: Batch;
  readonly optimizer: Optimizer;
  readonly meter: GradientMeter;
  /** For each layer, the fan-in [O] of its neurons at the beginning and after each rewiring. */
  readonly fanIns: readonly Int32Array[][];
  readonly position: Position;
  readonly scheduled: ScheduledRun;
  /** The most samples at a time. */
  readonly capacity: number;
  /** For RigL, where dense gradients go. */
  readonly room: GradientRoom | undefined;
  /** For RigL over several batches, their gradients so far. */
  readonly sums: readonly Floats[] | undefined;
}

/** Evaluation takes at least so many samples at a time, however small the batches of training. */
const EVALUATION_BATCH = 128;

/** A run at its beginning. */
export function startRun(job: TrainingJob): Run {
  const run = createRun(job, job.mask, { step: 0, lossSum: 0, epochs: [], rewirings: [] });
  run.network.layers.forEach(({ mask, weights }, l) => {
    run.fanIns[l]!.push(fanInOf(mask));
    weights.values.view().set(startingWeights(job, l));
  });
  return run;
}

function createRun(
  job: TrainingJob,
  mask: Mask,
  position: Position,
  optimizerState?: readonly number[],
): Run {
  const { epochs, batch, optimizer, momentum = 0.9, nesterov = false } = job.options;
  const { weightDecay = 0, clipNorm = Infinity } = job.options;
  const capacity = paddedBatch(Math.max(batch, EVALUATION_BATCH));
  const memory = createMemory();
  const network = createNetwork(memory, mask, capacity, momentsOf(optimizer));
  const options = { optimizer, momentum, nesterov, weightDecay, clipNorm };
  const windows = job.gradients ?? { firstBatches: 0, lastEpochs: 0 };
  return {
    job,
    network,
    batch: createBatch(memory, job.dataset, network.input, capacity),
    optimizer: createOptimizer(memory.kernels, options, optimizerState),
    meter: createGradientMeter(network, windows, { epochs, stepsPerEpoch: stepsPerEpoch(job) }),
    fanIns: mask.map(() => []),
    position,
    scheduled: scheduledRun(job),
    capacity,
    room: growsByGradient(job) ? gradientRoom(network) : undefined,
    sums: (job.rewiring?.accumulate ?? 1) > 1 ? gradientSums(network) : undefined,
  };
}

const growsByGradient = ({ rewiring }: TrainingJob): boolean =>
  rewiring !== undefined && rewiring.rule !== 'set';

const FORMAT = 'training-state/1';

/** The whole state of a run, as tensors; nothing in it changes when the run goes on. */
export function saveRun(run: Run): TensorFile {
  const tensors: Record<string, Tensor> = {
    ...maskToTensors(run.network.layers.map(({ mask }) => mask)).tensors,
  };
  for (const [name, view] of arraysOf(run)) {
    tensors[name] = { shape: [view.length], data: view.slice() };
  }
  Object.assign(tensors, fanInTensors(run));
  const metadata = {
    format: FORMAT,
    job: fingerprint(run.job),
    position: JSON.stringify(run.position),
    optimizer: JSON.stringify(run.optimizer.state()),
  };
  return { tensors, metadata };
}

/**
 * The run that goes on where `saveRun` was called, to the same bits as if it had never stopped.
 * @throws RangeError when the state is not one of this job.
 */
export function resumeRun(job: TrainingJob, { tensors, metadata }: TensorFile): Run {
  const wrong = (what: string): never => {
    throw new RangeError(`cannot resume: ${what}`);
  };
  if (metadata.format !== FORMAT) wrong(`the state's format is ${metadata.format}, not ${FORMAT}`);
  if (metadata.job !== fingerprint(job)) wrong('the state belongs to another job');
  const mask = maskFromTensors({ tensors, metadata });
  const optimizerState: number[] = JSON.parse(metadata.optimizer!);
  const run = createRun(job, mask, JSON.parse(metadata.position!), optimizerState);
  const read = (name: string, length: number) => {
    const data = Object.hasOwn(tensors, name) ? tensors[name]!.data : undefined;
    return data?.length === length ? data : wrong(`it lacks ${name} [${length}]`);
  };
  for (const [name, view] of arraysOf(run)) view.set(read(name, view.length));
  run.fanIns.forEach((fanIns, l) => {
    const { outputs } = run.network.layers[l]!;
    const rows = 1 + run.position.rewirings.length;
    const history = Int32Array.from(read(fanInName(l), rows * outputs));
    for (let row = 0; row < rows; row++) {
      fanIns.push(history.slice(row * outputs, (row + 1) * outputs));
    }
  });
  return run;
}

const fanInName = (l: number): string => `layers.${l}.fan_in`;

/** For each layer l, `layers.l.fan_in` [U + 1, O]: at the beginning and after each of U rewirings. */
export function fanInTensors({ fanIns, network }: Run): Record<string, Tensor> {
  return Object.fromEntries(
    fanIns.map((history, l) => {
      const { outputs } = network.layers[l]!;
      const data = new Int32Array(history.length * outputs);
      for (const [row, fanIn] of history.entries()) data.set(fanIn, row * outputs);
      return [fanInName(l), { shape: [history.length, outputs], data }];
    }),
  );
}

/** What must be equal for a state to fit a job, short of hashing the data: a key has done that. */
function fingerprint(job: TrainingJob): string {
  const { seed, options, rewiring, gradients, dataset, mask } = job;
  const samples = dataset.train.labels.length;
  const layers = mask.map(({ inputs, outputs, columns }) => [inputs, outputs, columns.length]);
  return JSON.stringify({ seed, options, rewiring, gradients, samples, layers });
}

/** All arrays that training changes, by the names they have in a checkpoint. */
function arraysOf({
  network,
  meter,
  sums = [],
}: Run): readonly [name: string, Float32Array | Float64Array][] {
  const views = (name: string, { values, moments }: Parameter): [string, Float32Array][] => [
    [name, values.view()],
    ...moments.map((moment, m): [string, Float32Array] => [`${name}.moments.${m}`, moment.view()]),
  ];
  return [
    ...network.layers.flatMap(({ weights, bias }, l) => [
      ...views(`layers.${l}.values`, weights),
      ...views(`layers.${l}.bias`, bias),
    ]),
    ...sums.map((sum, l): [string, Float32Array] => [`layers.${l}.gradient_sum`, sum.view()]),
    ...meter.state(),
  ];
}
