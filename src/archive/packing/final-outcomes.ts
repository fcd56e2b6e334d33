// final-outcomes.ts — what became of every task of a plan: by its trace, or by the last words of a run in which it failed

import type { Policy } from '../../engine/config/policy.ts';
import type { Key, TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, RunRecord } from '../../engine/model/record.ts';
import type { Plan, Task } from '../../engine/planning/plan.ts';
import { type Action, decide } from '../../engine/rebuilder/action.ts';
import { type MissingOutput, skipReason } from '../../engine/rebuilder/missing-output.ts';
import {
  decisionOf,
  type Holding,
  holdingOf,
  type Settled,
  stepOf,
} from '../../engine/rebuilder/settle.ts';
import type { Store } from '../../engine/store/store.ts';

/** What became of a task. */
export type FinalOutcome =
  | { readonly outcome: 'made'; readonly trace: ActionRecord }
  /** It cannot be done; with a trace when the stage itself found that. */
  | { readonly outcome: 'infeasible'; readonly message: string; readonly trace?: ActionRecord }
  | { readonly outcome: 'failed'; readonly failure: Failure }
  /** It needs one that failed, or has the key of one. */
  | { readonly outcome: 'skipped'; readonly message: string; readonly failure?: Failure }
  /** Nothing is known of it: a make would run it, or what it needs. */
  | { readonly outcome: 'open' };

/** An action that failed, as a trace without outputs. */
export interface Failure {
  readonly trace: ActionRecord;
  readonly message: string;
  /** Its stage says `allow-failure`. */
  readonly allowed: boolean;
}

/** Settles every task, in the plan's order: as a make with `--keep-going` would have found them. */
export async function finalOutcomes(
  plan: Plan,
  store: Store,
  policies: { get(stage: string): Policy | undefined },
): Promise<ReadonlyMap<TaskId, FinalOutcome>> {
  const walk = new OutcomeWalk(plan, store, policies);
  for (const task of plan.tasks.values()) await walk.visit(task);
  return walk.outcomes;
}

class OutcomeWalk implements Settled {
  readonly outcomes = new Map<TaskId, FinalOutcome>();
  readonly traces = new Map<TaskId, ActionRecord>();
  readonly missing = new Map<TaskId, MissingOutput>();
  readonly first = new Map<Key, TaskId>();
  readonly withoutFailed = true;
  private runs: readonly RunRecord[] | undefined;
  private readonly plan: Plan;
  private readonly store: Store;
  private readonly policies: { get(stage: string): Policy | undefined };

  constructor(plan: Plan, store: Store, policies: { get(stage: string): Policy | undefined }) {
    this.plan = plan;
    this.store = store;
    this.policies = policies;
  }

  /** Upstream tasks must have been visited. */
  async visit(task: Task): Promise<void> {
    this.outcomes.set(task.id, await this.outcomeOf(task));
  }

  private async outcomeOf(task: Task): Promise<FinalOutcome> {
    const step = stepOf(this.plan, task, this);
    if (step.kind === 'unknown') return OPEN;
    if (step.kind === 'infeasible') return this.leaveOut(task, step.missingOutput);
    if (step.kind === 'blocked') return this.skip(task, step.by);
    const { action } = step;
    if (step.kind === 'same') return this.share(action, step.as);
    this.first.set(action.key, task.id);
    const decision = decisionOf(action, await decide(action, this.store, false));
    if (decision.kind === 'run') return this.failureOf(action);
    return this.held(task, decision);
  }

  private held(task: Task, holding: Exclude<Holding, { kind: 'refused' }>): FinalOutcome {
    const { trace } = holding;
    if (holding.kind === 'infeasible') return this.leaveOut(task, holding.missingOutput, trace);
    this.traces.set(task.id, trace);
    return { outcome: 'made', trace };
  }

  private leaveOut({ id }: Task, { message }: MissingOutput, trace?: ActionRecord): FinalOutcome {
    this.missing.set(id, { kind: 'infeasible', message, because: id });
    return { outcome: 'infeasible', message, ...(trace && { trace }) };
  }

  private skip(task: Task, by: readonly TaskId[], failure?: Failure): FinalOutcome {
    const skipped = skipReason(by, this.missing);
    if (skipped === undefined || by.some((id) => this.missing.get(id) === undefined)) return OPEN;
    this.missing.set(task.id, skipped);
    return { outcome: 'skipped', message: skipped.message, ...(failure && { failure }) };
  }

  /** A task with the key of an earlier one. */
  private async share(action: Action, as: TaskId): Promise<FinalOutcome> {
    const { task } = action;
    const earlier = this.outcomes.get(as);
    if (earlier?.outcome === 'failed') return this.skip(task, [as], earlier.failure);
    const trace = earlier && 'trace' in earlier ? earlier.trace : undefined;
    const holding = trace && holdingOf(task, trace);
    if (holding === undefined || holding.kind === 'refused') return this.failureOf(action);
    return this.held(task, holding);
  }

  /** An action that is not made: it failed when it was tried last, or nothing is known of it. */
  private async failureOf(action: Action): Promise<FinalOutcome> {
    const { id, stage } = action.task;
    this.runs ??= this.store.history.runs();
    const found = lastFailure(action, this.store, this.runs);
    if (found === undefined) return OPEN;
    const allowed = this.policies.get(stage)?.allowFailure ?? false;
    const failure = { ...found, allowed };
    const { message } = failure;
    this.missing.set(id, { kind: 'failed', message, because: id, ...(allowed && { allowed }) });
    return { outcome: 'failed', failure };
  }
}

const OPEN: FinalOutcome = { outcome: 'open' };

/** The last words of the very same action, in the newest run in which it failed. */
function lastFailure(
  { task, key, parts }: Action,
  store: Store,
  runs: readonly RunRecord[],
): Omit<Failure, 'allowed'> | undefined {
  for (const { id, host, outcomes = {}, versions = {} } of runs) {
    if (!Object.hasOwn(outcomes, task.id) || outcomes[task.id] !== 'failed') continue;
    const log = store.history.log(id, task.id);
    if (log?.key !== key || log.error === undefined) continue;
    const made = { run: id, host, at: log.at, versions };
    const cost = { seconds: 0, work: task.work };
    const trace: ActionRecord = { key, task: task.id, parts, outputs: {}, cost, made };
    return { trace, message: log.error.message };
  }
  return undefined;
}
