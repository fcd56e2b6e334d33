// settle.ts — the one walk: what becomes of a task whose upstream tasks are settled. Runs, forecasts and archives share it
import type { Reason } from '../model/event.ts';
import type { Key, TaskId } from '../model/key.ts';
import type { ActionRecord, RecordResult } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import { type Action, actionOf, type Verdict } from './action.ts';
import { type MissingOutput, type Readiness, readinessOf } from './missing-output.ts';

/** A task whose key cannot be computed here, and why. */
export interface Unknown {
  readonly message: string;
  /** The task that is unknown of itself. */
  readonly because: TaskId;
}

/** What is known when a task is settled: everything about what it needs, and which keys were met before. */
export interface Settled {
  readonly traces: {
    has(task: TaskId): boolean;
    get(task: TaskId): RecordResult | undefined;
  };
  readonly missing: { get(task: TaskId): MissingOutput | undefined };
  /** Only in plans that are inspected and not made. */
  readonly unknown?: { get(task: TaskId): Unknown | undefined };
  /** The first task of each key, whatever becomes of it. */
  readonly first: { get(key: Key): TaskId | undefined };
  /** Whether partial inputs do without tasks that failed or were skipped, not only without infeasible ones. */
  readonly withoutFailed: boolean;
  /** `readinessOf` the tasks and reasons above, where somebody remembers what it says. */
  readonly readinessOf?: (task: Task) => Readiness;
}

/** What becomes of a task before the store is asked. */
export type Step =
  /** It cannot be done: of itself, or as it needs `missingOutput.because`. */
  | { readonly kind: 'infeasible'; readonly missingOutput: MissingOutput }
  | ({ readonly kind: 'unknown' } & Unknown)
  /** It needs tasks that have no outputs. */
  | { readonly kind: 'blocked'; readonly by: readonly TaskId[] }
  /** An earlier task has the same key: it takes whatever that one comes to. */
  | { readonly kind: 'same'; readonly action: Action; readonly as: TaskId }
  /** The store decides, by its key. */
  | { readonly kind: 'ready'; readonly action: Action };

/** Settles a task as far as that goes without the store. Pure: what it is given decides, and nothing else. */
export function stepOf(plan: Plan, task: Task, settled: Settled): Step {
  const { traces, missing, withoutFailed } = settled;
  const readiness =
    settled.readinessOf?.(task) ?? readinessOf(task, { made: traces, missing, withoutFailed });
  if (readiness.kind === 'infeasible') return readiness;
  if (task.infeasible !== null) {
    return { kind: 'infeasible', missingOutput: infeasibleItself(task, task.infeasible) };
  }
  const unknown = unknownOf(task, readiness.kind === 'blocked' ? readiness.by : [], settled);
  if (unknown) return { kind: 'unknown', ...unknown };
  if (readiness.kind === 'blocked') return readiness;
  const action = actionOf(plan, task, settled);
  const as = settled.first.get(action.key);
  return as === undefined ? { kind: 'ready', action } : { kind: 'same', action, as };
}

function unknownOf(
  { id, unknown: message }: Task,
  blocking: readonly TaskId[],
  { unknown }: Settled,
): Unknown | undefined {
  if (message !== undefined) return { message, because: id };
  for (const upstream of blocking) {
    const known = unknown?.get(upstream);
    if (known) return { message: known.message, because: known.because };
  }
  return undefined;
}

/** What a record holds for a task that has its key. */
export type Holding<R extends RecordResult = ActionRecord> =
  | { readonly kind: 'outputs'; readonly trace: R }
  | {
      readonly kind: 'infeasible';
      readonly trace: R;
      readonly missingOutput: MissingOutput;
    }
  /** Its stage found that it cannot be done, and this task must not be left out for that. */
  | { readonly kind: 'refused'; readonly message: string };

/** What a record gives a task: its own, or that of an earlier task with the same key. Pure. */
export function holdingOf<R extends RecordResult>(task: Task, trace: R): Holding<R> {
  const { infeasible: message } = trace;
  if (message === undefined) return { kind: 'outputs', trace };
  if (!task.skipsInfeasible) return { kind: 'refused', message };
  return { kind: 'infeasible', trace, missingOutput: infeasibleItself(task, message) };
}

/** What becomes of a task that is ready, by what the store says of its key. */
export type Decision<R extends RecordResult = ActionRecord> =
  | Exclude<Holding<R>, { kind: 'refused' }>
  | RunDecision;
interface RunDecision {
  readonly kind: 'run';
  readonly reason: Reason;
}

/** Settles a task that is ready. Pure. */
export function decisionOf<R extends RecordResult>(
  { task }: Action,
  verdict: Verdict<R>,
): Decision<R> {
  if (!verdict.hit) return { kind: 'run', reason: verdict.reason };
  const holding = holdingOf(task, verdict.trace);
  // The stage itself words it.
  return holding.kind === 'refused' ? { kind: 'run', reason: { kind: 'new' } } : holding;
}

/** That a task cannot be done, of itself. */
const infeasibleItself = ({ id }: Task, message: string): MissingOutput => ({
  kind: 'infeasible',
  message,
  because: id,
});
