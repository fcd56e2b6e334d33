// final-accuracy.ts — the accuracy that a run is judged by
import type { EpochRecord, MeasuredAccuracy, TrainingMetrics } from './metrics.ts';
import { learningRateAt, type ScheduledRun } from './schedule.ts';

/** Epochs that are averaged. */
const AVERAGED = 3;

/**
 * The accuracy after the last epoch, the mean over the last three, and which of the two the run is judged by. While the
 * learning rate is constant the accuracy moves up and down from epoch to epoch, so the mean of three is the better
 * measure; where the rate falls towards the end, the last epoch is. The rule depends on the schedule alone, never on what
 * was measured.
 */
export function finalAccuracy(
  epochs: readonly EpochRecord[],
  scheduled: ScheduledRun,
): Pick<
  TrainingMetrics,
  'accuracy' | 'validationAccuracy' | 'final' | 'lastEpoch' | 'lastThreeEpochs'
> {
  const lastEpoch = meanOf(epochs.slice(-1));
  const lastThreeEpochs = epochs.length < AVERAGED ? null : meanOf(epochs.slice(-AVERAGED));
  if (lastThreeEpochs !== null && endsConstant(scheduled)) {
    return { ...lastThreeEpochs, final: 'last-three-epochs', lastEpoch, lastThreeEpochs };
  }
  return { ...lastEpoch, final: 'last-epoch', lastEpoch, lastThreeEpochs };
}

/** Whether the learning rate is the same for all batches of the epochs that are averaged. */
function endsConstant(scheduled: ScheduledRun): boolean {
  const { epochs, stepsPerEpoch } = scheduled;
  const steps = epochs * stepsPerEpoch;
  const first = Math.max(0, steps - AVERAGED * stepsPerEpoch);
  const rate = learningRateAt(first, scheduled);
  for (let step = first + 1; step < steps; step++) {
    if (learningRateAt(step, scheduled) !== rate) return false;
  }
  return true;
}

function meanOf(epochs: readonly EpochRecord[]): MeasuredAccuracy {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const held = epochs.flatMap(({ validationAccuracy }) => validationAccuracy ?? []);
  return {
    accuracy: mean(epochs.map(({ testAccuracy }) => testAccuracy)),
    ...(held.length === epochs.length && { validationAccuracy: mean(held) }),
  };
}
