// equilibrium.ts — the fan-in that rewiring settles at, and masks that start from it
import exp from '@stdlib/math-base-special-exp';
import ln from '@stdlib/math-base-special-ln';
import { fanInDistance, overPairs } from './distance.ts';
import { coefficientOfVariation, type FanInSummary } from './fan-in.ts';
import type { Mask } from './mask.ts';
import { fanInBySigma } from './profile.ts';
import {
  checkScores,
  type HubScores,
  hiddenSizes,
  type NetworkBudget,
  outputLayer,
  placeFanIn,
} from './wiring.ts';

/** The fan-in of one pilot run, before its first rewiring and after its last. */
export interface PilotFanIn {
  readonly start: FanInSummary;
  readonly end: FanInSummary;
}

/** The fan-in at which one hidden layer ended, pooled over the pilot runs. */
export interface LayerEquilibrium {
  /** Neurons pooled: runs * outputs. */
  readonly neurons: number;
  /** Mean of ln fan-in over neurons that have any: the lognormal's maximum-likelihood mu. */
  readonly mu: number;
  /** SD (ddof 0) of ln fan-in over those neurons: the lognormal's maximum-likelihood sigma. */
  readonly sigma: number;
  /** CV of the fitted lognormal: sqrt(e^(sigma^2) - 1). */
  readonly cvFit: number;
  /** CV of the pooled fan-in itself, zeros included (population SD / mean). */
  readonly cv: number;
  /** Fraction of neurons without any connection, which the fit leaves out. In [0, 1). */
  readonly zeroFraction: number;
  /**
   * Mean W1 between the ends of two runs, over all pairs: how far apart equal runs are. Null with a
   * single run.
   */
  readonly noiseFloor: number | null;
  /** Mean over runs of W1 between start and end: how far fan-in moved. */
  readonly moved: number;
}

/** The equilibrium of a network: plain JSON, as the stage `matched-mask` takes it. */
export interface Equilibrium {
  /** Pilot runs that were pooled. */
  readonly runs: number;
  /** One for each hidden layer, first layer first. */
  readonly layers: readonly LayerEquilibrium[];
}

/**
 * Fits the equilibrium of at least one pilot run, all of the same widths. The last layer, the
 * output layer, is left out.
 * @throws RangeError when there is no run, widths differ, or a hidden layer has no connections.
 * Our definition: the paper's fit of its "characteristic fan-in distribution" is not known.
 */
export function fitEquilibrium(pilots: readonly PilotFanIn[]): Equilibrium {
  if (pilots.length === 0) throw new RangeError('an equilibrium needs at least one pilot run');
  const depth = pilots[0]!.end.layers.length;
  if (
    !pilots.every(({ start, end }) => start.layers.length === depth && end.layers.length === depth)
  ) {
    throw new RangeError('pilot runs differ in their number of layers');
  }
  const hidden = pilots[0]!.end.layers.slice(0, -1);
  return {
    runs: pilots.length,
    layers: hidden.map((_, layer) =>
      fitLayer(
        pilots.map(({ start }) => start.layers[layer]!.fanIn),
        pilots.map(({ end }) => end.layers[layer]!.fanIn),
      ),
    ),
  };
}

/** Everything that a matched mask is made of. */
export interface MatchedPlan extends NetworkBudget {
  readonly equilibrium: Equilibrium;
  readonly seed: number;
  /** The fitted sigma is multiplied by this: 1 unless told. Another number makes a control. */
  readonly spread?: number | undefined;
  /** Where hubs go. Absent: at random. */
  readonly scores?: HubScores | undefined;
}

/**
 * A mask that starts at the equilibrium: in each hidden layer a lognormal quantile profile with the
 * fitted sigma, at the layer's own budget (so that arms are compared at equal connections), hubs
 * placed at random unless scores tell. The fitted zeros are not copied: every neuron has a connection
 * where the budget allows. Streams are those of `makeMask`.
 * @throws RangeError when the equilibrium or the scores have another depth, or a sigma is beyond 12.
 */
export function makeMatchedMask(plan: MatchedPlan): Mask {
  const sizes = hiddenSizes(plan);
  const { equilibrium, seed, spread = 1, scores } = plan;
  if (equilibrium.layers.length !== sizes.length) {
    throw new RangeError(
      `an equilibrium of ${equilibrium.layers.length} layers for ${sizes.length} hidden layers`,
    );
  }
  if (scores !== undefined) checkScores(scores, sizes);
  const hidden = sizes.map((size, layer) => {
    const fanIn = fanInBySigma(equilibrium.layers[layer]!.sigma * spread, size);
    return placeFanIn(fanIn, size.inputs, { seed, layer, scores: scores?.[layer] });
  });
  return [...hidden, outputLayer(plan)];
}

type Runs = readonly (readonly number[])[];

/** start, end: [runs][outputs]. */
function fitLayer(start: Runs, end: Runs): LayerEquilibrium {
  const pooled = end.flat();
  const logs = pooled.filter((fanIn) => fanIn > 0).map((fanIn) => ln(fanIn));
  const mu = mean(logs);
  const variance = mean(logs.map((log) => (log - mu) * (log - mu)));
  return {
    neurons: pooled.length,
    mu,
    sigma: Math.sqrt(variance),
    cvFit: Math.sqrt(exp(variance) - 1),
    cv: coefficientOfVariation(pooled),
    zeroFraction: 1 - logs.length / pooled.length,
    noiseFloor: end.length > 1 ? mean(overPairs(end, fanInDistance)) : null,
    moved: mean(end.map((fanIn, run) => fanInDistance(start[run]!, fanIn))),
  };
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}
