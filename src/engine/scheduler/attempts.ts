// attempts.ts — how one action gets its attempts: a slot, resources, the lease, and another try

import type { Policy } from '../config/policy.ts';
import type { ActionRunner, AttemptResult } from '../executors/action-runner.ts';
import type { InputStaging } from '../executors/input-staging.ts';
import { briefKey, debug } from '../model/debug-log.ts';
import type { Listener, Reason, TaskError } from '../model/event.ts';
import type { Digest, TaskId } from '../model/key.ts';
import type { ActionRecord, Lease } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import { urgencies } from '../planning/visit-order.ts';
import { type Action, decide } from '../rebuilder/action.ts';
import { StageError } from '../stage.ts';
import type { Leases } from '../store/leases.ts';
import type { Store } from '../store/store.ts';
import type { ResourcePool, ResourceRequest } from './resource-pool.ts';

/** What attempts need. */
export interface AttemptsOptions {
  readonly plan: Plan;
  readonly store: Store;
  readonly pool: ResourcePool;
  readonly leases: Leases;
  readonly runner: ActionRunner;
  readonly staging: InputStaging;
  /** This run, as those are told that wait for something in it. */
  readonly self: { readonly run: string; readonly host: string; readonly pid: number };
  readonly listener: Listener;
  readonly policies: { get(stage: string): Policy | undefined };
  readonly clock: () => number;
  /** Whether whatever does not run now is left. */
  readonly ending: () => boolean;
  /** Whether nothing new may start. */
  readonly stopping: () => boolean;
}

/** What came of an action's attempts. */
export type AttemptsEnd =
  | { readonly kind: 'tried'; readonly tried: Exclude<AttemptResult, { end: 'lost' }> }
  /** It cannot run: what it reads was lost, and these tasks could not be made again. */
  | { readonly kind: 'blocked'; readonly by: readonly TaskId[] }
  /** It did not run: the run ends. */
  | { readonly kind: 'skipped' }
  /** Another process has made it. */
  | { readonly kind: 'hit'; readonly trace: ActionRecord };

/** What one turn came to. */
type Turn =
  | AttemptsEnd
  /** Another process is making the action. */
  | { readonly kind: 'held'; readonly by: Lease }
  /** The store has lost blobs that the action reads. */
  | { readonly kind: 'lost'; readonly digests: readonly Digest[] };

/** An action whose inputs are there, and are not found, is given up after so many attempts. */
const LOOKS_MAX = 3;
/** How often a pause before a retry looks whether the run was stopped. */
const PAUSE_LOOK_MS = 100;

/** Gives actions their attempts. */
export class Attempts {
  private urgent: ReadonlyMap<TaskId, number> | undefined;
  private ranking: Promise<ReadonlyMap<TaskId, number>> | undefined;
  /** Actions that wait for a slot or hold one. */
  private inFlight = 0;
  private readonly options: AttemptsOptions;

  constructor(options: AttemptsOptions) {
    this.options = options;
  }

  /** Takes attempts in a slot until there is a result, or an end to it. Between them it holds none. */
  async take(action: Action, reason: Reason): Promise<AttemptsEnd> {
    this.inFlight += 1;
    try {
      return await this.untilEnd(action, reason);
    } finally {
      this.inFlight -= 1;
    }
  }

  private async untilEnd(action: Action, reason: Reason): Promise<AttemptsEnd> {
    const { pool, leases, ending } = this.options;
    const { task, key } = action;
    const request = await this.requestOf(task);
    let acceptCached = reason.kind !== 'forced';
    let failed: AttemptsEnd | undefined;
    let looks = 0;
    for (let failures = 0; ; ) {
      const turn = await pool.withSlot(request, (slot) =>
        this.turn(action, reason, acceptCached, slot),
      );
      if (turn.kind === 'held') {
        acceptCached = true;
        if (await leases.wait(key, task.id, turn.by, ending)) continue;
        return { kind: 'skipped' };
      }
      if (turn.kind === 'lost') {
        looks += 1;
        const end = await this.restore(task, turn.digests, looks);
        if (end) return end;
        continue;
      }
      if (turn.kind === 'tried' && turn.tried.end === 'failed') {
        failures += 1;
        failed = turn;
        if (await this.pauseToRetry(task, turn.tried.error, failures)) continue;
      }
      // A run that ends before the next try leaves the failure of the last.
      return turn.kind === 'skipped' ? (failed ?? turn) : turn;
    }
  }

