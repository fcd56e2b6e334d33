// metrics.ts — what a training run tells
import type { Hierarchy } from '../sparse/hierarchy.ts';

/** One epoch, as monitored. The test accuracy is looked at, never selected on: the end of a run is reported. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Mean softmax cross-entropy over the epoch's training samples, in nats, as seen during the updates. */
  readonly loss: number;
  /** Fraction of test samples classified rightly after the epoch, in [0, 1]. */
  readonly testAccuracy: number;
  /** The same of the validation samples, when the data set holds some. */
  readonly validationAccuracy?: number;
}

/**
 * One change of topology, by RigL or SET: per layer, in the mask's order; dense layers replace
 * nothing. The fan-in of each neuron after it is kept in `TrainingResult.topology`.
 */
export interface RewiringRecord {
  /** Batches seen before the update, from 1. */
  readonly step: number;
  /** Connections dropped and grown, the same number. */
  readonly replaced: readonly number[];
  /** Of these, connections that were really new (not just-dropped ones that grew back): the churn. */
  readonly new: readonly number[];
  /** CV of fan-in (population SD / mean) after the update. */
  readonly fanInCv: readonly number[];
  /** Neurons without any incoming connection: they say 0, and their bias is frozen. */
  readonly withoutFanIn: readonly number[];
  /** Neurons that no neuron of the next layer listens to; 0 for the output layer. */
  readonly withoutFanOut: readonly number[];
  /** Fraction of the initial mask's connections that exist, in [0, 1]. */
  readonly overlap: readonly number[];
}

/** Fractions of samples classified rightly, in [0, 1]. */
export interface MeasuredAccuracy {
  /** Of the test samples. */
  readonly accuracy: number;
  /** Of the validation samples, when the data set holds some. */
  readonly validationAccuracy?: number;
}

/** How the final accuracy is taken from the epochs: `finalAccuracy` has the rule. */
export type FinalRule = 'last-epoch' | 'last-three-epochs';

/** The reproducible story of one training run. Its `accuracy` is the final one: what is judged and reported. */
export interface TrainingMetrics extends MeasuredAccuracy {
  readonly method: 'static' | 'rigl' | 'set';
  /**
   * What `accuracy` and `validationAccuracy` are: those of `lastEpoch` or those of `lastThreeEpochs`. Runs stored before
   * there was a choice lack these three; theirs is the last epoch.
   */
  readonly final?: FinalRule;
  readonly lastEpoch?: MeasuredAccuracy;
  /** The means over the last three epochs; null where there are fewer. */
  readonly lastThreeEpochs?: MeasuredAccuracy | null;
  /** Mean training loss of the last epoch, in nats. */
  readonly loss: number;
  readonly epochs: readonly EpochRecord[];
  /** Batches seen. */
  readonly steps: number;
  /** Connections per layer. */
  readonly connections: readonly number[];
  /** Neurons per layer that have no incoming connection at the end: their bias is frozen at 0. */
  readonly withoutFanIn: readonly number[];
  /** Neurons per layer that nothing listens to at the end; 0 for the output layer. */
  readonly withoutFanOut: readonly number[];
  /** Empty for static training. */
  readonly rewirings: readonly RewiringRecord[];
}

/** The gradients that were measured, window by window. */
export interface GradientStatistics {
  readonly windows: readonly GradientWindow[];
}

/** Gradients over some batches of a run. Batches on which RigL rewires have none: see `batches`. */
export interface GradientWindow {
  /** The first batches of the run, or its last epochs. */
  readonly name: 'first' | 'last';
  /** Batches seen before the first one of the window, and before the first one after it. */
  readonly from: number;
  readonly to: number;
  /** Batches that were measured. */
  readonly batches: number;
  readonly layers: readonly LayerGradients[];
}

/**
 * The gradient of the loss at each neuron's incoming weights, those that exist, [O] each: means over
 * batches, before weight decay, clipping and the optimiser.
 */
export interface LayerGradients {
  readonly fanIn: readonly number[];
  /** L2 and L1 norm. */
  readonly l2: readonly number[];
  readonly l1: readonly number[];
  /** L1 norm over fan-in; 0 without connections. */
  readonly perConnection: readonly number[];
  readonly hierarchy: Hierarchy;
}
