// evidence.ts — what claims are judged on: measurements that remember the task they came from
import type { GradientStatistics, TrainingMetrics } from '../network/metrics.ts';
import type { Convergence } from '../sparse/convergence.ts';
import type { Source } from './result.ts';

/** A point of the study's matrix: labels by axis. */
export type Labels = Readonly<Record<string, string>>;

/** A measurement with its source. */
export interface Observation<T> extends Source {
  readonly at: Labels;
  readonly value: T;
}

/** A task that gave nothing, and why. */
export interface Absence {
  readonly task: string;
  readonly at: Labels;
  /** Such as `CV 2.5 is infeasible for lognormal: at most CV 2.00`. */
  readonly reason: string;
}

/** Measurements of one kind. */
export interface Measurements<T> {
  readonly items: readonly Observation<T>[];
  readonly missing: readonly Absence[];
}

/** Everything that was measured. */
export interface Evidence {
  /** By name: whether a generator of ours made it. */
  readonly synthetic: ReadonlyMap<string, boolean>;
  readonly runs: Measurements<TrainingMetrics>;
  readonly gradients: Measurements<GradientStatistics>;
  readonly convergence: Measurements<Convergence>;
}

/** The stage of a task: what stands before its labels. */
export const stageOf = (task: string): string => task.replace(/\[.*$/s, '');
