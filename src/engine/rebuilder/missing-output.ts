// missing-output.ts — tasks that gave nothing, and what becomes of those that need them
import type { AbsentReason, TaskId } from '../model/key.ts';
import type { Task } from '../planning/plan.ts';

/** Why a task has no outputs now. */
export interface Absence {
  readonly kind: AbsentReason['kind'];
  /** What the task on whose account it is said: `because` itself, or the one that is infeasible or failed. */
  readonly message: string;
  readonly because: TaskId;
  /** What failed was allowed to: the run does not fail for it, and partial inputs do without it. */
  readonly allowed?: boolean;
}

/** What is known of tasks: which gave outputs, and which will not. */
export interface Known {
  readonly made: { has(task: TaskId): boolean };
  readonly absent: { get(task: TaskId): Absence | undefined };
  /** Whether partial inputs do without tasks that failed or were skipped, not only without infeasible ones. */
  readonly withoutFailed: boolean;
}

/** Whether a task can run, by what it needs. */
export type Standing =
  | { readonly kind: 'ready' }
  /** It needs the output of a task that is infeasible. */
  | { readonly kind: 'infeasible'; readonly absence: Absence }
  /** It needs tasks that are not made. */
  | { readonly kind: 'blocked'; readonly by: readonly TaskId[] };

/** Judges a task whose upstream tasks have been judged. An infeasible input decides, whatever else is missing. */
export function standingOf(task: Task, { made, absent, withoutFailed }: Known): Standing {
  const blocking = new Set<TaskId>();
  for (const { arity, links } of Object.values(task.inputs)) {
    for (const { task: id } of links) {
      if (made.has(id)) continue;
      const absence = absent.get(id);
      if (absence?.kind === 'infeasible') {
        if (arity !== 'partial') return { kind: 'infeasible', absence };
      } else if (arity !== 'partial' || !absence || !(withoutFailed || absence.allowed)) {
        blocking.add(id);
      }
    }
  }
  return blocking.size > 0 ? { kind: 'blocked', by: [...blocking] } : { kind: 'ready' };
}

/** Why a task is skipped that needs tasks which failed or were skipped; undefined when none of them did. */
export function skippedFor(
  broken: readonly TaskId[],
  absent: Known['absent'],
): Absence | undefined {
  const absences = broken.flatMap((id) => absent.get(id) ?? []);
  if (absences.length === 0) return undefined;
  const { because } = absences.find(({ allowed }) => !allowed) ?? absences[0];
  const allowed = absences.length === broken.length && absences.every((one) => one.allowed);
  const message = `it needs ${because}, which failed`;
  return { kind: 'skipped', message, because, ...(allowed && { allowed }) };
}

/** What a partial input lacks on account of failures, in words; undefined when nothing. */
export function lackWords(task: Task, absent: Known['absent']): string | undefined {
  const parts: string[] = [];
  for (const [port, { arity, links }] of Object.entries(task.inputs)) {
    if (arity !== 'partial') continue;
    const counts = new Map<string, number>();
    for (const { task: id } of links) {
      const kind = absent.get(id)?.kind;
      if (kind) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    if (!counts.has('failed') && !counts.has('skipped')) continue;
    const missing = [...counts].map(([kind, n]) => `${n} ${kind}`);
    const there = links.length - [...counts.values()].reduce((sum, n) => sum + n, 0);
    parts.push(`${there} of ${links.length} for input ${port} (${missing.join(', ')})`);
  }
  return parts.length > 0 ? `made from what there is: ${parts.join('; ')}` : undefined;
}
