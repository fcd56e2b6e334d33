// compare.ts — what differs between two runs: params, numbers in their outputs, outputs
import { entryOf } from '../../present.ts';
import { canonicalJson, type Digest, type Json, type Named, type TaskId } from '../model/key.ts';
import type { ActionRecord, RunRecord } from '../model/record.ts';
import type { BlobStore, Store } from './store.ts';

/** A value that differs; undefined where one run lacks it. */
export interface Difference {
  readonly path: string;
  readonly before?: Json;
  readonly after?: Json;
}

/** A number in a JSON output of a task that differs. */
export interface MetricDifference extends Difference {
  readonly task: TaskId;
  readonly output: string;
}

/** An output whose bytes differ. */
export interface OutputDifference {
  readonly task: TaskId;
  readonly output: string;
  readonly before?: Digest;
  readonly after?: Digest;
}

/** How a task ended in two runs, where that differs in kind: made, not made, not there. */
export interface Comparison {
  readonly params: readonly Difference[];
  readonly metrics: readonly MetricDifference[];
  readonly outputs: readonly OutputDifference[];
  /** Tasks that only one of the runs has. */
  readonly only: { readonly before: readonly TaskId[]; readonly after: readonly TaskId[] };
  /** Tasks of which the store no longer knows enough: their traces were collected. */
  readonly forgotten: readonly TaskId[];
}

/** A JSON output that is longer is compared as a whole. */
const JSON_BYTES_MAX = 4_000_000;

/** Compares two runs task by task. Reads only JSON outputs that differ. */
export async function compareRuns(
  store: Store,
  before: RunRecord,
  after: RunRecord,
): Promise<Comparison> {
  const metrics: MetricDifference[] = [];
  const outputs: OutputDifference[] = [];
  const forgotten: TaskId[] = [];
  for (const task of Object.keys(before.tasks) as TaskId[]) {
    if (!Object.hasOwn(after.tasks, task)) continue;
    const [keyBefore, keyAfter] = [entryOf(before.tasks, task), entryOf(after.tasks, task)];
    if (keyBefore === keyAfter) continue;
    const a = await store.actions.get(keyBefore);
    const b = await store.actions.get(keyAfter);
    if (a === undefined || b === undefined) {
      forgotten.push(task);
      continue;
    }
    for (const moved of movedOutputs(task, a, b)) {
      outputs.push(moved);
      metrics.push(...(await movedNumbers(store.blobs, moved, a, b)));
    }
  }
  const lacking = (from: RunRecord, than: RunRecord): readonly TaskId[] =>
    (Object.keys(from.tasks) as TaskId[]).filter((task) => !Object.hasOwn(than.tasks, task));
  return {
    params: differences('', before.params ?? {}, after.params ?? {}),
    metrics,
    outputs,
    only: { before: lacking(before, after), after: lacking(after, before) },
    forgotten,
  };
}

function movedOutputs(task: TaskId, a: ActionRecord, b: ActionRecord): readonly OutputDifference[] {
  const names = new Set([...Object.keys(a.outputs), ...Object.keys(b.outputs)]);
  return [...names].flatMap((output) => {
    const before = Object.hasOwn(a.outputs, output) ? a.outputs[output]?.digest : undefined;
    const after = Object.hasOwn(b.outputs, output) ? b.outputs[output]?.digest : undefined;
    if (before === after) return [];
    return [{ task, output, ...(before && { before }), ...(after && { after }) }];
  });
}

async function movedNumbers(
  blobs: BlobStore,
  { task, output, before, after }: OutputDifference,
  a: ActionRecord,
  b: ActionRecord,
): Promise<readonly MetricDifference[]> {
  const valueIn = async (
    trace: ActionRecord,
    digest: Digest | undefined,
  ): Promise<Json | undefined> => {
    if (digest === undefined) return undefined;
    const { kind, bytes: size } = entryOf(trace.outputs, output);
    if (kind !== 'json' || size > JSON_BYTES_MAX) return undefined;
    const bytes = await blobs.get(digest);
    return bytes && (JSON.parse(new TextDecoder().decode(bytes)) as Json);
  };
  const [x, y] = [await valueIn(a, before), await valueIn(b, after)];
  if (x === undefined || y === undefined) return [];
  return differences('', x, y)
    .filter((found) => typeof found.before === 'number' || typeof found.after === 'number')
    .map((found) => ({ task, output, ...found }));
}

/** Every leaf that differs, by dotted path; items of lists by their `name`, where all have one, else by index. */
export function differences(path: string, before: Json, after: Json): readonly Difference[] {
  const [a, b] = [childrenOf(before), childrenOf(after)];
  if (a === undefined || b === undefined) {
    return canonicalJson(before) === canonicalJson(after) ? [] : [{ path, before, after }];
  }
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((name) => {
    const below = path === '' ? name : `${path}.${name}`;
    const [x, y] = [a.get(name), b.get(name)];
    if (x === undefined) return [{ path: below, after: y as Json }];
    if (y === undefined) return [{ path: below, before: x }];
    return differences(below, x, y);
  });
}

function childrenOf(value: Json): ReadonlyMap<string, Json> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value as Named<Json>));
  const names = value.map((item: Json) =>
    typeof item === 'object' && item !== null && 'name' in item ? item.name : undefined,
  );
  const named =
    names.every((name) => typeof name === 'string') && new Set(names).size === names.length;
  return new Map(value.map((item: Json, at) => [named ? String(names[at]) : String(at), item]));
}
