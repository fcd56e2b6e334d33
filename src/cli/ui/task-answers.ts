// task-answers.ts — what the page asks about tasks: lists, one task in detail
import type { Named, TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, RunRecord, TaskLog } from '../../engine/model/record.ts';
import type { Task } from '../../engine/planning/plan.ts';
import type { Store } from '../../engine/store/store.ts';
import { plainLog } from '../../plain-text.ts';
import type { TaskDetail, TaskLine, TaskList } from '../../ui/forms.ts';
import { stageOf } from '../../ui/run-state.ts';
import { formatCost, taskWord } from '../terminal/format.ts';
import { recordedLog, recordedRun } from './brief-store.ts';
import type { OverviewSources } from './overview.ts';
import { needsOf } from './plan-watch.ts';
import { latestKey, type RunView, runView } from './run-view.ts';
import { inputsOf, inputsOfPlan, upstreamIn } from './task-inputs.ts';
import { whyOf } from './task-why.ts';

/** Tasks upstream and downstream that are named. */
const LINKS_SHOWN = 100;

export interface ListRequest {
  readonly run?: string | undefined;
  readonly stage?: string | undefined;
  readonly status?: string | undefined;
  readonly text?: string | undefined;
  /** Number of the first row in the answer. */
  readonly from: number;
  readonly limit: number;
}

/** Tasks that fit, those of the plan first. */
export async function taskList(sources: OverviewSources, request: ListRequest): Promise<TaskList> {
  const view = await runView(sources, request.run);
  const { stage, status, text = '', from, limit } = request;
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const tasks: TaskLine[] = [];
  let fitting = 0;
  for (const task of namesOf(sources, view, stage)) {
    if (status !== undefined && (view?.statusOf(task) ?? 'unmade') !== status) continue;
    const lower = words.length > 0 ? task.toLowerCase() : '';
    if (!words.every((word) => lower.includes(word))) continue;
    if (fitting >= from && tasks.length < limit) tasks.push(lineOf(view, task));
    fitting += 1;
  }
  return { tasks, more: Math.max(0, fitting - from - tasks.length), total: fitting };
}

/** Tasks of the plan, then those that only the run has. */
function* namesOf(
  { plan }: OverviewSources,
  view: RunView | undefined,
  stage: string | undefined,
): Generator<string> {
  const known = plan.plan;
  const planned = known?.loaded.plan.tasks;
  if (stage !== undefined) yield* known?.byStage.get(stage) ?? [];
  else yield* planned?.keys() ?? [];
  for (const task of view?.tasks() ?? []) {
    if (planned?.has(task as TaskId)) continue;
    if (stage === undefined || stageOf(task) === stage) yield task;
  }
}

function lineOf(view: RunView | undefined, task: string): TaskLine {
  const { began, ended } = view?.stateOf(task) ?? {};
  const seconds = began !== undefined && ended !== undefined ? (ended - began) / 1000 : undefined;
  return {
    ...{ task, status: view?.statusOf(task) ?? 'unmade' },
    ...(seconds !== undefined && { seconds }),
  };
}

/** Everything about one task. Undefined when neither the plan nor the run has it. */
export async function taskDetail(
  sources: OverviewSources,
  id: string,
  run: string | undefined,
): Promise<TaskDetail | undefined> {
  const view = await runView(sources, run);
  const known = sources.plan.plan;
  const task = known?.loaded.plan.tasks.get(id as TaskId);
  return sources.store.read(async (store) => {
    const key = view?.keyOf(id) ?? (await latestKey(store, id));
    const record = key && (await store.actions.get(key));
    const status = view?.statusOf(id) ?? (record ? 'built' : 'unmade');
    if (status === 'unmade' && task === undefined) return undefined;
    const lines = (ids: Iterable<string>) =>
      [...ids].slice(0, LINKS_SHOWN).map((one) => lineOf(view, one));
    const made = record && facts(record, makerOf(sources, store, record.made.run));
    const log = view && recordedLog(store, view.id, id);
    const { why, changes } = await whyOf(store, { id, view, record, task });
    const parts = record?.parts;
    const needs = task ? needsOf(task) : upstreamIn(parts?.inputs ?? {});
    return {
      ...{ task: id, stage: stageOf(id), at: coordinatesOf(id, task, view) },
      status,
      run: view?.id ?? null,
      key: key ?? null,
      params: parts?.params ?? task?.params ?? log?.params ?? null,
      ...(parts?.command && { argv: parts.command.argv }),
      inputs: parts ? inputsOf(parts.inputs) : inputsOfPlan(task),
      outputs: Object.entries(record?.outputs ?? {}).map(([name, output]) => ({ name, ...output })),
      facts: made?.facts ?? [],
      ...{ why, changes },
      ...(log?.error && { error: shownError(log.error) }),
      command: `pipeline make ${taskWord(id as TaskId)}`,
      needs: lines(needs),
      neededBy: lines(known?.neededBy.get(id as TaskId) ?? []),
      neighbours: neighboursOf(sources, id, view),
    };
  });
}

