// study.ts — what a report is made of
import type { ClaimsResult } from '../../claims/result.ts';
import type { TrainingMetrics } from '../../network/metrics.ts';
import type { ConvergenceRow } from '../../sparse/convergence.ts';
import type { Equilibrium } from '../../sparse/equilibrium.ts';
import type { FanInSummary } from '../../sparse/fan-in.ts';
import type { FanInFit } from '../../sparse/fit.ts';
import type { HistoryRow } from '../../sparse/history.ts';
import type { LayerPortrait } from '../../sparse/portrait.ts';

/** Where a value came from: the task that made it and the blob that held it. */
export interface Provenance {
  /** Such as `rigl[synth-digits,128-64,0.9,erk,lognormal-cv1,0]`. */
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
  /**
   * Its name. Results of different networks stand apart, like those of different data sets: behind the name are the widths
   * of the hidden layers, `mnist 1024-512`, unless they are those of the study's first network.
   */
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

/** One static network that keeps something of a finished RigL run. */
export interface PlacedRun {
  readonly dataset: string;
  readonly sparsity: string;
  readonly rule: string;
  /** What it keeps, such as `exact` or `fan-in-permuted`. */
  readonly arm: string;
  readonly pilot: string;
  readonly metrics: Sourced<TrainingMetrics>;
}

/** How the gradient was spread over the neurons of one hidden layer of one network, in its last epochs. */
export interface LayerGradient {
  /** CV of fan-in. */
  readonly cv: number;
  /** L2 norm at hubs over that at all neurons; null where there is none. */
  readonly ratio: number | null;
  /** What counting connections alone would give. */
  readonly counted: number | null;
}

/** The gradients of one network. */
export interface GradientRun {
  readonly coordinates: Coordinates;
  readonly from: Provenance;
  /** Hidden layers, first to last. */
  readonly layers: readonly LayerGradient[];
}

/** Whether RigL forgets its start, in one setting: a row for each start and layer. */
export interface ConvergenceResult {
  readonly from: Provenance;
  readonly rows: readonly ConvergenceRow[];
}

/** Fan-in on its way, in one setting. */
export interface HistoryResult {
  readonly from: Provenance;
  readonly rows: readonly HistoryRow[];
}

/** What RigL made of the first hidden layer of one run. */
export interface PortraitResult {
  readonly dataset: string;
  readonly sparsity: string;
  readonly rule: string;
  readonly profile: string;
  readonly seed: string;
  readonly from: Provenance;
  readonly start: LayerPortrait;
  readonly end: LayerPortrait;
  readonly image: {
    readonly height: number;
    readonly width: number;
    readonly transposed: boolean;
  } | null;
}

/** The equilibrium of one setting, with the pilot runs that it was fitted to. */
export interface EquilibriumRow {
  readonly dataset: string;
  readonly sparsity: string;
  readonly rule: string;
  readonly fit: Sourced<Equilibrium>;
  /** Which distribution it follows, layer by layer; null where that was not asked. */
  readonly families: Sourced<readonly FanInFit[]> | null;
  /** Fan-in at the end of each pilot run that was pooled. The last layer is the output layer. */
  readonly pilots: readonly Sourced<FanInSummary>[];
}

/** A data set that the study trained on. */
export interface StudyDataset {
  readonly name: string;
  /** As its publishers call it, with what it is. */
  readonly title: string;
  /** Made by a generator of ours: what is found on it illustrates, and is not counted as evidence. */
  readonly synthetic: boolean;
  readonly features: number;
  readonly classes: number;
  /** Samples. */
  readonly train: number;
  readonly test: number;
  /** Share of the most frequent class of the test samples: what guessing gives. */
  readonly majority: number;
  /** How samples came to be in their split, and licence and source, in words. */
  readonly split: string;
  readonly licence: string;
  readonly citation: string;
  readonly from: Provenance;
}

/** Named settings as the pipeline's params give them, printed as they are. */
export interface Options {
  readonly [name: string]: string | number | boolean | readonly number[];
}

/** A task whose result the report ought to show and cannot. */
export interface Missing {
  readonly task: string;
  readonly kind: 'infeasible' | 'failed' | 'skipped';
  /** Such as `CV 2.5 is infeasible: at most CV 2.00`. */
  readonly reason: string;
}

/** A stage of the pipeline that made the study, as far as the report is made from it. */
export interface StudyStage {
  readonly stage: string;
  /** Ids, in matrix order. */
  readonly tasks: readonly string[];
  /** Outputs of other stages that they read: `mask.fanIn`. */
  readonly reads: readonly string[];
}

/** The name of the data set whose results stand under `place`: see `Coordinates`. */
export const datasetAt = (place: string): string => place.split(' ', 1)[0]!;

/** Everything that a report says, with the source of every number in it. */
export interface Study {
  readonly title: string;
  readonly datasets: readonly StudyDataset[];
  /** The networks, by the widths of their hidden layers: `512-256`. The first is that of most results. */
  readonly hidden: readonly string[];
  /** Epochs, batch, optimiser and the like. */
  readonly training: Options;
  /** Null when nothing was rewired. */
  readonly rigl: Options | null;
  /** In matrix order, which is the order of every table and colour. */
  readonly runs: readonly Run[];
  /** Static runs over a grid of sparsity and profile; runs that are in `runs` as well are left out. */
  readonly sweep: readonly Run[];
  readonly placed: readonly PlacedRun[];
  readonly gradients: readonly GradientRun[];
  readonly convergence: readonly ConvergenceResult[];
  readonly histories: readonly HistoryResult[];
  readonly portraits: readonly PortraitResult[];
  readonly equilibria: readonly EquilibriumRow[];
  readonly missing: readonly Missing[];
  /** What the report is made from, itself included, in any order; empty where that is not told. */
  readonly graph: readonly StudyStage[];
  /** What the paper claims, judged; null when no claims are declared. */
  readonly claims: ClaimsResult | null;
}
