// tools.ts — what tasks run beside their bundles: found before they are keyed
import type { ToolsQuestion } from './assignment.ts';
import { failure, type Result, success } from './event.ts';
import type { TaskId } from './key.ts';
import { startWorker, type WorkerCommand } from './launch.ts';
import type { Plan, Task } from './plan.ts';
import type { Tools } from './stage.ts';

/** Where to look. */
export interface ToolsOptions {
  /** Folder of the project, whose packages are loaded. */
  readonly root: string;
  readonly worker: WorkerCommand;
  /** Whether the plan is only looked at: tasks whose packages cannot be found stay in it, as unknown. */
  readonly looking?: boolean;
}

/**
 * The plan, with the tools of every task that asks for some. They are loaded in a process of their own, so that a native
 * library stays out of this one; a plan that asks for nothing starts none.
 */
export async function withTools(
  plan: Plan,
  { root, worker, looking }: ToolsOptions,
): Promise<Result<Plan>> {
  const tasks = new Map(plan.tasks);
  for (const [stage, asking] of askingByStage(plan)) {
    const bundle = plan.stages.get(stage)?.code.file ?? '';
    const params = asking.map((task) => task.params);
    const said = await ask(worker, { ask: 'tools', bundle, root, params });
    if (said.say === 'failed') {
      const message = `stage \`${stage}\` cannot use the packages that its params ask for`;
      if (!looking) return failure({ message, hint: said.message });
      const unknown = `${message}: ${said.message}`;
      for (const task of asking) tasks.set(task.id, { ...task, unknown });
      continue;
    }
    for (const [at, task] of asking.entries()) {
      tasks.set(task.id, { ...task, tools: said.tools[at] } satisfies Task);
    }
  }
  return success({ ...plan, tasks: tasks satisfies ReadonlyMap<TaskId, Task> });
}

function askingByStage({ tasks, stages }: Plan): ReadonlyMap<string, readonly Task[]> {
  const found = new Map<string, Task[]>();
  for (const task of tasks.values()) {
    if (!stages.get(task.stage)?.declaration.tools?.(task.params)) continue;
    const others = found.get(task.stage);
    if (others) others.push(task);
    else found.set(task.stage, [task]);
  }
  return found;
}

type Answer =
  | { readonly say: 'tools'; readonly tools: readonly (Tools | null)[] }
  | { readonly say: 'failed'; readonly message: string };

async function ask(command: WorkerCommand, question: ToolsQuestion): Promise<Answer> {
  let worker: ReturnType<typeof startWorker> | undefined;
  const answer = await new Promise<Answer>((resolve) => {
    worker = startWorker(command, {
      said(message) {
        if (message.say === 'tools' || message.say === 'failed') resolve(message);
        else if (message.say === 'died') resolve({ say: 'failed', message: message.message });
      },
      printed: () => undefined,
      died: (message) => resolve({ say: 'failed', message }),
    });
    worker.ask(question);
  });
  worker?.kill();
  return answer;
}
