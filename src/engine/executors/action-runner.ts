// action-runner.ts — runs one action in a slot, as often as its policy allows, and keeps what it gave

import { entryOf } from '../../present.ts';
import type { Policy } from '../config/policy.ts';
import type { Listener, Reason, TaskError } from '../model/event.ts';
import type { Digest, Named } from '../model/key.ts';
import type { Identity } from '../model/process-identity.ts';
import type { ActionRecord, Maker, Output } from '../model/record.ts';
import type { Invocation, Plan, Task } from '../planning/plan.ts';
import { changedFiles } from '../planning/project-files.ts';
import { progressOf } from '../process/lines.ts';
import { type Action, latestRecord } from '../rebuilder/action.ts';
import { errorKind } from '../stage.ts';
import type { Commits } from '../store/commits.ts';
import { type KeptOutput, keptOutput, type Store, StoreError } from '../store/store.ts';
import type { InputBlobs } from '../worker/protocol.ts';
import { lateWords, type WorkerResult, type Workers } from '../worker/worker-pool.ts';
import { runInScratch } from './command-runner.ts';
import type { InputStaging } from './input-staging.ts';
import type { Supersession } from './superseded.ts';

/** What building needs. */
export interface ActionRunnerOptions {
  readonly plan: Plan;
  readonly store: Store;
  readonly commits: Commits;
  readonly staging: InputStaging;
  readonly workers: Workers;
  readonly listener: Listener;
  /** How the tasks of each stage are run. */
  readonly policies: { get(stage: string): Policy | undefined };
  readonly root: string;
  readonly cache: string;
  readonly maker: Omit<Maker, 'at'>;
  readonly clock: () => number;
  /** Folder in which commands get theirs. */
  readonly scratch: string;
  readonly identity: Identity;
  /** Whether everything ends, what is running too. */
  readonly halted: () => boolean;
  /** Aborted when it does: the commands that run are ended. */
  readonly stopped: AbortSignal;
  readonly supersession: Supersession;
}

/** What a module or a command came to. */
type Attempted =
  | Exclude<WorkerResult, { end: 'done' }>
  | { readonly end: 'done'; readonly outputs: Named<KeptOutput> };

/** How one try ended. */
export type AttemptResult =
  | { readonly end: 'done'; readonly outputs: Named<KeptOutput>; readonly seconds: number }
  | { readonly end: 'infeasible'; readonly message: string; readonly seconds: number }
  | { readonly end: 'failed'; readonly error: TaskError }
  /** It could not begin: the store has lost blobs that it reads. */
  | { readonly end: 'lost'; readonly digests: readonly Digest[] }
  /** `checkpoint`: the store has one, from which the next make goes on. */
  | { readonly end: 'interrupted'; readonly checkpoint: boolean };

/** A stage that does not reach a checkpoint within this time after it was asked to stop is ended. */
export const STOP_GRACE_MS = 4000;

/** Runs actions. Which, when and for whom is decided elsewhere. */
export class ActionRunner {
  private readonly warned = new Set<string>();
  private readonly options: ActionRunnerOptions;

  constructor(options: ActionRunnerOptions) {
    this.options = options;
  }

