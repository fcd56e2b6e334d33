// mask.ts — which connections exist before training, by layer rule and fan-in profile
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import { defineStage, json, StageError, tensors } from '../src/pipeline/stage.ts';
import { type FanInSummary, fanInSummary } from '../src/sparse/fan-in.ts';
import { maskToTensors } from '../src/sparse/mask.ts';
import { cvBound } from '../src/sparse/profile.ts';
import { describeInfeasible, makeMask } from '../src/sparse/wiring.ts';
import { Hidden, Profile, Rule, Seed, Sparsity } from './schema.ts';

export default defineStage({
  params: z.object({
    hidden: Hidden,
    sparsity: Sparsity,
    rule: Rule,
    profile: Profile,
    seed: Seed,
  }),
  inputs: { shape: json<DatasetShape>() },
  outputs: { mask: tensors(), fanIn: json<FanInSummary>() },
  check({ sparsity, profile }) {
    if (profile.family !== 'lognormal') return [];
    const bound = cvBound(1 - sparsity);
    if (profile.cv <= bound) return [];
    const message = `CV ${profile.cv} is out of reach at sparsity ${sparsity}`;
    const hint = `no fan-in profile exceeds sqrt(1/density - 1) = ${bound.toFixed(2)} there`;
    return [{ path: ['profile', 'cv'], message, hint }];
  },
  run({ params, inputs }) {
    const { features, classes } = inputs.shape;
    const made = makeMask({ ...params, widths: [features, ...params.hidden, classes] });
    if ('infeasible' in made) throw new StageError(describeInfeasible(made.infeasible));
    return { mask: maskToTensors(made.mask), fanIn: fanInSummary(made.mask) };
  },
});
