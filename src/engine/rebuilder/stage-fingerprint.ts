// stage-fingerprint.ts — what tells whether the tasks of a stage have the keys that they had, without computing them
import { canonicalJson, type Digest, digestOf, type Named, type TaskId } from '../model/key.ts';
import type { Binding, Plan, Task } from '../planning/plan.ts';
import { outputKinds } from './action.ts';

/**
 * A digest of everything that decides the keys of a stage's tasks: stages with the same one have the same keys, task by
 * task. Undefined where a task rests on more than its stage's code, params and links, or cannot have a key now.
 * @param tasks of one stage, in the plan's order
 * @param outputsOf a digest of all outputs of a stage before this one; undefined while some of its tasks have none
 */
export function stageFingerprint(
  plan: Plan,
  tasks: readonly Task[],
  outputsOf: (stage: string) => Digest | undefined,
): Digest | undefined {
  const [first] = tasks;
  const module = first && plan.stages.get(first.stage);
  if (module === undefined) return undefined;
  const params = new Numbers<object>();
  const inputs = new Numbers<Task['inputs']>();
  const files = new Numbers<object>();
  const ids: string[] = [];
  const rows = new Int32Array(3 * tasks.length);
  for (const task of tasks) {
    if (isApart(task)) return undefined;
    const row = 3 * ids.length;
    rows[row] = params.of(task.params);
    rows[row + 1] = inputs.of(task.inputs);
    rows[row + 2] = task.files === null ? -1 : files.of(task.files);
    ids.push(task.id);
  }
  const stages = new Set<string>();
  const links = inputs.all.map((one) => linksText(one, stages));
  const upstream = [...stages].map((stage) => outputsOf(stage));
  if (links.includes(undefined) || upstream.includes(undefined)) return undefined;
  const facts = [
    module.code.digest,
    outputKinds(module),
    Object.keys(first?.at ?? {}),
    first?.skipsInfeasible ?? false,
    params.all,
    files.all,
    upstream,
  ];
  const texts = `${canonicalJson(facts)}\n${ids.join('\n')}\n${links.join('\n')}`;
  // On another machine bytes may stand the other way round: then nothing is known.
  return digestOf(texts + Buffer.from(rows.buffer).toString('latin1'));
}

/** Whether the key of a task rests on what is not looked at here. */
const isApart = ({ tools, command, infeasible, unknown }: Task): boolean =>
  tools !== null || command !== null || infeasible !== null || unknown !== undefined;

/** Links as one text; undefined where an input is not links alone. @param stages takes the stages that they come from */
function linksText(inputs: Named<Binding>, stages: Set<string>): string | undefined {
  const parts: string[] = [];
  for (const [port, { arity, links, files }] of Object.entries(inputs)) {
    if (files !== undefined) return undefined;
    parts.push(`${port} ${arity} ${links.length}`);
    for (const { task, output, at } of links) {
      const stage = stageOf(task);
      if (!stages.has(stage)) {
        stages.add(stage);
        // Its labels are in its name.
        parts.push(Object.keys(at).join());
      }
      parts.push(task, output);
    }
  }
  return parts.join('\n');
}

function stageOf(task: TaskId): string {
  const end = task.indexOf('[');
  return end < 0 ? task : task.slice(0, end);
}

/** Things, numbered in the order in which they come. Most are those that came last. */
class Numbers<T> {
  readonly all: T[] = [];
  private readonly known = new Map<T, number>();
  private last: T | undefined;
  private number = -1;

  of(thing: T): number {
    if (thing === this.last) return this.number;
    let number = this.known.get(thing);
    if (number === undefined) {
      number = this.all.push(thing) - 1;
      this.known.set(thing, number);
    }
    this.last = thing;
    this.number = number;
    return number;
  }
}
