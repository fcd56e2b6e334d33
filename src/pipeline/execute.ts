// execute.ts — order × whether: runs what must run, as soon as it can, and takes the rest from the store
import { type Absence, lackWords, standingOf } from './absence.ts';
import { type Action, actionOf, decide } from './action.ts';
import { openShelf, type Shelf } from './artifact.ts';
import { Builder, type Tried } from './build.ts';
import { CLAIM_RENEW_MS, Claims } from './claims.ts';
import { Commits } from './commits.ts';
import type { Listener, Outcome, Reason, Tally, TaskError } from './event.ts';
import type { Identity } from './holder.ts';
import type { Key, TaskId } from './key.ts';
import type { Plan, Task } from './plan.ts';
import type { Policy } from './policy.ts';
import { inOrder, urgencies } from './schedule.ts';
import { type Demand, Slots } from './slots.ts';
import type { Claim, Maker, Store, Trace } from './store.ts';
import { Supply } from './supply.ts';
import type { Workers } from './workers.ts';

/** What a run needs beside its plan. The process is not touched from here: its identity is passed in. */
export interface ExecuteOptions {
  readonly store: Store;
  readonly workers: Workers;
  readonly listener: Listener;
  /** Tasks that run at once. */
  readonly slots: number;
  /** How much there is of each named resource. */
  readonly resources: ReadonlyMap<string, number>;
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
  readonly maker: Omit<Maker, 'at'>;
  readonly identity: Identity;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Aborted when the user asks to stop: running stages save a checkpoint and end. */
  readonly signal: AbortSignal;
}

/** How a run ended, task by task. */
export interface RunResult {
  readonly outcomes: ReadonlyMap<TaskId, Outcome>;
  readonly traces: ReadonlyMap<TaskId, Trace>;
  /** Traces of actions that were found infeasible. */
  readonly infeasible: ReadonlyMap<TaskId, Trace>;
  /** How many tasks ran, whatever came of it. */
  readonly ran: number;
  /** Whether nothing failed or was skipped, but for what `allow-failure` allows. */
  readonly ok: boolean;
  readonly tally: Tally;
  readonly seconds: number;
}

/** Checkpoints are at most this far apart. */
const CHECKPOINT_EVERY_MS = 30_000;
/** A stage that does not reach a checkpoint within this time after Ctrl-C is ended. */
const STOP_GRACE_MS = 4000;
/** How often a pause before a retry looks whether the run was stopped. */
const PAUSE_LOOK_MS = 100;

/** Makes every task of a plan. Failures are outcomes, not exceptions; a broken store throws. */
export async function execute(plan: Plan, options: ExecuteOptions): Promise<RunResult> {
  const run = new Run(plan, options);
  return run.all();
}

/** How one task ended, for those that have the same key. */
type Made =
  | { readonly ok: true; readonly trace: Trace }
  | { readonly ok: false; readonly outcome: 'failed' | 'interrupted' | 'skipped' }
  | { readonly ok: false; readonly outcome: 'infeasible'; readonly trace: Trace };

/** What a turn in a slot came to. */
type Turn =
  | { readonly kind: 'tried'; readonly tried: Tried }
  | { readonly kind: 'skipped' }
  /** Another process has made the action. */
  | { readonly kind: 'hit'; readonly trace: Trace }
  /** Another process is making it. */
  | { readonly kind: 'held'; readonly by: Claim };

class Run {
  private readonly outcomes = new Map<TaskId, Outcome>();
  readonly traces = new Map<TaskId, Trace>();
  private readonly latest = new Map<TaskId, Key>();
  private readonly infeasible = new Map<TaskId, Trace>();
  /** Tasks that gave nothing, and on whose account; not those that the user stopped. */
  readonly absent = new Map<TaskId, Absence>();
  /** What is being made in this run, by key: a second task with the same key waits for the first. */
  private readonly making = new Map<Key, { readonly task: TaskId; readonly made: Promise<Made> }>();
  private readonly slots: Slots;
  private readonly claims: Claims;
  private readonly supply: Supply;
  private readonly builder: Builder;
  private readonly shelf: Promise<Shelf>;
  /** Ends the commands that run. */
  private readonly stop = new AbortController();
  private urgent: ReadonlyMap<TaskId, number> | undefined;
  private failed = false;
  private ran = 0;
  private broken: { readonly error: unknown } | undefined;
  private readonly plan: Plan;
  private readonly options: ExecuteOptions;

