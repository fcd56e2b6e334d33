// hits.ts — tasks whose results were found in the store: told when it is sure that their bytes can be read
import { entryOf } from '../../present.ts';
import type { Listener } from '../model/event.ts';
import type { TaskId } from '../model/key.ts';
import type { ActionRecord } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import type { Store } from '../store/store.ts';
import type { RunState } from './run-state.ts';

/** What hits need. */
export interface HitOptions {
  readonly plan: Plan;
  readonly store: Store;
  readonly listener: Listener;
  readonly state: RunState;
  /** Runs a task again whose outputs are lost. */
  rebuild(task: Task, lost: readonly string[]): void;
  /** Hears of an error that is no task's own. */
  onError(error: unknown): void;
}

/** A blob that is larger is verified by the worker that reads it, and not beforehand. */
const VERIFIED_BYTES_MAX = 64 * 2 ** 20;

interface Hit {
  readonly task: Task;
  readonly trace: ActionRecord;
}

/** An output, and the task that reads it. */
interface Read {
  readonly by: TaskId;
  readonly output: string;
}

/**
 * Hits are gathered until all are decided that can be: only then is it known which of them will be read. Those are
 * verified before they are told, so that no task is reused first and made again after that. The rest is not read at all.
 */
export class Hits {
  private readonly pending = new Map<TaskId, Hit>();
  private readonly twins = new Map<TaskId, TaskId[]>();
  private reads: ReadonlyMap<TaskId, readonly Read[]> | undefined;
  /** Those that are being verified now. */
  private verifying: ReadonlyMap<TaskId, Hit> = new Map();
  private readonly withdrawn = new Set<TaskId>();
  private telling = Promise.resolve();
  private due = false;
  private readonly options: HitOptions;

  constructor(options: HitOptions) {
    this.options = options;
  }

  /** Whether some have not been told. */
  get isWaiting(): boolean {
    return this.pending.size > 0 || this.verifying.size > 0;
  }

  add(task: Task, trace: ActionRecord): void {
    this.pending.set(task.id, { task, trace });
    if (this.due) return;
    this.due = true;
    // Whatever can be decided without running anything is decided by then.
    setImmediate(() => this.tell().catch(this.options.onError));
  }

  /** A task takes the result of another, whose bytes are read in its name, too. */
  share(first: TaskId, twin: TaskId): void {
    const twins = this.twins.get(first);
    if (twins) twins.push(twin);
    else this.twins.set(first, [twin]);
  }

  /** It is made again: nobody is to be told that it was reused. */
  withdraw(task: Task): void {
    this.pending.delete(task.id);
    if (this.verifying.has(task.id)) this.withdrawn.add(task.id);
  }

  /** Tells every hit whose bytes are there, and has the others made again. */
  tell(): Promise<void> {
    this.due = false;
    this.telling = this.telling.then(() => this.tellNow());
    return this.telling;
  }

  private async tellNow(): Promise<void> {
    const { plan, state, listener, rebuild } = this.options;
    const isOpen = plan.tasks.size > state.outcomes.size + this.pending.size;
    const hits = [...this.pending.values()];
    this.verifying = new Map(this.pending);
    this.pending.clear();
    this.withdrawn.clear();
    const lost = new Map<Task, readonly string[]>();
    // Downstream first: one that is made again reads what is upstream of it.
    for (const hit of isOpen ? [...hits].reverse() : []) {
      const damaged = await this.damagedOf(hit, lost);
      if (damaged.length > 0) lost.set(hit.task, damaged);
    }
    this.verifying = new Map();
    for (const [task, outputs] of lost) rebuild(task, outputs);
    for (const { task, trace } of hits) {
      if (lost.has(task) || this.withdrawn.has(task.id)) continue;
      if (state.outcomes.get(task.id) === 'reused') continue;
      listener({ event: 'reused', task: task.id, key: trace.key });
      state.end(task, 'reused');
    }
  }

  /** Outputs that a task which has no outcome yet may read, and that cannot be read. */
  private async damagedOf(
    { task, trace }: Hit,
    lost: ReadonlyMap<Task, unknown>,
  ): Promise<readonly string[]> {
    const { plan, store, state } = this.options;
    this.reads ??= readsOf(plan);
    const isTold = (by: TaskId): boolean => {
      const hit = this.pending.get(by) ?? this.verifying.get(by);
      return state.outcomes.has(by) || (hit !== undefined && !lost.has(hit.task));
    };
    const names = [task.id, ...(this.twins.get(task.id) ?? [])];
    const read = names
      .flatMap((name) => this.reads?.get(name) ?? [])
      .filter(({ by }) => !isTold(by));
    const damaged: string[] = [];
    for (const output of new Set(read.map((one) => one.output))) {
      const { digest, bytes } = entryOf(trace.outputs, output);
      const isThere =
        bytes <= VERIFIED_BYTES_MAX
          ? (await store.blobs.get(digest)) !== undefined
          : (await store.blobs.missing([digest])).length === 0;
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
