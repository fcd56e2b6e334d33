// action-runner.ts — one attempt at an action: stages what it reads, and gives it to an executor
import { MEMORY } from '../config/resources.ts';
import { isChanged } from '../environments/environment.ts';
import type { ActionSpec, Executor, Hooks } from '../executors/executor.ts';
import { type ActionResult, failed } from '../model/action-result.ts';
import type { Reason } from '../model/event.ts';
import type { Digest, Named } from '../model/key.ts';
import type { Task } from '../planning/plan.ts';
import { changedFiles } from '../planning/project-files.ts';
import type { Action } from '../rebuilder/action.ts';
import { errorKind } from '../stage.ts';
import { StoreError } from '../store/store.ts';
import type { InputStaging } from './input-staging.ts';
import type { HeldUnits } from './resource-pool.ts';
import type { RunContext } from './run-context.ts';
import type { RunControl } from './run-control.ts';
import type { Warnings } from './warnings.ts';

/** What running an action takes. */
export interface ActionRunnerParts {
  readonly executor: Executor;
  readonly staging: InputStaging;
  readonly control: RunControl;
  readonly warnings: Warnings;
}

/** Where an attempt runs. */
export interface AttemptPlace {
  /** The number of its slot, for whoever draws what ran where. */
  readonly slot: number;
  readonly units: HeldUnits;
  readonly urgency: number;
}

/** One attempt at an action. */
export interface Attempt {
  readonly result: ActionResult;
  readonly seconds: number;
}

/** Runs actions. Which, when and for whom is decided elsewhere. */
export class ActionRunner {
  private readonly context: RunContext;
  private readonly parts: ActionRunnerParts;

  constructor(context: RunContext, parts: ActionRunnerParts) {
    this.context = context;
    this.parts = parts;
  }

  async run(
    action: Action,
    reason: Reason,
    { slot, units, urgency }: AttemptPlace,
  ): Promise<Attempt> {
    const { listener, clock, store } = this.context;
    const { staging, warnings, control } = this.parts;
    const { task, key } = action;
    // What there is to know of tools and commands is said once a run.
    for (const note of [task.tools?.note ?? [], task.command?.notes ?? []].flat()) {
      warnings.once(note, { message: note });
    }
    // A task whose inputs were lost has not started: it waits until they are made again.
    const staged = await staging.inputs(task);
    if ('lost' in staged) {
      return { result: { status: 'lost-inputs', digests: staged.lost }, seconds: 0 };
    }
    if (reason.kind === 'forced') await store.checkpoints.drop(key);
    let start: number | undefined;
    const begin: Hooks['begun'] = (where) => {
      if (start !== undefined) return;
      listener({ event: 'started', task: task.id, key, reason, slot, ...where });
      start = clock();
    };
    const result = await control.during(key, (signal) =>
      this.guarded(signal, async () => {
        const hooks = this.hooksOf(action, begin);
        if (task.files !== null) begin();
        const files = await staging.files(task, hooks.progress, signal);
        if (signal.aborted) return { status: 'stopped' };
        const isFresh = reason.kind === 'forced';
        const spec = { ...this.specOf(action, staged.inputs, files), units, isFresh, urgency };
        const ended = await this.parts.executor.execute(spec, hooks, signal);
        return ended.status === 'done' ? unlessChanged(task, ended) : ended;
      }),
    );
    if (result.status !== 'lost-inputs') begin();
    // A clock may be set back meanwhile.
    const seconds = Math.max(0, clock() - (start ?? clock())) / 1000;
    return { result, seconds: result.status === 'done' ? (result.seconds ?? seconds) : seconds };
  }

  /** What a step came to, or how its error ends the attempt. Only a broken store throws. */
  private async guarded(
    signal: AbortSignal,
    step: () => Promise<ActionResult>,
  ): Promise<ActionResult> {
    try {
      return await step();
    } catch (error) {
      if (error instanceof StoreError) throw error;
      if (signal.aborted) return { status: 'stopped' };
      const message = error instanceof Error ? error.message : String(error);
      const stack = errorKind(error) === 'bug' ? (error as Error).stack : undefined;
      return failed({ cause: 'infrastructure', message, stack });
    }
  }

  private hooksOf({ task, key }: Action, begun: Hooks['begun']): Hooks {
    const { listener, store } = this.context;
    const { warnings } = this.parts;
    return {
      begun,
      progress: (done, of, note) => listener({ event: 'progress', task: task.id, done, of, note }),
      log: (line) => listener({ event: 'log', task: task.id, line }),
      warn: (message) => listener({ event: 'warning', task: task.id, message }),
      loadCheckpoint: () => store.checkpoints.get(key),
      checkpointFolder: () => store.checkpoints.folder(key),
      dropCheckpoint: () => store.checkpoints.drop(key),
      metrics: (step, values) => listener({ event: 'metrics', task: task.id, step, values }),
      saveCheckpoint: (bytes) =>
        warnings.tryWrite(task.id, () => store.checkpoints.put(key, bytes)),
    };
  }

  private specOf(
    { task, key, parts }: Action,
    inputs: ActionSpec['inputs'],
    files: Named<Digest>,
  ): ActionSpec {
    const { plan, policies } = this.context;
    const isolate = plan.stages.get(task.stage)?.declaration.isolate ?? task.tools !== null;
    const { timeout_ms = null, resources } = policies.get(task.stage) ?? {};
    const memory = resources?.get(MEMORY);
    const memory_bytes = memory?.isSize ? memory.amount : undefined;
    const notes = task.command?.notes ?? [];
    const stop = task.command?.checkpoint ?? undefined;
    const { id, stage } = task;
    return {
      ...{ key, parts, task: id, stage, inputs, files, isolate, stop, notes },
      ...{ timeout_ms, memory_bytes },
      limits: limitsOf(task),
      ...(task.command && { fingerprints: task.command.fingerprintWords }),
    };
  }
}

/** How many bytes outputs of a command may have, where it says so. */
const limitsOf = ({ command }: Task): Named<number> =>
  Object.fromEntries(
    Object.entries(command?.outputs ?? {}).flatMap(([name, { bytesMax }]) =>
      bytesMax === undefined ? [] : [[name, bytesMax]],
    ),
  );

/** A file that changed while the task ran is not what the key says: what came of it is not kept. */
async function unlessChanged(task: Task, result: ActionResult): Promise<ActionResult> {
  const files = Object.values(task.inputs).flatMap((binding) => binding.files ?? []);
  const changed = files.length > 0 ? [...(await changedFiles(files))] : [];
  const environment = task.command?.environment;
  if (changed.length === 0) {
    const others = environment ? await changedFiles(environment.files) : [];
    changed.push(...others);
  }
  if (changed.length === 0 && !(environment && isChanged(environment.place))) return result;
  if (changed.length === 0) changed.push('the environment that it runs in');
  const message = `${changed.join(', ')} changed while the task ran: run make again`;
  return failed({ cause: 'inputs', message });
}
