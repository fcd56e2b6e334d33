// execute.ts — order × whether: runs what must run, as soon as it can, and takes the rest from the store
import { type Absence, lackWords, standingOf } from './absence.ts';
import { type Action, actionOf, decide } from './action.ts';
import { openShelf, type Shelf } from './artifact.ts';
import { type SharedBlobs, sharedBlobs } from './blobs.ts';
import type { Listener, Outcome, Reason, Tally, TaskError } from './event.ts';
import { type FetchOptions, fetchFiles } from './fetch.ts';
import { type Digest, digestOf, type Key, type Named, type TaskId } from './key.ts';
import type { Invocation, Plan, Task } from './plan.ts';
import { changedFiles, readProjectFiles } from './project-file.ts';
import { inOrder, Slots } from './schedule.ts';
import { runInScratch } from './scratch.ts';
import { type Absent, errorKind, StageError } from './stage.ts';
import {
  type Commit,
  type Maker,
  type Output,
  type Store,
  StoreError,
  type Trace,
} from './store.ts';
import type { InputBlobs, SharedBlob } from './worker.ts';
import type { WorkerResult, Workers } from './workers.ts';

/** What a run needs beside its plan. The process is not touched from here: its identity is passed in. */
export interface ExecuteOptions {
  readonly store: Store;
  readonly workers: Workers;
  readonly listener: Listener;
  /** Tasks that run at once. */
  readonly slots: number;
  /** After a failure, go on with what does not need it. */
  readonly keepGoing: boolean;
  readonly forced: ReadonlySet<TaskId>;
  readonly mirrors: readonly string[];
  /** Folder of the project, whose packages tools come from. */
  readonly root: string;
  /** Folder in which commands get theirs. */
  readonly scratch: string;
  /** Folder for artifacts. */
  readonly artifacts: string;
  readonly maker: Omit<Maker, 'at'>;
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
  readonly tally: Tally;
  readonly seconds: number;
}

/** Checkpoints are at most this far apart. */
const CHECKPOINT_EVERY_MS = 30_000;
/** A claim is renewed this often, well within its lease. */
const CLAIM_RENEW_MS = 1000;
/** How often to look whether another process has finished what we need. */
const CLAIM_POLL_MS = 150;
/** A stage that does not reach a checkpoint within this time after Ctrl-C is ended. */
const STOP_GRACE_MS = 4000;
/** A download that says nothing for this long is given up and tried again, after pauses that double. */
const FETCH_PACE = { retryAfter_ms: 1000, stall_ms: 30_000 };
/** Inputs kept in memory for all threads. */
const SHARED_BYTES_MAX = 1_500_000_000;

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

class Run {
  private readonly outcomes = new Map<TaskId, Outcome>();
  readonly traces = new Map<TaskId, Trace>();
  private readonly latest = new Map<TaskId, Key>();
  private readonly infeasible = new Map<TaskId, Trace>();
  /** Tasks that gave nothing, and on whose account; not those that the user stopped. */
  readonly absent = new Map<TaskId, Absence>();
  /** What is being made in this run, by key: a second task with the same key waits for the first. */
  private readonly making = new Map<Key, { readonly task: TaskId; readonly made: Promise<Made> }>();
  private readonly claimed = new Set<Key>();
  private readonly slots: Slots;
  private readonly blobs: SharedBlobs;
  private readonly warned = new Set<string>();
  private readonly shelf: Promise<Shelf>;
  private readonly noted = new Set<string>();
  /** Ends the commands that run. */
  private readonly stop = new AbortController();
  private failed = false;
  private ran = 0;
  private broken: { readonly error: unknown } | undefined;
  private readonly plan: Plan;
  private readonly options: ExecuteOptions;
  private readonly owner: string;

  constructor(plan: Plan, options: ExecuteOptions) {
    this.plan = plan;
    this.options = options;
    this.slots = new Slots(options.slots);
    this.shelf = openShelf(options.artifacts, options.clock);
    this.blobs = sharedBlobs(options.store, SHARED_BYTES_MAX);
    this.owner = options.maker.run;
  }

