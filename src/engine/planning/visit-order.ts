// visit-order.ts — in what order tasks are visited, and which of them is urgent. Knows nothing of keys
import type { TaskId } from '../model/key.ts';
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

/** What tasks need, by their inputs: many share them. */
const needed = new WeakMap<Task['inputs'], ReadonlySet<TaskId>>();

/** The tasks that a task needs. */
export function upstreamOf({ inputs }: Task): ReadonlySet<TaskId> {
  const known = needed.get(inputs);
  if (known) return known;
  const upstream = new Set<TaskId>();
  for (const { links } of Object.values(inputs)) for (const { task } of links) upstream.add(task);
  needed.set(inputs, upstream);
  return upstream;
}

/** What is known of how long a task takes, in seconds; undefined when it never ran. */
export type Recorded = (task: Task) => number | undefined;

/**
 * How long everything takes that waits for a task, itself included, along the longest way: who has the most behind it
 * goes first. A task that never ran counts as the mean of its stage, or of all.
 */
export function urgencies(plan: Plan, recorded: Recorded): ReadonlyMap<TaskId, number> {
  const known = new Map<TaskId, number>();
  const means = new Map<string, { sum: number; count: number }>();
  const all = { sum: 0, count: 0 };
  for (const task of plan.tasks.values()) {
    const seconds = recorded(task);
    if (seconds === undefined) continue;
    known.set(task.id, seconds);
    const mean = means.get(task.stage) ?? { sum: 0, count: 0 };
    means.set(task.stage, mean);
    for (const one of [mean, all]) {
      one.sum += seconds;
      one.count += 1;
    }
  }
  const guess = ({ stage }: Task): number => {
    const { sum, count } = means.get(stage) ?? all;
    return count > 0 ? sum / count : 1;
  };
  const urgent = new Map<TaskId, number>();
  // Upstream ones stand first in a plan: from its end, all that waits for a task is known before it.
  for (const task of [...plan.tasks.values()].reverse()) {
    const total = (urgent.get(task.id) ?? 0) + (known.get(task.id) ?? guess(task));
    urgent.set(task.id, total);
    for (const id of upstreamOf(task)) {
      urgent.set(id, Math.max(urgent.get(id) ?? 0, total));
    }
  }
  return urgent;
}
