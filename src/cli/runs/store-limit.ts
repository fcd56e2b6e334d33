// store-limit.ts — what of a store the pipeline reaches, and how the store is brought below its limit
import prettyBytes from 'pretty-bytes';
import type { Key } from '../../engine/model/key.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { forecast } from '../../engine/rebuilder/forecast.ts';
import {
  dropGarbage,
  findGarbage,
  keptRuns,
  liveLeases,
  type Roots,
} from '../../engine/store/maintenance/gc.ts';
import { type Store, storedBytes, type Upkeep } from '../../engine/store/store.ts';
import type { Session } from '../session/session.ts';
import { identity } from '../session/this-process.ts';

/** So many of the newest runs keep what they made. */
export const KEPT_RUNS_DEFAULT = 10;
/** What the pipeline reaches as it is now. */
export async function rootsOf(plan: Plan, store: Store): Promise<Roots> {
  const [traces, unmade] = [new Set<Key>(), new Set<Key>()];
  let unknown = false;
  const latest = await store.actions.latest(plan.tasks.keys());
  for (const predicted of (await forecast(plan, store, new Set())).values()) {
    if (predicted.status === 'reuse') traces.add(predicted.action.key);
    else if (predicted.status === 'infeasible') {
      if (predicted.trace) traces.add(predicted.trace.key);
    } else if (predicted.status === 'pending' || predicted.status === 'unknown') {
      unknown = true;
      // It may come out as it was: what it gave last is kept for that.
      const last = latest.get(predicted.task);
      if (last) traces.add(last);
    } else unmade.add(predicted.action.key);
  }
  const bundles = new Set([...plan.stages.values()].map(({ code }) => code.digest));
  return { traces, unmade, unknown, bundles };
}

/** Fewer and fewer runs keep what they made, until the store fits. */
const RUNS_KEPT_IN_TURN = [KEPT_RUNS_DEFAULT, 5, 2, 1];

/** Brings a store below a limit in bytes, if that can be. Gives a sentence for the user. */
export async function collectToLimit(
  { plan, store }: Session,
  upkeep: Upkeep,
  limit: number,
): Promise<string | undefined> {
  const most = prettyBytes(limit);
  // Another process tries it when it is done itself.
  if (upkeep.shared() || liveLeases(upkeep, Date.now(), identity).length > 0) return undefined;
  const before = storedBytes(upkeep);
  const roots = await rootsOf(plan, store);
  for (const newest of RUNS_KEPT_IN_TURN) {
    dropGarbage(upkeep, findGarbage(upkeep, roots, keptRuns(store, upkeep, newest)));
    const now = storedBytes(upkeep);
    if (now > limit) continue;
    const freed = prettyBytes(before - now);
    return `the store had outgrown its limit of ${most}: ${freed} of older results were dropped`;
  }
  return `the store holds ${prettyBytes(storedBytes(upkeep))}, and its limit is ${most}: what is in use does not fit (\`store: { limit: … }\` in pipeline.yaml or a settings file)`;
}
