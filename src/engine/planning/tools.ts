// tools.ts — what tasks run beside their bundles: found before they are keyed
import { elementAt } from '../../present.ts';
import { failure, type Result, success } from '../model/event.ts';
import type { TaskId } from '../model/key.ts';
import type { StageClient } from '../modules/stage-client.ts';
import type { Plan, PlanWithoutTools, Task } from './plan.ts';

/**
 * The plan, with the tools of every task that asks for some. They are loaded in a process of their own, so that a native
 * library stays out of this one; a plan that asks for nothing starts none.
 */
export async function withTools(
  { needTools, ...plan }: PlanWithoutTools,
  client: StageClient,
  looking: boolean,
): Promise<Result<Plan>> {
  if (needTools.size === 0) return success(plan);
  const tasks = new Map(plan.tasks);
  for (const [stage, asking] of askingByStage(plan, needTools)) {
    const module = plan.stages.get(stage);
    if (module === undefined) continue;
    const params = asking.map((task) => task.params);
    const found = await client.tools(module, params);
    if ('message' in found) {
      const message = `stage \`${stage}\` cannot use the packages that its params ask for`;
      if (!looking) return failure({ message, hint: found.message });
      const unknown = `${message}: ${found.message}`;
      for (const task of asking) tasks.set(task.id, { ...task, unknown });
      continue;
    }
    for (const [at, task] of asking.entries()) {
      tasks.set(task.id, { ...task, tools: elementAt(found, at) } satisfies Task);
    }
  }
  return success({ ...plan, tasks: tasks satisfies ReadonlyMap<TaskId, Task> });
}

function askingByStage(
  { tasks }: Plan,
  needTools: ReadonlySet<TaskId>,
): ReadonlyMap<string, readonly Task[]> {
  const found = new Map<string, Task[]>();
  for (const id of needTools) {
    const task = tasks.get(id);
    if (task === undefined) continue;
    const others = found.get(task.stage);
    if (others) others.push(task);
    else found.set(task.stage, [task]);
  }
  return found;
}
