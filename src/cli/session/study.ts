// study.ts — the tasks that a table is made of: of the pipeline as it is, or of a run, each with the record of what it gave

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RunFacts } from '../../analysis/causes.ts';
import { AnalysisError } from '../../analysis/frame.ts';
import type { RecordedTask } from '../../analysis/results.ts';
import { type PipelineParts, readPipelineParts } from '../../engine/config/config.ts';
import { countPoints, pointsOf } from '../../engine/config/matrix.ts';
import type { StageConfig } from '../../engine/config/stage-config.ts';
import type { Diagnostic } from '../../engine/model/event.ts';
import { type Json, type Key, type Named, type TaskId, taskId } from '../../engine/model/key.ts';
import type { RecordResult, RunRecord } from '../../engine/model/record.ts';
import { withReport } from '../../engine/pipeline/report.ts';
import type { Loaded } from '../../engine/planning/load.ts';
import { readParamsFiles } from '../../engine/planning/params-files.ts';
import { type NamedTask, restrict, selectTasks } from '../../engine/planning/target.ts';
import { latestRecord } from '../../engine/rebuilder/action.ts';
import { type Forecast, forecastKnowing } from '../../engine/rebuilder/forecast.ts';
import type { Store } from '../../engine/store/store.ts';
import { decodeSource } from '../../engine/text/source-text.ts';
import { elementAt, entryOf } from '../../present.ts';
import { placesOf } from './places.ts';
import { type CommonOptions, knownBefore, loadFor } from './session.ts';
import { sourceDigests } from './source-digests.ts';
import { UsageError } from './usage-error.ts';

/** What is known of a task. */
export interface KnownTask {
  readonly record?: RecordResult | undefined;
  /** `stale`: the record is of an earlier making. `lost`: `gc` has dropped the record. */
  readonly state: 'current' | 'stale' | 'unknown' | 'unmade' | 'infeasible' | 'lost';
}

/** Tasks by name, and what each of them gave. */
export interface Study {
  readonly tasks: ReadonlyMap<TaskId, NamedTask>;
  /** What some tasks gave. */
  known(tasks: readonly TaskId[]): Promise<ReadonlyMap<TaskId, KnownTask>>;
  /** What the study is told apart by from others. @param known of the tasks that count */
  facts(known: ReadonlyMap<TaskId, KnownTask>): RunFacts;
  /** Why the pipeline cannot be planned, where the study goes by what was made last. */
  readonly problems: readonly Diagnostic[];
}

/** The pipeline as it is now; where it cannot be planned, its tasks as they were made last. */
export async function currentStudy(options: CommonOptions, store: Store): Promise<Study> {
  try {
    return plannedStudy(await loadFor(options, 'look'), options, store);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const parts = readConfig(options);
    if (parts === undefined || parts.pipeline.stages.size === 0) {
      return lastStudy(store, error);
    }
    return configuredStudy(parts, store, error.diagnostics);
  }
}

/** A pipeline that was planned. */
export function plannedStudy(loaded: Loaded, options: CommonOptions, store: Store): Study {
  const { plan, pipeline } = loaded;
  const known = knownBefore(options);
  return {
    tasks: plan.tasks,
    problems: [],
    async known(tasks) {
      // Read and not kept: the store was open before its state was looked at.
      const records = await known.of(store);
      const predicted = await forecastKnowing(restrict(plan, tasks), store, new Set(), records);
      return eachKnown(tasks, (task) => knownBy(predicted.get(task), task, store));
    },
    facts: (known) => ({
      params: pipeline.params.value as Named<Json>,
      sources: sourceDigests(placesOf(options).root, options.file, loaded),
      tasks: keysOf(known),
    }),
  };
}

async function eachKnown(
  tasks: readonly TaskId[],
  look: (task: TaskId) => KnownTask | Promise<KnownTask>,
): Promise<ReadonlyMap<TaskId, KnownTask>> {
  const known = new Map<TaskId, KnownTask>();
  for (const task of tasks) known.set(task, await look(task));
  return known;
}

function knownBy(
  predicted: Forecast<RecordResult> | undefined,
  task: TaskId,
  store: Store,
): KnownTask | Promise<KnownTask> {
  if (predicted?.status === 'reuse') return { record: predicted.trace, state: 'current' };
  if (predicted?.status === 'infeasible') return { state: 'infeasible' };
  return madeLast(task, store, predicted?.status === 'unknown' ? 'unknown' : 'stale');
}

async function madeLast(task: TaskId, store: Store, state: KnownTask['state']): Promise<KnownTask> {
  const record = await latestRecord(store.actions, task);
  if (record === undefined) return { state: 'unmade' };
  return record.infeasible === undefined ? { record, state } : { state: 'infeasible' };
}

const keysOf = (known: ReadonlyMap<TaskId, KnownTask>): Named<Key> =>
  Object.fromEntries(
    [...known].flatMap(([task, { record }]) => (record ? [[task, record.key] as const] : [])),
  );

/** The tasks that pipeline.yaml names, without its stages' code. */
function configuredStudy(
  { pipeline }: PipelineParts,
  store: Store,
  problems: readonly Diagnostic[],
): Study {
  const tasks = new Map<TaskId, NamedTask>();
  for (const stage of pipeline.stages.values()) {
    for (const task of tasksOfStage(stage)) tasks.set(task.id, task);
  }
  return {
    tasks,
    problems,
    known: (chosen) => eachKnown(chosen, (task) => madeLast(task, store, 'unknown')),
    facts: (known) => ({ params: pipeline.params.value as Named<Json>, tasks: keysOf(known) }),
  };
}

