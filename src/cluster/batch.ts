// batch.ts — the seam to a batch system: what starts workers on nodes, tells how they are, and ends them
import type { JobClass } from '../engine/config/job-class.ts';

/** A job by the name that the batch system gave it, such as `1234_5`. It may be given again: names tell jobs apart. */
export type JobId = string & { readonly __brand: 'JobId' };

/** Workers that are asked for together: an array of jobs. */
export interface SubmitAsk {
  /**
   * The name of every job of the array, which nothing else has: `pl.<project>.<class>.<set>`. Fit for any batch system:
   * letters, digits, `.`, `-` and `_`.
   */
  readonly name: string;
  /** For people who look at the queue. */
  readonly comment: string;
  readonly cls: JobClass;
  /** How many jobs: their elements are 0, 1, … */
  readonly count: number;
  /**
   * Starts a worker: absolute path of Node (or a name on PATH) first, then its arguments, then, as the last argument, the
   * element, which the batch system adds. `cls.wrap` stands in front of all of it, `cls.prologue` runs before.
   */
  readonly argv: readonly string[];
  /** Where what a job prints goes: the file `<logs>/<name>.<element>.log`, in a folder that is there. */
  readonly logs: string;
  /** Variables that a job needs beside its own. */
  readonly env: { readonly [name: string]: string };
}

/** What came of asking. */
export type SubmitEnd =
  /** By element. */
  | { readonly end: 'accepted'; readonly jobs: readonly JobId[] }
  /** It will never do: a partition that does not exist, an account that may not. */
  | { readonly end: 'refused'; readonly message: string; readonly hint?: string }
  /** Not now: a limit on jobs. Fewer, or later. */
  | { readonly end: 'limited'; readonly message: string }
  /** The batch system did not answer, and nobody knows whether the jobs are there: their name tells. */
  | { readonly end: 'unknown'; readonly message: string };

/** Why a job will not start as things are. */
export interface Obstacle {
  readonly message: string;
  readonly hint?: string;
  /** Only a job that asks for something else would start: this one is not waited for. */
  readonly isFinal: boolean;
}

/** A job as the batch system sees it. A job that it does not see is over, was never there, or is not listed yet. */
export interface JobSight {
  readonly id: JobId;
  readonly name: string;
  readonly element: number;
  /** `over`: the batch system still lists it, and it will not run any more. */
  readonly state: 'pending' | 'running' | 'ending' | 'over';
  /** Of a pending job: why, in the words of the batch system; null where it says nothing. */
  readonly reason: string | null;
  /** What a person should know of the reason: that the job will not start as things are. */
  readonly obstacle?: Obstacle;
  readonly node: string | null;
  /** When its time is over, in milliseconds since 1970; null where that is unknown. */
  readonly ends_ms: number | null;
}

/** Why a job is over. */
export interface DeathCause {
  readonly kind:
    | 'ended' /* by itself, with exit code 0 */
    | 'failed' /* by itself */
    | 'memory'
    | 'time'
    | 'node' /* the node failed, or took the job down: preemption, boot failure */
    | 'cancelled' /* by a person or an administrator, not by us */
    | 'unknown';
  /** In words: `CANCELLED by 1000`. */
  readonly detail: string;
}

/** A batch system. Its silence changes nothing: whoever asks goes on with what it knows. */
export interface Batch {
  readonly name: string;
  /** The least time between two looks, and the pause after the first look that changed nothing. */
  readonly pace: { readonly least_ms: number; readonly first_ms: number; readonly most_ms: number };
  /** One array may have so many jobs; absent where there is no limit. */
  most?(): Promise<number>;
  /** Asks for one array of jobs. */
  submit(ask: SubmitAsk): Promise<SubmitEnd>;
  /** Looks at all jobs of some names at once. */
  look(names: readonly string[]): Promise<readonly JobSight[] | 'unknown'>;
  /** Why jobs that are over ended; one that nothing is known of is left out. They are all asked for at once. */
  causes(
    jobs: readonly { readonly id: JobId; readonly name: string; readonly element: number }[],
  ): Promise<ReadonlyMap<JobId, DeathCause>>;
  /** Ends jobs: all of some names, or only some elements of one. A job that is over already is no error. */
  end(names: readonly string[], elements?: readonly number[]): Promise<void>;
  /** The same at once, for who ends this process now: it starts what ends them, and waits for nothing. */
  endNow(names: readonly string[]): void;
  close(): Promise<void>;
}
