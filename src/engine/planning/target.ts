// target.ts — what a person names on the command line → tasks

import { didYouMean } from '../../hint.ts';
import { elementAt, entryOf } from '../../present.ts';
import { type Diagnostic, failure, type Result, success } from '../model/event.ts';
import { type TaskId, taskIdFromText } from '../model/key.ts';
import { nearestOf } from '../text/nearest.ts';
import type { Plan, Task } from './plan.ts';

/** A plan cut down to some targets and what they need, in the plan's order. */
export function restrict(plan: Plan, targets: Iterable<TaskId>): Plan {
  const needed = new Set<TaskId>();
  const stack = [...targets];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (needed.has(id)) continue;
    needed.add(id);
    for (const { links } of Object.values(plan.tasks.get(id)?.inputs ?? {})) {
      for (const link of links) stack.push(link.task);
    }
  }
  const tasks = new Map([...plan.tasks].filter(([id]) => needed.has(id)));
  return { ...plan, tasks };
}

/** A task as targets name it. */
export type NamedTask = Pick<Task, 'id' | 'stage' | 'at'>;

/** The tasks that a target names: a stage, `stage[axis=value,…]`, a task id, or `stage/label/…`. */
export function selectTasks(
  plan: { readonly tasks: ReadonlyMap<TaskId, NamedTask> },
  target: string,
): Result<readonly TaskId[]> {
  const asId = taskIdFromText(target);
  if (plan.tasks.has(asId)) return success([asId]);
  const match = /^([\w-]+)(?:\[([^\]]*)\])?$/.exec(target);
  const stage = match?.[1] ?? elementAt(target.split(/[/[]/, 1), 0);
  const ofStage = [...plan.tasks.values()].filter((task) => task.stage === stage);
  if (ofStage.length === 0) {
    const known = new Set([...plan.tasks.values()].map((task) => task.stage));
    return failure({ message: `there is no stage \`${stage}\``, hint: didYouMean(stage, known) });
  }
  const conditions = (match?.[2] ?? '').split(',').filter((text) => text !== '');
  const pairs = conditions.map((text) => text.split('=') as [string, string | undefined]);
  if (match && pairs.every(([, label]) => label !== undefined)) {
    const chosen = ofStage.filter(({ at }) => pairs.every(([axis, label]) => at[axis] === label));
    if (chosen.length > 0) return success(chosen.map(({ id }) => id));
    return failure(selectionProblem(ofStage, pairs as [string, string][], target));
  }
  return failure(taskProblem(ofStage, target, asId));
}

/** Why a word that names a stage names none of its tasks. */
function taskProblem(tasks: readonly NamedTask[], target: string, asId: TaskId): Diagnostic {
  if (target.includes('[') && !target.endsWith(']')) {
    return { message: `\`${target}\` lacks a ] at its end`, hint: `${target}]` };
  }
  const message = `no task is called \`${target}\``;
  const ids = tasks.map(({ id }) => id as string);
  const near = nearestOf(asId, ids.length > 40 ? ids.slice(0, 5) : ids);
  if (near !== undefined) return { message, hint: `did you mean \`${near}\`?` };
  const { stage, at } = elementAt(tasks, 0);
  const axes = Object.keys(at);
  if (axes.length === 0) return { message, hint: `the only task of the stage is \`${stage}\`` };
  const hint = `\`${stage}\` names all tasks of the stage, and ${stage}[${axes.join(',')}] one of them`;
  return { message, hint };
}

/** Which condition of a selection no task of the stage meets. */
function selectionProblem(
  tasks: readonly NamedTask[],
  conditions: readonly (readonly [axis: string, label: string])[],
  target: string,
): Diagnostic {
  const { stage, at } = elementAt(tasks, 0);
  for (const [axis, label] of conditions) {
    if (!Object.hasOwn(at, axis)) {
      const hint = didYouMean(axis, Object.keys(at));
      return { message: `stage \`${stage}\` has no axis \`${axis}\``, hint };
    }
    const known = new Set(tasks.map((task) => entryOf(task.at, axis)));
    if (known.has(label)) continue;
    const hint = didYouMean(label, known);
    return { message: `axis \`${axis}\` of stage \`${stage}\` has no value \`${label}\``, hint };
  }
  return { message: `no task fits \`${target}\`` };
}
