// values.ts — what a JSON output holds: numbers, series and texts, by dotted name
import type { Json, Named } from '../engine/model/key.ts';
import { entryOf } from '../present.ts';

/** Values of one number over the steps of a task, such as a loss by epoch. */
export interface Series {
  /** null where a step has no number. */
  readonly values: readonly (number | null)[];
  /** The step of each value, where the output has them; otherwise they count from 1. */
  readonly steps?: readonly number[];
  /** What the steps are called: `epoch`, `step`. */
  readonly stepName?: string;
}

/** What a JSON output holds, by dotted name, in its order. */
export interface Values {
  readonly numbers: ReadonlyMap<string, number>;
  /** Short texts, and `true` and `false`: shown when asked for. */
  readonly texts: ReadonlyMap<string, string>;
  readonly series: ReadonlyMap<string, Series>;
  /** Values that were left out, because there are too many or they lie too deep. */
  readonly dropped: number;
}

/** Of one output, at most so many values are taken. */
const VALUES_MAX = 2000;
/** Values that lie deeper are left out. */
const DEPTH_MAX = 16;
/** Lists of lists and of maps with names are walked up to this length; a longer one is no set of metrics. */
const ITEMS_MAX = 64;
/** A longer text is no label. */
const TEXT_MAX = 120;

/** How languages write what JSON cannot hold. */
const NOT_FINITE: Named<number> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '+inf': Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  infinity: Number.POSITIVE_INFINITY,
  '+infinity': Number.POSITIVE_INFINITY,
  '-infinity': Number.NEGATIVE_INFINITY,
};

/** A number, also one that stands as text because JSON cannot hold it: `"NaN"`, `"-Infinity"`. */
function numberOf(value: Json): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value.length > 9) return undefined;
  const name = value.toLowerCase();
  return Object.hasOwn(NOT_FINITE, name) ? NOT_FINITE[name] : undefined;
}

/** What steps are called; the first that is there counts. */
const STEP_NAMES = ['step', 'steps', 'global_step', 'iteration', 'iterations', 'iter', 'epoch'];
const STEPS = new Set([...STEP_NAMES, 'epochs', 'batch', 'batches']);

