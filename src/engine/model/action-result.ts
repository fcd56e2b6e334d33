// action-result.ts — how an attempt at an action ended: one type for every executor, with causes of failure as data
import type { Digest, Named } from './key.ts';

/**
 * Why an attempt failed, and what each cause means. This is the only list of them: `retries.on` in pipeline.yaml, its
 * schema and `--json` take their names from here.
 */
export const FAILURE_CAUSES = {
  stage: 'the code of the stage threw an error',
  exit: 'a process ended with an exit code other than 0',
  signal: 'a signal ended a process',
  memory: 'memory ran out',
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

/** How an attempt ended. */
export type ActionResult =
  | { readonly status: 'done'; readonly outputs: Named<Uint8Array> }
  /** It was asked to stop. What it saved last is its checkpoint. */
  | { readonly status: 'stopped' }
  /** Inputs that cannot be had: nothing ran. */
  | { readonly status: 'lost-inputs'; readonly digests: readonly Digest[] }
  | { readonly status: 'failed'; readonly failure: Failure };

/** A failed attempt. */
export const failed = (failure: Failure): Extract<ActionResult, { status: 'failed' }> => ({
  status: 'failed',
  failure,
});

/** What the signal of an action is aborted with: how long the action has to save a checkpoint. */
export class StopReason extends Error {
  override readonly name = 'AbortError';
  readonly grace_ms: number;

  constructor(grace_ms: number = STOP_GRACE_MS) {
    super('the action is to stop');
    this.grace_ms = grace_ms;
  }
}

/** An action that does not reach a checkpoint within this time after it was asked to stop is ended. */
export const STOP_GRACE_MS = 4000;

/** How long an action has that a signal asks to stop. */
export const graceOf = ({ reason }: AbortSignal): number =>
  reason instanceof StopReason ? reason.grace_ms : STOP_GRACE_MS;
