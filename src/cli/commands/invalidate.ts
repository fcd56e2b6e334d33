// invalidate.ts — pipeline invalidate TASK...: forgets that tasks were made, so that the next make runs them

import type { Key, TaskId } from '../../engine/model/key.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { forecast } from '../../engine/rebuilder/forecast.ts';
import type { Store } from '../../engine/store/store.ts';
import { resolveTargets } from '../session/named-tasks.ts';
import { placesOf } from '../session/places.ts';
import { writeJson, writeStderr, writeStdout } from '../session/printing.ts';
import { type CommonOptions, EXIT, openSession, storeAt } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration } from '../terminal/declaration.ts';
import { count } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'invalidate',
  group: 'Store',
  about: 'forget the results of tasks, so that the next make runs them',
  arguments: [
    {
      name: '[targets...]',
      about: "stages, tasks, or selections such as 'STAGE[axis=label]'",
    },
  ],
  options: [
    {
      flags: '--by <name>',
      about: 'all results from the remote that were signed with this name of `trust`',
    },
    {
      flags: '-n, --dry-run',
      about: 'print which tasks would be forgotten, without forgetting them',
    },
    ...COMMON,
  ],
  examples: [
    'invalidate report',
    "invalidate 'rigl[profile=uniform]' --dry-run",
    'invalidate --by lab',
  ],
};
export { invalidate as run };

interface InvalidateOptions extends CommonOptions {
  readonly by?: string;
  readonly dryRun?: boolean;
}

/** A task with the keys of its records that are forgotten. */
interface ForgottenTask {
  readonly task: TaskId;
  readonly keys: readonly Key[];
}

/** Forgets the records of tasks. What needs them runs again only if they come out different. */
async function invalidate(targets: readonly string[], options: InvalidateOptions): Promise<number> {
  if (options.by !== undefined) return invalidateBy(options.by, targets, options);
  if (targets.length === 0) {
    const hint = 'pipeline invalidate STAGE, a task, or a selection such as STAGE[axis=label]';
    throw new UsageError([{ message: 'no task is named', hint }]);
  }
  const { plan, store, cache } = await openSession(options);
  try {
    const tasks = resolveTargets(plan, targets);
    const known = await madeOf(plan, store, tasks);
    if (!options.dryRun) forget(store, cache, known);
    const others = tasks.length - known.length;
    tell(known, others > 0 ? `, ${others} not made anyway` : '', options);
    return EXIT.success;
  } finally {
    await store.close();
  }
}

/** Those tasks that were made, with the keys of their last record and of the one that the plan asks for. */
async function madeOf(
  plan: Plan,
  store: Store,
  tasks: readonly TaskId[],
): Promise<readonly ForgottenTask[]> {
  const forecasts = await forecast(plan, store, new Set());
  const latest = await store.actions.latest(tasks);
  const known: ForgottenTask[] = [];
  for (const task of tasks) {
    const predicted = forecasts.get(task);
    const now = predicted && 'action' in predicted ? predicted.action.key : undefined;
    const made = new Set<Key>();
    for (const key of [now, latest.get(task)]) {
      if (key && (await store.actions.get(key))) made.add(key);
    }
    if (made.size > 0) known.push({ task, keys: [...made] });
  }
  return known;
}

/** Forgets everything that somebody brought in, of this study or not: no plan is needed for that. */
async function invalidateBy(
  by: string,
  targets: readonly string[],
  options: InvalidateOptions,
): Promise<number> {
  if (targets.length > 0) {
    throw new UsageError([{ message: '--by forgets all that a name brought in: name no task' }]);
  }
  const { cache } = placesOf(options);
  const store = storeAt(cache, options.dryRun ? 'read' : 'write');
  try {
    const known: ForgottenTask[] = [];
    for (const { task, key, origin } of await store.actions.all()) {
      if (origin?.by === by) known.push({ task, keys: [key] });
    }
    if (!options.dryRun) forget(store, cache, known);
    tell(known, ` that ${by} made`, options);
    return EXIT.success;
  } finally {
    await store.close();
  }
}

/** Drops records, their checkpoints, and that they were the last of their tasks. @throws UsageError where one may not */
function forget({ upkeep }: Store, cache: string, known: readonly ForgottenTask[]): void {
  if (known.length === 0) return;
  if (upkeep === undefined) {
    const message = `the store in ${cache} can only be read: nothing is forgotten`;
    throw new UsageError([{ message, hint: 'whoever owns it can run this command' }]);
  }
  const { traces, partials, latest } = upkeep.tables;
  upkeep.write(() => {
    for (const { task, keys } of known) {
      for (const key of keys) {
        traces.removeSync(key);
        partials.removeSync(key);
      }
      const last = latest.get(task);
      if (last && (keys.includes(last) || !traces.doesExist(last))) latest.removeSync(task);
    }
  });
}

function tell(
  known: readonly ForgottenTask[],
  rest: string,
  { json, dryRun }: InvalidateOptions,
): void {
  if (json) {
    writeJson(known);
    return;
  }
  for (const { task } of known) writeStdout(task);
  const forgotten = dryRun ? 'would be forgotten' : 'forgotten';
  writeStderr(`${count(known.length, 'task')} ${forgotten}${rest}`);
}
