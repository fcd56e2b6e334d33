// action-maker.ts — makes actions: reuses a cached result or runs them, and makes lost inputs again
import type { Reason } from '../model/event.ts';
import type { Digest, Key, TaskId } from '../model/key.ts';
import type { ActionRecord, Output } from '../model/record.ts';
import type { Task } from '../planning/plan.ts';
import { type Action, actionOf, decide, type Verdict } from '../rebuilder/action.ts';
import { decisionOf } from '../rebuilder/settle.ts';
import { verifyOutput } from '../store/folder-blobs.ts';
import type { Leases } from '../store/leases.ts';
import { type Attempts, type AttemptsEnd, isInfeasible, untried } from './attempts.ts';
import type { Hits } from './hits.ts';
import type { InputStaging } from './input-staging.ts';
import type { Results } from './results.ts';
import type { RunContext } from './run-context.ts';
import type { RunState } from './run-state.ts';

/** What making actions takes. */
export interface ActionMakerParts {
  readonly state: RunState;
  readonly attempts: Attempts;
  readonly staging: InputStaging;
  readonly results: Results;
  readonly hits: Hits;
  readonly leases: Leases;
  /** Names this run in messages to processes that wait for it. */
  readonly self: { readonly run: string; readonly host: string; readonly pid: number };
}

/** What became of an action, for every task that has its key. */
export type Made =
  | { readonly outcome: 'made'; readonly record: ActionRecord }
  | { readonly outcome: 'failed' | 'skipped' }
  /** `checkpoint`: the store has one, from which the next make goes on. */
  | { readonly outcome: 'interrupted'; readonly checkpoint: boolean }
  | { readonly outcome: 'infeasible'; readonly record: ActionRecord };

/** An action that is being made in this run, or was. */
export interface Making {
  /** The task for which it is made. */
  readonly task: TaskId;
  readonly made: Promise<Made>;
}

/** Why lost bytes cannot be made again. */
export class OtherBytesError extends Error {
  override readonly name = 'OtherBytesError';
}

/** Attempts at an action whose inputs are reported as lost although they are there. */
const LOOKS_MAX = 3;
const FAILED: Made = { outcome: 'failed' };

/** Makes actions, each once in a run. */
export class ActionMaker {
  private readonly making = new Map<Key, Making>();
  /** Actions that are being rerun because their bytes were lost. */
  private readonly rebuilding = new Map<Key, Promise<Made>>();
  /** Settles when every verdict requested so far has arrived. */
  private verdicts: Promise<void> = Promise.resolve();
  /** Pending lookups, here and in the remote. Absent where there is no remote. */
  private readonly looking = new Set<Promise<unknown>>();
  private readonly context: RunContext;
  private readonly parts: ActionMakerParts;

  constructor(context: RunContext, parts: ActionMakerParts) {
    this.context = context;
    this.parts = parts;
  }

  /** The action of this key, if it is being made or was: a second task with the same key waits for the first. */
  known(key: Key): Making | undefined {
    return this.making.get(key);
  }

  /** Reuses a cached result, or runs the action. */
  make(action: Action, forced: boolean): Promise<Made> {
    const made = this.decideAndRun(action, forced);
    this.making.set(action.key, { task: action.task.id, made: made.catch(() => FAILED) });
    return made;
  }

  private async decideAndRun(action: Action, forced: boolean): Promise<Made> {
    const verdict = await this.look(action, forced);
    const decision = decisionOf(action, verdict);
    return decision.kind === 'run'
      ? this.run(action, decision.reason)
      : this.reuse(action, decision.trace);
  }

