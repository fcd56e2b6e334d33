// run-control.ts — whether tasks of a run may start, and what stops those that run
import { StopReason } from '../model/action-result.ts';
import type { Key } from '../model/key.ts';
import type { RunState } from './run-state.ts';
import type { Supersession } from './superseded.ts';

/** What ends a run before its time. */
export interface RunControlOptions {
  readonly state: RunState;
  /** Aborted when the user asks to stop: running actions save a checkpoint and end. */
  readonly signal: AbortSignal;
  readonly supersession: Supersession;
  /** After a failure, go on with what does not need it. */
  readonly keepGoing: boolean;
}

/** Starts and stops the actions of one run. */
export class RunControl {
  private readonly running = new Set<AbortController>();
  private broken: { readonly error: unknown } | undefined;
  private readonly options: RunControlOptions;
  private readonly onAbort = (): void => this.stopAll(new StopReason());

  constructor(options: RunControlOptions) {
    this.options = options;
    options.signal.addEventListener('abort', this.onAbort, { once: true });
  }

  /** Whether running actions must stop: the user asked for it, or an error ends the run. */
  get isHalted(): boolean {
    return this.options.signal.aborted || this.broken !== undefined;
  }

  /** Whether a newer plan has taken this one's place. */
  get isSuperseded(): boolean {
    return this.options.supersession.isSuperseded;
  }

  /** Whether whatever does not run now is left. */
  get isEnding(): boolean {
    return this.isHalted || this.isSuperseded;
  }

  /** Whether a task may start. */
  get mayStart(): boolean {
    const { state, keepGoing } = this.options;
    return !this.isEnding && (keepGoing || !state.failed);
  }

  /** Whether tasks are to do without what failed, where they can. */
  get doesWithoutFailed(): boolean {
    return this.options.keepGoing && !this.isEnding;
  }

  /** Runs an action. The signal is aborted when it is to stop. */
  async during<T>(key: Key, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    if (this.isHalted) stop.abort(new StopReason());
    this.running.add(stop);
    try {
      return await this.options.supersession.during(key, stop, () => work(stop.signal));
    } finally {
      this.running.delete(stop);
    }
  }

  /** Ends the run for an error that is no task's own: what runs is stopped first, so that nothing outlives the store. */
  breakOff(error: unknown): void {
    if (this.broken) return;
    this.broken = { error };
    this.stopAll(new StopReason(0));
  }

  /** @throws what ended the run, if it was an error */
  throwIfBroken(): void {
    if (this.broken) throw this.broken.error;
  }

  close(): void {
    this.options.signal.removeEventListener('abort', this.onAbort);
  }

  private stopAll(reason: StopReason): void {
    for (const stop of this.running) stop.abort(reason);
  }
}
