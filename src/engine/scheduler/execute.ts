// execute.ts — order × whether: runs what must run, as soon as it can, and takes the rest from the store

import type { Policy } from '../config/policy.ts';
import { ActionRunner, type AttemptResult, STOP_GRACE_MS } from '../executors/action-runner.ts';
import { InputStaging } from '../executors/input-staging.ts';
import { Supersession } from '../executors/superseded.ts';
import type { Listener, Outcome, Reason, Tally } from '../model/event.ts';
import type { Key, TaskId } from '../model/key.ts';
import type { Identity } from '../model/process-identity.ts';
import type { ActionRecord, Maker } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import { inOrder } from '../planning/visit-order.ts';
import { type Action, actionOf, decide } from '../rebuilder/action.ts';
import { formatMissingInputs } from '../rebuilder/missing-output.ts';
import { decisionOf, holdingOf, stepOf } from '../rebuilder/settle.ts';
import { Commits } from '../store/commits.ts';
import { LEASE_RENEW_MS, Leases } from '../store/leases.ts';
import type { Store } from '../store/store.ts';
import type { Workers } from '../worker/worker-pool.ts';
import { Attempts } from './attempts.ts';
import { Hits } from './hits.ts';
import { type ProvenanceWriter, Publisher } from './publisher.ts';
import type { ResourcePool } from './resource-pool.ts';
import { RunState } from './run-state.ts';

/** What a run needs beside its plan. The process is not touched from here: its identity is passed in. */
export interface ExecuteOptions {
  readonly store: Store;
  readonly workers: Workers;
  readonly listener: Listener;
  /** How many tasks run at once, and what they share. Runs beside each other in one process share it, too. */
  readonly pool: ResourcePool;
  /** How the tasks of each stage are run. */
  readonly policies: { get(stage: string): Policy | undefined };
  /** After a failure, go on with what does not need it. */
  readonly keepGoing: boolean;
  readonly forced: ReadonlySet<TaskId>;
  readonly mirrors: readonly string[];
  /** Folder of the project, whose packages tools come from. */
  readonly root: string;
  /** Folder of the store. */
  readonly cache: string;
  /** Folder in which commands get theirs. */
  readonly scratch: string;
  /** Folder for artifacts. */
  readonly artifacts: string;
  /** Tells where artifacts come from. */
  readonly provenance: ProvenanceWriter;
  readonly maker: Omit<Maker, 'at'>;
  readonly identity: Identity;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Aborted when the user asks to stop: running stages save a checkpoint and end. */
  readonly signal: AbortSignal;
  /** Begun when a newer plan takes this one's place. Absent where none can. */
  readonly supersession?: Supersession;
}

/** How a run ended, task by task. */
export interface RunResult {
  readonly outcomes: ReadonlyMap<TaskId, Outcome>;
  readonly traces: ReadonlyMap<TaskId, ActionRecord>;
  /** Traces of actions that were found infeasible. */
  readonly infeasible: ReadonlyMap<TaskId, ActionRecord>;
  /** Tasks that were stopped, and that the next make continues from a checkpoint. */
  readonly resumable: ReadonlySet<TaskId>;
  /** How many tasks ran, whatever came of it. */
  readonly ran: number;
  /** Whether nothing failed or was skipped, but for what `allow-failure` allows. */
  readonly ok: boolean;
  readonly tally: Tally;
  readonly seconds: number;
}

/** Checkpoints are at most this far apart. */
const CHECKPOINT_EVERY_MS = 30_000;

/** Makes every task of a plan. Failures are outcomes, not exceptions; a broken store throws. */
export async function execute(plan: Plan, options: ExecuteOptions): Promise<RunResult> {
  const run = new Run(plan, options);
  return run.all();
}

/** How one task ended, for those that have the same key. */
type Made =
  | { readonly ok: true; readonly trace: ActionRecord }
  | { readonly ok: false; readonly outcome: 'failed' | 'skipped' }
  | { readonly ok: false; readonly outcome: 'interrupted'; readonly checkpoint: boolean }
  | { readonly ok: false; readonly outcome: 'infeasible'; readonly trace: ActionRecord };

class Run {
  private readonly state: RunState;
  /** What is being made in this run, by key: a second task with the same key waits for the first. */
  private readonly making = new Map<Key, { readonly task: TaskId; readonly made: Promise<Made> }>();
  /** What is being made again, as its bytes were lost, by key. */
  private readonly rebuilding = new Map<Key, Promise<Made>>();
  private readonly hits: Hits;
  private readonly pool: ResourcePool;
  private readonly supersession: Supersession;
  private readonly leases: Leases;
  private readonly staging: InputStaging;
  private readonly runner: ActionRunner;
  private readonly attempts: Attempts;
  private readonly publisher: Publisher;
  /** Ends the commands that run. */
  private readonly stop = new AbortController();
  private readonly backgrounds = new Set<Promise<void>>();
  private ran = 0;
  private broken: { readonly error: unknown } | undefined;
  private readonly plan: Plan;
  private readonly options: ExecuteOptions;

