// training.ts — what static and RigL training have in common: stored data and mask in, a trained network out

import type { DatasetShape } from '../src/data/dataset.ts';
import { datasetFromTensors } from '../src/data/dataset-tensors.ts';
import { rewindFromTensors } from '../src/network/init.ts';
import type {
  GradientWindows,
  RewiringOptions,
  TrainingHooks,
  TrainingJob,
  TrainingOptions,
} from '../src/network/train.ts';
import type { StageContext } from '../src/engine/stage.ts';
import { maskFromTensors } from '../src/sparse/mask.ts';
import type { TensorFile } from '../src/tensor.ts';

/** What both training stages are given. */
export type TrainingContext = StageContext<
  {
    readonly training: TrainingOptions;
    readonly gradients?: GradientWindows | undefined;
    readonly seed: number;
  },
  {
    readonly data: TensorFile;
    readonly shape: DatasetShape;
    readonly mask: TensorFile;
    readonly initial?: TensorFile | null;
  }
>;

/** Trains a network by an engine, ours or another that is held to it, from where the checkpoint stands. */
export function trainNetwork<Result>(
  { params, inputs, checkpoint, progress }: TrainingContext,
  train: (job: TrainingJob, hooks: TrainingHooks) => Result,
  rewiring?: RewiringOptions,
): Result {
  const job = {
    dataset: datasetFromTensors(inputs.data, inputs.shape),
    mask: maskFromTensors(inputs.mask),
    options: params.training,
    seed: params.seed,
    rewind: inputs.initial ? rewindFromTensors(inputs.initial) : undefined,
    rewiring,
    gradients: params.gradients,
  };
  return train(job, {
    resume: checkpoint.load(),
    due: checkpoint.due,
    save: checkpoint.save,
    progress,
  });
}
