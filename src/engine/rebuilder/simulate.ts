// simulate.ts — how long tasks take together, on so many slots and with so many named resources
import { elementAt } from '../../present.ts';
import { Heap } from './heap.ts';

/** A task as far as a schedule goes. */
export interface ScheduledTask {
  readonly seconds: number;
  /** What it takes while it runs, by the name of the resource. */
  readonly resources: ReadonlyMap<string, number>;
  /** Indices of the tasks that must be over before it begins; each stands before it in the list. */
  readonly after: readonly number[];
}

/** What tasks share. */
export interface Capacity {
  readonly slots: number;
  readonly resources: ReadonlyMap<string, number>;
}

interface Ready {
  readonly at: number;
  readonly urgency: number;
}

/** Simulates a run as the scheduler would do it: of the tasks that fit, the one with the longest way to the end goes first. */
export function simulatedSeconds(
  tasks: readonly ScheduledTask[],
  { slots, resources }: Capacity,
): number {
  const urgency = longestWays(tasks);
  const dependents = dependentsOf(tasks);
  const waiting = tasks.map(({ after }) => after.length);
  const left = new Map(resources);
  const running = new Heap<{ readonly at: number; readonly end: number }>((a, b) => a.end < b.end);
  /** One heap for each set of resources, so that one look tells whether any of it fits. */
  const ready = new Map<
    string,
    { readonly takes: ScheduledTask['resources']; heap: Heap<Ready> }
  >();
  const names = new Map<ScheduledTask['resources'], string>();
  const nameOf = (takes: ScheduledTask['resources']): string => {
    const name = names.get(takes) ?? JSON.stringify([...takes].sort());
    names.set(takes, name);
    return name;
  };
  const enqueue = (at: number): void => {
    const takes = elementAt(tasks, at).resources;
    const name = nameOf(takes);
    const known = ready.get(name) ?? { takes, heap: new Heap<Ready>(isMoreUrgent) };
    known.heap.add({ at, urgency: elementAt(urgency, at) });
    ready.set(name, known);
  };
  const change = (at: number, sign: 1 | -1): void => {
    for (const [name, n] of elementAt(tasks, at).resources)
      left.set(name, (left.get(name) ?? 0) + sign * n);
  };
  const next = (): number | undefined => {
    let best: Heap<Ready> | undefined;
    for (const { takes, heap } of ready.values()) {
      if (heap.size === 0) continue;
      const fits = [...takes].every(([name, n]) => n <= (left.get(name) ?? 0));
      if (fits && (best === undefined || isMoreUrgent(heap.first, best.first))) best = heap;
    }
    return best?.take().at;
  };
  for (const [at, n] of waiting.entries()) if (n === 0) enqueue(at);
  let now = 0;
  for (;;) {
    while (running.size < slots) {
      const at = next();
      if (at === undefined) break;
      change(at, -1);
      running.add({ at, end: now + elementAt(tasks, at).seconds });
    }
    if (running.size === 0) return now;
    const { at, end } = running.take();
    now = end;
    change(at, 1);
    for (const one of elementAt(dependents, at)) {
      const left = elementAt(waiting, one) - 1;
      waiting[one] = left;
      if (left === 0) enqueue(one);
    }
  }
}

const isMoreUrgent = (a: Ready, b: Ready): boolean =>
  a.urgency > b.urgency || (a.urgency === b.urgency && a.at < b.at);

/** Seconds from the beginning of each task to the end of all that waits for it. */
function longestWays(tasks: readonly ScheduledTask[]): readonly number[] {
  const ways = tasks.map(() => 0);
  for (let at = tasks.length - 1; at >= 0; at--) {
    const { seconds, after } = elementAt(tasks, at);
    const way = elementAt(ways, at) + seconds;
    ways[at] = way;
    for (const before of after) ways[before] = Math.max(elementAt(ways, before), way);
  }
  return ways;
}

function dependentsOf(tasks: readonly ScheduledTask[]): readonly (readonly number[])[] {
  const dependents: number[][] = tasks.map(() => []);
  for (const [at, { after }] of tasks.entries()) {
    for (const one of after) elementAt(dependents, one).push(at);
  }
  return dependents;
}
