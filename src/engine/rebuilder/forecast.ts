// forecast.ts — what a make would do with each task, without running anything
import { elementAt, entryOf } from '../../present.ts';
import type { Change, Reason } from '../model/event.ts';
import {
  type CollectedDigest,
  type Coordinates,
  type Digest,
  digestOf,
  type InputDigest,
  type Key,
  type TaskId,
} from '../model/key.ts';
import type { ActionRecord, RecordResult } from '../model/record.ts';
import type { Link } from '../planning/join.ts';
import type { Plan, Task } from '../planning/plan.ts';
import type { Store } from '../store/store.ts';
import { type Action, actionOf, changesBetween, decide, latestRecord } from './action.ts';
import { type MissingOutput, type Readiness, readinessOf } from './missing-output.ts';
import {
  type Decision,
  decisionOf,
  holdingOf,
  type Settled,
  stepOf,
  type Unknown,
} from './settle.ts';
import { stageFingerprint } from './stage-fingerprint.ts';

/** What would become of a task, without running anything. */
export type Forecast<R extends RecordResult = ActionRecord> =
  | {
      readonly task: TaskId;
      readonly status: 'reuse';
      readonly trace: R;
      readonly action: Action;
      /** An earlier task of the plan with the same key, whose result it takes. */
      readonly as?: TaskId;
    }
  | {
      readonly task: TaskId;
      readonly status: 'run';
      readonly reason: Reason;
      readonly action: Action;
    }
  /** Known to be infeasible: itself, or because it needs `missingOutput.because`. */
  | {
      readonly task: TaskId;
      readonly status: 'infeasible';
      readonly missingOutput: MissingOutput;
      /** The record, if the stage found it while running; absent when `check` said so, or when an upstream task is infeasible. */
      readonly trace?: R;
    }
  /** Its key cannot be computed here, because of itself or of the upstream task `because`. Its stored results can still be shown. */
  | {
      readonly task: TaskId;
      readonly status: 'unknown';
      readonly message: string;
      readonly because: TaskId;
    }
  /** An earlier task of the plan has the same key: it takes that one's result. */
  | { readonly task: TaskId; readonly status: 'same'; readonly as: TaskId; readonly action: Action }
  /**
   * An upstream task would run. `sure`: it was never made, so it runs for certain; else it runs unless its inputs come out the same.
   * `changes`: what changed of the task itself since it was last made.
   */
  | {
      readonly task: TaskId;
      readonly status: 'pending';
      readonly after: readonly TaskId[];
      readonly sure: boolean;
      readonly changes: readonly Change[];
    };

/** What changed of a task since it was last made, apart from the content of inputs, which is not known yet. */
function ownChanges(plan: Plan, task: Task, before: ActionRecord | undefined): readonly Change[] {
  if (before === undefined) return [];
  const none = { traces: new Map(), missing: new Map() };
  const { key, parts } = actionOf(plan, { ...task, inputs: {} }, none);
  const inputs: Record<string, InputDigest> = { ...before.parts.inputs };
  for (const [port, { links }] of Object.entries(task.inputs)) {
    const items = inputs[port];
    if (!Array.isArray(items) || links.length === 0 || isOf(items, links)) continue;
    // The content is unknown, but which tasks the list holds is not.
    const known = new Map(items.map(([id, , ...held]: CollectedDigest) => [id, held]));
    inputs[port] = links.map(({ task: id, at }) => {
      const [digest, reason] = known.get(id) ?? [null];
      return reason ? [id, at, digest, reason] : [id, at, digest];
    }) as readonly CollectedDigest[];
  }
  return changesBetween(before.parts, { task, key, parts: { ...parts, inputs } });
}

/** Whether a list holds the tasks of these links, in the same order. */
const isOf = (items: readonly CollectedDigest[], links: readonly Link[]): boolean =>
  items.length === links.length &&
  items.every(([id, at], n) => {
    const link = links[n];
    return link?.task === id && areEqual(at, link.at);
  });

function areEqual(a: Coordinates, b: Coordinates): boolean {
  const axes = Object.keys(a);
  return (
    axes.length === Object.keys(b).length &&
    axes.every((axis) => Object.hasOwn(b, axis) && a[axis] === b[axis])
  );
}

/** The forecast of every task. Of records, only their results may be known. */
export type Forecasts = ReadonlyMap<TaskId, Forecast<RecordResult>>;

/** Records that are known to be in the store with all their outputs. */
export interface KnownResults {
  get(key: Key): RecordResult | undefined;
  /** Takes one that was found in the store. */
  note?(record: ActionRecord): void;
  /** The keys of the tasks of a stage, by its `stageFingerprint`. Absent where none are kept. */
  keysOf?(fingerprint: Digest): readonly KnownKey[] | undefined;
  noteKeys?(fingerprint: Digest, keys: readonly Key[]): void;
  /** A digest of the tasks and keys that the store has as the latest ones, where that is known. */
  latest?(): Digest | undefined;
  noteLatest?(latest: Digest): void;
}

