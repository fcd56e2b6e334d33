// portrait.ts — what rewiring makes of a mask, as a picture: the first layer of one run, before and after
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import { collect, defineStage, json, tensors } from '../src/engine/stage.ts';
import { maskFromTensors } from '../src/sparse/mask.ts';
import { type LayerPortrait, portraitOf } from '../src/sparse/portrait.ts';

/** The first hidden layer of the first run of one arm. Plain JSON. */
export interface Portrait {
  /** Of the run, and the task that ended with `end`. */
  readonly seed: string;
  readonly task: string;
  readonly start: LayerPortrait;
  readonly end: LayerPortrait;
  /** Where inputs are pixels: the image, and whether rows and columns are exchanged in it. */
  readonly image: {
    readonly height: number;
    readonly width: number;
    readonly transposed: boolean;
  } | null;
}

export default defineStage({
  params: z.object({}),
  inputs: {
    shape: json<DatasetShape>(),
    /** The masks that runs began and ended with, over their seeds: the first seed is drawn. */
    start: collect(tensors()),
    end: collect(tensors()),
  },
  outputs: { portrait: json<Portrait>() },
  run({ inputs }) {
    const [end] = inputs.end;
    const start = inputs.start.find(({ at }) => at.seed === end!.at.seed) ?? inputs.start[0]!;
    const { height, width, transposed } = inputs.shape;
    const portrait: Portrait = {
      seed: end!.at.seed ?? '',
      task: end!.task,
      start: portraitOf(maskFromTensors(start.value)[0]!),
      end: portraitOf(maskFromTensors(end!.value)[0]!),
      image:
        height === undefined || width === undefined
          ? null
          : { height, width, transposed: transposed === true },
    };
    return { portrait };
  },
});