  constructor(plan: Plan, options: ExecuteOptions) {
    const { store, listener, clock, identity, maker } = options;
    this.plan = plan;
    this.options = options;
    this.pool = options.pool;
    this.supersession = options.supersession ?? new Supersession();
    this.leases = new Leases({ store, owner: maker.run, identity, clock, listener });
    this.state = new RunState(options);
    const { traces, missing } = this.state;
    const rebuild = async (task: Task, lost: readonly string[]): Promise<boolean> =>
      (await this.rebuild(task, lost)).ok;
    this.staging = new InputStaging({ ...options, plan, traces, missing, rebuild });
    this.hits = new Hits({
      ...{ plan, store, listener, state: this.state },
      rebuild: (task, lost) => this.background(this.rebuild(task, lost)),
      onError: (error) => this.breakOff(error),
    });
    this.publisher = new Publisher({ ...options, plan, state: this.state, staging: this.staging });
    const commits = new Commits(store.actions, () => this.pool.busy);
    const halted = (): boolean => this.halted;
    const { staging, stop, supersession } = this;
    const stopped = stop.signal;
    this.runner = new ActionRunner({
      ...options,
      plan,
      commits,
      staging,
      halted,
      stopped,
      supersession,
    });
    const { pool, leases, runner } = this;
    const stopping = (): boolean => this.stopping;
    const ending = (): boolean => this.ending;
    const self = { run: maker.run, host: identity.host, pid: identity.pid };
    const parts = { plan, pool, leases, runner, staging, self, ending, stopping };
    this.attempts = new Attempts({ ...options, ...parts });
  }

  async all(): Promise<RunResult> {
    const { clock, listener, store, workers, signal } = this.options;
    const start = clock();
    const renew = setInterval(
      () => this.runner.tryWrite(undefined, () => this.leases.renew()),
      LEASE_RENEW_MS,
    );
    const checkpoint = setInterval(() => workers.checkpointNow(), CHECKPOINT_EVERY_MS);
    const stop = (): void => {
      workers.stop(STOP_GRACE_MS);
      this.stop.abort();
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      await inOrder(this.plan, (task) => this.visit(task).catch((error) => this.breakOff(error)));
      do {
        await this.hits.tell();
        await this.backgroundEnded();
      } while (this.hits.isWaiting);
      if (!this.supersession.isSuperseded) await this.publisher.again();
      if (this.broken) throw this.broken.error;
      // What a newer plan has noted meanwhile is later than all of this.
      if (!this.supersession.isSuperseded) await store.actions.setLatest(this.state.keys);
    } finally {
      clearInterval(renew);
      this.leases.close();
      clearInterval(checkpoint);
      signal.removeEventListener('abort', stop);
    }
    const seconds = (clock() - start) / 1000;
    const { state, ran } = this;
    const { outcomes, traces, infeasible, resumable, ok, tally } = state;
    listener({ event: 'finished', tally, seconds });
    return { outcomes, traces, infeasible, resumable, ran, ok, tally, seconds };
  }

  /** Work that no task waits for, and that the run does. */
  private background(work: Promise<unknown>): void {
    const ended = work.then(
      () => undefined,
      (error: unknown) => this.breakOff(error),
    );
    this.backgrounds.add(ended);
    void ended.then(() => this.backgrounds.delete(ended));
  }

  private async backgroundEnded(): Promise<void> {
    while (this.backgrounds.size > 0) await Promise.all(this.backgrounds);
  }

  /** Ends the run for an error that is no task's own: what runs is stopped first, so that nothing outlives the store. */
  private breakOff(error: unknown): void {
    if (this.broken) return;
    this.broken = { error };
    this.options.workers.stop(0);
    this.stop.abort();
  }

  /** Whether everything ends, what is running too. */
  private get halted(): boolean {
    return this.options.signal.aborted || this.broken !== undefined;
  }

  /** Whether whatever does not run now is left. */
  private get ending(): boolean {
    return this.halted || this.supersession.isSuperseded;
  }

  /** Whether nothing new may start. */
  private get stopping(): boolean {
    return this.ending || (this.state.failed && !this.options.keepGoing);
  }

  private async visit(task: Task): Promise<void> {
    const { traces, missing } = this.state;
    const first = { get: (key: Key) => this.making.get(key)?.task };
    const withoutFailed = this.options.keepGoing && !this.ending;
    const step = stepOf(this.plan, task, { traces, missing, first, withoutFailed });
    if (step.kind === 'infeasible') {
      return this.state.markInfeasible(task, step.missingOutput, true);
    }
    if (step.kind === 'blocked') return this.state.skip(task, step.by);
    if (step.kind === 'unknown') throw new Error(`bug: ${task.id} is unknown: ${step.message}`);
    const { action } = step;
    const earlier = this.making.get(action.key);
    if (earlier) return this.follow(task, action, earlier);
    const made = this.make(action);
    this.making.set(action.key, { task: task.id, made: made.catch(() => FAILED) });
    await this.conclude(task, await made);
  }