function tasksOfStage(stage: StageConfig): readonly NamedTask[] {
  return [...pointsOf(stage)].map((point) => {
    const labels = [...point].map(([axis, { label }]) => [axis, label] as const);
    const id = taskId(
      stage.name,
      labels.map(([, label]) => label),
    );
    return { id, stage: stage.name, at: Object.fromEntries(labels) };
  });
}

/** The newest run, where there is no pipeline to go by. @throws UsageError when there is none */
function lastStudy(store: Store, error: UsageError): Study {
  const [run] = store.history.runs(1);
  if (run === undefined) throw error;
  return { ...runStudy(run, undefined, store), problems: error.diagnostics };
}

/** A matrix with more points was refused, and is not to be listed. */
const TASKS_MAX = 1_000_000n;

/** pipeline.yaml as far as it can be read without its stages; undefined where it cannot. */
export function readConfig(options: CommonOptions): PipelineParts | undefined {
  const { file, preset: presets, set: sets } = options;
  const given = readParamsFiles(options.params);
  if (!given.ok) return undefined;
  const { files: paramsFiles } = given.value;
  try {
    const text = decodeSource(readFileSync(resolve(placesOf(options).root, file)), file);
    const parts = text.ok
      ? readPipelineParts({ text: text.value, file, presets, paramsFiles, sets })
      : text;
    const stages = parts.ok ? [...parts.value.pipeline.stages.values()] : [];
    const tasks = stages.reduce((sum, stage) => sum + countPoints(stage), 0n);
    return parts.ok && tasks <= TASKS_MAX ? withReport(parts.value) : undefined;
  } catch {
    return undefined;
  }
}

/** The tasks of a run. @param parts names the axes of runs that did not note theirs */
export function runStudy(run: RunRecord, parts: PipelineParts | undefined, store: Store): Study {
  const tasks = new Map<TaskId, NamedTask>();
  for (const id of inMatrixOrder(Object.keys(run.tasks) as TaskId[], parts)) {
    const open = id.indexOf('[');
    const stage = open < 0 ? id : id.slice(0, open);
    const labels = open < 0 ? [] : id.slice(open + 1, -1).split(',');
    const axes = axesOfStage(run, parts, stage, labels.length);
    const at = Object.fromEntries(labels.map((label, n) => [axes[n], label]));
    tasks.set(id, { id, stage, at });
  }
  return {
    tasks,
    problems: [],
    known: (chosen) =>
      eachKnown(chosen, async (task) => {
        const record = await store.actions.get(entryOf(run.tasks, task));
        if (record === undefined) return { state: 'lost' };
        const isMade = record.infeasible === undefined;
        return isMade ? { record, state: 'current' } : { state: 'infeasible' };
      }),
    facts: (known) => factsOfRun(run, new Set(known.keys())),
  };
}

/** Tasks in the order of the pipeline; those that it lacks by their labels, numbers by size. */
function inMatrixOrder(
  tasks: readonly TaskId[],
  parts: PipelineParts | undefined,
): readonly TaskId[] {
  const places = new Map<TaskId, number>();
  for (const stage of parts?.pipeline.stages.values() ?? []) {
    for (const { id } of tasksOfStage(stage)) places.set(id, places.size);
  }
  const placeOf = (task: TaskId): number => places.get(task) ?? Number.POSITIVE_INFINITY;
  return [...tasks].sort((a, b) => {
    const [x, y] = [placeOf(a), placeOf(b)];
    return x === y ? collator.compare(a, b) : x - y;
  });
}

const collator = new Intl.Collator('en', { numeric: true });

/** What a run is told apart by. @param only its tasks that count; all where left out */
export function factsOfRun(run: RunRecord, only?: ReadonlySet<TaskId>): RunFacts {
  const tasks = Object.entries(run.tasks).filter(([task]) => only?.has(task as TaskId) ?? true);
  return {
    params: run.params ?? {},
    sources: run.sources,
    tasks: Object.fromEntries(tasks),
  };
}

function axesOfStage(
  { axes }: RunRecord,
  parts: PipelineParts | undefined,
  stage: string,
  count: number,
): readonly string[] {
  const noted = axes && Object.hasOwn(axes, stage) ? axes[stage] : undefined;
  const written = noted ?? [...(parts?.pipeline.stages.get(stage)?.axes.keys() ?? [])];
  if (written.length === count) return written;
  return Array.from({ length: count }, (_, n) => `axis${n + 1}`);
}

/** What `STAGE`, `STAGE:output` or `'STAGE[axis=label]:output'` selects. */
export interface StudySelection {
  readonly stage: string;
  readonly output?: string;
  readonly tasks: readonly NamedTask[];
}

/** @throws UsageError where nothing is selected */
export function selectInStudy({ tasks }: Study, target: string): StudySelection {
  const colon = target.indexOf(':');
  const word = colon < 0 ? target : target.slice(0, colon);
  const chosen = selectTasks({ tasks }, word);
  if (!chosen.ok) throw new UsageError(chosen.diagnostics);
  const named = chosen.value.flatMap((id) => tasks.get(id) ?? []);
  const { stage } = elementAt(named, 0);
  return { stage, tasks: named, ...(colon >= 0 && { output: target.slice(colon + 1) }) };
}

/** The tasks of which there is a record. */
export function recordedOf(
  tasks: readonly NamedTask[],
  known: ReadonlyMap<TaskId, KnownTask>,
): readonly RecordedTask[] {
  const recorded: RecordedTask[] = [];
  for (const { id, at } of tasks) {
    const record = known.get(id)?.record;
    if (record) recorded.push({ task: id, at, record });
  }
  return recorded;
}

/** Runs something of the analysis; what it refuses becomes an error of usage. */
export async function analysed<T>(action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof AnalysisError) throw new UsageError([error.diagnostic]);
    throw error;
  }
}
