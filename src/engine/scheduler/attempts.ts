// attempts.ts — gives an action its attempts: a slot, resources, the lease, and another try

import { CPUS, GPU, MEMORY } from '../config/resources.ts';
import { briefKey, debug } from '../model/debug-log.ts';
import type { Reason } from '../model/event.ts';
import type { Failure } from '../model/failure.ts';
import type { Digest, TaskId } from '../model/key.ts';
import type { ActionRecord, Lease } from '../model/record.ts';
import type { Task } from '../planning/plan.ts';
import { urgencies } from '../planning/visit-order.ts';
import { taskErrorOf } from '../process/failure-message.ts';
import { type Action, decide } from '../rebuilder/action.ts';
import type { Leases } from '../store/leases.ts';
import type { ActionRunner, Attempt, AttemptPlace } from './action-runner.ts';
import type { AwayPools, ResourcePool, ResourceRequest } from './resource-pool.ts';
import type { RunContext } from './run-context.ts';
import type { RunControl } from './run-control.ts';

/** What attempts take. */
export interface AttemptsParts {
  readonly pool: ResourcePool;
  readonly away: AwayPools | undefined;
  readonly leases: Leases;
  readonly runner: ActionRunner;
  readonly control: RunControl;
}

/** What was tried of one action so far. */
export interface AttemptHistory {
  readonly reason: Reason;
  /** Whether a result that another process made will do. */
  acceptCached: boolean;
  failures: number;
  lastFailure: Attempt | undefined;
}

/** The history of an action that was not tried yet. */
export const untried = (reason: Reason): AttemptHistory => ({
  reason,
  acceptCached: reason.kind !== 'forced',
  failures: 0,
  lastFailure: undefined,
});

/** What came of an action's attempts. */
export type AttemptsEnd =
  | { readonly kind: 'ran'; readonly attempt: Attempt }
  /** Another process has made it. */
  | { readonly kind: 'cached'; readonly record: ActionRecord }
  /** The store has lost blobs that it reads. */
  | { readonly kind: 'lost-inputs'; readonly digests: readonly Digest[] }
  /** It did not run: the run ends. */
  | { readonly kind: 'skipped' };

/** What one turn in a slot came to. */
type Turn =
  | AttemptsEnd
  /** Another process is making the action. */
  | { readonly kind: 'leased'; readonly by: Lease };

/** How often a pause before a retry looks whether the run was stopped. */
const PAUSE_LOOK_MS = 100;

/** What a task that runs elsewhere takes there. Tokens of the user's own count everywhere. */
const OF_MACHINE: ReadonlySet<string> = new Set([CPUS, GPU, MEMORY]);

/** Whether a failure only says that the action is infeasible, which its stage allows. */
export const isInfeasible = (task: Task, failure: Failure): boolean =>
  task.skipsInfeasible && 'infeasible' in failure && failure.infeasible === true;

/** Gives actions their attempts. */
export class Attempts {
  private urgent: ReadonlyMap<TaskId, number> | undefined;
  private ranking: Promise<ReadonlyMap<TaskId, number>> | undefined;
  /** Actions that wait for a slot or hold one. */
  private inFlight = 0;
  private readonly context: RunContext;
  private readonly parts: AttemptsParts;

  constructor(context: RunContext, parts: AttemptsParts) {
    this.context = context;
    this.parts = parts;
  }

  /** Tries an action until there is a result, or an end to it. Between attempts it holds no slot. */
  async take(action: Action, history: AttemptHistory): Promise<AttemptsEnd> {
    this.inFlight += 1;
    try {
      return await this.untilEnd(action, history);
    } finally {
      this.inFlight -= 1;
    }
  }

