// action-result.ts — how an attempt at an action ended: one type for every executor
import type { Failure } from './failure.ts';
import type { Digest, Named } from './key.ts';
import type { KeptOutput } from './record.ts';

/** How an attempt ended. */
export type ActionResult =
  | {
      readonly status: 'done';
      readonly outputs: Named<KeptOutput>;
      /** The most memory that its processes were seen to have together. Absent where nobody looked. */
      readonly peak_bytes?: number;
      /** How long it ran, where that was not here. */
      readonly seconds?: number;
      /** Where it ran, where that was not here. */
      readonly node?: { readonly host: string; readonly machine: Named<string> };
    }
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
