// results.ts — what tasks gave, read out of the store: labels, numbers and series of each

import type { Coordinates, Digest, Json, TaskId } from '../engine/model/key.ts';
import type { RecordResult } from '../engine/model/record.ts';
import type { BlobStore } from '../engine/store/store.ts';
import { didYouMean } from '../hint.ts';
import { elementAt, entryOf } from '../present.ts';
import { AnalysisError, type Cell, type Column, type Frame } from './frame.ts';
import { type At, readSeries, type Series, type Values, valuesOf } from './values.ts';

/** A task, and the record of what it gave. */
export interface RecordedTask {
  readonly task: TaskId;
  readonly at: Coordinates;
  readonly record: RecordResult;
}

/** What a task gave. */
export interface Result {
  readonly task: TaskId;
  readonly at: Coordinates;
  /** By output; JSON outputs only. */
  readonly outputs: ReadonlyMap<string, Values>;
}

/** The results of some tasks of one stage. */
export interface Results {
  readonly results: readonly Result[];
  /** Tasks whose JSON the store has lost, or that was damaged. */
  readonly lost: readonly TaskId[];
  /** Outputs that are too large to be read, as `task:output`. */
  readonly large: readonly string[];
  /** How many values were left out of outputs that have too many. */
  readonly dropped: number;
}

/** A larger output is data, and is read only when it is named. */
const BYTES_MAX = 32 * 2 ** 20;
/** Nothing larger is read at all. */
const NAMED_BYTES_MAX = 256 * 2 ** 20;

/**
 * Reads the JSON outputs of tasks of one stage; all of them, or the one that is named.
 * @throws AnalysisError when no task has such an output
 */
export async function readResults(
  blobs: Pick<BlobStore, 'get'>,
  tasks: readonly RecordedTask[],
  output?: string,
): Promise<Results> {
  if (output !== undefined) checkOutput(tasks, output);
  const known = new Map<Digest, Values>();
  const lost = new Set<TaskId>();
  const large: string[] = [];
  let dropped = 0;
  const results: Result[] = [];
  for (const { task, at, record } of tasks) {
    const outputs = new Map<string, Values>();
    for (const [name, { kind, digest, bytes: size }] of Object.entries(record.outputs)) {
      if (kind !== 'json' || (output !== undefined && name !== output)) continue;
      let values = known.get(digest);
      if (values === undefined) {
        if (size > (output === undefined ? BYTES_MAX : NAMED_BYTES_MAX)) {
          large.push(`${task}:${name}`);
          continue;
        }
        const json = await jsonOf(blobs, digest);
        if (json === undefined) {
          lost.add(task);
          continue;
        }
        values = valuesOf(json);
        known.set(digest, values);
      }
      dropped += values.dropped;
      outputs.set(name, values);
    }
    results.push({ task, at, outputs });
  }
  return { results, lost: [...lost], large, dropped };
}

/** A JSON blob, verified; undefined when it is not there. */
async function jsonOf(blobs: Pick<BlobStore, 'get'>, digest: Digest): Promise<Json | undefined> {
  const bytes = await blobs.get(digest);
  return bytes && (JSON.parse(decoder.decode(bytes)) as Json);
}

const decoder = new TextDecoder();

function checkOutput(tasks: readonly RecordedTask[], output: string): void {
  const kinds = new Map<string, string>();
  for (const { record } of tasks) {
    for (const [name, { kind }] of Object.entries(record.outputs)) kinds.set(name, kind);
  }
  if (kinds.size === 0 || kinds.get(output) === 'json') return;
  const json = [...kinds].flatMap(([name, kind]) => (kind === 'json' ? [name] : []));
  const kind = kinds.get(output);
  if (kind === undefined) {
    throw new AnalysisError(`there is no output \`${output}\``, didYouMean(output, kinds.keys()));
  }
  const hint = json.length > 0 ? `JSON outputs: ${json.join(', ')}` : 'it has no JSON output';
  throw new AnalysisError(`output \`${output}\` is ${kind}: metrics come from JSON outputs`, hint);
}

/** The axes of some results, in the order of their stage. */
export function axesOf(results: readonly Result[]): readonly string[] {
  const axes = new Set<string>();
  for (const { at } of results) for (const axis of Object.keys(at)) axes.add(axis);
  return [...axes];
}

/** What stands in the column of the tasks' names. */
export const TASK = 'task';

/**
 * How values of outputs are called: by their names within their output where there is one output with values; else, and
 * where an axis has that name, after their output.
 */
export function namer(results: readonly Result[]): (output: string, path: string) => string {
  const taken = new Set([TASK, ...axesOf(results)]);
  const outputs = new Set<string>();
  for (const result of results) {
    for (const [output, { numbers, series }] of result.outputs) {
      if (numbers.size > 0 || series.size > 0) outputs.add(output);
    }
    if (outputs.size > 1) break;
  }
  const isOnly = outputs.size <= 1;
  return (output, path) => (isOnly && !taken.has(path) ? path : `${output}.${path}`);
}

