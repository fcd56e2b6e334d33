// rigl.ts — training while RigL rewires the hidden layers
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import type { TrainingMetrics } from '../src/network/metrics.ts';
import { train } from '../src/network/train.ts';
import { defineStage, json, tensors } from '../src/pipeline/stage.ts';
import { type FanInSummary, fanInSummary } from '../src/sparse/fan-in.ts';
import { maskToTensors } from '../src/sparse/mask.ts';
import { Rewiring, Seed, Training } from './schema.ts';
import { trainNetwork } from './training.ts';

export default defineStage({
  params: z.object({ training: Training, rigl: Rewiring, seed: Seed }),
  inputs: { data: tensors(), shape: json<DatasetShape>(), mask: tensors() },
  outputs: {
    metrics: json<TrainingMetrics>(),
    model: tensors(),
    mask: tensors(),
    fanIn: json<FanInSummary>(),
  },
  check({ training }) {
    if (training.engine !== 'tensorflow') return [];
    const message = 'TensorFlow.js trains masks that stay: RigL needs `engine: sparse`';
    const hint = 'give the static stage training params of its own';
    return [{ path: ['training', 'engine'], message, hint }];
  },
  work: ({ training }) => training.epochs,
  run(context) {
    const { metrics, model, mask } = trainNetwork(context, train, context.params.rigl);
    return { metrics, model, mask: maskToTensors(mask), fanIn: fanInSummary(mask) };
  },
});
