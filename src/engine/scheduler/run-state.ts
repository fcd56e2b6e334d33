// run-state.ts — what became of each task of a run, and what is said of it

import type { Outcome, Tally } from '../model/event.ts';
import type { Failure } from '../model/failure.ts';
import type { Key, TaskId } from '../model/key.ts';
import type { ActionRecord } from '../model/record.ts';
import type { Task } from '../planning/plan.ts';
import { taskErrorOf } from '../process/failure-message.ts';
import { type MissingOutput, skipReason } from '../rebuilder/missing-output.ts';
import type { RunContext } from './run-context.ts';

/** The outcomes of a run. */
export class RunState {
  readonly outcomes = new Map<TaskId, Outcome>();
  readonly traces = new Map<TaskId, ActionRecord>();
  /** Traces of actions that were found infeasible. */
  readonly infeasible = new Map<TaskId, ActionRecord>();
  /** Tasks that produced no output, and the root cause of each; not those that the user stopped. */
  readonly missing = new Map<TaskId, MissingOutput>();
  /** Tasks that were stopped, and that the next make continues from a checkpoint. */
  readonly resumable = new Set<TaskId>();
  /** Whether a task failed that must not. */
  failed = false;
  /** How many tasks ran, whatever came of it. */
  ran = 0;
  /** How often a task was made again: what is made from it has another provenance from then on. */
  rebuilds = 0;
  private readonly context: RunContext;

  constructor(context: RunContext) {
    this.context = context;
  }

  /** Notes how a task ended, without a word. */
  end(task: Task, outcome: Outcome): void {
    this.outcomes.set(task.id, outcome);
    if (outcome === 'failed' && !this.missing.get(task.id)?.allowed) this.failed = true;
  }

  /** Notes that a task was made again, as its bytes were lost. */
  rebuilt(task: Task, record: ActionRecord): void {
    this.traces.set(task.id, record);
    this.rebuilds += 1;
  }

  /** Says that a task failed. */
  fail(task: Task, failure: Failure): void {
    const error = taskErrorOf(failure);
    const { message } = error;
    const allowed = this.context.policies.get(task.stage)?.allowFailure && { allowed: true };
    const told = { event: 'failed', task: task.id, error, params: task.params } as const;
    this.context.listener({ ...told, ...allowed });
    this.missing.set(task.id, { kind: 'failed', message, because: task.id, ...allowed });
    this.end(task, 'failed');
  }

  /** Says that a task was stopped. @param checkpoint whether the store has a checkpoint of it */
  interrupt(task: Task, checkpoint: boolean): void {
    if (checkpoint) this.resumable.add(task.id);
    this.context.listener({ event: 'interrupted', task: task.id, checkpoint });
    this.end(task, 'interrupted');
  }

  /** Skips a task for others that are not made, or because the run ended before its turn came. */
  skip(task: Task, broken: readonly TaskId[]): void {
    this.end(task, 'skipped');
    const missingOutput = skipReason(broken, this.missing);
    if (missingOutput) this.missing.set(task.id, missingOutput);
    const because = missingOutput && { because: missingOutput.because };
    this.context.listener({ event: 'skipped', task: task.id, ...because });
  }

  /** Leaves out a task that cannot be done, by itself or for what it needs. @param known nothing ran to find it out */
  markInfeasible(task: Task, missingOutput: MissingOutput, known: boolean): void {
    const { message, because } = missingOutput;
    this.missing.set(task.id, missingOutput);
    this.end(task, 'infeasible');
    const told = { event: 'infeasible', task: task.id, message, known } as const;
    this.context.listener(because === task.id ? told : { ...told, because });
  }

  /** Whether nothing failed or was skipped, but for what `allow-failure` allows. */
  get ok(): boolean {
    return [...this.outcomes].every(
      ([task, outcome]) =>
        (outcome !== 'failed' && outcome !== 'skipped') || this.missing.get(task)?.allowed === true,
    );
  }

  get tally(): Tally {
    const tally = { built: 0, reused: 0, failed: 0, skipped: 0, interrupted: 0, infeasible: 0 };
    for (const outcome of this.outcomes.values()) tally[outcome] += 1;
    return tally;
  }

  /** The key of every task that was made, reused or found infeasible. */
  get keys(): ReadonlyMap<TaskId, Key> {
    return new Map([...this.infeasible, ...this.traces].map(([task, { key }]) => [task, key]));
  }
}