/** The columns of values, found while tasks are read: each has a place of its own in the cells of every task. */
class ValueColumns {
  /** By name: the place of what the column holds. */
  readonly numbers = new Map<string, number>();
  readonly texts = new Map<string, number>();
  private readonly nameOf: ReturnType<typeof namer>;
  private readonly places = new Map<string, number>();
  /** By output and path: names are made once, and not for each task. */
  private readonly known = {
    numbers: new Map<string, Map<string, number>>(),
    texts: new Map<string, Map<string, number>>(),
  };

  constructor(results: readonly Result[]) {
    this.nameOf = namer(results);
  }

  /** Where a value stands in the cells of each task that has it. */
  placeOf(output: string, path: string, kind: 'numbers' | 'texts'): number {
    return this.known[kind].get(output)?.get(path) ?? this.newPlace(output, path, kind);
  }

  private newPlace(output: string, path: string, kind: 'numbers' | 'texts'): number {
    const name = this.nameOf(output, path);
    const place = this.places.get(name) ?? this.places.size;
    this.places.set(name, place);
    this[kind].set(name, place);
    const paths = this.known[kind].get(output) ?? new Map<string, number>();
    this.known[kind].set(output, paths.set(path, place));
    return place;
  }
}

/** The values of a task, each at the place of its column. */
function cellsOf({ outputs }: Result, columns: ValueColumns, at: At): readonly Cell[] {
  const cells: Cell[] = [];
  const put = (place: number, cell: Cell): void => {
    while (cells.length < place) cells.push(null);
    cells[place] = cell;
  };
  for (const [output, { numbers, series, texts }] of outputs) {
    for (const [path, value] of numbers) put(columns.placeOf(output, path, 'numbers'), value);
    for (const [path, one] of series) {
      put(columns.placeOf(output, path, 'numbers'), readSeries(path, one, at));
    }
    for (const [path, value] of texts) put(columns.placeOf(output, path, 'texts'), value);
  }
  return cells;
}

/** The table of some results: their tasks, labels and numbers. Texts come last, for those who ask for them. */
export function frameOf(results: readonly Result[], at: At): Frame {
  const axes = axesOf(results);
  const found = new ValueColumns(results);
  const cells = results.map((result) => cellsOf(result, found, at));
  const { numbers, texts } = found;
  // A value that is a number in one task and a text in another is a number.
  for (const name of numbers.keys()) texts.delete(name);
  const columns: Column[] = [
    { name: TASK, kind: 'task' },
    ...axes.map((name): Column => ({ name, kind: 'axis' })),
    ...[...numbers.keys()].map((name): Column => ({ name, kind: 'number' })),
    ...[...texts.keys()].map((name): Column => ({ name, kind: 'text' })),
  ];
  const places = [...numbers.values(), ...texts.values()];
  const rows = results.map(({ task, at: labels }, index): readonly Cell[] => {
    const row: Cell[] = [task];
    for (const axis of axes) row.push(Object.hasOwn(labels, axis) ? entryOf(labels, axis) : null);
    const own = elementAt(cells, index);
    for (const place of places) row.push(own[place] ?? null);
    return row;
  });
  return { columns, rows };
}

/** The series of some results, by the names of their columns: one for each task that has it. */
export function seriesOf(
  results: readonly Result[],
): ReadonlyMap<string, ReadonlyMap<TaskId, Series>> {
  const nameOf = namer(results);
  const found = new Map<string, Map<TaskId, Series>>();
  for (const { task, outputs } of results) {
    for (const [output, { series }] of outputs) {
      for (const [path, one] of series) {
        const name = nameOf(output, path);
        const byTask = found.get(name) ?? new Map<TaskId, Series>();
        byTask.set(task, one);
        found.set(name, byTask);
      }
    }
  }
  return found;
}

/** Tables of several stages as one: a column `stage`, then every column that one of them has. */
export function stackFrames(frames: readonly (readonly [stage: string, frame: Frame])[]): Frame {
  const columns = new Map<string, Column>([['stage', { name: 'stage', kind: 'text' }]]);
  for (const kind of ['task', 'axis', 'number', 'text'] as const) {
    for (const column of frames.flatMap(([, frame]) => frame.columns)) {
      if (column.kind === kind && !columns.has(column.name)) columns.set(column.name, column);
    }
  }
  const names = [...columns.keys()].slice(1);
  const rows = frames.flatMap(([stage, frame]) => {
    const at = new Map(frame.columns.map(({ name }, index) => [name, index]));
    return frame.rows.map((row) => [
      stage,
      ...names.map((name) => row[at.get(name) ?? -1] ?? null),
    ]);
  });
  return { columns: [...columns.values()], rows };
}
