// metrics.ts — what a training run tells

/** One epoch, as monitored. The test accuracy is looked at, never selected on: the last epoch is reported. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Mean softmax cross-entropy over the epoch's training samples, in nats, as seen during the updates. */
  readonly loss: number;
  /** Fraction of test samples classified rightly after the epoch, in [0, 1]. */
  readonly testAccuracy: number;
}

/** One change of topology (RigL): per layer, in the mask's order; dense layers have an entry of zeros. */
export interface RewiringRecord {
  /** Batches seen before the update, from 1. */
  readonly step: number;
  /** Connections dropped and grown, the same number. */
  readonly replaced: readonly number[];
  /** Of these, connections that were really new (not just-dropped ones that grew back). */
  readonly new: readonly number[];
  /** CV of fan-in (population SD / mean) after the update. */
  readonly fanInCv: readonly number[];
}

/** The reproducible story of one training run. */
export interface TrainingMetrics {
  readonly method: 'static' | 'rigl';
  /** Test accuracy after the last epoch, in [0, 1]. */
  readonly accuracy: number;
  /** Mean training loss of the last epoch, in nats. */
  readonly loss: number;
  readonly epochs: readonly EpochRecord[];
  /** Batches seen. */
  readonly steps: number;
  /** Connections per layer. */
  readonly connections: readonly number[];
  /** Empty for static training. */
  readonly rewirings: readonly RewiringRecord[];
}
