// placed-mask.ts — a mask that keeps some of what a finished run arrived at: hubs, inputs, or all of it
import * as z from 'zod/mini';
import { initialModel } from '../src/network/init.ts';
import { defineStage, json, optional, StageError, tensors } from '../src/engine/stage.ts';
import type { FanInSummary } from '../src/sparse/fan-in.ts';
import { maskFromTensors } from '../src/sparse/mask.ts';
import { PLACEMENT_ARMS, placeLike } from '../src/sparse/placement.ts';
import { madeOrSay, mendable, outputsOfMask } from './made-mask.ts';
import { Seed } from './schema.ts';

export default defineStage({
  params: z.object({
    arm: z.enum(PLACEMENT_ARMS),
    seed: Seed,
    /** The seed of the run that `source` comes from, for `rewind`. */
    sourceSeed: z.optional(Seed),
  }),
  inputs: {
    /** The mask that a rewired run ended with. */
    source: tensors(),
    /** The mask that it began with, for `rewind`. */
    start: optional(tensors()),
  },
  outputs: {
    mask: tensors(),
    fanIn: json<FanInSummary>(),
    /** For `rewind`, the weights that the run began with: input `initial` of `static`. Else empty. */
    initial: tensors(),
  },
  check({ arm, sourceSeed }) {
    if (arm !== 'rewind' || sourceSeed !== undefined) return [];
    const message = '`rewind` needs `sourceSeed`, the seed of the run that `source` comes from';
    return [{ path: ['arm'], message, hint: 'initial weights are drawn again from it' }];
  },
  run({ params: { arm, seed, sourceSeed }, inputs: { source, start } }) {
    return mendable(() => {
      const mask = madeOrSay(placeLike(maskFromTensors(source), arm, seed));
      const outputs = outputsOfMask(mask);
      if (arm !== 'rewind') return { ...outputs, initial: NOTHING };
      if (start === null || sourceSeed === undefined) {
        throw new StageError('`rewind` needs the input `start`, the mask that the run began with');
      }
      return { ...outputs, initial: initialModel(maskFromTensors(start), sourceSeed) };
    });
  },
});

const NOTHING = { tensors: {}, metadata: {} };
