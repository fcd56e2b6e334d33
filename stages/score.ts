// score.ts — how much each hidden neuron of a run matters, for masks whose hubs are placed by it
import * as z from 'zod/mini';
import type { GradientStatistics } from '../src/network/metrics.ts';
import { defineStage, json, optional, StageError } from '../src/engine/stage.ts';
import type { FanInSummary } from '../src/sparse/fan-in.ts';

/** For each hidden layer, a number for each neuron; only their order matters. Plain JSON. */
export interface Scores {
  readonly layers: readonly (readonly number[])[];
}

export default defineStage({
  params: z.object({
    /**
     * `fan-in`: connections. `gradient`: the L2 norm of the gradient at a neuron's weights.
     * `gradient-per-connection`: its L1 norm over fan-in.
     */
    by: z.enum(['fan-in', 'gradient', 'gradient-per-connection']),
    /** Of the gradients' windows, which one. */
    window: z._default(z.enum(['first', 'last']), 'first'),
  }),
  inputs: {
    fanIn: optional(json<FanInSummary>()),
    gradients: optional(json<GradientStatistics>()),
  },
  outputs: { score: json<Scores>() },
  run({ params: { by, window }, inputs: { fanIn, gradients } }) {
    if (by === 'fan-in') {
      if (fanIn === null) throw new StageError('a score by fan-in needs the input `fanIn`');
      return { score: { layers: fanIn.layers.slice(0, -1).map((layer) => layer.fanIn) } };
    }
    const measured = gradients?.windows.find(({ name }) => name === window);
    if (measured === undefined) {
      throw new StageError(
        `a score by ${by} needs the input \`gradients\`, of a stage with the param \`gradients\` ` +
          `and its window \`${window}\``,
      );
    }
    const norm = by === 'gradient' ? 'l2' : 'perConnection';
    return { score: { layers: measured.layers.slice(0, -1).map((layer) => layer[norm]) } };
  },
});