/** A key of a task, and what the store is known to hold for it. */
export interface KnownKey {
  readonly key: Key;
  readonly result: RecordResult | undefined;
}

/** Foresees every task of a plan, in the plan's order. */
export async function forecast(
  plan: Plan,
  store: Store,
  forced: ReadonlySet<TaskId>,
): Promise<ReadonlyMap<TaskId, Forecast>> {
  const forecasts = await forecastKnowing(plan, store, forced, { get: () => undefined });
  // Nothing is known beforehand, so all records are complete ones of the store.
  return forecasts as ReadonlyMap<TaskId, Forecast>;
}

/** The same, reading from the store only what is not known. */
export async function forecastKnowing(
  plan: Plan,
  store: Store,
  forced: ReadonlySet<TaskId>,
  known: KnownResults,
): Promise<Forecasts> {
  const walk = new ForecastWalk(plan, store, forced, known);
  for (const tasks of byStage(plan)) await walk.visitStage(tasks);
  return walk.forecasts;
}

/** The tasks of a plan in its order, those of a stage together where they follow each other. */
function byStage({ tasks }: Plan): readonly (readonly Task[])[] {
  const groups: Task[][] = [];
  let group: Task[] = [];
  for (const task of tasks.values()) {
    if (task.stage !== group[0]?.stage) {
      group = [];
      groups.push(group);
    }
    group.push(task);
  }
  return groups;
}

/** An action whose key is known. Its parts are computed on demand. */
class KeyedAction implements Action {
  readonly task: Task;
  readonly key: Key;
  private readonly partsOf: (task: Task) => Action['parts'];

  constructor(task: Task, key: Key, partsOf: (task: Task) => Action['parts']) {
    this.task = task;
    this.key = key;
    this.partsOf = partsOf;
  }

  get parts(): Action['parts'] {
    return this.partsOf(this.task);
  }
}

class ForecastWalk implements Settled {
  readonly forecasts = new Map<TaskId, Forecast<RecordResult>>();
  readonly traces = new Map<TaskId, RecordResult>();
  readonly missing = new Map<TaskId, MissingOutput>();
  readonly unknown = new Map<TaskId, Unknown>();
  /** The tasks of each stage that was visited. */
  private readonly visited = new Map<string, readonly Task[]>();
  /** By stage: a digest of the outputs of its tasks. */
  private readonly outputs = new Map<string, Digest>();
  readonly first = new Map<Key, TaskId>();
  /** Nothing has failed yet. */
  readonly withoutFailed = false;
  /** What was judged last. */
  private judged: { readonly inputs: Task['inputs']; readonly readiness: Readiness } | undefined;
  private readonly plan: Plan;
  private readonly store: Store;
  private readonly forced: ReadonlySet<TaskId>;
  private readonly known: KnownResults;

  constructor(plan: Plan, store: Store, forced: ReadonlySet<TaskId>, known: KnownResults) {
    this.plan = plan;
    this.store = store;
    this.forced = forced;
    this.known = known;
  }

  /** Visits tasks of one stage. All stages upstream must have been visited. */
  async visitStage(tasks: readonly Task[]): Promise<void> {
    const { known } = this;
    const outputsOf = (stage: string): Digest | undefined => this.outputsOf(stage);
    const fingerprint = known.keysOf && stageFingerprint(this.plan, tasks, outputsOf);
    const keys = fingerprint && known.keysOf?.(fingerprint);
    const areKnown = keys?.length === tasks.length;
    for (const [at, task] of tasks.entries()) {
      const known = areKnown ? keys[at] : undefined;
      const waits = known ? this.visitKeyed(task, known) : this.visit(task);
      // Most tasks need no waiting, and there are many.
      if (waits) await waits;
    }
    const { stage } = elementAt(tasks, 0);
    this.visited.set(stage, [...(this.visited.get(stage) ?? []), ...tasks]);
    if (fingerprint === undefined || areKnown) return;
    const reused = tasks.flatMap(({ id }) => this.traces.get(id)?.key ?? []);
    if (reused.length === tasks.length) known.noteKeys?.(fingerprint, reused);
  }

  /** A digest of the outputs of a stage's tasks; undefined when not all have outputs. */
  private outputsOf(stage: string): Digest | undefined {
    const before = this.outputs.get(stage);
    const tasks = this.visited.get(stage);
    if (before !== undefined || tasks === undefined) return before;
    const given: string[] = [];
    for (const { id } of tasks) {
      const outputs = this.traces.get(id)?.outputs;
      if (outputs === undefined) return undefined;
      for (const name in outputs) given.push(name, entryOf(outputs, name).digest);
    }
    const digest = digestOf(given.join('\n'));
    this.outputs.set(stage, digest);
    return digest;
  }

