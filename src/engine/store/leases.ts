// leases.ts — which actions this run has taken: no other process runs them, and it waits for none that is gone
import { briefKey, debug } from '../model/debug-log.ts';
import type { Listener } from '../model/event.ts';
import type { Key, TaskId } from '../model/key.ts';
import {
  type Identity,
  instanceOf,
  isSuspended,
  type LeaseHolder,
  type Liveness,
  livenessFor,
  type ProcessIdentity,
} from '../model/process-identity.ts';
import { LEASE_ALIVE_MS, LEASE_MS, type Lease } from '../model/record.ts';
import { resumeHint } from '../process/suspended.ts';
import { type Store, StoreError } from './store.ts';

/** Leases are renewed this often, well before they expire. */
export const LEASE_RENEW_MS = 1000;
/** How long a lease lasts without renewal, by what can be seen of its holder. */
const DURATION_MS = { dead: 0, alive: LEASE_ALIVE_MS, unknown: LEASE_MS } as const;
/** How often to look whether another process has finished what we need. */
const POLL_MS = 50;
/** How many of these looks go by before the next one at the process itself. */
const POLLS_PER_LOOK = 10;
/** A process that is suspended for less is not told of. */
const STAYS_MS = 400;

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
  /** Given back, and not yet written: results that are stored together give back their leases together. */
  private readonly released = new Set<Key>();
  private hasTaken = false;
  /** By run, since when its process has been found suspended. */
  private readonly suspended = new Map<string, number>();
  /** Runs of which that was told. */
  private readonly told = new Set<string>();
  private readonly liveness: (holder: ProcessIdentity) => Liveness;
  private readonly durationOf: (holder: LeaseHolder) => number;
  private readonly own: ProcessIdentity;
  private readonly options: LeaseOptions;

  constructor(options: LeaseOptions) {
    const { host, pid } = options.identity;
    const life = instanceOf(pid);
    this.options = options;
    this.own = { host, pid, ...(life && { life }) };
    this.liveness = livenessFor(options.identity);
    this.durationOf = (holder) => DURATION_MS[this.liveness(holder)];
  }

  /** Takes an action, or says who has it. */
  take(key: Key, task: TaskId): Lease | undefined {
    const { store, owner, clock } = this.options;
    const holder = { ...this.own, task };
    this.released.delete(key);
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
    for (let polls = 1; !ended(); polls += 1) {
      const now = this.take(key, task);
      if (now === undefined) return true;
      if (polls % POLLS_PER_LOOK === 0) this.lookAt(now, task);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return false;
  }

  /** Says so, once, when the process that is waited for is suspended, and stays so: it may never go on. */
  private lookAt({ owner, holder }: Lease, task: TaskId): void {
    if (holder === undefined || this.told.has(owner)) return;
    if (this.liveness(holder) !== 'alive' || !isSuspended(holder.pid)) {
      this.suspended.delete(owner);
      return;
    }
    const now = this.options.clock();
    const since = this.suspended.get(owner) ?? now;
    this.suspended.set(owner, since);
    if (now - since < STAYS_MS) return;
    this.told.add(owner);
    const message =
      `run ${owner} (process ${holder.pid}), which is making ${holder.task}, is suspended: ` +
      `${resumeHint(holder.pid)}. ${LEASE_ALIVE_MS / 60_000} minutes after it was suspended, its tasks are made here`;
    this.options.listener({ event: 'warning', task, message });
  }

  release(key: Key): void {
    if (!this.held.delete(key)) return;
    debug?.('lease', `${briefKey(key)} released`);
    if (this.released.size === 0) setImmediate(() => this.writeReleases());
    this.released.add(key);
  }

  private writeReleases(): void {
    const keys = [...this.released];
    this.released.clear();
    if (keys.length > 0) {
      quietly(() => this.options.store.leases.release(keys, this.options.owner));
    }
  }

  /** @throws StoreError */
  renew(): void {
    const { store, owner, clock } = this.options;
    if (this.held.size > 0) store.leases.renew(owner, clock());
  }

  /** Nothing is taken after this. */
  close(): void {
    if (!this.hasTaken) return;
    this.released.clear();
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
