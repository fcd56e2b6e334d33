// commits.ts — results on their way to the store: those of many tasks share one transaction and one flush
import type { Commit, Store } from './store.ts';

/** While more work waits for slots, results are gathered for this long: a flush stops everything else here. */
const GATHER_MS = 10;

interface Pending {
  readonly commit: Commit;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Commits in groups. */
export class Commits {
  private pending: Pending[] = [];
  private due = false;
  private readonly store: Store;
  private readonly busy: () => boolean;

  /** @param busy whether work waits for slots; when none does, somebody may wait for this very result */
  constructor(store: Store, busy: () => boolean) {
    this.store = store;
    this.busy = busy;
  }

  /** Resolves when the trace and its blobs are durable. @throws StoreError when they cannot be kept */
  keep(commit: Commit): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.push({ commit, resolve, reject });
      if (this.due) return;
      this.due = true;
      if (this.busy()) setTimeout(() => this.flush(), GATHER_MS);
      else setImmediate(() => this.flush());
    });
  }

  private flush(): void {
    const group = this.pending;
    this.pending = [];
    this.due = false;
    try {
      this.store.commit(...group.map(({ commit }) => commit));
    } catch (error) {
      // What does not fit on a full disk together may fit in part.
      if (group.length === 1) for (const one of group) one.reject(error);
      else for (const one of group) this.alone(one);
      return;
    }
    for (const { resolve } of group) resolve();
  }

  private alone({ commit, resolve, reject }: Pending): void {
    try {
      this.store.commit(commit);
      resolve();
    } catch (error) {
      reject(error);
    }
  }
}
