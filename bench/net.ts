// net.ts — what every contestant of ours trains, and the clock
import type { Dataset } from '../src/data/dataset.ts';
import { synthDigits, synthDigitsDefaults } from '../src/data/synth-digits.ts';
import type { TrainingHooks, TrainingJob } from '../src/network/train.ts';
import type { Mask } from '../src/sparse/mask.ts';
import { makeMask } from '../src/sparse/wiring.ts';

const WIDTHS = [784, 512, 256, 10];
export const BATCH = 128;

/** What is trained. Sparsity is that of the hidden layers: the output layer is dense. */
export interface Arm {
  readonly sparsity: number;
  readonly rigl: boolean;
}

/** Seconds of CPU that this process has used, its helper threads included. */
export const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

export const data = synthDigits(synthDigitsDefaults);

export function maskOf(sparsity: number): Mask {
  const profile = { family: sparsity === 0 ? 'dense' : 'uniform' } as const;
  const made = makeMask({ widths: WIDTHS, sparsity, rule: 'uniform', profile, seed: 0 });
  if ('infeasible' in made) throw new Error('no such mask');
  return made.mask;
}

export function jobOf({ sparsity, rigl }: Arm, epochs: number, dataset: Dataset): TrainingJob {
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
export function timeSteps(
  train: (job: TrainingJob, hooks: TrainingHooks) => unknown,
  arm: Arm,
  steps: number,
): number[] {
  const job = jobOf(arm, 1, firstSamples((steps + WARM_UP + 1) * BATCH));
  const times: number[] = [];
  const due = () => {
    times.push(cpu());
    return false;
  };
  train(job, { due, save: () => {}, progress: () => {} });
  return times
    .slice(1)
    .map((time, t) => time - times[t]!)
    .slice(WARM_UP - 1);
}
