// matched-mask.ts — masks with the fan-in that RigL's pilots settled at, and its controls, same budget per layer
import * as z from 'zod/mini';
import type { DatasetShape } from '../src/data/dataset.ts';
import { type Collected, collect, defineStage, json, tensors } from '../src/engine/stage.ts';
import { type Equilibrium, makeMatchedMask } from '../src/sparse/equilibrium.ts';
import { type FanInSummary, fanInOf } from '../src/sparse/fan-in.ts';
import { type Mask, maskFromTensors } from '../src/sparse/mask.ts';
import { copyMask } from '../src/sparse/placement.ts';
import type { TensorFile } from '../src/tensor.ts';
import { mendable, outputsOfMask } from './made-mask.ts';
import { Hidden, Rule, Seed, Sparsity, widthsOf } from './schema.ts';

export default defineStage({
  params: z.object({
    hidden: Hidden,
    sparsity: Sparsity,
    rule: Rule,
    /** `equilibrium` unless told. */
    control: z.optional(z.enum(['equilibrium', 'sigma-x2', 'pilot-hubs', 'pilot-mask'])),
    seed: Seed,
  }),
  inputs: {
    shape: json<DatasetShape>(),
    equilibrium: json<Equilibrium>(),
    /** The masks that the pilots ended with. Seed s takes the pilot at s modulo their number. */
    pilots: collect(tensors()),
  },
  outputs: { mask: tensors(), fanIn: json<FanInSummary>() },
  run({ params, inputs }) {
    const { control = 'equilibrium', ...rest } = params;
    const { features, classes } = inputs.shape;
    const plan = { ...rest, widths: [features, ...widthsOf(rest.hidden), classes] };
    const { equilibrium } = inputs;
    const pilot = (): Mask => pilotFor(params.seed, inputs.pilots);
    return mendable(() => {
      if (control === 'pilot-mask') return outputsOfMask(copyMask(pilot(), plan));
      const spread = control === 'sigma-x2' ? 2 : 1;
      const scores = control === 'pilot-hubs' ? pilot().slice(0, -1).map(fanInOf) : undefined;
      return outputsOfMask(makeMatchedMask({ ...plan, equilibrium, spread, scores }));
    });
  },
});

function pilotFor(seed: number, pilots: readonly Collected<TensorFile>[]): Mask {
  const n = pilots.length;
  return maskFromTensors(pilots[((seed % n) + n) % n]!.value);
}
