// stage-graph.ts — what a task is made from, stage by stage: for stages that ask to be told

import { byCodeUnit, type Named, type TaskId } from '../model/key.ts';
import type { GraphStage } from '../stage.ts';
import type { Link } from './join.ts';

/** What is looked at of a task. */
interface Node {
  readonly id: TaskId;
  readonly stage: string;
  readonly inputs: Named<{ readonly links: readonly Link[] }>;
}

/**
 * A task and all that it needs, by stage. Tasks stand in the order of `tasks`, which is that of the matrix; stages and
 * what they read by code unit. It tells nothing of contents: the same plan gives the same graph, whatever comes out.
 * Linear in the tasks and links above.
 */
export function stageGraphOf(task: Node, tasks: ReadonlyMap<TaskId, Node>): Named<GraphStage> {
  const needed = new Map<TaskId, Node>();
  const reads = new Map<string, Set<string>>();
  const stack: Node[] = [task];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (needed.has(node.id)) continue;
    needed.set(node.id, node);
    const read = reads.get(node.stage) ?? new Set();
    reads.set(node.stage, read);
    for (const { task: id, output } of Object.values(node.inputs).flatMap(({ links }) => links)) {
      const upstream = tasks.get(id);
      if (upstream === undefined) continue;
      read.add(`${upstream.stage}.${output}`);
      stack.push(upstream);
    }
  }
  const ids = new Map<string, TaskId[]>([[task.stage, [task.id]]]);
  for (const { id, stage } of tasks.values()) {
    if (!needed.has(id) || id === task.id) continue;
    const known = ids.get(stage);
    if (known) known.push(id);
    else ids.set(stage, [id]);
  }
  const stages = [...reads].sort(([a], [b]) => byCodeUnit(a, b));
  return Object.fromEntries(
    stages.map(([stage, read]) => [
      stage,
      { tasks: ids.get(stage) ?? [], reads: [...read].sort(byCodeUnit) },
    ]),
  );
}
