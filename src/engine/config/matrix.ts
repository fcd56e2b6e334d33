// matrix.ts — the axes of a stage, and the points at which it has tasks

import { didYouMean } from '../../hint.ts';
import { plainName } from '../../plain-text.ts';
import { elementAt } from '../../present.ts';
import type { Place } from '../model/event.ts';
import { UNFIT_IN_NAMES } from '../model/key.ts';
import { type DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import { type Located, labelOf, locatedMap } from './located.ts';
import { lookupIn, referencePath, substitute } from './reference.ts';

/** One value of an axis. */
export interface AxisValue {
  readonly label: string;
  /** The value without its label: renaming reruns nothing. */
  readonly located: Located;
}

/** Some coordinates, as `include` and `exclude` list them. */
export interface PointPattern {
  readonly labels: ReadonlyMap<string, string>;
  readonly place: Place;
}

/** The value on each axis, by axis. */
export type Point = Pick<
  ReadonlyMap<string, AxisValue>,
  'get' | 'has' | 'keys' | 'values' | typeof Symbol.iterator
>;

/** A stage's axes in declaration order, and which of their points have tasks. */
export interface Matrix {
  readonly axes: ReadonlyMap<string, readonly AxisValue[]>;
  readonly include: readonly PointPattern[];
  readonly exclude: readonly PointPattern[];
}

/** Labels make up task ids, file names and keys of the store, which all have their limits. */
const LABEL_LENGTH_MAX = 100;
/** So do names of stages. */
const NAME_LENGTH_MAX = 100;

/** Reads the matrix of a stage; without one it has a single task. @param what the stage, in words */
export function readMatrix(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
  params: Located,
): Matrix {
  const axes = located
    ? readAxes(reader, located, what, params)
    : new Map<string, readonly AxisValue[]>();
  const patterns = (section: 'include' | 'exclude'): readonly PointPattern[] =>
    readPatterns(reader, section, located?.fields?.get(section), axes);
  return { axes, include: patterns('include'), exclude: patterns('exclude') };
}

function readAxes(
  reader: DiagnosticCollector,
  matrix: Located,
  stage: string,
  params: Located,
): ReadonlyMap<string, readonly AxisValue[]> {
  const axes = new Map<string, readonly AxisValue[]>();
  for (const [axis, located] of reader.map(matrix, `\`matrix\` of ${stage}`) ?? []) {
    if (axis === 'include' || axis === 'exclude') continue;
    if (!checkName(reader, 'an axis', axis, located)) continue;
    axes.set(axis, readAxis(reader, axis, located, params));
  }
  return axes;
}

/** The values of an axis. A reference to a list, as the whole axis or as one of its items, is spread. */
function readAxis(
  reader: DiagnosticCollector,
  axis: string,
  located: Located,
  params: Located,
): readonly AxisValue[] {
  const resolve = (part: Located): Located | undefined =>
    reader.take(substitute(part, (path, place) => lookupIn(params, path, place)));
  const spread = (item: Located): readonly Located[] => {
    const resolved = resolve(item);
    if (resolved === undefined) return [];
    return referencePath(item.value) && resolved.items ? resolved.items : [resolved];
  };
  const whole = located.items ? located : resolve(located);
  // Unresolved: a reference whose own mistake was told with the params.
  if (whole === undefined || referencePath(whole.value)) return [];
  if (whole.items === undefined) {
    const hint = 'an axis is a list of values, or a reference to one';
    reader.report(`axis \`${axis}\` must be a list, not ${kindOf(whole)}`, located.place, hint);
    return [];
  }
  const list = located.items ? located.items.flatMap(spread) : whole.items;
  if (whole.items.length === 0) {
    reader.report(`axis \`${axis}\` has no values`, whole.place, 'a stage with none makes no task');
  }
  return readAxisValues(reader, axis, list);
}

/** Control characters, and those that change the order of what is shown. */
const UNSEEN = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

function readAxisValues(
  reader: DiagnosticCollector,
  axis: string,
  list: readonly Located[],
): readonly AxisValue[] {
  const seen = new Set<string>();
  return list.flatMap((item) => {
    const label = labelOf(item);
    if (label === undefined) {
      const hint = item.fields
        ? 'add `name: …` to it'
        : 'a value is a string, a number, true, false, or a mapping with a `name`';
      reader.report(`this value of axis \`${axis}\` needs a name`, item.place, hint);
      return [];
    }
    if (/^\.{0,2}$/.test(label) || UNFIT_IN_NAMES.test(label) || UNSEEN.test(label)) {
      const hint =
        'a label holds no space, comma, bracket, colon, quote, control character, = / \\ $, and is not empty, . or ..';
      reader.report(
        `\`${plainName(label)}\` cannot be a label on axis \`${axis}\``,
        item.place,
        hint,
      );
      return [];
    }
    if (label.length > LABEL_LENGTH_MAX) {
      const hint = 'give it a short `name`';
      const message = `a label on axis \`${axis}\` has more than ${LABEL_LENGTH_MAX} characters`;
      reader.report(message, item.place, hint);
      return [];
    }
    if (seen.has(label)) {
      const hint = 'give one of them another `name`';
      reader.report(`two values of axis \`${axis}\` are called \`${label}\``, item.place, hint);
      return [];
    }
    seen.add(label);
    return [{ label, located: withoutLabel(item) }];
  });
}

function withoutLabel(item: Located): Located {
  if (!item.fields?.has('name')) return item;
  const fields = new Map(item.fields);
  fields.delete('name');
  return locatedMap(fields, item);
}

function readPatterns(
  reader: DiagnosticCollector,
  section: 'include' | 'exclude',
  located: Located | undefined,
  axes: ReadonlyMap<string, readonly AxisValue[]>,
): readonly PointPattern[] {
  if (located === undefined) return [];
  if (located.items === undefined) {
    const message = `\`${section}\` must be a list, not ${kindOf(located)}`;
    reader.report(message, located.place, `${section}: [{ AXIS: LABEL, … }, …]`);
    return [];
  }
  return located.items.flatMap((item) => {
    const fields = reader.map(item, `a point of \`${section}\``);
    if (fields === undefined) return [];
    const labels = new Map<string, string>();
    for (const [axis, part] of fields) {
      const known = axes.get(axis)?.map(({ label }) => label);
      const label = labelOf(part) ?? '';
      if (known === undefined) {
        const message = `\`${section}\` names axis \`${axis}\`, which the stage lacks`;
        reader.report(message, part.named ?? part.place, didYouMean(axis, axes.keys()));
      } else if (!known.includes(label)) {
        const message = `axis \`${axis}\` has no value \`${label}\``;
        reader.report(message, part.place, didYouMean(label, known));
      }
      labels.set(axis, label);
    }
    return [{ labels, place: item.place }];
  });
}

/** The points of a matrix in declaration order (the last axis fastest), less exclude, plus include. */
export function* pointsOf(stage: Matrix): Generator<Point> {
  const axes = [...stage.axes.values()];
  const names = [...stage.axes.keys()];
  function* from(depth: number, chosen: readonly AxisValue[]): Generator<Point> {
    const point = new GridPoint(names, chosen);
    if (isExcluded(stage, point)) return;
    const values = axes[depth];
    if (values === undefined) {
      yield point;
      return;
    }
    // The innermost axis has as many values as there are points: each costs no generator.
    const isInnermost = depth === axes.length - 1 && stage.exclude.length === 0;
    for (const value of values) {
      if (isInnermost) yield new GridPoint(names, [...chosen, value]);
      else yield* from(depth + 1, [...chosen, value]);
    }
  }
  yield* from(0, []);
}

/** A point, which matrices have many of: the names of the axes are those of its matrix. */
class GridPoint implements Point {
  private readonly names: readonly string[];
  private readonly chosen: readonly AxisValue[];

  constructor(names: readonly string[], chosen: readonly AxisValue[]) {
    this.names = names;
    this.chosen = chosen;
  }

  get(axis: string): AxisValue | undefined {
    const at = this.names.indexOf(axis);
    return at < 0 ? undefined : this.chosen[at];
  }

  has(axis: string): boolean {
    return this.get(axis) !== undefined;
  }

  keys(): MapIterator<string> {
    return this.asMap().keys();
  }

  values(): MapIterator<AxisValue> {
    return this.asMap().values();
  }

  [Symbol.iterator](): MapIterator<[string, AxisValue]> {
    return this.asMap()[Symbol.iterator]();
  }

  private asMap(): Map<string, AxisValue> {
    return new Map(this.chosen.map((value, at) => [elementAt(this.names, at), value]));
  }
}

/** Whether a point, and every one that it may become when it has its other axes, too, is excluded. */
function isExcluded({ exclude, include }: Matrix, point: Point): boolean {
  if (exclude.length === 0) return false;
  const agrees = ({ labels }: PointPattern, isOpen: boolean): boolean =>
    [...labels].every(([axis, label]) => {
      const value = point.get(axis);
      return value === undefined ? isOpen : value.label === label;
    });
  return (
    exclude.some((pattern) => agrees(pattern, false)) &&
    !include.some((pattern) => agrees(pattern, true))
  );
}

/** How many points a matrix has, counted without listing them. */
export function countPoints({ axes, include, exclude }: Matrix): bigint {
  const list = [...axes];
  const rest = list.map((_, from) =>
    list.slice(from).reduce((product, [, values]) => product * BigInt(values.length), 1n),
  );
  const known = new Map<string, bigint>();
  const names = list.map(([axis]) => axis);
  /** The axis with which it is known whether a point fits a pattern. */
  const lastOf = new Map(
    exclude.map((pattern) => [
      pattern,
      Math.max(-1, ...[...pattern.labels.keys()].map((axis) => names.indexOf(axis))),
    ]),
  );
  const indexOf = new Map([...exclude, ...include].map((pattern, at) => [pattern, at]));
  const count = (
    from: number,
    out: readonly PointPattern[],
    back: readonly PointPattern[],
  ): bigint => {
    if (out.length === 0) return rest[from] ?? 1n;
    if (back.length === 0 && out.some((pattern) => (lastOf.get(pattern) ?? 0) < from)) return 0n;
    if (from === list.length) return back.length > 0 ? 1n : 0n;
    const name = [from, ...[...out, ...back].map((pattern) => indexOf.get(pattern))].join();
    const before = known.get(name);
    if (before !== undefined) return before;
    const [axis, values] = elementAt(list, from);
    const named = new Set([...out, ...back].flatMap(({ labels }) => labels.get(axis) ?? []));
    const of = (label: string | undefined) => (pattern: PointPattern) => {
      const wanted = pattern.labels.get(axis);
      return wanted === undefined || wanted === label;
    };
    const below = (label: string | undefined): bigint =>
      count(from + 1, out.filter(of(label)), back.filter(of(label)));
    // Values that no pattern names are all alike.
    const alike = values.filter(({ label }) => !named.has(label)).length;
    let sum = alike > 0 ? BigInt(alike) * below(undefined) : 0n;
    for (const { label } of values) if (named.has(label)) sum += below(label);
    known.set(name, sum);
    return sum;
  };
  return count(0, exclude, include);
}

/** Whether a text can name a stage, an axis, an output; said when not. */
export function checkName(
  reader: DiagnosticCollector,
  what: string,
  name: string,
  located: Located,
): boolean {
  const fit = /^[A-Za-z][\w-]*$/.test(name);
  const place = located.named ?? located.place;
  if (fit && name.length > NAME_LENGTH_MAX) {
    const message = `the name of ${what} has ${name.length} characters, and may have ${NAME_LENGTH_MAX}`;
    reader.report(message, place, 'names become names of files');
    return false;
  }
  const hint = 'a name is a letter, then letters, digits, - and _';
  if (!fit) reader.report(`\`${name}\` cannot name ${what}`, place, hint);
  return fit;
}
