// superseded.ts — the end of a run whose plan was replaced while it ran
import { StopReason } from '../model/action-result.ts';
import type { Key } from '../model/key.ts';

/**
 * Lets a run end for another that has a newer plan: nothing new starts in it, and of what runs only those actions go on
 * that the newer plan wants, too.
 */
export class Supersession {
  private kept: ReadonlySet<Key> | undefined;
  private readonly running = new Map<Key, AbortController>();

  /** Whether a newer plan has taken this one's place. */
  get isSuperseded(): boolean {
    return this.kept !== undefined;
  }

  /** Supersedes the run, or narrows what goes on. @param keep actions that the newer plan wants */
  supersede(keep: ReadonlySet<Key>): void {
    this.kept = keep;
    for (const [key, stop] of this.running) if (!keep.has(key)) stop.abort(new StopReason());
  }

  /** Does work for an action. @param stop is aborted when nobody wants it any more */
  async during<T>(key: Key, stop: AbortController, work: () => Promise<T>): Promise<T> {
    if (this.kept && !this.kept.has(key)) stop.abort(new StopReason());
    this.running.set(key, stop);
    try {
      return await work();
    } finally {
      this.running.delete(key);
    }
  }
}