  private async untilEnd(action: Action, history: AttemptHistory): Promise<AttemptsEnd> {
    const { leases, control } = this.parts;
    const { task, key } = action;
    const away = this.parts.away?.poolOf(task.stage);
    const pool = away ?? this.parts.pool;
    const request = await this.requestOf(task, pool, away !== undefined);
    const isEnding = (): boolean => control.isEnding;
    for (;;) {
      const turn = await pool.withSlot(request, (slot, units) =>
        this.turn(action, history, { slot, units, urgency: request.urgency() }),
      );
      if (turn.kind === 'leased') {
        history.acceptCached = true;
        if (await leases.wait(key, task.id, turn.by, isEnding)) continue;
        return { kind: 'skipped' };
      }
      if (turn.kind === 'ran' && turn.attempt.result.status === 'failed') {
        history.lastFailure = turn.attempt;
        const { failure } = turn.attempt.result;
        if (isInfeasible(task, failure)) return turn;
        history.failures += 1;
        if (await this.pauseToRetry(task, failure, history.failures)) continue;
      }
      // A run that ends before the next try leaves the failure of the last.
      const { lastFailure } = history;
      return turn.kind === 'skipped' && lastFailure ? { kind: 'ran', attempt: lastFailure } : turn;
    }
  }

  /** One turn in a slot. */
  private async turn(
    action: Action,
    { reason, acceptCached }: AttemptHistory,
    place: AttemptPlace,
  ): Promise<Turn> {
    const { leases, runner, control } = this.parts;
    if (!control.mayStart) return { kind: 'skipped' };
    const by = leases.take(action.key, action.task.id);
    if (by) return { kind: 'leased', by };
    // Another process may have finished between our look and our lease, or a look-up for which nobody waited any more.
    const verdict = await decide(action, this.context.store, !acceptCached);
    if (verdict.hit) return { kind: 'cached', record: verdict.trace };
    debug?.('attempt', `${action.task.id} ${briefKey(action.key)} begins in slot ${place.slot}`);
    const attempt = await runner.run(action, acceptCached ? verdict.reason : reason, place);
    const { result } = attempt;
    debug?.('attempt', `${action.task.id} ${briefKey(action.key)} ends: ${result.status}`);
    if (result.status === 'lost-inputs') return { kind: 'lost-inputs', digests: result.digests };
    return { kind: 'ran', attempt };
  }

  /** Waits before another try, where the stage's policy has one left for this failure: each time twice as long. */
  private async pauseToRetry(task: Task, failure: Failure, failures: number): Promise<boolean> {
    const { policies, listener, clock } = this.context;
    const { control } = this.parts;
    const retries = policies.get(task.stage)?.retries;
    if (retries === undefined || failures > retries.times || control.isEnding) return false;
    if (retries.on && !retries.on.has(failure.cause)) return false;
    const pause_ms = retries.delay_ms * 2 ** (failures - 1);
    const after = { attempt: failures, of: retries.times, pause: pause_ms / 1000 };
    listener({ event: 'retrying', task: task.id, error: taskErrorOf(failure), ...after });
    const until = clock() + pause_ms;
    while (!control.isEnding && clock() < until) {
      const look = Math.min(PAUSE_LOOK_MS, until - clock());
      await new Promise((resolve) => setTimeout(resolve, look));
    }
    return !control.isEnding;
  }

  /** What a task takes while it runs, and how urgent it is. */
  private async requestOf(
    task: Task,
    { count }: ResourcePool,
    isAway: boolean,
  ): Promise<ResourceRequest> {
    const amounts = [...(this.context.policies.get(task.stage)?.resources ?? [])].flatMap(
      ([name, { amount }]) => (isAway && OF_MACHINE.has(name) ? [] : [[name, amount] as const]),
    );
    // The store is asked only when there may be a choice.
    const isAlone = this.inFlight <= (amounts.length > 0 ? 1 : count);
    if (!isAlone) await this.rankTasks();
    return {
      resources: Object.fromEntries(amounts),
      urgency: () => this.urgent?.get(task.id) ?? 0,
      isEnding: () => !this.parts.control.mayStart,
    };
  }

  private async rankTasks(): Promise<void> {
    this.ranking ??= this.rank();
    this.urgent = await this.ranking;
  }

  private async rank(): Promise<ReadonlyMap<TaskId, number>> {
    const { plan, store } = this.context;
    const seconds = new Map<TaskId, number>();
    for (const [id, key] of await store.actions.latest(plan.tasks.keys())) {
      const record = await store.actions.get(key);
      if (record) seconds.set(id, record.cost.seconds);
    }
    return urgencies(plan, ({ id }) => seconds.get(id));
  }
}
