// matched-mask.ts — a mask with the fan-in distribution that RigL was found to settle at, same budget per layer
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import { defineStage, json, tensors } from '../src/pipeline/stage.ts';
import { type Equilibrium, makeMatchedMask } from '../src/sparse/equilibrium.ts';
import { type FanInSummary, fanInSummary } from '../src/sparse/fan-in.ts';
import { maskToTensors } from '../src/sparse/mask.ts';
import { Hidden, Rule, Seed, Sparsity } from './schema.ts';

export default defineStage({
  params: z.object({ hidden: Hidden, sparsity: Sparsity, rule: Rule, seed: Seed }),
  inputs: { shape: json<DatasetShape>(), equilibrium: json<Equilibrium>() },
  outputs: { mask: tensors(), fanIn: json<FanInSummary>() },
  run({ params, inputs }) {
    const { features, classes } = inputs.shape;
    const widths = [features, ...params.hidden, classes];
    const mask = makeMatchedMask({ ...params, widths, equilibrium: inputs.equilibrium });
    return { mask: maskToTensors(mask), fanIn: fanInSummary(mask) };
  },
});
