// run-view.ts — a run as far as its tasks are concerned: one that is followed, or its record
import type { Key, Named, TaskId } from '../../engine/model/key.ts';
import type { RunRecord } from '../../engine/model/record.ts';
import type { Store } from '../../engine/store/store.ts';
import type { TaskStatus } from '../../ui/forms.ts';
import { isLive } from '../../ui/progress.ts';
import type { TaskState } from '../../ui/run-state.ts';
import { newestRecords, recordedRun } from './brief-store.ts';
import type { OverviewSources } from './overview.ts';

/** A run as far as its tasks are concerned: one that is followed, or a record. */
export interface RunView {
  readonly id: string;
  readonly statusOf: (task: string) => TaskStatus | undefined;
  readonly stateOf: (task: string) => TaskState | undefined;
  readonly keyOf: (task: string) => Key | undefined;
  readonly tasks: () => Iterable<string>;
  readonly isFollowed: boolean;
  readonly axes: Named<readonly string[]> | undefined;
  readonly record: RunRecord | undefined;
}

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

export const latestKey = async (store: Store, id: string): Promise<Key | undefined> =>
  (await store.actions.latest([id as TaskId])).get(id as TaskId);
export const RUNS_READ = 20;