  constructor(plan: Plan, options: ExecuteOptions) {
    const { store, listener, clock, identity, maker } = options;
    this.plan = plan;
    this.options = options;
    this.slots = new Slots(options.slots, options.resources);
    this.shelf = openShelf(options.artifacts, clock);
    this.claims = new Claims({ store, owner: maker.run, identity, clock, listener });
    const { traces, absent } = this;
    const remake: Supply['options']['remake'] = (task, lost) => this.remake(task, lost);
    this.supply = new Supply({ ...options, plan, traces, absent, remake });
    const commits = new Commits(store, () => this.slots.busy);
    const halted = (): boolean => this.halted;
    const { supply, stop } = this;
    const stopped = stop.signal;
    this.builder = new Builder({ ...options, plan, commits, supply, halted, stopped });
  }

  async all(): Promise<RunResult> {
    const { clock, listener, store, workers, signal } = this.options;
    const start = clock();
    const renew = setInterval(
      () => this.builder.tryWrite(undefined, () => this.claims.renew()),
      CLAIM_RENEW_MS,
    );
    const checkpoint = setInterval(() => workers.checkpointNow(), CHECKPOINT_EVERY_MS);
    const stop = (): void => {
      workers.stop(STOP_GRACE_MS);
      this.stop.abort();
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      await inOrder(this.plan, (task) => this.visit(task).catch((error) => this.breakOff(error)));
      if (this.broken) throw this.broken.error;
      store.setLatest(this.latest);
    } finally {
      clearInterval(renew);
      clearInterval(checkpoint);
      signal.removeEventListener('abort', stop);
    }
    const seconds = (clock() - start) / 1000;
    const tally = tallyOf(this.outcomes);
    listener({ event: 'finished', tally, seconds });
    const { outcomes, traces, infeasible, ran } = this;
    return { outcomes, traces, infeasible, ran, ok: this.ok, tally, seconds };
  }

  private get ok(): boolean {
    return [...this.outcomes].every(
      ([task, outcome]) =>
        (outcome !== 'failed' && outcome !== 'skipped') || this.absent.get(task)?.allowed === true,
    );
  }

  /** Ends the run for an error that is no task's own: what runs is stopped first, so that nothing outlives the store. */
  private breakOff(error: unknown): void {
    if (this.broken) return;
    this.broken = { error };
    this.options.workers.stop(0);
    this.stop.abort();
  }

  private end(task: Task, outcome: Outcome): void {
    this.outcomes.set(task.id, outcome);
    if (outcome === 'failed' && !this.absent.get(task.id)?.allowed) this.failed = true;
  }

  /** Whether everything ends, what is running too. */
  private get halted(): boolean {
    return this.options.signal.aborted || this.broken !== undefined;
  }

  /** Whether nothing new may start. */
  private get stopping(): boolean {
    return this.halted || (this.failed && !this.options.keepGoing);
  }

  private async visit(task: Task): Promise<void> {
    const { traces, absent } = this;
    const withoutFailed = this.options.keepGoing && !this.halted;
    const standing = standingOf(task, { made: traces, absent, withoutFailed });
    if (standing.kind === 'infeasible') return this.leaveOut(task, standing.absence, true);
    if (task.infeasible !== null) {
      const absence = { kind: 'infeasible', message: task.infeasible, because: task.id } as const;
      return this.leaveOut(task, absence, true);
    }
    if (standing.kind === 'blocked') {
      this.end(task, 'skipped');
      this.blameFor(task, standing.by);
      return;
    }
    const action = actionOf(this.plan, task, this);
    const first = this.making.get(action.key);
    if (first) return this.follow(task, action, first);
    const made = this.make(action);
    this.making.set(action.key, { task: task.id, made: made.catch(() => FAILED) });
    await this.conclude(task, await made);
  }

  /** Says on whose account a task is skipped; nothing when the run was stopped before its turn came. */
  private blameFor(task: Task, broken: readonly TaskId[]): void {
    const absences = broken.flatMap((id) => this.absent.get(id) ?? []);
    if (absences.length === 0) return;
    const { because } = absences.find(({ allowed }) => !allowed) ?? absences[0];
    const allowed = absences.length === broken.length && absences.every((one) => one.allowed);
    const message = `it needs ${because}, which failed`;
    this.absent.set(task.id, { kind: 'skipped', message, because, ...(allowed && { allowed }) });
    this.options.listener({ event: 'skipped', task: task.id, because });
  }

