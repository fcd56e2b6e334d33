// lineage.ts — one digest for everything that a result came from

import { entryOf } from '../../present.ts';
import type { Outcome } from '../model/event.ts';
import { type Digest, digestOf, type TaskId } from '../model/key.ts';
import type { RecordResult } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import { upstreamOf } from '../planning/visit-order.ts';

/** What lineages are told from. */
export interface LineageState {
  readonly traces: { get(task: TaskId): RecordResult | undefined };
  readonly infeasible: { get(task: TaskId): RecordResult | undefined };
  readonly outcomes: { get(task: TaskId): Outcome | undefined };
  /** How often a task was made again. */
  readonly rebuilds: number;
}

/**
 * Lineages of tasks that have an outcome: two are equal when the same runs made the same results from the same ones, all
 * the way up.
 */
export class Lineages {
  /** What each task came from, as `textOf` says it. */
  private known = new Map<TaskId, string>();
  /** The same of all that inputs come from: many tasks share theirs. */
  private upstream = new Map<Task['inputs'], string>();
  /** How many tasks had been made again when `known` was last empty. */
  private rebuilds = 0;
  private readonly plan: Plan;
  private readonly state: LineageState;

  constructor(plan: Plan, state: LineageState) {
    this.plan = plan;
    this.state = state;
  }

  of(task: Task): Digest {
    // What is made from a task that was made again has another provenance.
    if (this.rebuilds !== this.state.rebuilds) {
      this.known = new Map();
      this.upstream = new Map();
    }
    this.rebuilds = this.state.rebuilds;
    // Not by recursion: plans may be thousands of tasks deep.
    const path = [task];
    for (let one = path.at(-1); one !== undefined; one = path.at(-1)) {
      const upstream = this.upstreamText(one, path);
      if (upstream === undefined) continue;
      if (!this.known.has(one.id)) this.known.set(one.id, this.textOf(one, upstream));
      path.pop();
    }
    return digestOf(this.known.get(task.id) as string);
  }

  /** What the inputs of a task come from. Undefined where that is not known yet: then those tasks stand at the end of `path`. */
  private upstreamText(task: Task, path: Task[]): string | undefined {
    const known = this.upstream.get(task.inputs);
    if (known !== undefined) return known;
    const before = path.length;
    const needed = upstreamOf(task);
    for (const id of needed) if (!this.known.has(id)) path.push(this.plan.tasks.get(id) as Task);
    if (path.length > before) return undefined;
    let text = '';
    for (const id of needed) text += `(${this.known.get(id)})`;
    const short = text.length > LONGEST_TEXT ? digestOf(text) : text;
    this.upstream.set(task.inputs, short);
    return short;
  }

  /** One text for one lineage: names of any kind stand behind their lengths, and digests have one length. */
  private textOf({ id }: Task, upstream: string): string {
    const { traces, infeasible, outcomes } = this.state;
    const trace = traces.get(id) ?? infeasible.get(id);
    if (trace === undefined) return `${id.length} ${id} ${outcomes.get(id) ?? ''}${upstream}`;
    const { run, at } = trace.made;
    let text = `${id.length} ${id} ${trace.key} ${run.length} ${run} ${at.length} ${at}`;
    for (const name in trace.outputs) {
      text += ` ${name.length} ${name} ${entryOf(trace.outputs, name).digest}`;
    }
    return text + upstream;
  }
}

/** So many characters of what is upstream are cheaper to copy than to digest. */
const LONGEST_TEXT = 600;
