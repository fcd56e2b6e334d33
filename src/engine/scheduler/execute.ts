// execute.ts — runs a plan: reuses or executes each task in dependency order
import type { Policy } from '../config/policy.ts';
import type { Executor } from '../executors/executor.ts';
import type { Listener, Outcome, Tally } from '../model/event.ts';
import type { Key, TaskId } from '../model/key.ts';
import type { Identity } from '../model/process-identity.ts';
import type { Maker, RecordResult } from '../model/record.ts';
import type { Plan, Task } from '../planning/plan.ts';
import { inOrder } from '../planning/visit-order.ts';
import type { Action } from '../rebuilder/action.ts';
import type { KnownResults } from '../rebuilder/forecast.ts';
import { formatMissingInputs } from '../rebuilder/missing-output.ts';
import { holdingOf, stepOf } from '../rebuilder/settle.ts';
import { Commits } from '../store/commits.ts';
import { LEASE_RENEW_MS, Leases } from '../store/leases.ts';
import type { SharedResults } from '../store/shared-results.ts';
import type { Store } from '../store/store.ts';
import { ActionMaker, type Made, type Making } from './action-maker.ts';
import { ActionRunner } from './action-runner.ts';
import { Attempts } from './attempts.ts';
import { Hits } from './hits.ts';
import { InputStaging } from './input-staging.ts';
import { type ProvenanceWriter, Publisher } from './publisher.ts';
import type { AwayPools, ResourcePool } from './resource-pool.ts';
import { Results } from './results.ts';
import type { RunContext } from './run-context.ts';
import { RunControl } from './run-control.ts';
import { RunState } from './run-state.ts';
import { Supersession } from './superseded.ts';
import { Warnings } from './warnings.ts';

/** What a run needs beside its plan. The process is not touched from here: its identity is passed in. */
export interface ExecuteOptions {
  readonly store: Store;
  readonly executor: Executor;
  readonly listener: Listener;
  /** How many tasks run at once, and what they share. Runs beside each other in one process share it, too. */
  readonly pool: ResourcePool;
  /** For tasks that do not run on this machine. Absent where all do. */
  readonly away?: AwayPools;
  /** How the tasks of each stage are run. */
  readonly policies: { get(stage: string): Policy | undefined };
  readonly choices: RunChoices;
  readonly artifacts: ArtifactPlace;
  /** Who runs it. */
  readonly self: { readonly maker: Omit<Maker, 'at'>; readonly identity: Identity };
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Aborted when the user asks to stop: running stages save a checkpoint and end. */
  readonly signal: AbortSignal;
  /** Takes the records of the run, for those who look next. */
  readonly known?: KnownResults;
  /** Tells when a newer plan takes this one's place. Absent where none can. */
  readonly supersession?: Supersession;
  /** Results of others. Absent where there is no remote. */
  readonly shared?: SharedResults;
}

/** What the user chose for a run. */
export interface RunChoices {
  /** After a failure, go on with what does not need it. */
  readonly keepGoing: boolean;
  readonly forced: ReadonlySet<TaskId>;
  /** Where declared files are looked for first. */
  readonly mirrors: readonly string[];
}

/** Where artifacts go. */
export interface ArtifactPlace {
  readonly folder: string;
  /** Tells where artifacts come from. */
  readonly provenance: ProvenanceWriter;
}

/** How a run ended, task by task. */
export interface RunResult {
  readonly outcomes: ReadonlyMap<TaskId, Outcome>;
  readonly traces: ReadonlyMap<TaskId, RecordResult>;
  /** Traces of actions that were found infeasible. */
  readonly infeasible: ReadonlyMap<TaskId, RecordResult>;
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
  const { known } = options;
  const run = new Run(plan, options);
  const result = await run.all();
  if (known) run.teach(known);
  return result;
}

/** One run of a plan. Each part knows only the parts that were made before it. */
class Run {
  private readonly context: RunContext;
  private readonly state: RunState;
  private readonly control: RunControl;
  private readonly warnings: Warnings;
  private readonly leases: Leases;
  private readonly hits: Hits;
  private readonly maker: ActionMaker;
  private readonly publisher: Publisher;
  private readonly backgrounds = new Set<Promise<void>>();
  private areHitsDue = false;
  private readonly options: ExecuteOptions;

  constructor(plan: Plan, options: ExecuteOptions) {
    const { store, listener, policies, clock, pool, executor, signal, self, artifacts } = options;
    const { choices, supersession = new Supersession(), shared, away } = options;
    const { maker, identity } = self;
    const around = { plan, store, listener, policies, clock };
    const context: RunContext = shared ? { ...around, shared } : around;
    const state = new RunState(context);
    const { keepGoing } = choices;
    const control = new RunControl({ state, signal, supersession, keepGoing });
    const warnings = new Warnings(listener);
    const leases = new Leases({ store, owner: maker.run, identity, clock, listener });
    const staging = new InputStaging(context, state, choices.mirrors);
    const runner = new ActionRunner(context, { executor, staging, control, warnings });
    const attempts = new Attempts(context, { pool, away, leases, runner, control });
    const results = new Results(
      context,
      new Commits(
        store.actions,
        () => pool.busy,
        () => away?.isBusy === true,
      ),
      maker,
    );
    const hits = new Hits(context, state);
    const me = { run: maker.run, host: identity.host, pid: identity.pid };
    const parts = { state, attempts, staging, results, hits, leases, self: me };
    const actions = new ActionMaker(context, parts);
    this.publisher = new Publisher(context, { state, maker: actions, identity, ...artifacts });
    this.context = context;
    this.state = state;
    this.control = control;
    this.warnings = warnings;
    this.leases = leases;
    this.hits = hits;
    this.maker = actions;
    this.options = options;
  }

