// engine.ts — our side of the training bench: answers requests on stdin, one line of JSON each
import { mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Dataset } from '../src/data/dataset.ts';
import { synthDigits, synthDigitsDefaults } from '../src/data/synth-digits.ts';
import { createBatch, inOrder } from '../src/network/batch.ts';
import { accuracy } from '../src/network/evaluate.ts';
import { createMemory } from '../src/network/memory.ts';
import { createNetwork } from '../src/network/network.ts';
import { type TrainingJob, train } from '../src/network/train.ts';
import type { Mask } from '../src/sparse/mask.ts';
import { makeMask } from '../src/sparse/wiring.ts';
import { kernelSpeeds } from './kernels.ts';

const WIDTHS = [784, 512, 256, 10];
const BATCH = 128;

/** What is trained. Sparsity is that of the hidden layers: the output layer is dense. */
interface Arm {
  readonly sparsity: number;
  readonly rigl: boolean;
}

type Request =
  | { readonly ask: 'steps'; readonly arm: Arm; readonly steps: number }
  | { readonly ask: 'epochs'; readonly arm: Arm; readonly epochs: number }
  | { readonly ask: 'shares'; readonly arm: Arm }
  | { readonly ask: 'kernels'; readonly sparsity: number; readonly roofline: string }
  | { readonly ask: 'data'; readonly folder: string };

/** Seconds of CPU that this process has used, its helper threads included. */
const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const data = synthDigits(synthDigitsDefaults);

function maskOf(sparsity: number): Mask {
  const profile = { family: sparsity === 0 ? 'dense' : 'uniform' } as const;
  const made = makeMask({ widths: WIDTHS, sparsity, rule: 'uniform', profile, seed: 0 });
  if ('infeasible' in made) throw new Error('no such mask');
  return made.mask;
}

function jobOf({ sparsity, rigl }: Arm, epochs: number, dataset: Dataset): TrainingJob {
  const options = { epochs, batch: BATCH, optimizer: 'adam', learningRate: 1e-3 } as const;
  // An update every 100 batches to the end: the most that RigL costs at its usual settings.
  const rewiring = rigl ? { fraction: 0.3, every: 100, stop: 1 } : undefined;
  return { dataset, mask: maskOf(sparsity), options, seed: 0, rewiring };
}

/** The data set with so many samples to train on. */
function firstSamples(count: number): Dataset {
  const { samples, labels } = data.train;
  const some = (n: number, from: Uint8Array) => from.subarray(0, n);
  const train = {
    samples: some(count * data.shape.features, samples),
    labels: some(count, labels),
  };
  return { ...data, train };
}

const WARM_UP = 4;

/**
 * Seconds of each of `steps` training steps, as the training loop runs them: `due` is asked between
 * any two, so it is the clock.
 */
function timeSteps(arm: Arm, steps: number): number[] {
  const job = jobOf(arm, 1, firstSamples((steps + WARM_UP + 1) * BATCH));
  const times: number[] = [];
  const due = () => {
    times.push(cpu());
    return false;
  };
  train(job, { due, save: () => {}, progress: () => {} });
  return times
    .slice(1)
    .map((time, t) => time - times[t])
    .slice(WARM_UP - 1);
}

/** Seconds and samples of whole epochs, from the first batch to the last evaluation. */
function timeEpochs(arm: Arm, epochs: number) {
  let began = 0;
  let ended = 0;
  const progress = (done: number) => {
    if (done === 0) began = cpu();
    ended = cpu();
  };
  const { metrics } = train(jobOf(arm, epochs, data), {
    due: () => false,
    save: () => {},
    progress,
  });
  return { seconds: (ended - began) / epochs, accuracy: metrics.accuracy };
}

/** Seconds of an epoch that go into putting batches together, and into evaluation. */
function timeShares({ sparsity }: Arm) {
  const memory = createMemory();
  const network = createNetwork(memory, maskOf(sparsity), BATCH, 0);
  const batch = createBatch(memory, data, network.input, BATCH);
  const order = inOrder(data.train.labels.length);
  const began = cpu();
  for (let from = 0; from + BATCH <= order.length; from += BATCH) {
    batch.load(data.train, order, from, BATCH, BATCH);
  }
  const loaded = cpu();
  accuracy(network, batch, data.test, BATCH);
  return { assembly: loaded - began, evaluation: cpu() - loaded };
}

/** The training samples, for those who cannot draw them. */
function writeData(folder: string) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/samples.u8`, data.train.samples);
  writeFileSync(`${folder}/labels.u8`, data.train.labels);
  writeFileSync(`${folder}/scale.json`, JSON.stringify({ mean: data.mean, std: data.std }));
  return {};
}

function answer(request: Request): object {
  switch (request.ask) {
    case 'steps':
      return timeSteps(request.arm, request.steps);
    case 'epochs':
      return timeEpochs(request.arm, request.epochs);
    case 'shares':
      return timeShares(request.arm);
    case 'kernels':
      return kernelSpeeds(maskOf(request.sparsity), BATCH, request.roofline);
    case 'data':
      return writeData(request.folder);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(answer(JSON.parse(line))));
}
