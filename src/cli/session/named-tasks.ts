// named-tasks.ts — the tasks that a person names on the command line
import { shellTaskId, type TaskId } from '../../engine/model/key.ts';
import type { RunRecord } from '../../engine/model/record.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { restrict, selectTasks } from '../../engine/planning/target.ts';
import { taskInRuns } from '../../engine/store/history.ts';
import type { Store } from '../../engine/store/store.ts';
import { quoted } from '../terminal/format.ts';
import { UsageError } from './usage-error.ts';

/** The tasks that some targets name; all tasks when none is named. @throws UsageError */
export function resolveTargets(plan: Plan, targets: readonly string[]): readonly TaskId[] {
  if (targets.length === 0) return [...plan.tasks.keys()];
  const chosen = targets.map((target) => selectTasks(plan, target));
  const problems = chosen.flatMap((result) => (result.ok ? [] : result.diagnostics));
  if (problems.length > 0) throw new UsageError(problems);
  return chosen.flatMap((result) => (result.ok ? result.value : []));
}

/** The plan for some targets and what they need. @throws UsageError */
export function planFor(plan: Plan, targets: readonly string[]): Plan {
  return targets.length === 0 ? plan : restrict(plan, resolveTargets(plan, targets));
}

/** The one task that a word names. @throws UsageError when it names none or several */
export function oneTask(plan: Plan, word: string): TaskId {
  const tasks = resolveTargets(plan, [word]);
  const [only] = tasks;
  if (only !== undefined && tasks.length === 1) return only;
  const shown = tasks.slice(0, 4).join(', ');
  const hint = `name one of them: ${shown}${tasks.length > 4 ? ', …' : ''}`;
  throw new UsageError([{ message: `\`${word}\` names ${tasks.length} tasks`, hint }]);
}

/** The same. Of a task that only an earlier run had, the error says how that run was started. @throws UsageError */
export function currentTask(
  { plan, store }: { readonly plan: Plan; readonly store: Store },
  word: string,
): TaskId {
  try {
    return oneTask(plan, word);
  } catch (error) {
    const runs = error instanceof UsageError ? store.history.runs() : [];
    const task = taskInRuns(runs, word);
    const run = runs.find(({ outcomes }) => task && outcomes && Object.hasOwn(outcomes, task));
    if (task === undefined || run === undefined) throw error;
    const message = `${task} is not in the pipeline as it is now`;
    const words = paramWords(run).join(' ');
    const hint = words
      ? `run ${run.id} had it: add ${words}`
      : `run ${run.id} had it: pipeline show ${shellTaskId(task)} prints its last result`;
    throw new UsageError([{ message, hint }]);
  }
}

/** The options that gave a run its params, as they are typed. */
export function paramWords({
  presets = [],
  paramsFiles = [],
  sets = [],
}: Pick<RunRecord, 'presets' | 'paramsFiles' | 'sets'>): readonly string[] {
  return [
    ...presets.map((preset) => `--preset ${preset}`),
    ...paramsFiles.map((file) => `--params ${quoted(file)}`),
    ...sets.map((set) => `--set ${quoted(set)}`),
  ];
}