  /** Resolves when no remote lookup is pending, nor any that follows from one. */
  async looked(): Promise<void> {
    while (this.looking.size > 0) {
      await Promise.allSettled(this.looking);
      // Tasks that were waiting for one of them ask now.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private look(action: Action, forced: boolean): Promise<Verdict> {
    const local = this.inTurn(decide(action, this.context.store, forced));
    if (this.context.shared === undefined || forced) return local;
    const looking = local
      .then((verdict) => (verdict.hit ? verdict : this.lookFurther(action, verdict)))
      .finally(() => this.looking.delete(looking));
    this.looking.add(looking);
    return looking;
  }

  /** Looks in the remote for a result that the store lacks, in parallel with everything else and for a limited time. */
  private async lookFurther(
    action: Action,
    local: Verdict & { readonly hit: false },
  ): Promise<Verdict> {
    const { shared, store } = this.context;
    if (shared === undefined) return local;
    if (local.reason.kind === 'lost') {
      const record = await store.actions.get(action.key);
      await shared.fetch(Object.values(record?.outputs ?? {}));
      return decide(action, store, false);
    }
    const trace = await shared.find(action.key);
    return trace ? { hit: true, trace } : local;
  }

  /** Gives verdicts in the order in which they were requested, so that the order of tasks does not depend on the store's speed. */
  private async inTurn<T>(verdict: Promise<T>): Promise<T> {
    const earlier = this.verdicts;
    this.verdicts = Promise.allSettled([earlier, verdict]).then(() => undefined);
    await earlier;
    return verdict;
  }

  private async run(action: Action, reason: Reason): Promise<Made> {
    const history = untried(reason);
    try {
      for (let looks = 1; ; looks += 1) {
        await this.parts.staging.fetch(action.task);
        const end = await this.parts.attempts.take(action, history);
        // Hold the lease until the result is stored, so that the next holder finds it.
        if (end.kind !== 'lost-inputs') return await this.finish(action, end);
        const stuck = await this.restoreInputs(action.task, end.digests, looks);
        if (stuck) return stuck;
      }
    } finally {
      this.parts.leases.release(action.key);
    }
  }

  private async finish(
    action: Action,
    end: Exclude<AttemptsEnd, { kind: 'lost-inputs' }>,
  ): Promise<Made> {
    const { state, results } = this.parts;
    const { task, key } = action;
    if (end.kind === 'cached') return this.reuse(action, end.record);
    if (end.kind === 'skipped') return this.skip(task, []);
    const { result, seconds } = end.attempt;
    if (result.status === 'stopped') {
      const checkpoint = await this.context.store.checkpoints.has(key);
      state.interrupt(task, checkpoint);
      return { outcome: 'interrupted', checkpoint };
    }
    state.ran += 1;
    if (result.status === 'done') {
      const { outputs, peak_bytes: memory, node } = result;
      const cost = { seconds, ...(memory !== undefined && { memory }) };
      const record = await results.keep(action, outputs, cost, node);
      state.end(task, 'built');
      return { outcome: 'made', record };
    }
    if (result.status === 'lost-inputs') throw new Error('bug: lost inputs are no end');
    const { failure } = result;
    if (isInfeasible(task, failure) && 'message' in failure) {
      const record = await results.keepInfeasible(action, failure.message, seconds);
      return this.found(task, record, false);
    }
    state.fail(task, failure);
    return FAILED;
  }

  private skip(task: Task, broken: readonly TaskId[]): Made {
    this.parts.state.skip(task, broken);
    return { outcome: 'skipped' };
  }

  private reuse({ task }: Action, record: ActionRecord): Made {
    if (record.infeasible !== undefined) return this.found(task, record, true);
    this.parts.hits.add(task, record);
    return { outcome: 'made', record };
  }

  /** What a record without outputs says. */
  private found(task: Task, record: ActionRecord, known: boolean): Made {
    const message = record.infeasible ?? '';
    this.parts.state.markInfeasible(task, { kind: 'infeasible', message, because: task.id }, known);
    return { outcome: 'infeasible', record };
  }

  /**
   * Waits, in no slot and with no resource, until what a task reads is made again. Gives what becomes of the task where that
   * cannot be.
   */
  private async restoreInputs(
    task: Task,
    digests: readonly Digest[],
    looks: number,
  ): Promise<Made | undefined> {
    const { staging, self } = this.parts;
    const { store, listener } = this.context;
    if (looks > LOOKS_MAX) {
      const which = digests.map((digest) => digest.slice(0, 12)).join(', ');
      return this.fail(task, `blobs that it reads cannot be read back from the store: ${which}`);
    }
    const { run, host, pid } = self;
    for (const maker of staging.makersOf(task, digests).keys()) {
      const by = { task: maker, host, pid };
      listener({ event: 'waiting', task: task.id, for: run, by });
    }
    // This look verifies: what is damaged is dropped, and a file from outside is fetched again.
    const lost: Digest[] = [];
    for (const digest of digests) {
      if (!(await store.blobs.verify(digest))) lost.push(digest);
    }
    const rebuilt = [...staging.makersOf(task, lost)].map(async ([id, digest]) =>
      (await this.rebuildBlob(id, digest)) ? [] : [id],
    );
    try {
      const blocking = (await Promise.all(rebuilt)).flat();
      return blocking.length > 0 ? this.skip(task, blocking) : undefined;
    } catch (error) {
      if (error instanceof OtherBytesError) return this.fail(task, error.message);
      throw error;
    }
  }

  private fail(task: Task, message: string): Made {
    this.parts.state.ran += 1;
    this.parts.state.fail(task, { cause: 'inputs', message });
    return FAILED;
  }

  /**
   * Sees to it that what a task made is there and whole: it is made again where it was lost. False when that could not be.
   * @throws OtherBytesError when the task gave other bytes than before
   */
  async ensure(maker: TaskId, output: Pick<Output, 'digest' | 'kind'>): Promise<boolean> {
    const { shared, store } = this.context;
    const { blobs } = store;
    if (await verifyOutput(blobs, output)) return true;
    const outputs = Object.values(this.parts.state.traces.get(maker)?.outputs ?? {});
    await shared?.fetch(outputs.filter(({ digest }) => digest === output.digest));
    if (shared && (await verifyOutput(blobs, output))) return true;
    return (await this.rebuildBlob(maker, output.digest)) && verifyOutput(blobs, output);
  }

  /** Makes a blob again. False when its task was not made: it failed, or the run ends. @throws OtherBytesError */
  private async rebuildBlob(maker: TaskId, digest: Digest): Promise<boolean> {
    const task = this.context.plan.tasks.get(maker) as Task;
    const lost = Object.entries(this.parts.state.traces.get(maker)?.outputs ?? {})
      .filter(([, output]) => output.digest === digest)
      .map(([name]) => name);
    if ((await this.rebuild(task, lost)).outcome !== 'made') return false;
    if ((await this.context.store.blobs.missing([digest])).length === 0) return true;
    const why = task.tools
      ? 'it is inexact: make again to go on from what it gave'
      : 'is it a pure function of its params and inputs?';
    const short = digest.slice(0, 12);
    throw new OtherBytesError(
      `${maker} was made again and gave other bytes than before (${short} is lost): ${why}`,
    );
  }

  /**
   * Runs an action again whose bytes were lost: in a turn of its own, as any other. Tasks that share its key, or miss
   * several of its outputs, wait for the same turn.
   */
  rebuild(task: Task, lost: readonly string[]): Promise<Made> {
    const { plan } = this.context;
    const { key } = actionOf(plan, task, this.parts.state);
    const known = this.rebuilding.get(key);
    if (known) return known;
    // It is told as the task that stands for the key in this run.
    const first = plan.tasks.get(this.making.get(key)?.task ?? task.id) ?? task;
    const made = this.rebuildNow(actionOf(plan, first, this.parts.state), lost).finally(() =>
      this.rebuilding.delete(key),
    );
    this.rebuilding.set(key, made);
    return made;
  }

  /** A record of others of which blobs cannot be had counts no more while they are not in the store. */
  private async noteLost(key: Key): Promise<void> {
    const { actions } = this.context.store;
    const record = await actions.get(key);
    if (record?.origin === undefined) return;
    await actions.put([
      { record: { ...record, origin: { ...record.origin, lost: true } }, outputs: [] },
    ]);
  }

  private async rebuildNow(action: Action, lost: readonly string[]): Promise<Made> {
    const { hits, state } = this.parts;
    hits.withdraw(action.task);
    await this.noteLost(action.key);
    const made = await this.run(action, { kind: 'lost', outputs: lost });
    if (made.outcome === 'made') state.rebuilt(action.task, made.record);
    return made;
  }
}