  async all(): Promise<RunResult> {
    const { clock, listener, store, executor } = this.options;
    const { state, control } = this;
    const start = clock();
    const renew = setInterval(
      () => this.background(this.warnings.tryWrite(undefined, () => this.leases.renew())),
      LEASE_RENEW_MS,
    );
    const checkpoint = setInterval(() => executor.checkpointNow(), CHECKPOINT_EVERY_MS);
    try {
      await inOrder(this.context.plan, (task) =>
        this.visit(task).catch((error) => control.breakOff(error)),
      );
      do {
        await this.tellHits();
        await this.backgroundEnded();
      } while (this.hits.isWaiting);
      if (!control.isSuperseded) await this.publisher.again();
      control.throwIfBroken();
      // What a newer plan has noted meanwhile is later than all of this.
      if (!control.isSuperseded) await store.actions.setLatest(state.keys);
    } finally {
      clearInterval(renew);
      this.leases.close();
      clearInterval(checkpoint);
      control.close();
    }
    const seconds = Math.max(0, clock() - start) / 1000;
    const { outcomes, traces, infeasible, resumable, ran, ok, tally } = state;
    listener({ event: 'finished', tally, seconds });
    return { outcomes, traces, infeasible, resumable, ran, ok, tally, seconds };
  }

  /** Notes the records of this run for those who look next. */
  teach(known: KnownResults): void {
    for (const record of this.state.traces.values()) {
      if (known.get(record.key)?.made.at !== record.made.at) known.note?.(record);
    }
  }

  /** Work that no task waits for, and that the run does. */
  private background(work: Promise<unknown>): void {
    const ended = work.then(
      () => undefined,
      (error: unknown) => this.control.breakOff(error),
    );
    this.backgrounds.add(ended);
    void ended.then(() => this.backgrounds.delete(ended));
  }

  private async backgroundEnded(): Promise<void> {
    while (this.backgrounds.size > 0) await Promise.all(this.backgrounds);
  }

  /** Tells hits when whatever can be decided without running anything is decided. */
  private tellHitsSoon(): void {
    if (this.areHitsDue || !this.hits.isWaiting) return;
    this.areHitsDue = true;
    setImmediate(() => this.background(this.tellHits()));
  }

  private async tellHits(): Promise<void> {
    await this.maker.looked();
    this.areHitsDue = false;
    for (const [task, outputs] of await this.hits.tell()) {
      this.background(this.maker.rebuild(task, outputs).then(() => this.tellHitsSoon()));
    }
  }

  private async visit(task: Task): Promise<void> {
    const { state, control, maker } = this;
    const { traces, missing } = state;
    const first = { get: (key: Key) => maker.known(key)?.task };
    const withoutFailed = control.doesWithoutFailed;
    const step = stepOf(this.context.plan, task, { traces, missing, first, withoutFailed });
    if (step.kind === 'infeasible') return state.markInfeasible(task, step.missingOutput, true);
    if (step.kind === 'blocked') return state.skip(task, step.by);
    if (step.kind === 'unknown') throw new Error(`bug: ${task.id} is unknown: ${step.message}`);
    const { action } = step;
    const earlier = maker.known(action.key);
    if (earlier) return this.follow(task, action, earlier);
    const made = await maker.make(action, this.options.choices.forced.has(task.id));
    this.tellHitsSoon();
    this.conclude(task, made);
  }

  /** A second task with the key of one that is being made, or was: it takes that one's result. */
  private async follow(task: Task, { key }: Action, first: Making): Promise<void> {
    const { state } = this;
    const made = await first.made;
    if (made.outcome === 'made') {
      this.hits.share(first.task, task.id);
      this.context.listener({ event: 'reused', task: task.id, key, sameAs: first.task });
      state.end(task, 'reused');
    } else if (made.outcome === 'infeasible') {
      const holding = holdingOf(task, made.record);
      if (holding.kind === 'infeasible') state.markInfeasible(task, holding.missingOutput, true);
      else {
        const message = made.record.infeasible ?? '';
        state.fail(task, { cause: 'stage', message, infeasible: true });
      }
    } else if (made.outcome === 'interrupted') state.interrupt(task, made.checkpoint);
    else state.skip(task, [first.task]);
    this.conclude(task, made);
  }

  private conclude(task: Task, made: Made): void {
    const { state } = this;
    if (made.outcome === 'infeasible') state.infeasible.set(task.id, made.record);
    if (made.outcome !== 'made') return;
    state.traces.set(task.id, made.record);
    // Who took this run's place writes what people see.
    if (this.control.isSuperseded) return;
    const message = formatMissingInputs(task, state.missing);
    if (message) this.context.listener({ event: 'warning', message, task: task.id });
    // Most tasks of a large plan have none.
    if (Object.keys(task.artifacts).length > 0) this.background(this.publisher.publish(task));
  }
}