  async all(): Promise<RunResult> {
    const { clock, listener, store, workers, signal } = this.options;
    const start = clock();
    const renew = setInterval(() => this.renewClaims(), CLAIM_RENEW_MS);
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
    return { outcomes, traces, infeasible, ran, tally, seconds };
  }

  private renewClaims(): void {
    if (this.claimed.size === 0) return;
    const { store, clock } = this.options;
    this.tryWrite(undefined, () => store.renew([...this.claimed], this.owner, clock()));
  }

  /** A write whose failure loses no result: it is told, once, and the run goes on to a write that matters. */
  private tryWrite(task: TaskId | undefined, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (this.warned.has(task ?? '')) return;
      this.warned.add(task ?? '');
      const told = { event: 'warning', message: error.message } as const;
      this.options.listener(task === undefined ? told : { ...told, task });
    }
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
    if (outcome === 'failed') this.failed = true;
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
    const because = broken.flatMap((id) => this.absent.get(id)?.because ?? [])[0];
    if (because === undefined) return;
    const message = `it needs ${because}, which failed`;
    this.absent.set(task.id, { kind: 'skipped', message, because });
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
    this.options.listener({ event: 'failed', task: task.id, error, params: task.params });
    this.absent.set(task.id, { kind: 'failed', message, because: task.id });
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
      const bytes = (): Promise<Uint8Array> => this.slots.hold(() => this.bytesOf(task.id, digest));
      const change = await (await this.shelf).place(path, digest, bytes);
      if (change) listener({ event: 'artifact', task: task.id, ...change });
    }
  }

  /** Whether, and if so: run. */
  private async make(action: Action): Promise<Made> {
    const { store, forced } = this.options;
    const verdict = decide(action, store, forced.has(action.task.id));
    if (verdict.hit) return this.reuse(action, verdict.trace);
    return this.slots.hold(async () => {
      if (this.stopping) {
        this.end(action.task, 'skipped');
        return { ok: false, outcome: 'skipped' };
      }
      const other = await this.claim(action, verdict.reason.kind === 'forced');
      if (other === 'stopped') {
        this.end(action.task, 'skipped');
        return { ok: false, outcome: 'skipped' };
      }
      if (other) return this.reuse(action, other);
      try {
        return await this.build(action, verdict.reason);
      } finally {
        this.claimed.delete(action.key);
        this.release(action.key);
      }
    });
  }

  private release(key: Key): void {
    try {
      this.options.store.release(key, this.owner);
    } catch (error) {
      // A claim that cannot be given back (the disk is full) ends by itself when its lease does.
      if (!(error instanceof StoreError)) throw error;
    }
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

  /** Takes the action for this process, or waits for the one that has it and gives what that made. */
  private async claim(action: Action, forced: boolean): Promise<Trace | 'stopped' | undefined> {
    const { store, clock, listener } = this.options;
    let told = false;
    for (;;) {
      if (this.halted) return 'stopped';
      const holder = store.claim(action.key, this.owner, clock());
      if (holder === undefined) break;
      if (!told) listener({ event: 'waiting', task: action.task.id, for: holder.owner });
      told = true;
      await new Promise((resolve) => setTimeout(resolve, CLAIM_POLL_MS));
    }
    // Another process may have finished between our look and our claim.
    const verdict = decide(action, store, forced && !told);
    if (verdict.hit) {
      this.release(action.key);
      return verdict.trace;
    }
    this.claimed.add(action.key);
    return undefined;
  }

  private async build(action: Action, reason: Reason): Promise<Made> {
    const { listener, clock, store } = this.options;
    const { task, key } = action;
    this.note(task.tools?.note);
    for (const note of task.command?.notes ?? []) this.note(note);
    listener({ event: 'started', task: task.id, key, reason });
    const start = clock();
    if (reason.kind === 'forced') store.dropPartial(key);
    const result = await this.attempt(action).catch((error: unknown): WorkerResult => {
      if (error instanceof StoreError) throw error;
      if (this.halted) return { end: 'stopped' };
      const message = error instanceof Error ? error.message : String(error);
      const stack = errorKind(error) === 'bug' ? (error as Error).stack : undefined;
      return { end: 'failed', message, stack };
    });
    if (result.end === 'stopped') {
      listener({ event: 'interrupted', task: task.id });
      this.end(task, 'interrupted');
      return { ok: false, outcome: 'interrupted' };
    }
    this.ran += 1;
    const seconds = (clock() - start) / 1000;
    if (result.end === 'failed') {
      if (result.infeasible && task.skipsInfeasible) {
        return this.keepInfeasible(action, result.message, seconds);
      }
      this.fail(task, { message: result.message, stack: result.stack });
      return { ok: false, outcome: 'failed' };
    }
    return { ok: true, trace: this.keep(action, result.outputs, seconds) };
  }

  /** What there is to know of tools and commands is said once a run. */
  private note(message: string | undefined): void {
    if (message === undefined || this.noted.has(message)) return;
    this.noted.add(message);
    this.options.listener({ event: 'warning', message });
  }

  /** Commits what a stage gave: blobs and trace in one transaction, durable before anybody hears of it. */
  private keep(action: Action, outputs: Named<Uint8Array>, seconds: number): Trace {
    const { store, listener } = this.options;
    const { task, key, parts } = action;
    const described = Object.entries(outputs).map(([name, bytes]): [string, Output] => [
      name,
      { digest: digestOf(bytes), bytes: bytes.length, kind: parts.outputs[name] },
    ]);
    const trace = this.traceOf(action, Object.fromEntries(described), seconds);
    const latest = store.latest(task.id);
    const before = latest && store.trace(latest)?.outputs;
    const unchanged = described.every(([name, { digest }]) => before?.[name]?.digest === digest);
    store.commit({ trace, blobs: Object.values(outputs) } satisfies Commit);
    listener({ event: 'built', task: task.id, key, seconds, outputs: trace.outputs, unchanged });
    this.end(task, 'built');
    return trace;
  }

  /** Remembers that an action cannot be done, so that it is not tried again. */
  private keepInfeasible(action: Action, message: string, seconds: number): Made {
    const trace: Trace = { ...this.traceOf(action, {}, seconds), infeasible: message };
    this.options.store.commit({ trace, blobs: [] });
    return this.found(action.task, trace, false);
  }

  private traceOf({ task, key, parts }: Action, outputs: Named<Output>, seconds: number): Trace {
    const { clock, maker } = this.options;
    return {
      key,
      task: task.id,
      parts,
      outputs,
      cost: { seconds, work: task.work },
      made: { ...maker, at: new Date(clock()).toISOString() },
      ...(task.tools && { tolerance: task.tools.tolerance }),
    };
  }

  private async attempt(action: Action): Promise<WorkerResult> {
    const { store, workers, listener, root } = this.options;
    const { task, key } = action;
    const module = this.plan.stages.get(task.stage);
    if (module === undefined) throw new Error(`bug: stage ${task.stage} has no module`);
    const progress = (done: number, of: number, note: string): void =>
      listener({ event: 'progress', task: task.id, done, of, note });
    const files = await this.fetch(task, progress);
    const inputs = await this.inputsOf(task);
    // From here on the worker is told of a stop; one that came before must not be missed.
    if (this.halted) return { end: 'stopped' };
    if (task.command) return this.unlessChanged(task, await this.command(action, inputs));
    const result = await workers.run(
      {
        bundle: module.code.file,
        root,
        params: task.params,
        tools: task.tools?.versions ?? null,
        inputs,
        files,
        checkpoint: store.partial(key) ?? null,
      },
      {
        progress,
        log: (line) => listener({ event: 'log', task: task.id, line }),
        checkpoint: (bytes) => this.tryWrite(task.id, () => store.putPartial(key, bytes)),
      },
      module.declaration.isolate ?? task.tools !== null,
    );
    // It may have failed for writing into its inputs: nobody else may be given what it was given.
    if (result.end === 'failed') this.blobs.clear();
    return this.unlessChanged(task, result);
  }

  private command({ task, key }: Action, inputs: Named<InputBlobs>): Promise<WorkerResult> {
    const { root, scratch: folder, listener } = this.options;
    const command = task.command as Invocation;
    return runInScratch({
      task,
      command,
      key,
      inputs,
      root,
      folder,
      signal: this.stop.signal,
      log: (line) => listener({ event: 'log', task: task.id, line }),
      warn: (message) => listener({ event: 'warning', task: task.id, message }),
    });
  }

  /** A file that changed while the task ran is not what the key says: what came of it is not kept. */
  private async unlessChanged(task: Task, result: WorkerResult): Promise<WorkerResult> {
    if (result.end !== 'done') return result;
    const files = Object.values(task.inputs).flatMap((binding) => binding.files ?? []);
    const changed = await changedFiles(files);
    if (changed.length === 0) return result;
    const message = `${changed.join(', ')} changed while the task ran: make again`;
    return { end: 'failed', message };
  }

  private async fetch(task: Task, progress: FetchOptions['progress']): Promise<Named<SharedBlob>> {
    if (task.files === null) return {};
    const { store, mirrors, signal, listener } = this.options;
    const warn = (message: string): void => listener({ event: 'warning', message, task: task.id });
    const options = { store, mirrors, signal, progress, warn, ...FETCH_PACE };
    const files: Record<string, SharedBlob> = {};
    // All at once, for those that lie in one archive.
    await fetchFiles(task.files, options);
    for (const file of task.files) {
      const digestNow = async (): Promise<Digest> => (await fetchFiles([file], options))[file.name];
      // The copy in the store may prove damaged when it is read: then it is dropped, and fetched again.
      const digest = await digestNow();
      const bytes = this.blobs.get(digest) ?? this.blobs.get(await digestNow());
      if (bytes === undefined) throw new Error(`${file.name} cannot be read back from the store`);
      files[file.name] = { digest, bytes };
    }
    return files;
  }

  private async inputsOf(task: Task): Promise<Named<InputBlobs>> {
    const inputs: Record<string, InputBlobs> = {};
    for (const [port, { arity, links, files }] of Object.entries(task.inputs)) {
      if (files) {
        if (task.command === null) inputs[port] = { arity, items: await readProjectFiles(files) };
        continue;
      }
      const items = [];
      const missing: Absent[] = [];
      for (const link of links) {
        const trace = this.traces.get(link.task);
        if (trace === undefined) {
          const { kind, message } = this.absent.get(link.task) as Absence;
          missing.push({ task: link.task, at: link.at, reason: { kind, message } });
          continue;
        }
        const { digest } = trace.outputs[link.output];
        items.push({
          task: link.task,
          at: link.at,
          digest,
          bytes: await this.bytesOf(link.task, digest),
        });
      }
      inputs[port] = { arity, items, ...(arity === 'partial' && { missing }) };
    }
    return inputs;
  }

  /** A blob that turns out damaged or lost is made again by its task, in the slot of the task that needs it. */
  private async bytesOf(maker: TaskId, digest: Digest): Promise<Uint8Array> {
    const known = this.blobs.get(digest);
    if (known) return known;
    const task = this.plan.tasks.get(maker) as Task;
    const action = actionOf(this.plan, task, this);
    const lost = Object.entries(this.traces.get(maker)?.outputs ?? {})
      .filter(([, output]) => output.digest === digest)
      .map(([name]) => name);
    await this.build(action, { kind: 'lost', outputs: lost });
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) {
      const why = task.tools
        ? 'it is inexact: make again to go on from what it gave'
        : 'is it a pure function of its params and inputs?';
      throw new StageError(
        `${maker} was made again and gave other bytes than before (${digest.slice(0, 12)} is lost): ${why}`,
      );
    }
    return bytes;
  }
}

const FAILED: Made = { ok: false, outcome: 'failed' };

function tallyOf(outcomes: ReadonlyMap<TaskId, Outcome>): Tally {
  const tally = { built: 0, reused: 0, failed: 0, skipped: 0, interrupted: 0, infeasible: 0 };
  for (const outcome of outcomes.values()) tally[outcome] += 1;
  return tally;
}
