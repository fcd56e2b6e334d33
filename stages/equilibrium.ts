// equilibrium.ts — the fan-in distribution at which RigL's pilot runs settle
import * as z from 'zod/mini';
import { type Collected, collect, defineStage, json, StageError } from '../src/engine/stage.ts';
import { type Equilibrium, fitEquilibrium } from '../src/sparse/equilibrium.ts';
import type { FanInSummary } from '../src/sparse/fan-in.ts';
import { type FanInFit, fitFanIn } from '../src/sparse/fit.ts';
import { Seed } from './schema.ts';

/** The fan-in that pilots ended with, pooled: one fit for each hidden layer. Plain JSON. */
export interface EquilibriumFits {
  readonly layers: readonly FanInFit[];
}

export default defineStage({
  params: z.object({
    /** The pilots' seeds and those that are evaluated: that none is both is checked before anything runs. */
    pilots: z.optional(z.array(Seed)),
    seeds: z.optional(z.array(z.union([Seed, z.array(Seed)]))),
  }),
  inputs: { start: collect(json<FanInSummary>()), end: collect(json<FanInSummary>()) },
  outputs: {
    equilibrium: json<Equilibrium>(),
    /** Which distribution the fan-in follows, layer by layer, and its quantiles. */
    fits: json<EquilibriumFits>(),
  },
  check({ pilots = [], seeds = [] }) {
    return pilots.flatMap((pilot, i) => {
      if (!seeds.flat().includes(pilot)) return [];
      const message = `pilot seed ${pilot} is also a seed that is evaluated`;
      const hint = 'a fit from the runs that it is tested on would flatter itself: choose another';
      return [{ path: ['pilots', i], message, hint }];
    });
  },
  run({ inputs }) {
    const starts = new Map(inputs.start.map(({ at, value }) => [at.pilot, value]));
    const pilots = inputs.end.map(({ at, value, task }) => {
      const start = starts.get(at.pilot);
      if (start === undefined)
        throw new StageError(`${task} has no mask of pilot ${at.pilot} to start from`);
      return { start, end: value };
    });
    return { equilibrium: fitEquilibrium(pilots), fits: fitsOf(inputs.end) };
  },
});

function fitsOf(ends: readonly Collected<FanInSummary>[]): EquilibriumFits {
  const hidden = ends[0]!.value.layers.slice(0, -1);
  return {
    layers: hidden.map(({ inputs }, layer) => {
      const pooled = ends.flatMap(({ value }) => value.layers[layer]!.fanIn);
      return fitFanIn(pooled, inputs);
    }),
  };
}
