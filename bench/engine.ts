// engine.ts — our side of the training bench: answers requests on stdin, one line of JSON each
import { mkdirSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createBatch, shuffled } from '../src/network/batch.ts';
import { compiledKernels, createMemory } from '../src/network/compile.ts';
import { accuracy } from '../src/network/evaluate.ts';
import { createNetwork } from '../src/network/network.ts';
import { train } from '../src/network/train.ts';
import { kernelSpeeds } from './kernels.ts';
import { type Arm, BATCH, cpu, data, jobOf, maskOf, timeSteps } from './net.ts';

type Request =
  | { readonly ask: 'version' }
  | { readonly ask: 'steps'; readonly arm: Arm; readonly steps: number }
  | { readonly ask: 'epochs'; readonly arm: Arm; readonly epochs: number }
  | { readonly ask: 'shares'; readonly arm: Arm }
  | { readonly ask: 'kernels'; readonly sparsity: number; readonly roofline: string }
  | { readonly ask: 'data'; readonly folder: string };

/** Seconds of each epoch, from its first batch to the end of its evaluation. */
function timeEpochs(arm: Arm, epochs: number): number[] {
  const times: number[] = [];
  const progress = (done: number) => {
    if (done === times.length * data.train.labels.length) times.push(cpu());
  };
  train(jobOf(arm, epochs, data), { due: () => false, save: () => {}, progress });
  return times.slice(1).map((time, e) => time - times[e]!);
}

/**
 * Seconds of an epoch that go into putting batches together, in a shuffled order, and into
 * evaluation. The samples are in the kernels' memory already: a run copies them there once.
 */
function timeShares({ sparsity }: Arm) {
  const memory = createMemory();
  const network = createNetwork(memory, maskOf(sparsity), BATCH, 0);
  const batch = createBatch(memory, data, network.input, BATCH);
  const order = shuffled(data.train.labels.length, 0, 0);
  batch.load(data.train, order, 0, BATCH, BATCH);
  batch.load(data.test, Uint32Array.of(0), 0, 1, 16);
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
    case 'version':
      return { wide: compiledKernels().wide };
    case 'steps':
      return timeSteps(train, request.arm, request.steps);
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
