// hits.ts — tasks whose results were found in the store: told when it is sure that their bytes can be read
import type { TaskId } from '../model/key.ts';
import type { ActionRecord } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import type { RunContext } from './run-context.ts';
import type { RunState } from './run-state.ts';

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
  private readonly context: RunContext;
  private readonly state: RunState;

  constructor(context: RunContext, state: RunState) {
    this.context = context;
    this.state = state;
  }

  /** Whether some have not been told. */
  get isWaiting(): boolean {
    return this.pending.size > 0;
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

  /** It is made again: nobody is to be told that it was reused. */
  withdraw(task: Task): void {
    this.pending.delete(task.id);
  }

  /** Tells every hit whose bytes are there. Gives the others, to be made again, with the outputs that they lost. */
  tell(): ReadonlyMap<Task, readonly string[]> {
    const { plan, listener } = this.context;
    const { state } = this;
    const isOpen = plan.tasks.size > state.outcomes.size + this.pending.size;
    const lost = new Map<Task, readonly string[]>();
    const hits = [...this.pending.values()];
    // Downstream first: one that is made again reads what is upstream of it.
    for (const hit of isOpen ? [...hits].reverse() : []) {
      const damaged = this.damagedOf(hit);
      if (damaged.length === 0) continue;
      lost.set(hit.task, damaged);
      this.pending.delete(hit.task.id);
    }
    this.pending.clear();
    for (const { task, trace } of hits) {
      if (lost.has(task) || state.outcomes.get(task.id) === 'reused') continue;
      listener({ event: 'reused', task: task.id, key: trace.key });
      state.end(task, 'reused');
    }
    return lost;
  }

  /** Outputs that a task which has no outcome yet may read, and that cannot be read. */
  private damagedOf({ task, trace }: Hit): readonly string[] {
    const { store, plan } = this.context;
    const { state } = this;
    this.reads ??= readsOf(plan);
    const names = [task.id, ...(this.twins.get(task.id) ?? [])];
    const read = names
      .flatMap((name) => this.reads?.get(name) ?? [])
      .filter(({ by }) => !state.outcomes.has(by) && !this.pending.has(by));
    return [...new Set(read.map(({ output }) => output))].filter((output) => {
      const { digest, bytes } = trace.outputs[output];
      return bytes <= VERIFIED_BYTES_MAX
        ? store.blob(digest) === undefined
        : !store.hasBlob(digest);
    });
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
