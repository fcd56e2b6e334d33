import { describe, expect, test } from 'vitest';
import { finalAccuracy } from '../src/network/final-accuracy.ts';
import type { EpochRecord } from '../src/network/metrics.ts';
import type { Schedule, ScheduledRun } from '../src/network/schedule.ts';

const ACCURACIES = [0.5, 0.9, 0.6, 0.9, 0.75];

const records = (accuracies: readonly number[], validation = false): EpochRecord[] =>
  accuracies.map((testAccuracy, i) => ({
    epoch: i + 1,
    loss: 1,
    testAccuracy,
    ...(validation && { validationAccuracy: testAccuracy / 2 }),
  }));

const scheduled = (schedule: Schedule, epochs = ACCURACIES.length): ScheduledRun => ({
  learningRate: 0.001,
  schedule,
  epochs,
  stepsPerEpoch: 7,
});

describe('the final accuracy of a run', () => {
  test('is the mean of its last three epochs where the learning rate is constant', () => {
    const final = finalAccuracy(records(ACCURACIES), scheduled({ kind: 'constant' }));
    expect(final.final).toBe('last-three-epochs');
    expect(final.accuracy).toBeCloseTo(0.75, 12);
    expect(final.lastThreeEpochs).toEqual({ accuracy: final.accuracy });
    expect(final.lastEpoch).toEqual({ accuracy: 0.75 });
    expect(final).not.toHaveProperty('validationAccuracy');
  });

  test('is the last epoch alone where the rate falls, and the mean is told all the same', () => {
    const final = finalAccuracy(records([0.5, 0.9, 0.6]), scheduled({ kind: 'cosine' }, 3));
    expect(final).toMatchObject({ final: 'last-epoch', accuracy: 0.6 });
    expect(final.lastThreeEpochs?.accuracy).toBeCloseTo(2 / 3, 12);
  });

  test.each<[string, Schedule, string]>([
    ['a warm-up that is over', { kind: 'constant', warmup: 2 }, 'last-three-epochs'],
    ['a warm-up into the last three', { kind: 'constant', warmup: 2.5 }, 'last-epoch'],
    ['a milestone before them', { kind: 'step', milestones: [2] }, 'last-three-epochs'],
    ['a milestone within them', { kind: 'step', milestones: [3] }, 'last-epoch'],
    ['a cosine that stays', { kind: 'cosine', final: 1 }, 'last-three-epochs'],
  ])('looks at the rate over those epochs only: %s', (_, schedule, rule) => {
    expect(finalAccuracy(records(ACCURACIES), scheduled(schedule)).final).toBe(rule);
  });

  test('of fewer than three epochs is the last one', () => {
    const final = finalAccuracy(records([0.5, 0.9]), scheduled({ kind: 'constant' }, 2));
    expect(final).toEqual({
      ...{ accuracy: 0.9, final: 'last-epoch' },
      ...{ lastEpoch: { accuracy: 0.9 }, lastThreeEpochs: null },
    });
  });

  test('is taken of the validation samples in the same way', () => {
    const final = finalAccuracy(records(ACCURACIES, true), scheduled({ kind: 'constant' }));
    expect(final.validationAccuracy).toBeCloseTo(0.375, 12);
    expect(final.lastEpoch?.validationAccuracy).toBe(0.375);
  });
});
