// task-why.ts — why a task ran or was reused, and what has changed since it was something else
import type { Json, Key } from '../../engine/model/key.ts';
import type { ActionRecord } from '../../engine/model/record.ts';
import type { Task } from '../../engine/planning/plan.ts';
import { changesBetween } from '../../engine/rebuilder/action.ts';
import { differences } from '../../engine/store/compare.ts';
import type { Store } from '../../engine/store/store.ts';
import type { ChangeLine } from '../../ui/forms.ts';
import { brief } from '../terminal/format.ts';
import { newestRecords } from './brief-store.ts';
import { RUNS_READ, type RunView } from './run-view.ts';

const CHANGES_SHOWN = 100;

interface Asked {
  readonly id: string;
  readonly view: RunView | undefined;
  readonly record: ActionRecord | undefined;
  readonly task: Task | undefined;
}

/** Why a task ran or was reused, and what has changed since it was something else. */
export async function whyOf(
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
