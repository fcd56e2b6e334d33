// equilibrium.ts — the fan-in distribution at which RigL's pilot runs settle
import * as z from 'zod/mini';
import { collect, defineStage, json, StageError } from '../src/pipeline/stage.ts';
import { type Equilibrium, fitEquilibrium } from '../src/sparse/equilibrium.ts';
import type { FanInSummary } from '../src/sparse/fan-in.ts';

export default defineStage({
  params: z.object({}),
  inputs: { start: collect(json<FanInSummary>()), end: collect(json<FanInSummary>()) },
  outputs: { equilibrium: json<Equilibrium>() },
  run({ inputs }) {
    const starts = new Map(inputs.start.map(({ at, value }) => [at.pilot, value]));
    const pilots = inputs.end.map(({ at, value, task }) => {
      const start = starts.get(at.pilot);
      if (start === undefined)
        throw new StageError(`${task} has no mask of pilot ${at.pilot} to start from`);
      return { start, end: value };
    });
    return { equilibrium: fitEquilibrium(pilots) };
  },
});