  /** Visits a task whose inputs are complete and whose key is known. */
  private visitKeyed(task: Task, { key, result }: KnownKey): Promise<void> | undefined {
    const action = new KeyedAction(task, key, this.partsOf);
    const as = this.first.get(key);
    if (as !== undefined) return this.share(action, as);
    const trace = this.forced.size === 0 ? result : undefined;
    if (trace === undefined || trace.infeasible !== undefined) return this.decide(action);
    this.first.set(key, task.id);
    this.reuse(action, trace);
    return undefined;
  }

  /** Tasks that share their inputs are as ready as each other: whatever they need was visited before. */
  readonly readinessOf = (task: Task): Readiness => {
    if (this.judged?.inputs !== task.inputs) {
      const { traces: made, missing, withoutFailed } = this;
      const readiness = readinessOf(task, { made, missing, withoutFailed });
      this.judged = { inputs: task.inputs, readiness };
    }
    return this.judged.readiness;
  };

  private readonly partsOf = (task: Task): Action['parts'] => actionOf(this.plan, task, this).parts;

  /** Upstream tasks must have been visited. */
  private visit(task: Task): Promise<void> | undefined {
    const step = stepOf(this.plan, task, this);
    if (step.kind === 'ready') return this.decide(step.action);
    if (step.kind === 'blocked') return this.addPending(task, step.by);
    if (step.kind === 'same') return this.share(step.action, step.as);
    if (step.kind === 'infeasible') return this.leaveOut(task, step.missingOutput);
    const { message, because } = step;
    this.unknown.set(task.id, { message, because });
    this.forecasts.set(task.id, { task: task.id, status: 'unknown', message, because });
    return undefined;
  }

  private decide(action: Action): Promise<void> | undefined {
    const { task, key } = action;
    this.first.set(key, task.id);
    const isForced = this.forced.has(task.id);
    const trace = isForced ? undefined : this.known.get(key);
    if (trace) {
      this.conclude(action, decisionOf(action, { hit: true, trace }));
      return undefined;
    }
    return decide(action, this.store, isForced).then((verdict) => {
      if (verdict.hit) this.known.note?.(verdict.trace);
      this.conclude(action, decisionOf(action, verdict));
    });
  }

  private conclude(action: Action, decision: Decision<RecordResult>): void {
    const { task } = action;
    if (decision.kind === 'outputs') this.reuse(action, decision.trace);
    else if (decision.kind === 'infeasible') {
      this.leaveOut(task, decision.missingOutput, decision.trace);
    } else this.run(action, decision.reason);
  }

  private run(action: Action, reason: Reason): void {
    const { id } = action.task;
    this.forecasts.set(id, { task: id, status: 'run', reason, action });
  }

  private reuse(action: Action, trace: RecordResult, as?: TaskId): void {
    const { id } = action.task;
    this.traces.set(id, trace);
    const found = { task: id, status: 'reuse', trace, action } as const;
    this.forecasts.set(id, as === undefined ? found : { ...found, as });
  }

  private leaveOut({ id }: Task, missingOutput: MissingOutput, trace?: RecordResult): undefined {
    this.missing.set(id, missingOutput);
    const found = { task: id, status: 'infeasible', missingOutput } as const;
    this.forecasts.set(id, trace ? { ...found, trace } : found);
  }

  /** A task with the key of an earlier one takes its result. */
  private share(action: Action, as: TaskId): undefined {
    const { task } = action;
    const earlier = this.forecasts.get(as);
    const trace = earlier && 'trace' in earlier ? earlier.trace : undefined;
    const holding = trace && holdingOf(task, trace);
    if (holding === undefined) {
      this.forecasts.set(task.id, { task: task.id, status: 'same', as, action });
    } else if (holding.kind === 'outputs') this.reuse(action, holding.trace, as);
    else if (holding.kind === 'infeasible') {
      this.leaveOut(task, holding.missingOutput, holding.trace);
    } else this.run(action, { kind: 'new' });
  }

  private async addPending(task: Task, after: readonly TaskId[]): Promise<void> {
    const { id } = task;
    const before = await latestRecord(this.store.actions, id);
    const { plan } = this;
    let changes: readonly Change[] | undefined;
    this.forecasts.set(id, {
      task: id,
      status: 'pending',
      after,
      sure: !before,
      // Most looks only count such tasks.
      get changes() {
        changes ??= ownChanges(plan, task, before);
        return changes;
      },
    });
  }
}
