// task-answers.ts — what the page asks about tasks: lists, one task in detail, its log, its curves
import { readResults, seriesOf } from '../../analysis/results.ts';
import type { Json, Key, Named, TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, RunRecord, TaskLog } from '../../engine/model/record.ts';
import type { Task } from '../../engine/planning/plan.ts';
import { changesBetween } from '../../engine/rebuilder/action.ts';
import { differences } from '../../engine/store/compare.ts';
import { lastRunOf } from '../../engine/store/history.ts';
import { logInJournal } from '../../engine/store/journal-follow.ts';
import type { Store } from '../../engine/store/store.ts';
import { plainLog } from '../../plain-text.ts';
import type {
  ChangeLine,
  Curve,
  InputLine,
  LogPart,
  TaskDetail,
  TaskLine,
  TaskList,
  TaskStatus,
} from '../../ui/forms.ts';
import { isLive } from '../../ui/progress.ts';
import { logPart, stageOf, type TaskState } from '../../ui/run-state.ts';
import { brief, formatCost, taskWord } from '../terminal/format.ts';
import { newestRecords, recordedLog, recordedRun } from './brief-store.ts';
import type { OverviewSources } from './overview.ts';
import { needsOf } from './plan-watch.ts';

/** A run as far as its tasks are concerned: one that is followed, or a record. */
interface RunView {
  readonly id: string;
  readonly statusOf: (task: string) => TaskStatus | undefined;
  readonly stateOf: (task: string) => TaskState | undefined;
  readonly keyOf: (task: string) => Key | undefined;
  readonly tasks: () => Iterable<string>;
  readonly isFollowed: boolean;
  readonly axes: Named<readonly string[]> | undefined;
  readonly record: RunRecord | undefined;
}

/** Tasks upstream and downstream that are named. */
const LINKS_SHOWN = 100;
const ITEMS_SHOWN = 50;
const CHANGES_SHOWN = 100;

/** The run that is named; the newest that goes on, or else the newest, where none is. */
export async function runView(
  sources: OverviewSources,
  id: string | undefined,
): Promise<RunView | undefined> {
  const open = [...sources.watch.runs].filter(([, run]) => !run.isOver).map(([one]) => one);
  const wanted = id ?? open.at(-1);
  const followed = wanted === undefined ? undefined : sources.watch.runs.get(wanted);
  if (wanted !== undefined && followed && !followed.isOver) {
    const { tasks, run } = followed.state;
    const { status: how } = sources.watch.statusOf(wanted);
    const isOver = !isLive(how);
    const ended = (status: TaskStatus | undefined): TaskStatus | undefined =>
      isOver && (status === 'running' || status === 'waiting') ? 'interrupted' : status;
    return {
      ...{ id: wanted, isFollowed: true, axes: run.axes, record: undefined },
      statusOf: (task) => ended(tasks.get(task)?.status),
      stateOf: (task) => tasks.get(task),
      keyOf: (task) => tasks.get(task)?.key as Key | undefined,
      tasks: () => tasks.keys(),
    };
  }
  const record = await sources.store.read(async (store) =>
    wanted === undefined ? newestRecords(store, 1)[0] : recordedRun(store, wanted),
  );
  if (record === undefined) return undefined;
  const outcomes = record.outcomes ?? {};
  const own = <T>(named: Named<T>, task: string): T | undefined =>
    Object.hasOwn(named, task) ? named[task] : undefined;
  return {
    ...{ id: record.id, isFollowed: false, axes: record.axes, record },
    statusOf: (task) => own(outcomes, task) ?? (own(record.tasks, task) ? 'built' : undefined),
    stateOf: (task) => followed?.state.tasks.get(task),
    keyOf: (task) => own(record.tasks, task) ?? own(record.begun ?? {}, task),
    tasks: () => Object.keys(record.outcomes ?? record.tasks),
  };
}

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

const latestKey = async (store: Store, id: string): Promise<Key | undefined> =>
  (await store.actions.latest([id as TaskId])).get(id as TaskId);

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

