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
  private known = new Map<TaskId, Digest>();
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
    if (this.rebuilds !== this.state.rebuilds) this.known = new Map();
    this.rebuilds = this.state.rebuilds;
    // Not by recursion: plans may be thousands of tasks deep.
    const path = [task];
    for (let one = path.at(-1); one !== undefined; one = path.at(-1)) {
      const missing = [...upstreamOf(one)].filter((id) => !this.known.has(id));
      if (missing.length === 0) {
        this.known.set(one.id, this.digestOf(one));
        path.pop();
      }
      for (const id of missing) path.push(this.plan.tasks.get(id) as Task);
    }
    return this.known.get(task.id) as Digest;
  }

  private digestOf(task: Task): Digest {
    const { traces, infeasible, outcomes } = this.state;
    const trace = traces.get(task.id) ?? infeasible.get(task.id);
    const outputs: string[][] = [];
    for (const name in trace?.outputs) outputs.push([name, entryOf(trace.outputs, name).digest]);
    const self = trace
      ? [trace.key, trace.made.run, trace.made.at, outputs]
      : [outcomes.get(task.id) ?? null];
    const upstream: (Digest | null)[] = [];
    for (const id of upstreamOf(task)) upstream.push(this.known.get(id) ?? null);
    // Lists of texts are as in canonical JSON, which has the names of maps in order.
    return digestOf(JSON.stringify([task.id, self, upstream]));
  }
}
