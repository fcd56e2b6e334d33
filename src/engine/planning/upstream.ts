// upstream.ts — params of the tasks that a task is made from

import type { Json, Named, TaskId } from '../model/key.ts';
import type { Link } from './join.ts';

/** What is looked at of a task. */
interface Node {
  readonly id: TaskId;
  readonly params: Named<Json>;
  readonly inputs: Inputs;
}
type Inputs = Named<{ readonly links: readonly Link[] }>;

/** Gives the nearest param of a name among the tasks that a task needs, and those that they need. */
export type UpstreamParam = (name: string) => Json | undefined;

/** Looks params up along inputs, in the order of ports; of a collected input, along its first task. */
export class Upstream {
  /** By task and name: half of a plan asks for the same few. */
  private readonly known = new Map<string, Json | undefined>();
  private readonly tasks: ReadonlyMap<TaskId, Node>;

  /** `tasks` may grow: what is upstream of a task is there before it. */
  constructor(tasks: ReadonlyMap<TaskId, Node>) {
    this.tasks = tasks;
  }

  /** What a task with these inputs finds. */
  of(inputs: Inputs): UpstreamParam {
    return (name) => this.nearest(inputs, name);
  }

  /** Breadth first by one step: a param of a direct input is nearer than one behind it. */
  private nearest(inputs: Inputs, name: string): Json | undefined {
    const sources = Object.values(inputs).flatMap(({ links }) => {
      const task = links[0] && this.tasks.get(links[0].task);
      return task ? [task] : [];
    });
    const direct = sources.find(({ params }) => Object.hasOwn(params, name));
    if (direct) return direct.params[name];
    for (const { id, inputs: further } of sources) {
      const memo = `${id}\u0000${name}`;
      if (!this.known.has(memo)) this.known.set(memo, this.nearest(further, name));
      const found = this.known.get(memo);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
