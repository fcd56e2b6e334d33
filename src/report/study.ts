// study.ts — what a report is made of
import type { ClaimsResult } from '../claims/result.ts';
import type { TrainingMetrics } from '../network/metrics.ts';
import type { Equilibrium } from '../sparse/equilibrium.ts';
import type { FanInSummary } from '../sparse/fan-in.ts';

/** Where a value came from: the task that made it and the blob that held it. */
export interface Provenance {
  /** Such as `rigl[synth-digits,0.9,erk,lognormal-cv1,0]`. */
  readonly task: string;
  /** SHA-256 of the blob, 64 hex digits. */
  readonly digest: string;
}

/** A value that remembers its source: no number reaches the report without one. */
export interface Sourced<T> {
  readonly value: T;
  readonly from: Provenance;
}

/** What was trained: everything at once, a frozen mask, or a mask that RigL rewires. */
export type Method = 'dense' | 'static' | 'rigl';

/** The point of the study's matrix at which a network was trained, as the task's name prints it. */
export interface Coordinates {
  readonly dataset: string;
  /** A fraction over the hidden layers, such as `0.9`; `0` when dense. */
  readonly sparsity: string;
  /** How connections are shared out between layers: `uniform` or `erk`; empty when dense. */
  readonly rule: string;
  /** How they are shared out between the neurons of a layer; `dense` when dense. */
  readonly profile: string;
  readonly seed: string;
}

/** One trained network. */
export interface Run {
  readonly coordinates: Coordinates;
  readonly method: Method;
  readonly metrics: Sourced<TrainingMetrics>;
  /** Fan-in of the mask that training started from; null when dense. The last layer is the output layer. */
  readonly fanInBefore: Sourced<FanInSummary> | null;
  /** Fan-in of the mask that training ended with; only RigL moves it, null otherwise. */
  readonly fanInAfter: Sourced<FanInSummary> | null;
}

/** The equilibrium of one setting, with the pilot runs that it was fitted to. */
export interface EquilibriumRow {
  readonly dataset: string;
  readonly sparsity: string;
  readonly rule: string;
  readonly fit: Sourced<Equilibrium>;
  /** Fan-in at the end of each pilot run that was pooled. The last layer is the output layer. */
  readonly pilots: readonly Sourced<FanInSummary>[];
}

/** A data set that the study trained on. */
export interface StudyDataset {
  readonly name: string;
  /** Made by a generator of ours: what is found on it illustrates, and is not counted as evidence. */
  readonly synthetic: boolean;
  readonly features: number;
  readonly classes: number;
  /** Samples. */
  readonly train: number;
  readonly test: number;
  readonly from: Provenance;
}

/** Named settings as the pipeline's params give them, printed as they are. */
export interface Options {
  readonly [name: string]: string | number | boolean | readonly number[];
}

/** A task whose result the report ought to show and cannot. */
export interface Missing {
  readonly task: string;
  /** Such as `failed` or `infeasible, at most CV 2.00`. */
  readonly reason: string;
}

/** Everything that a report says, with the source of every number in it. */
export interface Study {
  readonly title: string;
  readonly datasets: readonly StudyDataset[];
  /** Widths of the hidden layers, first to last. */
  readonly hidden: readonly number[];
  /** Epochs, batch, optimiser and the like. */
  readonly training: Options;
  /** Null when nothing was rewired. */
  readonly rigl: Options | null;
  /** In matrix order, which is the order of every table and colour. */
  readonly runs: readonly Run[];
  readonly equilibria: readonly EquilibriumRow[];
  readonly missing: readonly Missing[];
  /** What the paper claims, judged; null when no claims are declared. */
  readonly claims: ClaimsResult | null;
}