  /** A second task with the key of one that is being made, or was: it takes that one's result. */
  private async follow(
    task: Task,
    action: Action,
    first: { readonly task: TaskId; readonly made: Promise<Made> },
  ): Promise<void> {
    const made = await first.made;
    if (made.ok) {
      this.hits.share(first.task, task.id);
      this.options.listener({
        event: 'reused',
        task: task.id,
        key: action.key,
        sameAs: first.task,
      });
      this.state.end(task, 'reused');
    } else if (made.outcome === 'infeasible') {
      const holding = holdingOf(task, made.trace);
      if (holding.kind === 'infeasible') {
        this.state.markInfeasible(task, holding.missingOutput, true);
      } else this.state.fail(task, { message: made.trace.infeasible ?? '' });
    } else if (made.outcome === 'interrupted') this.state.interrupt(task, made.checkpoint);
    else this.state.skip(task, [first.task]);
    await this.conclude(task, made);
  }

  private async conclude(task: Task, made: Made): Promise<void> {
    if (!made.ok) {
      if (made.outcome !== 'infeasible') return;
      this.state.infeasible.set(task.id, made.trace);
      return;
    }
    this.state.traces.set(task.id, made.trace);
    const { listener } = this.options;
    // Who took this run's place writes what people see.
    if (this.supersession.isSuperseded) return;
    const message = formatMissingInputs(task, this.state.missing);
    if (message) listener({ event: 'warning', message, task: task.id });
    this.background(this.publisher.publish(task));
  }

  /** Whether, and if so: run. */
  private async make(action: Action): Promise<Made> {
    const { store, forced } = this.options;
    const verdict = await decide(action, store, forced.has(action.task.id));
    const decision = decisionOf(action, verdict);
    return decision.kind === 'run'
      ? this.run(action, decision.reason)
      : this.reuse(action, decision.trace);
  }

  private async run(action: Action, reason: Reason): Promise<Made> {
    try {
      const end = await this.attempts.take(action, reason);
      if (end.kind === 'hit') return this.reuse(action, end.trace);
      if (end.kind === 'skipped') return this.skip(action.task, []);
      if (end.kind === 'blocked') return this.skip(action.task, end.by);
      // The lease is held until the result is kept: whoever takes it next finds that.
      return await this.finish(action, end.tried);
    } finally {
      this.leases.release(action.key);
    }
  }

  private async finish(
    action: Action,
    tried: Exclude<AttemptResult, { end: 'lost' }>,
  ): Promise<Made> {
    const { task } = action;
    if (tried.end === 'interrupted') {
      const { checkpoint } = tried;
      this.state.interrupt(task, checkpoint);
      return { ok: false, outcome: 'interrupted', checkpoint };
    }
    this.ran += 1;
    if (tried.end === 'failed') {
      this.state.fail(task, tried.error);
      return FAILED;
    }
    if (tried.end === 'infeasible') {
      const trace = await this.runner.keepInfeasible(action, tried.message, tried.seconds);
      return this.found(task, trace, false);
    }
    const trace = await this.runner.keep(action, tried.outputs, tried.seconds);
    this.state.end(task, 'built');
    return { ok: true, trace };
  }

  private skip(task: Task, broken: readonly TaskId[]): Made {
    this.state.skip(task, broken);
    return { ok: false, outcome: 'skipped' };
  }

  /**
   * Runs an action again whose bytes were lost: in a turn of its own, as any other. Tasks that share its key, or miss
   * several of its outputs, wait for the same turn.
   */
  private rebuild(task: Task, lost: readonly string[]): Promise<Made> {
    const { key } = actionOf(this.plan, task, this.state);
    const known = this.rebuilding.get(key);
    if (known) return known;
    // It is told as the task that stands for the key in this run.
    const first = this.plan.tasks.get(this.making.get(key)?.task ?? task.id) ?? task;
    const made = this.rebuildNow(actionOf(this.plan, first, this.state), lost).finally(() =>
      this.rebuilding.delete(key),
    );
    this.rebuilding.set(key, made);
    return made;
  }

  private async rebuildNow(action: Action, lost: readonly string[]): Promise<Made> {
    const { task } = action;
    this.hits.withdraw(task);
    const made = await this.run(action, { kind: 'lost', outputs: lost });
    if (made.ok) {
      this.state.traces.set(task.id, made.trace);
      this.publisher.rebuilt();
    }
    return made;
  }

  private reuse(action: Action, trace: ActionRecord): Made {
    if (trace.infeasible !== undefined) return this.found(action.task, trace, true);
    this.hits.add(action.task, trace);
    return { ok: true, trace };
  }

  /** What a trace without outputs says. */
  private found(task: Task, trace: ActionRecord, known: boolean): Made {
    const message = trace.infeasible ?? '';
    this.state.markInfeasible(task, { kind: 'infeasible', message, because: task.id }, known);
    return { ok: false, outcome: 'infeasible', trace };
  }
}

const FAILED: Made = { ok: false, outcome: 'failed' };
