// missing-output.ts — tasks that produced no output, and what becomes of those that need them
import type { AbsentReason, TaskId } from '../model/key.ts';
import type { Task } from '../planning/plan.ts';

/** Why a task has no outputs now. */
export interface MissingOutput {
  readonly kind: AbsentReason['kind'];
  /** Error message of the root-cause task: `because` itself, or the one that is infeasible or failed. */
  readonly message: string;
  readonly because: TaskId;
  /** What failed was allowed to: the run does not fail for it, and partial inputs do without it. */
  readonly allowed?: boolean;
}

/** What is known of tasks: which gave outputs, and which will not. */
export interface Known {
  readonly made: { has(task: TaskId): boolean };
  readonly missing: { get(task: TaskId): MissingOutput | undefined };
  /** Whether partial inputs do without tasks that failed or were skipped, not only without infeasible ones. */
  readonly withoutFailed: boolean;
}

/** Whether a task can run, by what it needs. */
export type Readiness =
  | { readonly kind: 'ready' }
  /** It needs the output of a task that is infeasible. */
  | { readonly kind: 'infeasible'; readonly missingOutput: MissingOutput }
  /** It needs tasks that are not made. */
  | { readonly kind: 'blocked'; readonly by: readonly TaskId[] };

/** Judges a task whose upstream tasks have been judged. An infeasible input decides, whatever else is missing. */
export function readinessOf(task: Task, { made, missing, withoutFailed }: Known): Readiness {
  let blocking: Set<TaskId> | undefined;
  for (const { arity, links } of Object.values(task.inputs)) {
    for (const { task: id } of links) {
      if (made.has(id)) continue;
      const missingOutput = missing.get(id);
      if (missingOutput?.kind === 'infeasible') {
        if (arity !== 'partial') return { kind: 'infeasible', missingOutput };
      } else if (
        arity !== 'partial' ||
        !missingOutput ||
        !(withoutFailed || missingOutput.allowed)
      ) {
        blocking ??= new Set();
        blocking.add(id);
      }
    }
  }
  return blocking ? { kind: 'blocked', by: [...blocking] } : READY;
}

const READY: Readiness = { kind: 'ready' };

/** Why a task is skipped that needs tasks which failed or were skipped; undefined when none of them did. */
export function skipReason(
  broken: readonly TaskId[],
  missing: Known['missing'],
): MissingOutput | undefined {
  const missingOutputs = broken.flatMap((id) => missing.get(id) ?? []);
  const cause = missingOutputs.find(({ allowed }) => !allowed) ?? missingOutputs[0];
  if (cause === undefined) return undefined;
  const { because } = cause;
  const allowed =
    missingOutputs.length === broken.length && missingOutputs.every((one) => one.allowed);
  const message = `it needs ${because}, which failed`;
  return { kind: 'skipped', message, because, ...(allowed && { allowed }) };
}

/** What a partial input lacks on account of failures, in words; undefined when nothing. */
export function formatMissingInputs(task: Task, missing: Known['missing']): string | undefined {
  if (!Object.values(task.inputs).some(({ arity }) => arity === 'partial')) return undefined;
  const parts: string[] = [];
  for (const [port, { arity, links }] of Object.entries(task.inputs)) {
    if (arity !== 'partial') continue;
    const counts = new Map<string, number>();
    for (const { task: id } of links) {
      const kind = missing.get(id)?.kind;
      if (kind) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    if (!counts.has('failed') && !counts.has('skipped')) continue;
    const lacking = [...counts].map(([kind, n]) => `${n} ${kind}`);
    const there = links.length - [...counts.values()].reduce((sum, n) => sum + n, 0);
    parts.push(`${there} of ${links.length} for input ${port} (${lacking.join(', ')})`);
  }
  return parts.length > 0 ? `made from what there is: ${parts.join('; ')}` : undefined;
}
