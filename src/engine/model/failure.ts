// failure.ts — why an attempt at an action failed, as data: causes, and what is known of each

/**
 * Why an attempt failed, and what each cause means. This is the only list of them: `retries.on` in pipeline.yaml, its
 * schema and `--json` take their names from here.
 */
export const FAILURE_CAUSES = {
  stage: 'the code of the stage threw an error',
  exit: 'a process ended with an exit code other than 0',
  signal: 'a signal ended a process',
  memory: 'memory ran out, or a program took more than it may',
  timeout: 'it took longer than `timeout`',
  outputs: 'an output is missing, or is not what was declared',
  inputs: 'an input cannot be read, or changed while the task ran',
  infrastructure:
    'something around the task failed: a download, a full disk, a process that could not start',
} as const;

/** The name of a cause. */
export type FailureCause = keyof typeof FAILURE_CAUSES;

/** How a process ended that should have gone on, or should have ended otherwise. */
export interface ProcessEnd {
  /** The command that it ran; null for a worker process of ours. */
  readonly argv: readonly string[] | null;
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  /** The last lines that it printed. */
  readonly last: readonly string[];
}

/** A failure that words tell: an error that was thrown, or a rule that was broken. */
export interface DescribedFailure {
  readonly cause: Exclude<FailureCause, 'exit' | 'signal' | 'timeout'>;
  readonly message: string;
  /** Where it was thrown, mapped to sources, when that helps. */
  readonly stack?: string | undefined;
  /** What the params ask for cannot be done. */
  readonly infeasible?: boolean;
}

/** A process that ended badly. */
export interface ProcessFailure {
  readonly cause: 'exit' | 'signal' | 'memory';
  readonly process: ProcessEnd;
}

/** An attempt that took too long. */
export interface Timeout {
  readonly cause: 'timeout';
  readonly timeout_ms: number;
}

/** Why an attempt failed. `formatFailure` puts it into words. */
export type Failure = (DescribedFailure | ProcessFailure | Timeout) & {
  /** What else the user should know, line by line. */
  readonly notes?: readonly string[];
  /** Where the folder of the attempt is kept, for a person to look at. */
  readonly keptFolder?: string;
};