  /** One try. @param slot its number, for whoever draws what ran where */
  async try(action: Action, reason: Reason, slot: number): Promise<AttemptResult> {
    const { listener, clock, store, supersession, staging } = this.options;
    const { task, key } = action;
    // What there is to know of tools and commands is said once a run.
    for (const note of [task.tools?.note ?? [], task.command?.notes ?? []].flat()) {
      this.warnOnce({ message: note }, note);
    }
    // A task whose inputs were lost has not started: it waits until they are made again.
    const staged = await this.guarded(() => staging.inputs(task));
    if (staged.end === 'lost') return staged;
    listener({ event: 'started', task: task.id, key, reason, slot });
    const start = clock();
    if (reason.kind === 'forced') await store.checkpoints.drop(key);
    const result =
      staged.end === 'staged'
        ? await supersession.during(key, (obsolete) =>
            this.guarded(() => this.attempt(action, staged.inputs, obsolete), obsolete),
          )
        : staged;
    const seconds = (clock() - start) / 1000;
    if (result.end === 'done') return { end: 'done', outputs: result.outputs, seconds };
    if (result.end === 'stopped') {
      return { end: 'interrupted', checkpoint: await store.checkpoints.has(key) };
    }
    if (result.end === 'lost') return result;
    const { message, stack, infeasible } = result;
    if (infeasible && task.skipsInfeasible) return { end: 'infeasible', message, seconds };
    return { end: 'failed', error: { message, stack } };
  }

  /** What a step came to, or how its error ends the try. Only a broken store throws. */
  private async guarded<T>(
    step: () => Promise<T>,
    obsolete?: AbortSignal,
  ): Promise<T | Extract<WorkerResult, { end: 'stopped' | 'failed' }>> {
    try {
      return await step();
    } catch (error) {
      if (error instanceof StoreError) throw error;
      if (this.options.halted() || obsolete?.aborted) return { end: 'stopped' };
      const message = error instanceof Error ? error.message : String(error);
      const stack = errorKind(error) === 'bug' ? (error as Error).stack : undefined;
      return { end: 'failed', message, stack };
    }
  }

  /** Keeps what a stage gave: blobs and trace in one transaction, durable before anybody hears of it. */
  async keep(action: Action, outputs: Named<KeptOutput>, seconds: number): Promise<ActionRecord> {
    const { store, listener, commits } = this.options;
    const { task, key, parts } = action;
    const described = Object.entries(outputs).map(([name, { digest, bytes }]): [string, Output] => [
      name,
      { digest, bytes, kind: entryOf(parts.outputs, name) },
    ]);
    const trace = this.traceOf(action, Object.fromEntries(described), seconds);
    const before = (await latestRecord(store.actions, task.id))?.outputs;
    const unchanged = described.every(([name, { digest }]) => before?.[name]?.digest === digest);
    this.compare(await store.actions.get(key), trace);
    await commits.keep({ record: trace, outputs: Object.values(outputs) });
    listener({ event: 'built', task: task.id, key, seconds, outputs: trace.outputs, unchanged });
    return trace;
  }

  /** Remembers that an action cannot be done, so that it is not tried again. */
  async keepInfeasible(action: Action, message: string, seconds: number): Promise<ActionRecord> {
    const trace: ActionRecord = { ...this.traceOf(action, {}, seconds), infeasible: message };
    await this.options.commits.keep({ record: trace, outputs: [] });
    return trace;
  }

