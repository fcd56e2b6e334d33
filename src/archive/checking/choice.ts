// choice.ts — which tasks to run again, when there is not the time for all
import { elementAt } from '../../present.ts';
import { type Stream, stream } from '../../stats/stream.ts';
import type { ArchivedTrace, StudyTask } from '../form/study.ts';

/** What the choice is made from. */
export interface ChoiceOptions {
  readonly tasks: ReadonlyMap<string, StudyTask>;
  readonly traces: ReadonlyMap<string, ArchivedTrace>;
  /** Tasks that are run whatever they cost: those that drew the report and judged the claims. */
  readonly must: readonly string[];
  /** For each claim, the tasks whose measurements it cites. */
  readonly cited: readonly ReadonlySet<string>[];
  /** Why a task cannot be run again; undefined when it can. */
  readonly obstacle: (task: StudyTask) => string | undefined;
  /** Whether the bytes of a blob are at hand. */
  readonly isThere: (digest: string) => boolean;
  /** Recorded seconds that may be spent. */
  readonly seconds: number;
  readonly seed: number;
}

/** Tasks to run again, the most important first but each after what it needs; how many were sampled at random. */
export interface Choice {
  readonly tasks: readonly string[];
  readonly seconds: number;
  readonly drawn: number;
}

/** Of the budget, so much goes to tasks by what they support; the rest is sampled at random from all others. */
const SUPPORT_SHARE = 2 / 3;
/** Each runs in a process of its own, which takes so long to start. */
const START_S = 0.15;

/** Chooses tasks by how many claims they support for each recorded second, and others at random. */
export function chooseTasks(options: ChoiceOptions): Choice {
  const { tasks, must, seconds, seed } = options;
  const chosen = new Set<string>();
  const keys = new Set<string>();
  let spent = 0;
  const take = (task: string, most: number): boolean => {
    const needed = neededFor(task, options, keys);
    if (needed === undefined) return false;
    const cost = needed.reduce((sum, one) => sum + costOf(one, options), 0);
    if (spent + cost > most) return false;
    for (const one of needed) {
      chosen.add(one.task);
      keys.add(one.key as string);
    }
    spent += cost;
    return true;
  };
  for (const task of must) take(task, Number.POSITIVE_INFINITY);
  const rest = [...tasks.values()].filter(({ task, key }) => key !== null && !chosen.has(task));
  const support = supportOf(options);
  const worth = (task: StudyTask): number => (support.get(task.task) ?? 0) / costOf(task, options);
  const byWorth = rest.filter((task) => worth(task) > 0).sort((a, b) => worth(b) - worth(a));
  for (const { task } of byWorth) take(task, seconds * SUPPORT_SHARE);
  const before = chosen.size;
  for (const { task } of shuffled(rest, stream(seed, 'verify'))) {
    if (!chosen.has(task)) take(task, seconds);
  }
  return { tasks: [...chosen], seconds: spent, drawn: chosen.size - before };
}

const costOf = ({ key }: StudyTask, { traces }: ChoiceOptions): number =>
  START_S + ((key === null ? undefined : traces.get(key))?.cost.seconds ?? 0);

/** A task, and those above it that must run first as their blobs are not at hand. Undefined when one cannot run. */
function neededFor(
  id: string,
  { tasks, isThere, obstacle }: ChoiceOptions,
  keys: ReadonlySet<string>,
): readonly StudyTask[] | undefined {
  const needed = new Map<string, StudyTask>();
  const visit = (name: string): boolean => {
    const task = tasks.get(name);
    if (task === undefined || task.key === null || obstacle(task) !== undefined) return false;
    if (keys.has(task.key) || needed.has(task.key)) return true;
    for (const input of Object.values(task.inputs)) {
      if ('files' in input) continue;
      for (const [upstream, output] of input.links) {
        const digest = tasks.get(upstream)?.outputs[output]?.digest;
        if (digest !== undefined && !isThere(digest) && !visit(upstream)) return false;
      }
    }
    needed.set(task.key, task);
    return true;
  };
  return visit(id) ? [...needed.values()] : undefined;
}

/** How many claims rest on each task: those that cite it or something made from it. */
function supportOf({ tasks, cited }: ChoiceOptions): ReadonlyMap<string, number> {
  const support = new Map<string, number>();
  for (const claim of cited) {
    for (const task of withAncestors(claim, tasks)) support.set(task, (support.get(task) ?? 0) + 1);
  }
  return support;
}

/** Some tasks, and everything that they were made from. */
export function withAncestors(
  some: Iterable<string>,
  tasks: ReadonlyMap<string, StudyTask>,
): ReadonlySet<string> {
  const all = new Set<string>();
  const open = [...some];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const task = tasks.get(next);
    if (task === undefined || all.has(next)) continue;
    all.add(next);
    for (const input of Object.values(task.inputs)) {
      if (!('files' in input)) for (const [upstream] of input.links) open.push(upstream);
    }
  }
  return all;
}

function shuffled<T>(items: readonly T[], random: Stream): readonly T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    const item = elementAt(order, last);
    order[last] = elementAt(order, other);
    order[other] = item;
  }
  return order;
}
