// strikes.ts — when a remote is no longer asked: after three failures in a row, or one that a retry cannot fix
import { setMaxListeners } from 'node:events';
import { RemoteError } from './remote-cache.ts';

const STRIKES_MAX = 3;

/** Counts failures in a row. Ends everything that is under way when it is enough. */
export class Strikes {
  private count = 0;
  private readonly controller = new AbortController();
  private readonly onOut: (error: RemoteError) => void;

  /** @param onOut hears once why the remote is left alone */
  constructor(onOut: (error: RemoteError) => void) {
    this.onOut = onOut;
    // Every request that is under way listens.
    setMaxListeners(0, this.controller.signal);
  }

  get isOut(): boolean {
    return this.controller.signal.aborted;
  }

  /** Aborted when the remote is left alone. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  succeeded(): void {
    this.count = 0;
  }

  /** Notes a failure. @param isFinal whether a retry cannot fix it */
  failed(error: RemoteError, isFinal = error.fault === 'refused'): void {
    if (this.isOut) return;
    this.count += 1;
    if (!isFinal && this.count < STRIKES_MAX) return;
    this.controller.abort();
    this.onOut(error);
  }

  end(): void {
    this.controller.abort();
  }
}

/** Tries again once what may pass; no attempt follows one that took its time. */
export async function twice<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof RemoteError) || !error.isPassing || error.fault === 'timeout') {
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    return action();
  }
}

const RETRY_AFTER_MS = 100;
