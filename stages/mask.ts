// mask.ts — which connections exist before training, by layer rule, fan-in profile and placement
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import { defineStage, json, optional, StageError, tensors } from '../src/engine/stage.ts';
import { type FanInSummary, fanInOf } from '../src/sparse/fan-in.ts';
import { type Mask, maskFromTensors } from '../src/sparse/mask.ts';
import { copyMask } from '../src/sparse/placement.ts';
import { cvBound } from '../src/sparse/profile.ts';
import { type HubScores, type MaskPlan, makeMask, ruleOf } from '../src/sparse/wiring.ts';
import type { TensorFile } from '../src/tensor.ts';
import { madeOrSay, mendable, outputsOfMask } from './made-mask.ts';
import { Hidden, Placement, Profile, Rule, Seed, Sparsity, widthsOf } from './schema.ts';
import type { Scores } from './score.ts';

export default defineStage({
  params: z.object({
    hidden: Hidden,
    sparsity: Sparsity,
    rule: Rule,
    profile: Profile,
    placement: Placement,
    seed: Seed,
  }),
  inputs: {
    shape: json<DatasetShape>(),
    /** For `placement: by-score`. */
    score: optional(json<Scores>()),
    /** A mask, for `placement: copied-hubs` and `copied`. */
    source: optional(tensors()),
  },
  outputs: { mask: tensors(), fanIn: json<FanInSummary>() },
  check({ sparsity, profile }) {
    if (!('cv' in profile)) return [];
    const bound = cvBound(1 - sparsity);
    if (profile.cv <= bound) return [];
    const message = `CV ${profile.cv} is out of reach at sparsity ${sparsity}`;
    const hint = `no fan-in profile exceeds sqrt(1/density - 1) = ${bound.toFixed(2)} there`;
    return [{ path: ['profile', 'cv'], message, hint, infeasible: true }];
  },
  run({ params, inputs }) {
    const { features, classes } = inputs.shape;
    const { placement = 'random', seed, ...rest } = params;
    const widths = [features, ...widthsOf(rest.hidden), classes];
    const plan: MaskPlan = { ...rest, rule: ruleOf(rest), widths };
    const source = (): Mask => maskFromTensors(given(placement, 'source', inputs.source));
    return mendable(() => {
      if (placement === 'copied') return outputsOfMask(copyMask(source(), plan));
      const scores = scoresFor(placement, inputs.score, source);
      return outputsOfMask(madeOrSay(makeMask({ ...plan, scores, seed })));
    });
  },
});

function scoresFor(
  placement: 'random' | 'by-score' | 'copied-hubs',
  score: Scores | null,
  source: () => Mask,
): HubScores | undefined {
  if (placement === 'by-score') return given(placement, 'score', score).layers;
  // Who has much fan-in there gets much here.
  return placement === 'copied-hubs' ? source().slice(0, -1).map(fanInOf) : undefined;
}

function given<T extends Scores | TensorFile>(placement: string, port: string, value: T | null): T {
  if (value === null) throw new StageError(`placement ${placement} needs the input \`${port}\``);
  return value;
}
