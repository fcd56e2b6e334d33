// invalidate.ts — pipeline invalidate TASK...: forgets that tasks were made, so that the next make runs them

import type { Key } from '../../engine/model/key.ts';
import { forecast } from '../../engine/rebuilder/action.ts';
import {
  type CommonOptions,
  EXIT,
  openSession,
  resolveTargets,
  talk,
  tell,
  tellJson,
  UsageError,
} from '../session/session.ts';
import { count } from '../terminal/format.ts';

/** Forgets the traces of tasks. What needs them runs again only if they come out different. */
export async function invalidate(
  targets: readonly string[],
  options: CommonOptions,
): Promise<number> {
  const session = await openSession(options);
  const { plan, store } = session;
  try {
    if (targets.length === 0) throw new UsageError([{ message: 'no task is named' }]);
    const tasks = resolveTargets(plan, targets);
    const forecasts = forecast(plan, store, new Set());
    const { upkeep } = store;
    const known = tasks.flatMap((task) => {
      const predicted = forecasts.get(task);
      const keys = [
        predicted && 'action' in predicted ? predicted.action.key : undefined,
        store.latest(task),
      ];
      const made = new Set(
        keys.filter((key): key is Key => key !== undefined && !!store.trace(key)),
      );
      return made.size > 0 ? [{ task, keys: [...made] }] : [];
    });
    upkeep?.write(() => {
      for (const { task, keys } of known) {
        for (const key of keys) {
          upkeep.tables.traces.removeSync(key);
          upkeep.tables.partials.removeSync(key);
        }
        upkeep.tables.latest.removeSync(task);
      }
    });
    if (options.json) tellJson(known);
    else {
      for (const { task } of known) tell(task);
      const others = tasks.length - known.length;
      talk(
        `${count(known.length, 'task')} forgotten${others > 0 ? `, ${others} not made anyway` : ''}`,
      );
    }
    return EXIT.made;
  } finally {
    await store.close();
  }
}
