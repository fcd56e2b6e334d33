// set.ts — training while SET rewires the hidden layers
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import type { GradientStatistics, TrainingMetrics } from '../src/network/metrics.ts';
import { train } from '../src/network/train.ts';
import { defineStage, json, tensors } from '../src/engine/stage.ts';
import { type FanInSummary, fanInSummary } from '../src/sparse/fan-in.ts';
import { maskToTensors } from '../src/sparse/mask.ts';
import { checkRewired, Gradients, Rewiring, Seed, Training } from './schema.ts';
import { trainNetwork } from './training.ts';
import { trainingWork } from './training-work.ts';

export default defineStage({
  params: z.object({ training: Training, set: Rewiring, gradients: Gradients, seed: Seed }),
  inputs: { data: tensors(), shape: json<DatasetShape>(), mask: tensors() },
  outputs: {
    metrics: json<TrainingMetrics>(),
    model: tensors(),
    mask: tensors(),
    fanIn: json<FanInSummary>(),
    topology: tensors(),
    gradients: json<GradientStatistics>(),
  },
  check: checkRewired,
  work: trainingWork,
  run(context) {
    const rewiring = { ...context.params.set, rule: 'set' as const };
    const { mask, ...result } = trainNetwork(context, train, rewiring);
    return { ...result, mask: maskToTensors(mask), fanIn: fanInSummary(mask) };
  },
});
