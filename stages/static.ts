// static.ts — training with a frozen mask
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import type { GradientStatistics, TrainingMetrics } from '../src/network/metrics.ts';
import { defineStage, json, tensors } from '../src/pipeline/stage.ts';
import { checkTraining, Gradients, Seed, Training } from './schema.ts';
import { trainNetwork } from './training.ts';

export default defineStage({
  params: z.object({ training: Training, gradients: Gradients, seed: Seed }),
  inputs: { data: tensors(), shape: json<DatasetShape>(), mask: tensors() },
  outputs: {
    metrics: json<TrainingMetrics>(),
    model: tensors(),
    gradients: json<GradientStatistics>(),
  },
  check: checkTraining,
  work: ({ training }) => training.epochs,
  run(context) {
    const { metrics, model, gradients } = trainNetwork(context);
    return { metrics, model, gradients };
  },
});
