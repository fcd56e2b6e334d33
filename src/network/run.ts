// run.ts — a training run: how it starts, what of it a checkpoint keeps, how it continues
import { type Mask, maskFromTensors, maskToTensors } from '../sparse/mask.ts';
import type { Tensor, TensorFile } from '../tensor.ts';
import { type Batch, createBatch } from './batch.ts';
import { initialWeights } from './init.ts';
import type { TrainingJob } from './job.ts';
import type { Layer, Parameter } from './layer.ts';
import { createMemory, type Floats } from './memory.ts';
import type { EpochRecord, RewiringRecord } from './metrics.ts';
import { createNetwork, type Network, paddedBatch } from './network.ts';
import { createOptimizer, momentsOf, type Optimizer } from './optimizer.ts';
import { gradientRoom } from './rewire.ts';

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
  readonly position: Position;
  /** The most samples at a time. */
  readonly capacity: number;
  /** For RigL, where dense gradients go. */
  readonly room: Floats | undefined;
}

/** Evaluation takes at least so many samples at a time, however small the batches of training. */
const EVALUATION_BATCH = 128;

/** A run at its beginning. */
export function startRun(job: TrainingJob): Run {
  const run = createRun(job, job.mask, { step: 0, lossSum: 0, epochs: [], rewirings: [] });
  run.network.layers.forEach(({ mask, weights }, l) => {
    weights.values.view().set(initialWeights(mask, job.seed, l));
  });
  return run;
}

function createRun(
  job: TrainingJob,
  mask: Mask,
  position: Position,
  optimizerState?: readonly number[],
): Run {
  const { batch, optimizer, learningRate, momentum = 0.9, weightDecay = 0 } = job.options;
  const capacity = paddedBatch(Math.max(batch, EVALUATION_BATCH));
  const memory = createMemory();
  const network = createNetwork(memory, mask, capacity, momentsOf(optimizer));
  const options = { optimizer, learningRate, momentum, weightDecay };
  return {
    job,
    network,
    batch: createBatch(memory, job.dataset, network.input, capacity),
    optimizer: createOptimizer(memory.kernels, options, optimizerState),
    position,
    capacity,
    room: job.rewiring === undefined ? undefined : gradientRoom(network),
  };
}

const FORMAT = 'training-state/1';

/** The whole state of a run, as tensors; nothing in it changes when the run goes on. */
export function saveRun(run: Run): TensorFile {
  const tensors: Record<string, Tensor> = {
    ...maskToTensors(run.network.layers.map(({ mask }) => mask)).tensors,
  };
  for (const [name, array] of learned(run.network.layers)) {
    tensors[name] = { shape: [array.length], data: array.view().slice() };
  }
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
  const optimizerState: number[] = JSON.parse(metadata.optimizer);
  const run = createRun(job, mask, JSON.parse(metadata.position), optimizerState);
  for (const [name, array] of learned(run.network.layers)) {
    const data = Object.hasOwn(tensors, name) ? tensors[name].data : undefined;
    if (!(data instanceof Float32Array) || data.length !== array.length) {
      return wrong(`it lacks ${name} [${array.length}]`);
    }
    array.view().set(data);
  }
  return run;
}

/** What must be equal for a state to fit a job, short of hashing the data: a key has done that. */
function fingerprint({ seed, options, rewiring, dataset, mask }: TrainingJob): string {
  const layers = mask.map(({ inputs, outputs, columns }) => [inputs, outputs, columns.length]);
  return JSON.stringify({ seed, options, rewiring, samples: dataset.train.labels.length, layers });
}

/** All arrays that training changes, by the names they have in a checkpoint. */
function learned(layers: readonly Layer[]): [name: string, array: Floats][] {
  const arrays = (name: string, { values, moments }: Parameter): [string, Floats][] => [
    [name, values],
    ...moments.map((moment, m): [string, Floats] => [`${name}.moments.${m}`, moment]),
  ];
  return layers.flatMap(({ weights, bias }, l) => [
    ...arrays(`layers.${l}.values`, weights),
    ...arrays(`layers.${l}.bias`, bias),
  ]);
}
