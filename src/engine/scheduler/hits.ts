// hits.ts — tasks whose results were found in the store: reported once their bytes are known to be readable
import { entryOf } from '../../present.ts';
import { FOLDER } from '../model/folder-manifest.ts';
import type { TaskId } from '../model/key.ts';
import type { ActionRecord } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import { missingOutputs } from '../store/folder-blobs.ts';
import type { RunContext } from './run-context.ts';
import type { RunState } from './run-state.ts';

/** Larger blobs are verified by the worker that reads them, not beforehand. */
const VERIFIED_BYTES_MAX = 64 * 2 ** 20;

interface Hit {
  readonly task: Task;
  readonly trace: ActionRecord;
}

/** Tasks whose results were found and cannot be read, with the outputs that are lost. */
export type LostHits = ReadonlyMap<Task, readonly string[]>;

/** An output, and the task that reads it. */
interface Read {
  readonly by: TaskId;
  readonly output: string;
}

/**
 * Hits are collected until no more can be decided: only then is it known which of them will be read. Those are verified
 * before they are reported, so that no task is reported as reused and then rerun. The others are not read at all.
 */
export class Hits {
  private readonly pending = new Map<TaskId, Hit>();
  private readonly twins = new Map<TaskId, TaskId[]>();
  private reads: ReadonlyMap<TaskId, readonly Read[]> | undefined;
  /** Those that are being verified now. */
  private verifying: ReadonlyMap<TaskId, Hit> = new Map();
  private readonly withdrawn = new Set<TaskId>();
  private telling: Promise<unknown> = Promise.resolve();
  private readonly context: RunContext;
  private readonly state: RunState;

  constructor(context: RunContext, state: RunState) {
    this.context = context;
    this.state = state;
  }

  /** Whether some have not been told. */
  get isWaiting(): boolean {
    return this.pending.size > 0 || this.verifying.size > 0;
  }

  add(task: Task, trace: ActionRecord): void {
    this.pending.set(task.id, { task, trace });
  }

  /** A task takes the result of another, whose bytes are read in its name, too. */
  share(first: TaskId, twin: TaskId): void {
    const twins = this.twins.get(first);
    if (twins) twins.push(twin);
    else this.twins.set(first, [twin]);
  }

  /** It is rerun: do not report it as reused. */
  withdraw(task: Task): void {
    this.pending.delete(task.id);
    if (this.verifying.has(task.id)) this.withdrawn.add(task.id);
  }

  /** Reports every hit whose bytes are there. Returns the others, which must be rerun, with the outputs that they lost. */
  tell(): Promise<LostHits> {
    const told = this.telling.then(() => this.tellNow());
    this.telling = told;
    return told;
  }

  private async tellNow(): Promise<LostHits> {
    const { plan, listener } = this.context;
    const { state } = this;
    const isOpen = plan.tasks.size > state.outcomes.size + this.pending.size;
    const hits = [...this.pending.values()];
    this.verifying = new Map(this.pending);
    this.pending.clear();
    this.withdrawn.clear();
    const lost = new Map<Task, readonly string[]>();
    if (isOpen) await this.fetchRead(hits);
    // Downstream first: a task that is rerun reads what is upstream of it.
    for (const hit of isOpen ? [...hits].reverse() : []) {
      const damaged = await this.damagedOf(hit, lost);
      if (damaged.length > 0) lost.set(hit.task, damaged);
    }
    this.verifying = new Map();
    for (const { task, trace } of hits) {
      if (lost.has(task) || this.withdrawn.has(task.id)) continue;
      if (state.outcomes.get(task.id) === 'reused') continue;
      const by = trace.origin && { by: trace.origin.by, made: trace.made };
      listener({ event: 'reused', task: task.id, key: trace.key, ...by });
      state.end(task, 'reused');
    }
    return lost;
  }

  /** Fetches what others made and tasks of this run will read. */
  private async fetchRead(hits: readonly Hit[]): Promise<void> {
    const { shared } = this.context;
    const theirs = shared ? hits.filter(({ trace }) => trace.origin !== undefined) : [];
    await shared?.fetch(
      theirs.flatMap((hit) =>
        this.outputsRead(hit, new Map()).map((output) => entryOf(hit.trace.outputs, output)),
      ),
    );
  }

  /** Outputs that a task which has no outcome yet may read. */
  private outputsRead({ task }: Hit, lost: ReadonlyMap<Task, unknown>): readonly string[] {
    const { state } = this;
    this.reads ??= readsOf(this.context.plan);
    const isTold = (by: TaskId): boolean => {
      const hit = this.pending.get(by) ?? this.verifying.get(by);
      return state.outcomes.has(by) || (hit !== undefined && !lost.has(hit.task));
    };
    const names = [task.id, ...(this.twins.get(task.id) ?? [])];
    const read = names
      .flatMap((name) => this.reads?.get(name) ?? [])
      .filter(({ by }) => !isTold(by));
    return [...new Set(read.map((one) => one.output))];
  }

  /** Those of them that cannot be read. */
  private async damagedOf(hit: Hit, lost: ReadonlyMap<Task, unknown>): Promise<readonly string[]> {
    const { store } = this.context;
    const damaged: string[] = [];
    for (const output of this.outputsRead(hit, lost)) {
      const made = entryOf(hit.trace.outputs, output);
      const isVerified = made.bytes <= VERIFIED_BYTES_MAX && made.kind !== FOLDER;
      const isThere = isVerified
        ? (await store.blobs.get(made.digest)) !== undefined
        : (await missingOutputs(store.blobs, [made])).size === 0;
      if (!isThere) damaged.push(output);
    }
    return damaged;
  }
}

/** Who reads what of each task. */
function readsOf(plan: Plan): ReadonlyMap<TaskId, readonly Read[]> {
  const reads = new Map<TaskId, Read[]>();
  for (const { id, inputs } of plan.tasks.values()) {
    for (const { links } of Object.values(inputs)) {
      for (const { task, output } of links) {
        const list = reads.get(task);
        if (list) list.push({ by: id, output });
        else reads.set(task, [{ by: id, output }]);
      }
    }
  }
  return reads;
}
