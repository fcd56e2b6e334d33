// superseded.ts — the end of a run whose plan was replaced while it ran
import type { Key } from '../model/key.ts';

/**
 * Lets a run end for another that has a newer plan: nothing new starts in it, and of what runs only those actions go on
 * that the newer plan wants, too.
 */
export class Supersession {
  private kept: ReadonlySet<Key> | undefined;
  private readonly running = new Map<Key, AbortController>();

  /** Whether it has begun. */
  get isSuperseded(): boolean {
    return this.kept !== undefined;
  }

  /** Begins it, or narrows what goes on. @param keep actions that the newer plan wants */
  supersede(keep: ReadonlySet<Key>): void {
    this.kept = keep;
    for (const [key, stop] of this.running) if (!keep.has(key)) stop.abort();
  }

  /** Does work for an action. The signal is aborted when nobody wants it any more. */
  async during<T>(key: Key, work: (obsolete: AbortSignal) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    if (this.kept && !this.kept.has(key)) stop.abort();
    this.running.set(key, stop);
    try {
      return await work(stop.signal);
    } finally {
      this.running.delete(key);
    }
  }
}
