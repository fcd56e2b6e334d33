// invalidate.ts — pipeline invalidate TASK...: forgets that tasks were made, so that the next make runs them

import type { Key, TaskId } from '../../engine/model/key.ts';
import { forecast } from '../../engine/rebuilder/forecast.ts';
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
  arguments: [{ name: '[targets...]' }],
  options: [
    {
      flags: '--by <name>',
      about: 'all results from the remote that were signed with this name of `trust`',
    },
    ...COMMON,
  ],
  examples: ['invalidate report', "invalidate 'rigl[profile=uniform]'", 'invalidate --by lab'],
};
export { invalidate as run };

interface InvalidateOptions extends CommonOptions {
  readonly by?: string;
}

/** Forgets the traces of tasks. What needs them runs again only if they come out different. */
async function invalidate(targets: readonly string[], options: InvalidateOptions): Promise<number> {
  if (options.by !== undefined) return invalidateBy(options.by, targets, options);
  const session = await openSession(options);
  const { plan, store } = session;
  try {
    if (targets.length === 0) throw new UsageError([{ message: 'no task is named' }]);
    const tasks = resolveTargets(plan, targets);
    const forecasts = await forecast(plan, store, new Set());
    const { upkeep } = store;
    const latest = await store.actions.latest(tasks);
    const known: { task: TaskId; keys: readonly Key[] }[] = [];
    for (const task of tasks) {
      const predicted = forecasts.get(task);
      const now = predicted && 'action' in predicted ? predicted.action.key : undefined;
      const made = new Set<Key>();
      for (const key of [now, latest.get(task)]) {
        if (key && (await store.actions.get(key))) made.add(key);
      }
      if (made.size > 0) known.push({ task, keys: [...made] });
    }
    upkeep?.write(() => {
      for (const { task, keys } of known) {
        for (const key of keys) {
          upkeep.tables.traces.removeSync(key);
          upkeep.tables.partials.removeSync(key);
        }
        upkeep.tables.latest.removeSync(task);
      }
    });
    if (options.json) writeJson(known);
    else {
      for (const { task } of known) writeStdout(task);
      const others = tasks.length - known.length;
      writeStderr(
        `${count(known.length, 'task')} forgotten${others > 0 ? `, ${others} not made anyway` : ''}`,
      );
    }
    return EXIT.success;
  } finally {
    await store.close();
  }
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
  const store = storeAt(placesOf(options).cache, 'write');
  try {
    const known: { task: TaskId; keys: readonly Key[] }[] = [];
    for (const { task, key, origin } of await store.actions.all()) {
      if (origin?.by === by) known.push({ task, keys: [key] });
    }
    const { upkeep } = store;
    upkeep?.write(() => {
      for (const { task, keys } of known) {
        for (const key of keys) upkeep.tables.traces.removeSync(key);
        const latest = upkeep.tables.latest.get(task);
        if (latest && keys.includes(latest)) upkeep.tables.latest.removeSync(task);
      }
    });
    if (options.json) writeJson(known);
    else {
      for (const { task } of known) writeStdout(task);
      writeStderr(`${count(known.length, 'task')} forgotten that ${by} made`);
    }
    return EXIT.success;
  } finally {
    await store.close();
  }
}