/** The run that made something: one that goes on, or one that has a record. */
const makerOf = (
  { watch }: OverviewSources,
  store: Store,
  id: string,
): Pick<RunRecord, 'command'> | undefined =>
  watch.runs.get(id)?.state.run ?? recordedRun(store, id);

function shownError({ message, stack, cause }: NonNullable<TaskLog['error']>) {
  return {
    message: plainLog(message),
    ...(stack !== undefined && { stack: plainLog(stack) }),
    ...(cause !== undefined && { cause }),
  };
}

function facts(record: ActionRecord, run: Pick<RunRecord, 'command'> | undefined) {
  const { made, cost, origin, tolerance, infeasible, parts } = record;
  const list = (named: Named<string>): string =>
    Object.entries(named)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  const told: [string, string][] = [
    ['made', `${made.at} on ${made.host}`],
    ['run', made.run],
    ...(run ? [['by', `pipeline ${run.command}`] as [string, string]] : []),
    ...(origin ? [['signed by', `${origin.by}, ${origin.signer}`] as [string, string]] : []),
    ['cost', formatCost(cost)],
    ['versions', list(made.versions)],
    ...(made.machine ? [['machine', list(made.machine)] as [string, string]] : []),
    ...(parts.tools ? [['tools', list(parts.tools)] as [string, string]] : []),
    ...(tolerance === undefined
      ? []
      : [['inexact', `another run may differ by ${tolerance}, relatively`] as [string, string]]),
    ...(infeasible === undefined ? [] : [['infeasible', infeasible] as [string, string]]),
    ['code', parts.code],
    ['key', record.key],
  ];
  return { facts: told };
}

/** The labels of a task, by axis. */
function coordinatesOf(
  id: string,
  task: Task | undefined,
  view: RunView | undefined,
): Named<string> {
  if (task) return task.at;
  const axes = view?.axes ?? {};
  const own = Object.hasOwn(axes, stageOf(id)) ? (axes[stageOf(id)] ?? []) : [];
  const labels = labelsOf(id);
  return Object.fromEntries(labels.map((label, at) => [own[at] ?? `axis${at + 1}`, label]));
}

const labelsOf = (id: string): readonly string[] => {
  const open = id.indexOf('[');
  return open < 0 ? [] : id.slice(open + 1, -1).split(',');
};

/** Tasks of the stage that differ in one label, by axis. */
function neighboursOf(
  sources: OverviewSources,
  id: string,
  view: RunView | undefined,
): TaskDetail['neighbours'] {
  const tasks = sources.plan.plan?.loaded.plan.tasks;
  const own = labelsOf(id);
  const axes = Object.keys(coordinatesOf(id, tasks?.get(id as TaskId), view));
  const stage = stageOf(id);
  const found = axes.map((axis) => ({ axis, tasks: [] as (TaskLine & { label: string })[] }));
  for (const other of namesOf(sources, view, stage)) {
    const labels = labelsOf(other);
    if (labels.length !== own.length) continue;
    const differing = labels.flatMap((label, at) => (label === own[at] ? [] : [at]));
    const places = differing.length === 0 ? axes.keys() : differing.length === 1 ? differing : [];
    for (const at of places) {
      const axis = found[at];
      if (axis && axis.tasks.length < LINKS_SHOWN) {
        axis.tasks.push({ ...lineOf(view, other), label: labels[at] ?? '' });
      }
    }
  }
  return found.filter((axis) => axis.tasks.length > 1);
}
