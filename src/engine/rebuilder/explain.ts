// explain.ts — what separates an action from those that ran before it

import { sourcesInBundle } from '../bundler/code.ts';
import type { Change } from '../model/event.ts';
import { byCodeUnit, type Digest, type Key, type TaskId } from '../model/key.ts';
import type { ActionRecord } from '../model/record.ts';
import type { ActionCache, Store } from '../store/store.ts';
import { type Action, changesBetween } from './action.ts';

/** An earlier action, and what changed from it to the one that is explained. */
export interface Comparison {
  readonly trace: ActionRecord;
  readonly changes: readonly Change[];
}

/** Of all that the store remembers of an action's stage, what differs in the fewest parts; the newest of equals. */
export async function nearestTrace(
  actions: ActionCache,
  action: Action,
): Promise<Comparison | undefined> {
  let nearest: Comparison | undefined;
  const stage = action.task.stage;
  for (const trace of await actions.all()) {
    if (stageOf(trace.task) !== stage || trace.key === action.key) continue;
    const changes = changesBetween(trace.parts, action);
    const fewer = nearest === undefined || changes.length < nearest.changes.length;
    const asFew = changes.length === nearest?.changes.length;
    if (fewer || (asFew && trace.made.at > (nearest?.trace.made.at ?? ''))) {
      nearest = { trace, changes };
    }
  }
  return nearest;
}

const stageOf = (task: TaskId): string => task.split('[', 1).join();

/** What a task was before it had the key that it has, as the history tells; undefined when it had no other. */
export async function predecessor(
  { history, actions }: Store,
  action: Action,
): Promise<Comparison | undefined> {
  let seen = false;
  for (const { tasks } of history.runs()) {
    const key: Key | undefined = Object.hasOwn(tasks, action.task.id)
      ? tasks[action.task.id]
      : undefined;
    if (key === action.key) seen = true;
    else if (seen && key !== undefined) {
      const trace = await actions.get(key);
      return trace && { trace, changes: changesBetween(trace.parts, action) };
    }
  }
  return undefined;
}

/** Which sources differ between two bundles of a stage. */
export interface SourceChanges {
  readonly changed: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Compares what two bundles were made from; undefined when the cache no longer knows one of them. */
export async function sourceChanges(
  cache: string,
  before: Digest,
  after: Digest,
): Promise<SourceChanges | undefined> {
  const [then, now] = await Promise.all([
    sourcesInBundle(cache, before),
    sourcesInBundle(cache, after),
  ]);
  if (then === undefined || now === undefined) return undefined;
  const sorted = (paths: Iterable<string>, fits: (path: string) => boolean): readonly string[] =>
    [...paths].filter(fits).sort(byCodeUnit);
  return {
    changed: sorted(now.keys(), (path) => then.has(path) && then.get(path) !== now.get(path)),
    added: sorted(now.keys(), (path) => !then.has(path)),
    removed: sorted(then.keys(), (path) => !now.has(path)),
  };
}
