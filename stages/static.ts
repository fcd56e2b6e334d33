// static.ts — training with a frozen mask, by our engine or by TensorFlow.js
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import type { TrainingMetrics } from '../src/network/metrics.ts';
import {
  beyondTensorflow,
  TENSORFLOW_TOLERANCE,
  trainWithTensorflow,
} from '../src/network/tensorflow.ts';
import { openTensorflow } from '../src/network/tensorflow-backend.ts';
import { train } from '../src/network/train.ts';
import { defineStage, type FindTools, json, type Load, tensors } from '../src/pipeline/stage.ts';
import { Seed, Training } from './schema.ts';
import { type Train, trainNetwork } from './training.ts';

export default defineStage({
  params: z.object({ training: Training, seed: Seed }),
  inputs: { data: tensors(), shape: json<DatasetShape>(), mask: tensors() },
  outputs: { metrics: json<TrainingMetrics>(), model: tensors() },
  check({ training }) {
    if (training.engine !== 'tensorflow') return [];
    return beyondTensorflow(training).map((name) => ({
      path: ['training', name],
      message: `\`engine: tensorflow\` cannot do this \`${name}\``,
      hint: '`engine: sparse` can',
    }));
  },
  work: ({ training }) => training.epochs,
  tools: ({ training }) => (training.engine === 'tensorflow' ? findTensorflow : undefined),
  async run(context) {
    const { training } = context.params;
    const trainer = training.engine === 'tensorflow' ? await tensorflow(context.load) : train;
    const { metrics, model } = trainNetwork(context, trainer);
    return { metrics, model };
  },
});

const findTensorflow: FindTools = async (load) => {
  const { versions, note } = await openTensorflow(load);
  return { versions, note, tolerance: TENSORFLOW_TOLERANCE };
};

async function tensorflow(load: Load): Promise<Train> {
  const { tf } = await openTensorflow(load);
  return (job, hooks) => trainWithTensorflow(tf, job, hooks);
}
