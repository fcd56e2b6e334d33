// turns.ts — how one action gets its turns: a slot, resources, the claim, and another try
import { type Action, decide } from './action.ts';
import type { Builder, Tried } from './build.ts';
import type { Claims } from './claims.ts';
import type { Listener, Reason, TaskError } from './event.ts';
import type { TaskId } from './key.ts';
import type { Plan, Task } from './plan.ts';
import type { Policy } from './policy.ts';
import type { Claim, Trace } from './record.ts';
import { urgencies } from './schedule.ts';
import type { Demand, Slots } from './slots.ts';
import type { Store } from './store.ts';

/** What turns need. */
export interface TurnOptions {
  readonly plan: Plan;
  readonly store: Store;
  readonly slots: Slots;
  readonly claims: Claims;
  readonly builder: Builder;
  readonly listener: Listener;
  readonly policies: { get(stage: string): Policy | undefined };
  readonly clock: () => number;
  /** Whether whatever does not run now is left. */
  readonly ending: () => boolean;
  /** Whether nothing new may start. */
  readonly stopping: () => boolean;
}

/** What came of an action's turns. */
export type TurnsEnd =
  | { readonly kind: 'tried'; readonly tried: Tried }
  /** It did not run: the run ends. */
  | { readonly kind: 'skipped' }
  /** Another process has made it. */
  | { readonly kind: 'hit'; readonly trace: Trace };

/** What one turn came to. */
type Turn =
  | TurnsEnd
  /** Another process is making the action. */
  | { readonly kind: 'held'; readonly by: Claim };

/** How often a pause before a retry looks whether the run was stopped. */
const PAUSE_LOOK_MS = 100;

/** Gives actions their turns. */
export class Turns {
  private urgent: ReadonlyMap<TaskId, number> | undefined;
  private readonly options: TurnOptions;

  constructor(options: TurnOptions) {
    this.options = options;
  }

  /** Takes turns in a slot until there is a result, or an end to it. Between them it holds none. */
  async take(action: Action, reason: Reason): Promise<TurnsEnd> {
    const { slots, claims, ending } = this.options;
    const { task, key } = action;
    const demand = this.demandOf(task);
    let mayTake = reason.kind !== 'forced';
    let failed: TurnsEnd | undefined;
    for (let failures = 0; ; ) {
      const turn = await slots.hold(demand, (slot) => this.turn(action, reason, mayTake, slot));
      if (turn.kind === 'held') {
        mayTake = true;
        if (await claims.wait(key, task.id, turn.by, ending)) continue;
        return { kind: 'skipped' };
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

  /** One turn in a slot. @param mayTake whether a result of another process will do */
  private async turn(
    action: Action,
    reason: Reason,
    mayTake: boolean,
    slot: number,
  ): Promise<Turn> {
    const { claims, store, builder, stopping } = this.options;
    if (stopping()) return { kind: 'skipped' };
    const by = claims.take(action.key, action.task.id);
    if (by) return { kind: 'held', by };
    // Another process may have finished between our look and our claim.
    const verdict = decide(action, store, !mayTake);
    if (verdict.hit) return { kind: 'hit', trace: verdict.trace };
    const now = mayTake ? verdict.reason : reason;
    return { kind: 'tried', tried: await builder.try(action, now, slot) };
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

  /** What a task takes while it runs, and how urgent it is. The store is asked only when there is a choice. */
  private demandOf(task: Task): Demand {
    const { plan, store, policies } = this.options;
    const resources = policies.get(task.stage)?.resources ?? new Map();
    const urgency = (): number => {
      this.urgent ??= urgencies(plan, ({ id }) => {
        const key = store.latest(id);
        return key && store.trace(key)?.cost.seconds;
      });
      return this.urgent.get(task.id) ?? 0;
    };
    const amounts = [...resources].map(([name, { amount }]) => [name, amount]);
    return { resources: Object.fromEntries(amounts), urgency };
  }
}
