// schedule.ts — the learning rate over time
import { halfCosine } from '../sparse/rewiring.ts';

/** How the learning rate moves: from 0 to its full value, and down again. Times are in epochs. */
export type Schedule = Warmup & (Constant | Step | Cosine);

interface Warmup {
  /**
   * Epochs, not necessarily whole, over which the rate rises linearly to its full value: batch t of
   * the first W, from 0, takes (t + 1) / W of it. 0 unless told.
   */
  readonly warmup?: number | undefined;
}

interface Constant {
  readonly kind: 'constant';
}

/** As torch's MultiStepLR. */
interface Step {
  readonly kind: 'step';
  /** The epochs, ascending, after which the rate is multiplied by `gamma`. */
  readonly milestones: readonly number[];
  /** In (0, 1]: 0.1 unless told. */
  readonly gamma?: number | undefined;
}

/**
 * From the end of the warm-up to that of the run the rate falls along half a cosine (Loshchilov and
 * Hutter 2017, arXiv 1608.03983, without restarts).
 */
interface Cosine {
  readonly kind: 'cosine';
  /** The fraction of the rate that is left at the end, in [0, 1]: 0 unless told. */
  readonly final?: number | undefined;
}

/** A run, as a schedule sees it. */
export interface ScheduledRun {
  /** The full value. */
  readonly learningRate: number;
  readonly schedule: Schedule;
  readonly epochs: number;
  /** Batches in an epoch. */
  readonly stepsPerEpoch: number;
}

/** The learning rate for the batch that comes after `step` others. */
export function learningRateAt(step: number, run: ScheduledRun): number {
  const { learningRate, schedule, epochs, stepsPerEpoch } = run;
  const warmup = Math.round((schedule.warmup ?? 0) * stepsPerEpoch);
  if (step < warmup) return (learningRate * (step + 1)) / warmup;
  switch (schedule.kind) {
    case 'constant':
      return learningRate;
    case 'step': {
      const { milestones, gamma = 0.1 } = schedule;
      let rate = learningRate;
      for (const epoch of milestones) if (step >= epoch * stepsPerEpoch) rate *= gamma;
      return rate;
    }
    case 'cosine': {
      const { final = 0 } = schedule;
      const left = halfCosine(step - warmup, epochs * stepsPerEpoch - warmup);
      return learningRate * (final + (1 - final) * left);
    }
  }
}