interface Asked {
  readonly id: string;
  readonly view: RunView | undefined;
  readonly record: ActionRecord | undefined;
  readonly task: Task | undefined;
}

/** Why a task ran or was reused, and what has changed since it was something else. */
async function whyOf(
  store: Store,
  { id, view, record, task }: Asked,
): Promise<{ readonly why: string; readonly changes: readonly ChangeLine[] }> {
  const status = view?.statusOf(id);
  const reason = view?.stateOf(id)?.why;
  const before = record && (await earlierRecord(store, id, record.key));
  const changes = record && before ? changeLines(before, record, task) : [];
  const since = before ? `; beside what run ${before.made.run} made, this has changed` : '';
  const because = reason === undefined ? '' : ` (${reason})`;
  if (status === 'running') return { why: `It runs now${because}.`, changes };
  if (status === 'waiting')
    return { why: 'Another process makes it, and this run waits.', changes };
  if (status === 'failed') return { why: `It ran and failed${because}.`, changes };
  if (status === 'skipped')
    return {
      why: 'Something that it needs failed, or the run ended before its turn.',
      changes: [],
    };
  if (status === 'interrupted') return { why: 'It was stopped before its end.', changes };
  if (record?.infeasible !== undefined || status === 'infeasible') {
    return {
      why: `It cannot be done: ${record?.infeasible ?? task?.infeasible ?? 'its params say so'}.`,
      changes,
    };
  }
  if (record === undefined) return { why: 'It has not been made.', changes: [] };
  const { run, at, host } = record.made;
  if (view && status === undefined) {
    return {
      why: `Run ${view.id} has not asked for it: run ${run} made it (${at} on ${host})${since}.`,
      changes,
    };
  }
  if (view && run !== view.id) {
    const same = record.task === id ? '' : ` for ${record.task}, which has the same key`;
    return {
      why: `Reused: run ${run} made it${same} (${at} on ${host}) from the same code, params and inputs${since}.`,
      changes,
    };
  }
  const why = before === undefined ? 'it was never made before' : 'what it is made of is new';
  return { why: `It ran in run ${run}${because === '' ? `: ${why}` : because}${since}.`, changes };
}

/** What the task was before it had this key, as far as the newest runs tell. */
async function earlierRecord(
  store: Store,
  id: string,
  key: Key,
): Promise<ActionRecord | undefined> {
  let seen = false;
  for (const { tasks } of newestRecords(store, RUNS_READ)) {
    const other = Object.hasOwn(tasks, id) ? tasks[id] : undefined;
    if (other === key) seen = true;
    else if (other !== undefined && seen) return store.actions.get(other);
  }
  return undefined;
}
const RUNS_READ = 20;

function changeLines(
  before: ActionRecord,
  after: ActionRecord,
  task: Task | undefined,
): readonly ChangeLine[] {
  const { key, parts } = after;
  const changes = task
    ? changesBetween(before.parts, { task, key, parts })
    : differences('', before.parts as unknown as Json, parts as unknown as Json);
  return changes.slice(0, CHANGES_SHOWN).map(({ path, before: a, after: b }) => ({
    path: path.replace(/^\./, ''),
    before: a === undefined ? '–' : brief(a, 120),
    after: b === undefined ? '–' : brief(b, 120),
  }));
}

function inputsOf(inputs: ActionRecord['parts']['inputs']): readonly InputLine[] {
  return Object.entries(inputs).map(([port, held]) => {
    if (!Array.isArray(held)) {
      const digest = held as string | null;
      return {
        port,
        items: [{ from: digest === null ? 'nothing' : 'one output', isTask: false, digest }],
        more: 0,
      };
    }
    const items = held.slice(0, ITEMS_SHOWN).map((item: readonly unknown[]) => {
      const isTask = item.length > 2;
      const digest = isTask ? item[2] : item[1];
      return { from: String(item[0]), isTask, digest: typeof digest === 'string' ? digest : null };
    });
    return { port, items, more: held.length - items.length };
  });
}

