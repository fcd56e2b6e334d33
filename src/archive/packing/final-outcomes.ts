// final-outcomes.ts — what became of every task of a plan: by its trace, or by the last words of a run in which it failed

import type { Policy } from '../../engine/config/policy.ts';
import type { Key, TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, RunRecord } from '../../engine/model/record.ts';
import type { Plan, Task } from '../../engine/planning/plan.ts';
import { type Action, actionOf, decide } from '../../engine/rebuilder/action.ts';
import {
  type MissingOutput,
  readinessOf,
  skipReason,
} from '../../engine/rebuilder/missing-output.ts';
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
  const ends = new Map<TaskId, FinalOutcome>();
  const traces = new Map<TaskId, ActionRecord>();
  const missing = new Map<TaskId, MissingOutput>();
  const failed = new Map<Key, { readonly task: TaskId; readonly failure: Failure }>();
  let runs: readonly RunRecord[] | undefined;
  const endOf = async (task: Task): Promise<FinalOutcome> => {
    const readiness = readinessOf(task, { made: traces, missing, withoutFailed: true });
    if (readiness.kind === 'infeasible') return infeasible(readiness.missingOutput.message);
    if (task.infeasible !== null) return infeasible(task.infeasible);
    if (readiness.kind === 'blocked') {
      const skipped = skipReason(readiness.by, missing);
      if (skipped === undefined || readiness.by.some((id) => !missing.has(id))) return OPEN;
      missing.set(task.id, skipped);
      return { outcome: 'skipped', message: skipped.message };
    }
    const action = actionOf(plan, task, { traces, missing });
    const verdict = await decide(action, store, false);
    if (verdict.hit) {
      const { trace } = verdict;
      if (trace.infeasible !== undefined) return infeasible(trace.infeasible, trace);
      return { outcome: 'made', trace };
    }
    const twin = failed.get(action.key);
    if (twin) {
      const skipped = skipReason([twin.task], missing) as MissingOutput;
      missing.set(task.id, skipped);
      return { outcome: 'skipped', message: skipped.message, failure: twin.failure };
    }
    runs ??= store.history.runs();
    const found = failureOf(action, store, runs);
    if (found === undefined) return OPEN;
    const allowed = policies.get(task.stage)?.allowFailure ?? false;
    const failure = { ...found, allowed };
    failed.set(action.key, { task: task.id, failure });
    const { message } = failure;
    missing.set(task.id, {
      kind: 'failed',
      message,
      because: task.id,
      ...(allowed && { allowed }),
    });
    return { outcome: 'failed', failure };
  };
  for (const task of plan.tasks.values()) {
    const end = await endOf(task);
    if (end.outcome === 'made') traces.set(task.id, end.trace);
    if (end.outcome === 'infeasible') {
      missing.set(task.id, { kind: 'infeasible', message: end.message, because: task.id });
    }
    ends.set(task.id, end);
  }
  return ends;
}

const OPEN: FinalOutcome = { outcome: 'open' };

const infeasible = (message: string, trace?: ActionRecord): FinalOutcome => ({
  outcome: 'infeasible',
  message,
  ...(trace && { trace }),
});

/** The last words of the very same action, in the newest run in which it failed. */
function failureOf(
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
