// matrix.ts — the axes of a stage, and the points at which it has tasks

import { didYouMean } from '../hint.ts';
import type { Place } from './event.ts';
import { UNFIT_IN_NAMES } from './key.ts';
import { type Located, labelOf, locatedMap } from './located.ts';
import { kindOf, type Reader } from './reader.ts';
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
export type Point = ReadonlyMap<string, AxisValue>;

/** A stage's axes in declaration order, and which of their points have tasks. */
export interface Matrix {
  readonly axes: ReadonlyMap<string, readonly AxisValue[]>;
  readonly include: readonly PointPattern[];
  readonly exclude: readonly PointPattern[];
}

/** Labels make up task ids, file names and keys of the store, which all have their limits. */
const LABEL_LENGTH_MAX = 100;

/** Reads the matrix of a stage; without one it has a single task. @param what the stage, in words */
export function readMatrix(
  reader: Reader,
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
  reader: Reader,
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
  reader: Reader,
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
    reader.say(`axis \`${axis}\` must be a list, not ${kindOf(whole)}`, located.place, hint);
    return [];
  }
  const list = located.items ? located.items.flatMap(spread) : whole.items;
  if (whole.items.length === 0) {
    reader.say(`axis \`${axis}\` has no values`, whole.place, 'a stage with none makes no task');
  }
  return readAxisValues(reader, axis, list);
}

function readAxisValues(
  reader: Reader,
  axis: string,
  list: readonly Located[],
): readonly AxisValue[] {
  const seen = new Set<string>();
  return list.flatMap((item) => {
    const label = labelOf(item);
    if (label === undefined) {
      const hint = item.fields
        ? 'add `name: …` to it'
        : 'a value is text, a number, true, false, or a map with a `name`';
      reader.say(`this value of axis \`${axis}\` needs a name`, item.place, hint);
      return [];
    }
    if (/^\.{0,2}$/.test(label) || UNFIT_IN_NAMES.test(label)) {
      const hint =
        'a label holds no space, comma, bracket, colon, quote, = / \\ $, and is not empty, . or ..';
      reader.say(`\`${label}\` cannot be a label on axis \`${axis}\``, item.place, hint);
      return [];
    }
    if (label.length > LABEL_LENGTH_MAX) {
      const hint = 'give it a short `name`';
      const message = `a label on axis \`${axis}\` has more than ${LABEL_LENGTH_MAX} characters`;
      reader.say(message, item.place, hint);
      return [];
    }
    if (seen.has(label)) {
      const hint = 'give one of them another `name`';
      reader.say(`two values of axis \`${axis}\` are called \`${label}\``, item.place, hint);
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
  reader: Reader,
  section: 'include' | 'exclude',
  located: Located | undefined,
  axes: ReadonlyMap<string, readonly AxisValue[]>,
): readonly PointPattern[] {
  if (located === undefined) return [];
  if (located.items === undefined) {
    const message = `\`${section}\` must be a list, not ${kindOf(located)}`;
    reader.say(message, located.place, `${section}: [{ AXIS: LABEL, … }, …]`);
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
        reader.say(message, part.named ?? part.place, didYouMean(axis, axes.keys()));
      } else if (!known.includes(label)) {
        const message = `axis \`${axis}\` has no value \`${label}\``;
        reader.say(message, part.place, didYouMean(label, known));
      }
      labels.set(axis, label);
    }
    return [{ labels, place: item.place }];
  });
}

/** The points of a matrix in declaration order (the last axis fastest), less exclude, plus include. */
export function pointsOf(stage: Matrix): readonly Point[] {
  let points: readonly Point[] = [new Map()];
  for (const [axis, values] of stage.axes) {
    points = points.flatMap((point) => values.map((value) => new Map(point).set(axis, value)));
  }
  const matches = (point: Point, labels: ReadonlyMap<string, string>): boolean =>
    [...labels].every(([axis, label]) => point.get(axis)?.label === label);
  const excluded = (point: Point): boolean =>
    stage.exclude.some(({ labels }) => matches(point, labels)) &&
    !stage.include.some(({ labels }) => matches(point, labels));
  return points.filter((point) => !excluded(point));
}

/** Whether a text can name a stage, an axis, an output; said when not. */
export function checkName(reader: Reader, what: string, name: string, located: Located): boolean {
  const fit = /^[A-Za-z][\w-]*$/.test(name);
  const place = located.named ?? located.place;
  const hint = 'a name is a letter, then letters, digits, - and _';
  if (!fit) reader.say(`\`${name}\` cannot name ${what}`, place, hint);
  return fit;
}