  /** Ends a task that cannot be done, by itself or for what it needs. */
  private leaveOut(task: Task, absence: Absence, known: boolean): void {
    const { message, because } = absence;
    this.absent.set(task.id, absence);
    this.end(task, 'infeasible');
    const told = { event: 'infeasible', task: task.id, message, known } as const;
    this.options.listener(because === task.id ? told : { ...told, because });
  }

  private fail(task: Task, error: TaskError): void {
    const { message } = error;
    const allowed = this.options.policies.get(task.stage)?.allowFailure && { allowed: true };
    const told = { event: 'failed', task: task.id, error, params: task.params } as const;
    this.options.listener({ ...told, ...allowed });
    this.absent.set(task.id, { kind: 'failed', message, because: task.id, ...allowed });
    this.end(task, 'failed');
  }

  /** A second task with the key of one that is being made, or was: it takes that one's result. */
  private async follow(
    task: Task,
    action: Action,
    first: { readonly task: TaskId; readonly made: Promise<Made> },
  ): Promise<void> {
    const made = await first.made;
    if (made.ok) {
      this.options.listener({
        event: 'reused',
        task: task.id,
        key: action.key,
        sameAs: first.task,
      });
      this.end(task, 'reused');
    } else if (made.outcome === 'infeasible') {
      const message = made.trace.infeasible ?? '';
      if (task.skipsInfeasible) {
        this.leaveOut(task, { kind: 'infeasible', message, because: task.id }, true);
      } else this.fail(task, { message });
    } else {
      this.end(task, made.outcome === 'failed' ? 'skipped' : made.outcome);
      this.blameFor(task, [first.task]);
    }
    await this.conclude(task, made);
  }

  private async conclude(task: Task, made: Made): Promise<void> {
    if (!made.ok) {
      if (made.outcome !== 'infeasible') return;
      this.infeasible.set(task.id, made.trace);
      this.latest.set(task.id, made.trace.key);
      return;
    }
    this.traces.set(task.id, made.trace);
    this.latest.set(task.id, made.trace.key);
    const { listener } = this.options;
    const message = lackWords(task, this.absent);
    if (message) listener({ event: 'warning', message, task: task.id });
    for (const [output, path] of Object.entries(task.artifacts)) {
      const { digest } = made.trace.outputs[output];
      const bytes = (): Promise<Uint8Array> =>
        this.slots.hold(AT_ONCE, () => this.supply.bytesOf(task.id, digest));
      const change = await (await this.shelf).place(path, digest, bytes);
      if (change) listener({ event: 'artifact', task: task.id, ...change });
    }
  }

  /** Whether, and if so: run. */
  private async make(action: Action): Promise<Made> {
    const { store, forced } = this.options;
    const verdict = decide(action, store, forced.has(action.task.id));
    if (verdict.hit) return this.reuse(action, verdict.trace);
    try {
      return await this.run(action, verdict.reason);
    } finally {
      this.claims.release(action.key);
    }
  }

  /** Takes turns in a slot until there is a result, or an end to it. Between them it holds none. */
  private async run(action: Action, reason: Reason): Promise<Made> {
    const { task, key } = action;
    const demand = this.demandOf(task);
    let mayTake = reason.kind !== 'forced';
    for (let failures = 0; ; ) {
      const turn = await this.slots.hold(demand, (slot) =>
        this.turn(action, reason, mayTake, slot),
      );
      if (turn.kind === 'hit') return this.reuse(action, turn.trace);
      if (turn.kind === 'held') {
        mayTake = true;
        if (await this.claims.wait(key, task.id, turn.by, () => this.halted)) continue;
        return this.leave(task, 'skipped');
      }
      if (turn.kind === 'skipped') return this.leave(task, 'skipped');
      const { tried } = turn;
      if (tried.end === 'failed') {
        failures += 1;
        if (await this.pauseToRetry(task, tried.error, failures)) continue;
      }
      return this.finish(action, tried);
    }
  }

