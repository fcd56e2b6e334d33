// leases.ts — which actions this run has taken: no other process runs them, and it waits for none that is gone
import { briefKey, debug } from '../model/debug-log.ts';
import type { Listener } from '../model/event.ts';
import type { Key, TaskId } from '../model/key.ts';
import {
  type Identity,
  instanceOf,
  type LeaseHolder,
  livenessFor,
  type ProcessIdentity,
} from '../model/process-identity.ts';
import { LEASE_ALIVE_MS, LEASE_MS, type Lease } from '../model/record.ts';
import { type Store, StoreError } from './store.ts';

/** Leases are renewed this often, well before they expire. */
export const LEASE_RENEW_MS = 1000;
/** How long a lease lasts without renewal, by what can be seen of its holder. */
const DURATION_MS = { dead: 0, alive: LEASE_ALIVE_MS, unknown: LEASE_MS } as const;
/** How often to look whether another process has finished what we need. */
const POLL_MS = 50;

/** What leases are made of. */
export interface LeaseOptions {
  readonly store: Store;
  readonly owner: string;
  readonly identity: Identity;
  readonly clock: () => number;
  readonly listener: Listener;
}

/** The leases of one run. */
export class Leases {
  private readonly held = new Set<Key>();
  private hasTaken = false;
  private readonly durationOf: (holder: LeaseHolder) => number;
  private readonly own: ProcessIdentity;
  private readonly options: LeaseOptions;

  constructor(options: LeaseOptions) {
    const { host, pid } = options.identity;
    const life = instanceOf(pid);
    this.options = options;
    this.own = { host, pid, ...(life && { life }) };
    const liveness = livenessFor(options.identity);
    this.durationOf = (holder) => DURATION_MS[liveness(holder)];
  }

  /** Takes an action, or says who has it. */
  take(key: Key, task: TaskId): Lease | undefined {
    const { store, owner, clock } = this.options;
    const holder = { ...this.own, task };
    const other = store.leases.acquire(key, owner, clock(), holder, this.durationOf);
    this.hasTaken = true;
    if (other === undefined) this.held.add(key);
    const result = other === undefined ? 'taken' : `held by run ${other.owner}`;
    debug?.('lease', `${task} ${briefKey(key)} ${result}`);
    return other;
  }

  /** Says for whom a task waits, and waits until the action can be had. False when the run ends before that. */
  async wait(key: Key, task: TaskId, other: Lease, ended: () => boolean): Promise<boolean> {
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
    debug?.('lease', `${briefKey(key)} released`);
    quietly(() => this.options.store.leases.release(key, this.options.owner));
  }

  /** @throws StoreError */
  renew(): void {
    const { store, owner, clock } = this.options;
    if (this.held.size > 0) store.leases.renew(owner, clock());
  }

  /** Nothing is taken after this. */
  close(): void {
    if (!this.hasTaken) return;
    const { store, owner, clock } = this.options;
    quietly(() => store.leases.leave(owner, clock()));
  }
}

/** A lease that cannot be given back (the disk is full) expires by itself. */
function quietly(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}