/** One step of a dotted name; one that holds a dot or another mark of the notation stands in quotes. */
const nameStep = (step: string): string =>
  /[."',=<>!*:@]|^$/.test(step) ? JSON.stringify(step) : step;

/** Names that were made, by path and step: thousands of tasks have the same. */
const names = new Map<string, Map<string, string>>();
const NAMES_MAX = 10_000;

function below(path: string, step: string): string {
  const under = names.get(path) ?? new Map<string, string>();
  const known = under.get(step);
  if (known !== undefined) return known;
  const name = path === '' ? nameStep(step) : `${path}.${nameStep(step)}`;
  if (names.size < NAMES_MAX && under.size < NAMES_MAX) names.set(path, under.set(step, name));
  return name;
}

/** Takes the numbers, series and texts out of a JSON value. */
export function valuesOf(value: Json): Values {
  const taker = new Taker();
  taker.walk('', value, 0);
  const { numbers, texts, series, dropped } = taker;
  return { numbers: held(numbers), texts: held(texts), series: held(withSteps(series)), dropped };
}

/** Thousands of outputs share one map for what they lack. */
const held = <T>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
  map.size > 0 ? map : NOTHING_HELD;
const NOTHING_HELD: ReadonlyMap<string, never> = new Map<string, never>();

/** The name of a value that is not in a map: of an output that is one number, or one list. */
export const WHOLE = 'value';

class Taker {
  readonly numbers = new Map<string, number>();
  readonly texts = new Map<string, string>();
  readonly series = new Map<string, Series>();
  dropped = 0;

  walk(path: string, value: Json, depth: number): void {
    if (value === null) return;
    const number = numberOf(value);
    if (number !== undefined) this.put(this.numbers, path, number);
    else if (typeof value === 'boolean') this.put(this.texts, path, String(value));
    else if (typeof value === 'string') {
      if (value.length <= TEXT_MAX) this.put(this.texts, path, value);
    } else if (depth >= DEPTH_MAX) this.dropped += 1;
    else if (Array.isArray(value)) this.walkList(path, value as readonly Json[], depth);
    else {
      const fields = value as Named<Json>;
      for (const name of Object.keys(fields))
        this.walk(below(path, name), entryOf(fields, name), depth + 1);
    }
  }

  private walkList(path: string, list: readonly Json[], depth: number): void {
    if (list.length === 0) return;
    const numbers = seriesOf(list);
    if (numbers !== undefined) this.put(this.series, path, { values: numbers });
    else if (list.every(isMap)) this.walkMaps(path, list, depth);
    else if (list.every(Array.isArray)) {
      if (list.length > ITEMS_MAX) this.dropped += 1;
      else
        for (const [at, item] of list.entries())
          this.walk(below(path, String(at)), item, depth + 1);
    }
  }

  /** Maps that have each a `name` of its own are parts; others are the steps of series. */
  private walkMaps(path: string, list: readonly Named<Json>[], depth: number): void {
    const names = list.map((item) => (Object.hasOwn(item, 'name') ? item.name : undefined));
    const named = names.every((name) => typeof name === 'string');
    if (named && new Set(names).size === names.length) {
      if (list.length > ITEMS_MAX) {
        this.dropped += 1;
        return;
      }
      for (const [at, item] of list.entries()) {
        const { name: _, ...rest } = item;
        this.walk(below(path, String(names[at])), rest, depth + 1);
      }
      return;
    }
    const columns = new Map<string, (number | null)[]>();
    for (const [at, item] of list.entries()) {
      const taken = new Taker();
      taken.walk('', item, depth + 1);
      for (const [name, number] of taken.numbers) {
        const column = columns.get(name) ?? new Array<number | null>(list.length).fill(null);
        column[at] = number;
        columns.set(name, column);
      }
    }
    for (const [name, values] of columns) {
      this.put(this.series, path === '' ? name : `${path}.${name}`, { values });
    }
  }

  private put<T>(into: Map<string, T>, path: string, value: T): void {
    if (this.numbers.size + this.texts.size + this.series.size >= VALUES_MAX) this.dropped += 1;
    else into.set(path === '' ? WHOLE : path, value);
  }
}

const isMap = (value: Json): value is Named<Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A list as a series; undefined when something in it is no number, or nothing is. */
function seriesOf(list: readonly Json[]): (number | null)[] | undefined {
  const values: (number | null)[] = [];
  let any = false;
  for (const item of list) {
    const number = item === null ? null : numberOf(item);
    if (number === undefined) return undefined;
    any ||= number !== null;
    values.push(number);
  }
  return any ? values : undefined;
}

/** Gives each series the steps that stand beside it. */
function withSteps(series: ReadonlyMap<string, Series>): ReadonlyMap<string, Series> {
  if (series.size === 0) return series;
  const steps = new Map<string, { readonly name: string; readonly steps: readonly number[] }>();
  for (const [path, { values }] of series) {
    const [group, name] = splitLast(path);
    if (!STEPS.has(name.toLowerCase()) || !isRising(values)) continue;
    const known = steps.get(group);
    if (known === undefined || rank(name) < rank(known.name))
      steps.set(group, { name, steps: values });
  }
  if (steps.size === 0) return series;
  const read = new Map<string, Series>();
  for (const [path, one] of series) {
    const [group, name] = splitLast(path);
    const found = steps.get(group);
    const fits = found !== undefined && found.steps.length === one.values.length;
    read.set(
      path,
      fits && name !== found.name ? { ...one, steps: found.steps, stepName: found.name } : one,
    );
  }
  return read;
}

const rank = (name: string): number => {
  const at = STEP_NAMES.indexOf(name.toLowerCase());
  return at < 0 ? STEP_NAMES.length : at;
};

const isRising = (values: readonly (number | null)[]): values is readonly number[] =>
  values.every((value, at) => {
    const before = at === 0 ? null : (values[at - 1] ?? null);
    return value !== null && Number.isFinite(value) && (before === null || before < value);
  });

/** A dotted name without its last step, and that step. */
export function splitLast(path: string): readonly [group: string, name: string] {
  const at = path.endsWith('"') ? path.lastIndexOf('."') : path.lastIndexOf('.');
  return at < 0 ? ['', path] : [path.slice(0, at), path.slice(at + 1)];
}

/** At which step a series is read. */
export type At =
  | { readonly kind: 'last' }
  | { readonly kind: 'best' }
  | { readonly kind: 'step'; readonly step: number };

/** What is better the smaller it is, by the words of its name. */
const SMALLER_IS_BETTER =
  /(?:^|[^a-z])(?:\w*loss|err|error|errors|mse|rmse|mae|mape|nll|bpc|bpb|perplexity|ppl|wer|cer|fid|regret|cost|time|times|seconds|duration|latency|deficit|distance|kl|brier|ece)(?:$|[^a-z])/i;

/** Whether a number is better the smaller it is, by its name: a loss is, an accuracy is not. */
export const isSmallerBetter = (name: string): boolean =>
  SMALLER_IS_BETTER.test(name.replace(/([a-z])([A-Z])/g, '$1_$2').replaceAll('_', ' '));

/** The value of a series at a step; null where it has none there. */
export function readSeries(name: string, { values, steps }: Series, at: At): number | null {
  if (at.kind === 'last') return values[values.length - 1] ?? null;
  if (at.kind === 'step') {
    const index = steps ? steps.indexOf(at.step) : at.step - 1;
    return values[index] ?? null;
  }
  const smaller = isSmallerBetter(name);
  let best: number | null = null;
  for (const value of values) {
    if (value === null || Number.isNaN(value)) continue;
    if (best === null || (smaller ? value < best : value > best)) best = value;
  }
  return best;
}