/** What a task that is not made yet will be given. */
const inputsOfPlan = (task: Task | undefined): readonly InputLine[] =>
  Object.entries(task?.inputs ?? {}).map(([port, { links, files = [] }]) => {
    const items = [
      ...links.map((link) => ({ from: link.task as string, isTask: true, digest: null })),
      ...files.map(({ name }) => ({ from: name, isTask: false, digest: null })),
    ];
    return {
      port,
      items: items.slice(0, ITEMS_SHOWN),
      more: Math.max(0, items.length - ITEMS_SHOWN),
    };
  });

function upstreamIn(inputs: ActionRecord['parts']['inputs']): readonly string[] {
  return Object.values(inputs).flatMap((held) =>
    Array.isArray(held)
      ? held.flatMap((item: readonly unknown[]) => (item.length > 2 ? [String(item[0])] : []))
      : [],
  );
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

/** What a task printed, from a line on. */
export async function taskLog(
  sources: OverviewSources,
  id: string,
  { run, from }: { readonly run: string | undefined; readonly from: number },
): Promise<LogPart> {
  const view = await runView(sources, run);
  const followed = view && sources.watch.runs.get(view.id);
  const live = followed?.state.log(id, from);
  // What failed has left its log in the store at once, and nothing with the run.
  if (live && (live.total > 0 || live.isOpen)) return plainPart(live);
  return sources.store.read(async (store) => {
    const own = view && recordedLog(store, view.id, id);
    if (own) return plainPart(partOf(own, from));
    const kept =
      view?.isFollowed && (await logInJournal(sources.places.cache, view.id, id as TaskId));
    if (kept && kept.head.length > 0) return plainPart(logPart(kept, from, false));
    // A task that was reused said nothing: shown is what it said when it ran.
    const last = lastRunOf(newestRecords(store, RUNS_READ), id as TaskId);
    return plainPart(partOf(last && recordedLog(store, last.id, id), from));
  });
}

function partOf(log: TaskLog | undefined, from: number): LogPart {
  const { lines = [], dropped = 0 } = log ?? {};
  const middle = dropped > 0 ? Math.ceil(lines.length / 2) : lines.length;
  return logPart({ head: lines.slice(0, middle), tail: lines.slice(middle), dropped }, from, false);
}

const plainPart = (part: LogPart): LogPart => ({ ...part, lines: part.lines.map(plainLog) });

const TASKS_OF_CURVES = 60;
const CURVE_POINTS = 2000;

/** Numbers over steps: what running tasks report, and the series in the outputs of those that are made. */
export async function curvesOf(
  sources: OverviewSources,
  tasks: readonly string[],
  run: string | undefined,
): Promise<readonly Curve[]> {
  const view = await runView(sources, run);
  const followed = view && sources.watch.runs.get(view.id);
  const curves: Curve[] = [];
  await sources.store.read(async (store) => {
    for (const task of tasks.slice(0, TASKS_OF_CURVES)) {
      const live = followed?.state.curves(task) ?? [];
      const key = view?.keyOf(task) ?? (await latestKey(store, task));
      const record = key && (await store.actions.get(key));
      const names = new Set<string>();
      if (record) {
        const { results } = await readResults(store.blobs, [
          { task: task as TaskId, at: {}, record },
        ]);
        for (const [name, byTask] of seriesOf(results)) {
          const series = byTask.get(task as TaskId);
          if (series === undefined) continue;
          names.add(name);
          const values = series.values.slice(0, CURVE_POINTS);
          const steps = series.steps ?? values.map((_, at) => at + 1);
          curves.push({
            task,
            name,
            steps: steps.slice(0, CURVE_POINTS),
            values: values.map(finite),
          });
        }
      }
      // What a program reported is in one of its outputs when it is done, there after the name of the output.
      const isThere = (name: string): boolean =>
        [...names].some((known) => known === name || known.endsWith(`.${name}`));
      curves.push(...live.filter(({ name }) => !isThere(name)));
    }
  });
  return curves;
}

const finite = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) ? value : null;
