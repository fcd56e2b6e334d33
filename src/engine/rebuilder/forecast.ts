// forecast.ts — what a make would do with each task, without running anything
import type { Change, Reason } from '../model/event.ts';
import type { CollectedDigest, InputDigest, Key, TaskId } from '../model/key.ts';
import type { ActionRecord } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import type { Store } from '../store/store.ts';
import { type Action, actionOf, changesBetween, decide } from './action.ts';
import type { MissingOutput } from './missing-output.ts';
import { decisionOf, holdingOf, type Settled, stepOf, type Unknown } from './settle.ts';

/** What would become of a task, without running anything. */
export type Forecast =
  | {
      readonly task: TaskId;
      readonly status: 'reuse';
      readonly trace: ActionRecord;
      readonly action: Action;
    }
  | {
      readonly task: TaskId;
      readonly status: 'run';
      readonly reason: Reason;
      readonly action: Action;
    }
  /** It cannot be done, which is known already: of itself, or as it needs `missingOutput.because`. */
  | {
      readonly task: TaskId;
      readonly status: 'infeasible';
      readonly missingOutput: MissingOutput;
      /** There when the stage itself found it; not when its params told, or when it is another task's doing. */
      readonly trace?: ActionRecord;
    }
  /** Its key cannot be told here: of itself, or as it needs `because`. What the store holds of it can be shown. */
  | {
      readonly task: TaskId;
      readonly status: 'unknown';
      readonly message: string;
      readonly because: TaskId;
    }
  /** An earlier task of the plan has the same key: it takes that one's result. */
  | { readonly task: TaskId; readonly status: 'same'; readonly as: TaskId; readonly action: Action }
  /**
   * Something that it needs would run. It runs too: `sure` when it was never made; else unless all comes out as it was.
   * `changes`: what changed of itself since it was made last, whatever comes out of what it needs.
   */
  | {
      readonly task: TaskId;
      readonly status: 'pending';
      readonly after: readonly TaskId[];
      readonly sure: boolean;
      readonly changes: readonly Change[];
    };

/** What changed of a task since it was made last, whatever its inputs will hold, which is not known yet. */
function ownChanges(plan: Plan, task: Task, before: ActionRecord | undefined): readonly Change[] {
  if (before === undefined) return [];
  const none = { traces: new Map(), missing: new Map() };
  const { key, parts } = actionOf(plan, { ...task, inputs: {} }, none);
  const inputs: Record<string, InputDigest> = { ...before.parts.inputs };
  for (const [port, { links }] of Object.entries(task.inputs)) {
    const items = inputs[port];
    if (!Array.isArray(items) || links.length === 0) continue;
    // Which tasks a list is of is known already.
    const known = new Map(items.map(([id, , ...held]: CollectedDigest) => [id, held]));
    inputs[port] = links.map(({ task: id, at }) => {
      const [digest, reason] = known.get(id) ?? [null];
      return reason ? [id, at, digest, reason] : [id, at, digest];
    }) as readonly CollectedDigest[];
  }
  return changesBetween(before.parts, { task, key, parts: { ...parts, inputs } });
}

/** Foresees every task of a plan, in the plan's order. */
export async function forecast(
  plan: Plan,
  store: Store,
  forced: ReadonlySet<TaskId>,
): Promise<ReadonlyMap<TaskId, Forecast>> {
  const walk = new ForecastWalk(plan, store, forced);
  for (const task of plan.tasks.values()) await walk.visit(task);
  return walk.forecasts;
}

class ForecastWalk implements Settled {
  readonly forecasts = new Map<TaskId, Forecast>();
  readonly traces = new Map<TaskId, ActionRecord>();
  readonly missing = new Map<TaskId, MissingOutput>();
  readonly unknown = new Map<TaskId, Unknown>();
  readonly first = new Map<Key, TaskId>();
  /** Nothing has failed yet. */
  readonly withoutFailed = false;
  /** The key of every task when it was last made: asked for when one of them is pending. */
  private latest: ReadonlyMap<TaskId, Key> | undefined;
  private readonly plan: Plan;
  private readonly store: Store;
  private readonly forced: ReadonlySet<TaskId>;

  constructor(plan: Plan, store: Store, forced: ReadonlySet<TaskId>) {
    this.plan = plan;
    this.store = store;
    this.forced = forced;
  }

  /** Upstream tasks must have been visited. */
  async visit(task: Task): Promise<void> {
    const step = stepOf(this.plan, task, this);
    if (step.kind === 'ready') return this.decide(step.action);
    if (step.kind === 'blocked') return this.addPending(task, step.by);
    if (step.kind === 'same') return this.share(step.action, step.as);
    if (step.kind === 'infeasible') return this.leaveOut(task, step.missingOutput);
    const { message, because } = step;
    this.unknown.set(task.id, { message, because });
    this.forecasts.set(task.id, { task: task.id, status: 'unknown', message, because });
  }

  private async decide(action: Action): Promise<void> {
    const { task, key } = action;
    this.first.set(key, task.id);
    const verdict = await decide(action, this.store, this.forced.has(task.id));
    const decision = decisionOf(action, verdict);
    if (decision.kind === 'outputs') this.reuse(action, decision.trace);
    else if (decision.kind === 'infeasible') {
      this.leaveOut(task, decision.missingOutput, decision.trace);
    } else this.run(action, decision.reason);
  }

  private run(action: Action, reason: Reason): void {
    const { id } = action.task;
    this.forecasts.set(id, { task: id, status: 'run', reason, action });
  }

  private reuse(action: Action, trace: ActionRecord): void {
    const { id } = action.task;
    this.traces.set(id, trace);
    this.forecasts.set(id, { task: id, status: 'reuse', trace, action });
  }

  private leaveOut({ id }: Task, missingOutput: MissingOutput, trace?: ActionRecord): void {
    this.missing.set(id, missingOutput);
    const found = { task: id, status: 'infeasible', missingOutput } as const;
    this.forecasts.set(id, trace ? { ...found, trace } : found);
  }

  /** A task that takes what an earlier one with its key comes to. */
  private share(action: Action, as: TaskId): void {
    const { task } = action;
    const earlier = this.forecasts.get(as);
    const trace = earlier && 'trace' in earlier ? earlier.trace : undefined;
    const holding = trace && holdingOf(task, trace);
    if (holding === undefined) {
      this.forecasts.set(task.id, { task: task.id, status: 'same', as, action });
    } else if (holding.kind === 'outputs') this.reuse(action, holding.trace);
    else if (holding.kind === 'infeasible') {
      this.leaveOut(task, holding.missingOutput, holding.trace);
    } else this.run(action, { kind: 'new' });
  }

  private async addPending(task: Task, after: readonly TaskId[]): Promise<void> {
    const { id } = task;
    this.latest ??= await this.store.actions.latest(this.plan.tasks.keys());
    const key = this.latest.get(id);
    const before = key && (await this.store.actions.get(key));
    const changes = ownChanges(this.plan, task, before);
    this.forecasts.set(id, { task: id, status: 'pending', after, sure: !before, changes });
  }
}
