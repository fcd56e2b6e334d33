// schedule.ts — in what order, and how many at once. Knows nothing of keys
import type { TaskId } from './key.ts';
import type { Plan, Task } from './plan.ts';

/**
 * The scheduler: a task is visited once, when everything that it needs has an outcome.
 * `visit` decides how long that takes; nothing here knows of keys.
 */
export async function inOrder(plan: Plan, visit: (task: Task) => Promise<void>): Promise<void> {
  const waiting = new Map<TaskId, number>();
  const dependents = new Map<TaskId, Task[]>();
  const ready: Task[] = [];
  for (const task of plan.tasks.values()) {
    const upstream = upstreamOf(task);
    waiting.set(task.id, upstream.size);
    if (upstream.size === 0) ready.push(task);
    for (const id of upstream) {
      const list = dependents.get(id);
      if (list) list.push(task);
      else dependents.set(id, [task]);
    }
  }
  await new Promise<void>((resolve, reject) => {
    let left = plan.tasks.size;
    if (left === 0) resolve();
    const start = (task: Task): void => {
      visit(task).then(() => {
        left -= 1;
        if (left === 0) resolve();
        for (const dependent of dependents.get(task.id) ?? []) {
          const count = (waiting.get(dependent.id) ?? 0) - 1;
          waiting.set(dependent.id, count);
          if (count === 0) start(dependent);
        }
      }, reject);
    };
    for (const task of ready) start(task);
  });
}

/** The tasks that a task needs. */
export const upstreamOf = (task: Task): ReadonlySet<TaskId> =>
  new Set(Object.values(task.inputs).flatMap(({ links }) => links.map((link) => link.task)));

/** A fixed number of slots, given in the order in which they are asked for. */
export class Slots {
  private free: number;
  private readonly queue: (() => void)[] = [];

  constructor(count: number) {
    this.free = count;
  }

  async hold<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.queue.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.queue.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}