  /** A write whose failure loses no result: it is told, once, and the run goes on to a write that matters. */
  async tryWrite(task: Task | undefined, action: () => void | Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const { message } = error;
      this.warnOnce({ message, ...(task && { task: task.id }) }, `write ${task?.id}`);
    }
  }

  private warnOnce(warning: { message: string; task?: Task['id'] }, about: string): void {
    if (this.warned.has(about)) return;
    this.warned.add(about);
    this.options.listener({ event: 'warning', ...warning });
  }

  /** An action that ran before and gave other bits then is no pure function: nothing that is built on it can be repeated. */
  private compare(before: ActionRecord | undefined, now: ActionRecord): void {
    if (before?.outputs === undefined || now.tolerance !== undefined) return;
    for (const [name, { digest }] of Object.entries(now.outputs)) {
      const old = before.outputs[name]?.digest;
      if (old === undefined || old === digest) continue;
      const message =
        `output ${name} came out with other bits than before (${old.slice(0, 12)} → ${digest.slice(0, 12)}) ` +
        'from the same code, params and inputs: the stage is not deterministic (a clock, a random number, a file?)';
      this.options.listener({ event: 'warning', message, task: now.task });
    }
  }

  private traceOf(
    { task, key, parts }: Action,
    outputs: Named<Output>,
    seconds: number,
  ): ActionRecord {
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

  private async attempt(
    action: Action,
    inputs: Named<InputBlobs>,
    obsolete: AbortSignal,
  ): Promise<Attempted> {
    const result = await this.ask(action, inputs, obsolete);
    return result.end === 'done' ? unlessChanged(action.task, result) : result;
  }

  private async ask(
    action: Action,
    inputs: Named<InputBlobs>,
    obsolete: AbortSignal,
  ): Promise<Attempted> {
    const { task, key } = action;
    const { plan, store, workers, listener, root, cache, staging, policies, halted } = this.options;
    const module = plan.stages.get(task.stage);
    if (module === undefined) throw new Error(`bug: stage ${task.stage} has no module`);
    const progress = (done: number, of: number, note: string): void =>
      listener({ event: 'progress', task: task.id, done, of, note });
    const files = await staging.files(task, progress);
    const checkpoint = task.command ? null : ((await store.checkpoints.get(key)) ?? null);
    // From here on the worker is told of a stop; one that came before must not be missed.
    if (halted() || obsolete.aborted) return { end: 'stopped' };
    const timeout_ms = policies.get(task.stage)?.timeout_ms ?? null;
    if (task.command) {
      const stopped = AbortSignal.any([this.options.stopped, obsolete]);
      return this.command(action, task.command, inputs, { timeout_ms, stopped });
    }
    const result = await workers.run(
      {
        bundle: module.code.file,
        root,
        cache,
        params: task.params,
        tools: task.tools?.versions ?? null,
        inputs,
        files,
        checkpoint,
      },
      {
        progress,
        log: (line) => listener({ event: 'log', task: task.id, line }),
        checkpoint: (bytes) => void this.tryWrite(task, () => store.checkpoints.put(key, bytes)),
      },
      {
        isolate: module.declaration.isolate ?? task.tools !== null,
        timeout_ms,
        obsolete: { signal: obsolete, grace_ms: STOP_GRACE_MS },
      },
    );
    if (result.end !== 'done') return result;
    const outputs = Object.entries(result.outputs).map(([name, bytes]) => [
      name,
      keptOutput(bytes),
    ]);
    return { end: 'done', outputs: Object.fromEntries(outputs) };
  }

  private async command(
    { task, key }: Action,
    command: Invocation,
    inputs: Named<InputBlobs>,
    { timeout_ms, stopped }: { readonly timeout_ms: number | null; readonly stopped: AbortSignal },
  ): Promise<Attempted> {
    const { root, scratch: folder, identity, listener, store } = this.options;
    const late = timeout_ms === null ? undefined : AbortSignal.timeout(timeout_ms);
    const result = await runInScratch({
      task,
      command,
      key,
      inputs,
      blobs: store.blobs,
      root,
      folder,
      identity,
      signal: late ? AbortSignal.any([stopped, late]) : stopped,
      log: (line) => listener({ event: 'log', task: task.id, line }),
      state: (text) => listener({ event: 'progress', task: task.id, ...progressOf(text) }),
      warn: (message) => listener({ event: 'warning', task: task.id, message }),
    });
    const isLate = result.end === 'stopped' && late?.aborted && !stopped.aborted;
    return isLate ? { end: 'failed', message: lateWords(timeout_ms ?? 0) } : result;
  }
}

/** A file that changed while the task ran is not what the key says: what came of it is not kept. */
async function unlessChanged(task: Task, result: Attempted): Promise<Attempted> {
  const files = Object.values(task.inputs).flatMap((binding) => binding.files ?? []);
  const changed = files.length > 0 ? await changedFiles(files) : [];
  if (changed.length === 0) return result;
  const message = `${changed.join(', ')} changed while the task ran: make again`;
  return { end: 'failed', message };
}
