// leases.ts — which actions this run has taken: no other process runs them, and it waits for none that is gone
import type { Listener } from '../model/event.ts';
import type { Key, TaskId } from '../model/key.ts';
import {
  type Identity,
  instanceOf,
  type LeaseHolder,
  livenessFor,
  type ProcessIdentity,
} from '../model/process-identity.ts';
import { CLAIM_LEASE_ALIVE_MS, CLAIM_LEASE_MS, type Claim } from '../model/record.ts';
import { type Store, StoreError } from './store.ts';

/** A claim is renewed this often, well within its lease. */
export const CLAIM_RENEW_MS = 1000;
/** After which a claim is taken over, by what can be seen of its holder. */
const LEASES_MS = { dead: 0, alive: CLAIM_LEASE_ALIVE_MS, unknown: CLAIM_LEASE_MS } as const;
/** How often to look whether another process has finished what we need. */
const POLL_MS = 50;

/** What claims need to know. */
export interface ClaimOptions {
  readonly store: Store;
  readonly owner: string;
  readonly identity: Identity;
  readonly clock: () => number;
  readonly listener: Listener;
}

/** The claims of one run. */
export class Claims {
  private readonly held = new Set<Key>();
  private readonly leaseOf: (holder: LeaseHolder) => number;
  private readonly own: ProcessIdentity;
  private readonly options: ClaimOptions;

  constructor(options: ClaimOptions) {
    const { host, pid } = options.identity;
    const life = instanceOf(pid);
    this.options = options;
    this.own = { host, pid, ...(life && { life }) };
    const liveness = livenessFor(options.identity);
    this.leaseOf = (holder) => LEASES_MS[liveness(holder)];
  }

  /** Takes an action, or says who has it. */
  take(key: Key, task: TaskId): Claim | undefined {
    const { store, owner, clock } = this.options;
    const holder = { ...this.own, task };
    const other = store.claim(key, owner, clock(), holder, this.leaseOf);
    if (other === undefined) this.held.add(key);
    return other;
  }

  /** Says for whom a task waits, and waits until the action can be had. False when the run ends before that. */
  async wait(key: Key, task: TaskId, other: Claim, ended: () => boolean): Promise<boolean> {
    const { holder } = other;
    const by = holder && { task: holder.task, host: holder.host, pid: holder.pid };
    this.options.listener({ event: 'waiting', task, for: other.owner, ...(by && { by }) });
    while (!ended()) {
      if (this.take(key, task) === undefined) return true;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return false;
  }

  release(key: Key): void {
    if (!this.held.delete(key)) return;
    try {
      this.options.store.release(key, this.options.owner);
    } catch (error) {
      // A claim that cannot be given back (the disk is full) ends by itself when its lease does.
      if (!(error instanceof StoreError)) throw error;
    }
  }

  /** @throws StoreError */
  renew(): void {
    const { store, owner, clock } = this.options;
    if (this.held.size > 0) store.renew([...this.held], owner, clock());
  }
}
