// effects.ts — what came of the difference between two runs: final numbers and series, the largest changes first
import type { Json, Key, Named, TaskId } from '../engine/model/key.ts';
import type { ActionRecord } from '../engine/model/record.ts';
import type { Store } from '../engine/store/store.ts';
import { entryOf } from '../present.ts';
import { globOf } from './filter.ts';
import { headlineRank } from './order.ts';
import { type Series, type Values, valuesOf } from './values.ts';

/** A number of a task that differs between two runs. */
export interface Effect {
  readonly task: TaskId;
  readonly output: string;
  /** Its dotted name within the output. */
  readonly name: string;
  /** Of a series, its last value. null where one run lacks it. */
  readonly before: number | null;
  readonly after: number | null;
  /** Of a series: how many of its values differ. */
  readonly steps?: number;
  /** The difference beside the larger of both, from 0 to 2. */
  readonly relative: number;
}

/** Which effects are wanted. */
export interface EffectFilter {
  /** Of these stages alone. */
  readonly stages?: readonly string[] | undefined;
  /** Of numbers with these names; `*` stands for anything. */
  readonly metrics?: readonly string[] | undefined;
}

/** A larger output is compared as a whole. */
const JSON_BYTES_MAX = 32 * 2 ** 20;

/** The stage of a task, by its name. */
export const stageOfTask = (task: string): string => task.split('[', 1)[0] ?? task;

/** Whether a task is of one of some stages; of any, where none is named. */
export const isOfStage = (task: string, stages: readonly string[] | undefined): boolean =>
  stages === undefined || stages.includes(stageOfTask(task));

/** Finds the numbers that differ: final ones first, then series, each by how much they differ. */
export async function effectsBetween(
  store: Pick<Store, 'actions' | 'blobs'>,
  before: Named<Key>,
  after: Named<Key>,
  filter: EffectFilter,
): Promise<readonly Effect[]> {
  const isWanted = wanting(filter.metrics);
  const effects: Effect[] = [];
  for (const [task, to] of Object.entries(after)) {
    if (!Object.hasOwn(before, task) || !isOfStage(task, filter.stages)) continue;
    const from = entryOf(before, task);
    if (from === to) continue;
    const [a, b] = [await store.actions.get(from), await store.actions.get(to)];
    if (a === undefined || b === undefined) continue;
    for (const [output, x, y] of await changedJson(store, a, b)) {
      const found = [...numberEffects(x, y), ...seriesEffects(x, y)];
      for (const effect of found) {
        if (isWanted(effect.name, output))
          effects.push({ task: task as TaskId, output, ...effect });
      }
    }
  }
  const isSeries = ({ steps }: Effect): number => (steps === undefined ? 0 : 1);
  return effects.sort(
    (a, b) =>
      isSeries(a) - isSeries(b) ||
      b.relative - a.relative ||
      headlineRank(a.name) - headlineRank(b.name),
  );
}

function wanting(
  metrics: readonly string[] | undefined,
): (name: string, output: string) => boolean {
  if (metrics === undefined) return () => true;
  const patterns = metrics.map((metric) => ({ metric, pattern: globOf(metric) }));
  return (name, output) =>
    patterns.some(
      ({ metric, pattern }) =>
        pattern.test(name) || pattern.test(`${output}.${name}`) || name.endsWith(`.${metric}`),
    );
}

type Pair = readonly [output: string, before: Values, after: Values];

async function changedJson(
  { blobs }: Pick<Store, 'blobs'>,
  a: ActionRecord,
  b: ActionRecord,
): Promise<readonly Pair[]> {
  const pairs: Pair[] = [];
  for (const [name, then] of Object.entries(a.outputs)) {
    if (!Object.hasOwn(b.outputs, name)) continue;
    const now = entryOf(b.outputs, name);
    if (then.digest === now.digest || then.kind !== 'json' || now.kind !== 'json') continue;
    if (Math.max(then.bytes, now.bytes) > JSON_BYTES_MAX) continue;
    const [x, y] = [await blobs.get(then.digest), await blobs.get(now.digest)];
    if (x && y) pairs.push([name, valuesIn(x), valuesIn(y)]);
  }
  return pairs;
}

const decoder = new TextDecoder();
const valuesIn = (bytes: Uint8Array): Values => valuesOf(JSON.parse(decoder.decode(bytes)) as Json);

type Found = Omit<Effect, 'task' | 'output'>;

function numberEffects({ numbers: a }: Values, { numbers: b }: Values): readonly Found[] {
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((name) => {
    const [before, after] = [a.get(name) ?? null, b.get(name) ?? null];
    return Object.is(before, after)
      ? []
      : [{ name, before, after, relative: relativeOf(before, after) }];
  });
}

function seriesEffects({ series: a }: Values, { series: b }: Values): readonly Found[] {
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((name) => {
    const [x, y] = [a.get(name)?.values ?? [], b.get(name)?.values ?? []];
    const length = Math.max(x.length, y.length);
    const moved = Array.from({ length }, (_, at) => at).filter(
      (at) => !Object.is(x[at] ?? null, y[at] ?? null),
    );
    if (moved.length === 0) return [];
    const [before, after] = [lastOf(x), lastOf(y)];
    const largest = moved.reduce(
      (most, at) => Math.max(most, relativeOf(x[at] ?? null, y[at] ?? null)),
      0,
    );
    return [{ name, before, after, steps: moved.length, relative: largest }];
  });
}

const lastOf = (values: Series['values']): number | null => values.at(-1) ?? null;

/** What is missing on one side, or no finite number, counts as the largest difference. */
function relativeOf(before: number | null, after: number | null): number {
  if (before === null || after === null) return 2;
  if (!Number.isFinite(before) || !Number.isFinite(after)) return 2;
  const size = Math.max(Math.abs(before), Math.abs(after));
  return size === 0 ? 0 : Math.abs(after - before) / size;
}
