// commits.ts — results on their way to the store: those of many tasks share one transaction and one flush
import type { ActionCache, Commit } from './store.ts';

/** While more work waits for slots, results are gathered for this long: a flush stops everything else here. */
const GATHER_MS = 10;
/** And for so many times as long as the last flush took, so that flushes take a quarter of the time at most. */
const GATHER_FLUSHES = 3;
/** Where results come from many workers elsewhere: nobody waits for one of them that long for nothing. */
const GATHER_AWAY_MS = 50;
/** A disk that takes longer for a flush than results are gathered is given more of them at once, up to this time. */
const GATHER_MOST_MS = 250;

interface Pending {
  readonly commit: Commit;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Commits in groups. */
export class Commits {
  private pending: Pending[] = [];
  private due = false;
  /** How long the last flush took. */
  private last_ms = 0;
  private readonly actions: ActionCache;
  private readonly busy: () => boolean;
  private readonly isAway: () => boolean;

  /**
   * @param busy whether work waits for slots; when none does, somebody may wait for this very result
   * @param isAway whether many results come from workers elsewhere
   */
  constructor(actions: ActionCache, busy: () => boolean, isAway: () => boolean = () => false) {
    this.actions = actions;
    this.busy = busy;
    this.isAway = isAway;
  }

  /** Resolves when the record and its outputs are durable. @throws StoreError when they cannot be kept */
  keep(commit: Commit): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.push({ commit, resolve, reject });
      if (this.due) return;
      this.due = true;
      if (this.isAway()) this.flushIn(Math.max(GATHER_AWAY_MS, 2 * this.last_ms));
      else if (this.busy()) this.flushIn(Math.max(GATHER_MS, GATHER_FLUSHES * this.last_ms));
      else setImmediate(() => void this.flush());
    });
  }

  private flushIn(pause_ms: number): void {
    setTimeout(() => void this.flush(), Math.min(pause_ms, GATHER_MOST_MS));
  }

  private async flush(): Promise<void> {
    const group = this.pending;
    this.pending = [];
    this.due = false;
    const began = performance.now();
    try {
      await this.actions.put(group.map(({ commit }) => commit));
      this.last_ms = performance.now() - began;
    } catch (error) {
      // What does not fit on a full disk together may fit in part.
      const [only] = group;
      if (only !== undefined && group.length === 1) only.reject(error);
      else for (const one of group) await this.alone(one);
      return;
    }
    for (const { resolve } of group) resolve();
  }

  private async alone({ commit, resolve, reject }: Pending): Promise<void> {
    try {
      await this.actions.put([commit]);
      resolve();
    } catch (error) {
      reject(error);
    }
  }
}
