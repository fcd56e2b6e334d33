// static.ts — training with a frozen mask, by our engine or by TensorFlow.js
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import type { GradientStatistics, TrainingMetrics } from '../src/network/metrics.ts';
import {
  beyondTensorflow,
  TENSORFLOW_TOLERANCE,
  trainWithTensorflow,
} from '../src/network/tensorflow.ts';
import { openTensorflow } from '../src/network/tensorflow-backend.ts';
import { type TrainingHooks, type TrainingJob, train } from '../src/network/train.ts';
import {
  defineStage,
  type FindTools,
  json,
  type Load,
  optional,
  tensors,
} from '../src/engine/stage.ts';
import { checkTraining, Gradients, Seed, Training } from './schema.ts';
import { trainNetwork } from './training.ts';
import { trainingWork } from './training-work.ts';

export default defineStage({
  params: z.object({
    training: Training,
    gradients: Gradients,
    seed: Seed,
    /** Added to `seed`: for an axis whose values are the seeds of something that came before. */
    seedOffset: z.optional(z.int()),
  }),
  inputs: {
    data: tensors(),
    shape: json<DatasetShape>(),
    mask: tensors(),
    /** Weights to begin with, where the mask has their connection: the others are drawn. */
    initial: optional(tensors()),
  },
  outputs: {
    metrics: json<TrainingMetrics>(),
    model: tensors(),
    gradients: json<GradientStatistics>(),
  },
  check: (params) => [...checkTraining(params), ...checkTensorflow(params)],
  work: trainingWork,
  tools: ({ training }) => (training.engine === 'tensorflow' ? findTensorflow : undefined),
  async run(context) {
    const { training, seed, seedOffset = 0 } = context.params;
    const trainer = training.engine === 'tensorflow' ? await tensorflow(context.load) : train;
    const { metrics, model, gradients } = trainNetwork(
      { ...context, params: { ...context.params, seed: seed + seedOffset } },
      trainer,
    );
    return { metrics, model, gradients };
  },
});

const findTensorflow: FindTools = async (load) => {
  const { versions, note } = await openTensorflow(load);
  return { versions, note, tolerance: TENSORFLOW_TOLERANCE };
};

async function tensorflow(load: Load) {
  const { tf } = await openTensorflow(load);
  return (job: TrainingJob, hooks: TrainingHooks) => trainWithTensorflow(tf, job, hooks);
}

/** What TensorFlow.js would leave out without a word. */
function checkTensorflow({ training, gradients }: StaticParams) {
  if (training.engine !== 'tensorflow') return [];
  const hint = '`engine: sparse` can';
  const beyond = beyondTensorflow(training).map((name) => ({
    path: ['training', name],
    message: `\`engine: tensorflow\` cannot do this \`${name}\``,
    hint,
  }));
  const message = '`engine: tensorflow` measures no gradients';
  return gradients === undefined ? beyond : [...beyond, { path: ['gradients'], message, hint }];
}

interface StaticParams {
  readonly training: z.infer<typeof Training>;
  readonly gradients?: z.infer<typeof Gradients>;
}