  /** One turn in a slot. @param mayTake whether a result of another process will do */
  private async turn(
    action: Action,
    reason: Reason,
    mayTake: boolean,
    slot: number,
  ): Promise<Turn> {
    if (this.stopping) return { kind: 'skipped' };
    const by = this.claims.take(action.key, action.task.id);
    if (by) return { kind: 'held', by };
    // Another process may have finished between our look and our claim.
    const verdict = decide(action, this.options.store, !mayTake);
    if (verdict.hit) return { kind: 'hit', trace: verdict.trace };
    return { kind: 'tried', tried: await this.builder.try(action, reason, slot) };
  }

  private async finish(action: Action, tried: Tried): Promise<Made> {
    const { task } = action;
    if (tried.end === 'interrupted') return this.leave(task, 'interrupted');
    this.ran += 1;
    if (tried.end === 'failed') {
      this.fail(task, tried.error);
      return FAILED;
    }
    if (tried.end === 'infeasible') {
      const trace = await this.builder.keepInfeasible(action, tried.message, tried.seconds);
      return this.found(task, trace, false);
    }
    const trace = await this.builder.keep(action, tried.outputs, tried.seconds);
    this.end(task, 'built');
    return { ok: true, trace };
  }

  private leave(task: Task, outcome: 'skipped' | 'interrupted'): Made {
    this.end(task, outcome);
    return { ok: false, outcome };
  }

  /** Waits before another try, where the stage's policy has one left: each time twice as long. */
  private async pauseToRetry(task: Task, error: TaskError, failures: number): Promise<boolean> {
    const { policies, listener, clock } = this.options;
    const { times, delay_ms } = policies.get(task.stage)?.retries ?? { times: 0, delay_ms: 0 };
    if (failures > times || this.halted) return false;
    const pause_ms = delay_ms * 2 ** (failures - 1);
    const after = { attempt: failures, of: times, pause: pause_ms / 1000 };
    listener({ event: 'retrying', task: task.id, error, ...after });
    const until = clock() + pause_ms;
    while (!this.halted && clock() < until) {
      const look = Math.min(PAUSE_LOOK_MS, until - clock());
      await new Promise((resolve) => setTimeout(resolve, look));
    }
    return !this.halted;
  }

  /** Runs a task again whose blob is lost, in the slot of the task that needs it. */
  private async remake(task: Task, lost: readonly string[]): Promise<void> {
    const action = actionOf(this.plan, task, this);
    const tried = await this.builder.try(action, { kind: 'lost', outputs: lost }, 0);
    await this.finish(action, tried);
  }

  /** What a task takes while it runs, and how urgent it is. The store is asked only when there is a choice. */
  private demandOf(task: Task): Demand {
    const { store, policies } = this.options;
    const resources = policies.get(task.stage)?.resources ?? new Map();
    const urgency = (): number => {
      this.urgent ??= urgencies(this.plan, ({ id }) => {
        const key = store.latest(id);
        return key && store.trace(key)?.cost.seconds;
      });
      return this.urgent.get(task.id) ?? 0;
    };
    const amounts = [...resources].map(([name, { amount }]) => [name, amount]);
    return { resources: Object.fromEntries(amounts), urgency };
  }

  private reuse(action: Action, trace: Trace): Made {
    if (trace.infeasible !== undefined) return this.found(action.task, trace, true);
    this.options.listener({ event: 'reused', task: action.task.id, key: action.key });
    this.end(action.task, 'reused');
    return { ok: true, trace };
  }

  /** What a trace without outputs says. */
  private found(task: Task, trace: Trace, known: boolean): Made {
    const message = trace.infeasible ?? '';
    this.leaveOut(task, { kind: 'infeasible', message, because: task.id }, known);
    return { ok: false, outcome: 'infeasible', trace };
  }
}

const FAILED: Made = { ok: false, outcome: 'failed' };
/** Work that is short and needs nothing but a slot. */
const AT_ONCE: Demand = { resources: {}, urgency: () => Number.POSITIVE_INFINITY };

function tallyOf(outcomes: ReadonlyMap<TaskId, Outcome>): Tally {
  const tally = { built: 0, reused: 0, failed: 0, skipped: 0, interrupted: 0, infeasible: 0 };
  for (const outcome of outcomes.values()) tally[outcome] += 1;
  return tally;
}