  /** One turn in a slot. @param acceptCached whether a result of another process will do */
  private async turn(
    action: Action,
    reason: Reason,
    acceptCached: boolean,
    slot: number,
  ): Promise<Turn> {
    const { leases, store, runner, stopping } = this.options;
    if (stopping()) return { kind: 'skipped' };
    const by = leases.take(action.key, action.task.id);
    if (by) return { kind: 'held', by };
    // Another process may have finished between our look and our lease.
    const verdict = await decide(action, store, !acceptCached);
    if (verdict.hit) return { kind: 'hit', trace: verdict.trace };
    const now = acceptCached ? verdict.reason : reason;
    debug?.('attempt', `${action.task.id} ${briefKey(action.key)} begins in slot ${slot}`);
    const tried = await runner.try(action, now, slot);
    debug?.('attempt', `${action.task.id} ${briefKey(action.key)} ends: ${tried.end}`);
    if (tried.end === 'lost') return { kind: 'lost', digests: tried.digests };
    return { kind: 'tried', tried };
  }

  /**
   * Waits, in no slot and with no resource, until what the task reads is made again. Gives the end of its attempts where that
   * cannot be.
   */
  private async restore(
    task: Task,
    digests: readonly Digest[],
    looks: number,
  ): Promise<AttemptsEnd | undefined> {
    const { staging, listener, self } = this.options;
    const fail = (message: string): AttemptsEnd => ({
      kind: 'tried',
      tried: { end: 'failed', error: { message } },
    });
    if (looks > LOOKS_MAX) {
      const which = digests.map((digest) => digest.slice(0, 12)).join(', ');
      return fail(`blobs that it reads cannot be read back from the store: ${which}`);
    }
    const { run, host, pid } = self;
    for (const maker of staging.makersOf(task, digests).keys()) {
      const by = { task: maker, host, pid };
      listener({ event: 'waiting', task: task.id, for: run, by });
    }
    try {
      const by = await staging.restore(task, digests);
      return by.length > 0 ? { kind: 'blocked', by } : undefined;
    } catch (error) {
      if (error instanceof StageError) return fail(error.message);
      throw error;
    }
  }

  /** Waits before another try, where the stage's policy has one left: each time twice as long. */
  private async pauseToRetry(task: Task, error: TaskError, failures: number): Promise<boolean> {
    const { policies, listener, clock, ending } = this.options;
    const { times, delay_ms } = policies.get(task.stage)?.retries ?? { times: 0, delay_ms: 0 };
    if (failures > times || ending()) return false;
    const pause_ms = delay_ms * 2 ** (failures - 1);
    const after = { attempt: failures, of: times, pause: pause_ms / 1000 };
    listener({ event: 'retrying', task: task.id, error, ...after });
    const until = clock() + pause_ms;
    while (!ending() && clock() < until) {
      const look = Math.min(PAUSE_LOOK_MS, until - clock());
      await new Promise((resolve) => setTimeout(resolve, look));
    }
    return !ending();
  }

  /** What a task takes while it runs, and how urgent it is. */
  private async requestOf(task: Task): Promise<ResourceRequest> {
    const { policies, pool } = this.options;
    const amounts = [...(policies.get(task.stage)?.resources ?? [])].map(
      ([name, { amount }]) => [name, amount] as const,
    );
    // The store is asked only when there may be a choice.
    const isAlone = this.inFlight <= (amounts.length > 0 ? 1 : pool.count);
    if (!isAlone) await this.rankTasks();
    return {
      resources: Object.fromEntries(amounts),
      urgency: () => this.urgent?.get(task.id) ?? 0,
    };
  }

  private async rankTasks(): Promise<void> {
    this.ranking ??= this.rank();
    this.urgent = await this.ranking;
  }

  private async rank(): Promise<ReadonlyMap<TaskId, number>> {
    const { plan, store } = this.options;
    const seconds = new Map<TaskId, number>();
    for (const [id, key] of await store.actions.latest(plan.tasks.keys())) {
      const record = await store.actions.get(key);
      if (record) seconds.set(id, record.cost.seconds);
    }
    return urgencies(plan, ({ id }) => seconds.get(id));
  }
}
