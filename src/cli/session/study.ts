// study.ts — the tasks that a table is made of: of the pipeline as it is, or of a run, each with the record of what it gave
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RunFacts } from '../../analysis/causes.ts';
import { AnalysisError } from '../../analysis/frame.ts';
import type { RecordedTask } from '../../analysis/results.ts';
import { type PipelineParts, readPipelineParts } from '../../engine/config/config.ts';
import { pointsOf } from '../../engine/config/matrix.ts';
import { decodeSource } from '../../engine/config/source-text.ts';
import type { Diagnostic } from '../../engine/model/event.ts';
import { type Json, type Key, type Named, type TaskId, taskId } from '../../engine/model/key.ts';
import type { ActionRecord, RunRecord } from '../../engine/model/record.ts';
import type { Loaded } from '../../engine/planning/load.ts';
import { type NamedTask, restrict, selectTasks } from '../../engine/planning/target.ts';
import { type Forecast, forecast } from '../../engine/rebuilder/action.ts';
import type { Store } from '../../engine/store/store.ts';
import { type CommonOptions, loadFor, placesOf, UsageError } from './session.ts';
import { sourceDigests } from './source-digests.ts';

/** What is known of a task. */
export interface KnownTask {
  readonly record?: ActionRecord | undefined;
  /** `stale`: the record is of an earlier making. `lost`: `gc` has dropped the record. */
  readonly state: 'current' | 'stale' | 'unknown' | 'unmade' | 'infeasible' | 'lost';
}

/** Tasks by name, and what each of them gave. */
export interface Study {
  readonly tasks: ReadonlyMap<TaskId, NamedTask>;
  /** What some tasks gave. */
  known(tasks: readonly TaskId[]): ReadonlyMap<TaskId, KnownTask>;
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

function plannedStudy(loaded: Loaded, options: CommonOptions, store: Store): Study {
  const { plan, pipeline } = loaded;
  return {
    tasks: plan.tasks,
    problems: [],
    known(tasks) {
      const fates = forecast(restrict(plan, tasks), store, new Set());
      return new Map(tasks.map((task) => [task, knownBy(fates.get(task), task, store)]));
    },
    facts: (known) => ({
      params: pipeline.params.value as Named<Json>,
      sources: sourceDigests(placesOf(options).root, options.file, loaded),
      tasks: keysOf(known),
    }),
  };
}

function knownBy(fate: Forecast | undefined, task: TaskId, store: Store): KnownTask {
  if (fate?.fate === 'reuse') return { record: fate.trace, state: 'current' };
  if (fate?.fate === 'infeasible') return { state: 'infeasible' };
  return madeLast(task, store, fate?.fate === 'unknown' ? 'unknown' : 'stale');
}

function madeLast(task: TaskId, store: Store, state: KnownTask['state']): KnownTask {
  const key = store.latest(task);
  const record = key && store.trace(key);
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
    for (const point of pointsOf(stage)) {
      const labels = [...point].map(([axis, { label }]) => [axis, label] as const);
      const id = taskId(
        stage.name,
        labels.map(([, label]) => label),
      );
      tasks.set(id, { id, stage: stage.name, at: Object.fromEntries(labels) });
    }
  }
  return {
    tasks,
    problems,
    known: (chosen) => new Map(chosen.map((task) => [task, madeLast(task, store, 'unknown')])),
    facts: (known) => ({ params: pipeline.params.value as Named<Json>, tasks: keysOf(known) }),
  };
}

/** The newest run, where there is no pipeline to go by. @throws UsageError when there is none */
function lastStudy(store: Store, error: UsageError): Study {
  const [run] = store.runs(1);
  if (run === undefined) throw error;
  return { ...runStudy(run, undefined, store), problems: error.diagnostics };
}

/** pipeline.yaml as far as it can be read without its stages; undefined where it cannot. */
export function readConfig(options: CommonOptions): PipelineParts | undefined {
  const { file, preset: presets, set: sets } = options;
  try {
    const text = decodeSource(readFileSync(resolve(placesOf(options).root, file)), file);
    const parts = text.ok ? readPipelineParts({ text: text.value, file, presets, sets }) : text;
    return parts.ok ? parts.value : undefined;
  } catch {
    return undefined;
  }
}

/** The tasks of a run. @param parts names the axes of runs that did not note theirs */
export function runStudy(run: RunRecord, parts: PipelineParts | undefined, store: Store): Study {
  const tasks = new Map<TaskId, NamedTask>();
  for (const id of Object.keys(run.tasks) as TaskId[]) {
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
      new Map(
        chosen.map((task): [TaskId, KnownTask] => {
          const record = store.trace(run.tasks[task]);
          if (record === undefined) return [task, { state: 'lost' }];
          const isMade = record.infeasible === undefined;
          return [task, isMade ? { record, state: 'current' } : { state: 'infeasible' }];
        }),
      ),
    facts: (known) => factsOfRun(run, new Set(known.keys())),
  };
}

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
  const [{ stage }] = named;
  return { stage, tasks: named, ...(colon >= 0 && { output: target.slice(colon + 1) }) };
}

/** The tasks of which there is a record. */
export function recordedOf(
  tasks: readonly NamedTask[],
  known: ReadonlyMap<TaskId, KnownTask>,
): readonly RecordedTask[] {
  return tasks.flatMap(({ id, at }) => {
    const record = known.get(id)?.record;
    return record ? [{ task: id, at, record }] : [];
  });
}

/** Runs something of the analysis; what it refuses becomes an error of usage. */
export function analysed<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof AnalysisError) throw new UsageError([error.diagnostic]);
    throw error;
  }
}
