// section.ts — one stage of pipeline.yaml, read
import { type Place, success } from './event.ts';
import { UNFIT_IN_NAMES } from './key.ts';
import {
  type Located,
  labelOf,
  locatedMap,
  lookupIn,
  referencePath,
  substitute,
} from './located.ts';
import { kindOf, type Reader } from './reader.ts';

/** One value of an axis. */
export interface AxisValue {
  readonly label: string;
  /** The value without its label: renaming reruns nothing. */
  readonly located: Located;
}

/** One upstream output that an input may come from. */
export interface InputSource {
  readonly stage: string;
  readonly output: string;
  readonly place: Place;
}

/** A `where` on one axis. `single`: one label, so the axis is pinned and not collected. */
export interface Narrowing {
  readonly labels: ReadonlySet<string>;
  readonly single: boolean;
  readonly place: Place;
}

/** An input as pipeline.yaml connects it. */
export interface InputConfig {
  readonly place: Place;
  readonly from: readonly InputSource[];
  readonly where: ReadonlyMap<string, Narrowing>;
}

/** Some coordinates, as `include` and `exclude` list them. */
export interface PointPattern {
  readonly labels: ReadonlyMap<string, string>;
  readonly place: Place;
}

/** A stage as pipeline.yaml declares it. */
export interface StageConfig {
  readonly name: string;
  readonly place: Place;
  /** Path of the module, relative to the folder of pipeline.yaml. */
  readonly run: string;
  readonly runPlace: Place;
  /** Axes in declaration order. */
  readonly axes: ReadonlyMap<string, readonly AxisValue[]>;
  readonly include: readonly PointPattern[];
  readonly exclude: readonly PointPattern[];
  readonly inputs: ReadonlyMap<string, InputConfig>;
  /** Params by name; a reference to one of the stage's own axes is filled in per task. */
  readonly params: ReadonlyMap<string, Located>;
  readonly artifacts: ReadonlyMap<string, Located>;
}

/** Reads every stage; those with mistakes are left out, and said. */
export function readStages(
  reader: Reader,
  stages: Located,
  params: Located,
): ReadonlyMap<string, StageConfig> {
  const read = new Map<string, StageConfig>();
  for (const [name, located] of reader.map(stages, '`stages`') ?? []) {
    if (!checkName(reader, 'a stage', name, located)) continue;
    const stage = readStage(reader, name, located, params);
    if (stage) read.set(name, stage);
  }
  return read;
}

function checkName(reader: Reader, what: string, name: string, located: Located): boolean {
  const fit = /^[A-Za-z][\w-]*$/.test(name);
  const place = located.named ?? located.place;
  if (!fit) reader.say(`\`${name}\` cannot name ${what}`, place, 'use letters, digits, - and _');
  return fit;
}

const STAGE_KEYS = ['run', 'matrix', 'inputs', 'params', 'artifacts'];

function readStage(
  reader: Reader,
  name: string,
  located: Located,
  params: Located,
): StageConfig | undefined {
  const what = `stage \`${name}\``;
  const fields = reader.map(located, what, STAGE_KEYS);
  if (fields === undefined) return undefined;
  const place = located.named ?? located.place;
  const run = fields.get('run');
  if (run === undefined) reader.say(`${what} has no \`run\``, place, 'run: stages/NAME.ts');
  const matrix = fields.get('matrix');
  const axes = matrix ? readAxes(reader, matrix, params) : new Map<string, readonly AxisValue[]>();
  const within = (field: string) => {
    const section = fields.get(field);
    return section ? (reader.map(section, `\`${field}\` of ${what}`) ?? new Map()) : new Map();
  };
  return {
    name,
    place,
    run: (run && reader.text(run)) ?? '',
    runPlace: run?.place ?? place,
    axes,
    include: readPatterns(reader, matrix?.fields?.get('include'), axes),
    exclude: readPatterns(reader, matrix?.fields?.get('exclude'), axes),
    inputs: readInputs(reader, within('inputs'), params),
    params: readStageParams(reader, within('params'), axes, params),
    artifacts: readArtifacts(reader, within('artifacts'), axes),
  };
}

function readAxes(
  reader: Reader,
  matrix: Located,
  params: Located,
): ReadonlyMap<string, readonly AxisValue[]> {
  const axes = new Map<string, readonly AxisValue[]>();
  for (const [axis, located] of reader.map(matrix, '`matrix`') ?? []) {
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
  const list = located.items ? located.items.flatMap(spread) : resolve(located)?.items;
  if (list === undefined) {
    if (resolve(located)) {
      reader.say(`axis \`${axis}\` must be a list, not ${kindOf(located)}`, located.place);
    }
    return [];
  }
  if (list.length === 0) {
    reader.say(`axis \`${axis}\` has no values`, located.place, 'a stage with none makes no task');
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
      reader.say(`this value of axis \`${axis}\` needs a name`, item.place, 'add `name: …` to it');
      return [];
    }
    if (label === '' || UNFIT_IN_NAMES.test(label)) {
      const hint = 'a label holds no comma, bracket, colon, =, /, quote or space';
      reader.say(`\`${label}\` cannot be a label on axis \`${axis}\``, item.place, hint);
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
  located: Located | undefined,
  axes: ReadonlyMap<string, readonly AxisValue[]>,
): readonly PointPattern[] {
  if (located === undefined) return [];
  if (located.items === undefined) {
    reader.say('this must be a list of maps from axis to label', located.place);
    return [];
  }
  return located.items.flatMap((item) => {
    const fields = reader.map(item, 'a point', [...axes.keys()]);
    if (fields === undefined) return [];
    const labels = [...fields].map(([axis, part]) => [axis, labelOf(part) ?? ''] as const);
    return [{ labels: new Map(labels), place: item.place }];
  });
}

function readInputs(
  reader: Reader,
  section: ReadonlyMap<string, Located>,
  params: Located,
): ReadonlyMap<string, InputConfig> {
  const inputs = new Map<string, InputConfig>();
  for (const [port, located] of section) {
    const spec = located.fields ? reader.map(located, 'an input', ['from', 'where']) : undefined;
    const from = located.fields ? spec?.get('from') : located;
    if (from === undefined) {
      reader.say(`input \`${port}\` has no \`from\``, located.place, '{ from: stage.output }');
      continue;
    }
    const where = spec?.get('where');
    inputs.set(port, {
      place: located.place,
      from: (from.items ?? [from]).flatMap((item) => readInputSource(reader, item) ?? []),
      where: where ? readWhere(reader, where, params) : new Map(),
    });
  }
  return inputs;
}

function readInputSource(reader: Reader, located: Located): InputSource | undefined {
  const text = reader.text(located);
  const match = /^([\w-]+)\.([\w-]+)$/.exec(text ?? '');
  if (text !== undefined && match === null) {
    reader.say(`\`${text}\` is not \`stage.output\``, located.place);
  }
  return match ? { stage: match[1], output: match[2], place: located.place } : undefined;
}

function readWhere(
  reader: Reader,
  where: Located,
  params: Located,
): ReadonlyMap<string, Narrowing> {
  const narrowings = new Map<string, Narrowing>();
  for (const [axis, located] of reader.map(where, '`where`') ?? []) {
    const resolved = reader.take(substitute(located, (path, at) => lookupIn(params, path, at)));
    if (resolved === undefined) continue;
    const labels = (resolved.items ?? [resolved]).map((item) => labelOf(item) ?? '');
    const single = resolved.items === undefined;
    narrowings.set(axis, { labels: new Set(labels), single, place: located.place });
  }
  return narrowings;
}

/** Resolves what refers to params now; what refers to the stage's own axes differs from task to task. */
function readStageParams(
  reader: Reader,
  section: ReadonlyMap<string, Located>,
  axes: ReadonlyMap<string, readonly AxisValue[]>,
  params: Located,
): ReadonlyMap<string, Located> {
  const read = new Map<string, Located>();
  for (const [name, located] of section) {
    const resolved = substitute(located, (path, place) =>
      axes.has(path[0])
        ? success({ value: null, place, axis: path })
        : lookupIn(params, path, place),
    );
    const value = reader.take(resolved);
    if (value) read.set(name, { ...value, named: located.named });
  }
  return read;
}

function readArtifacts(
  reader: Reader,
  section: ReadonlyMap<string, Located>,
  axes: ReadonlyMap<string, readonly AxisValue[]>,
): ReadonlyMap<string, Located> {
  const read = new Map<string, Located>();
  for (const [output, located] of section) {
    const path = reader.text(located);
    if (path === undefined) continue;
    if (path === '' || path.startsWith('/') || /(^|[\\/])\.\.([\\/]|$)|^[A-Za-z]:|\\/.test(path)) {
      reader.say('an artifact is a relative path within artifacts/', located.place);
    }
    for (const axis of axes.keys()) {
      if ((axes.get(axis)?.length ?? 0) < 2 || path.includes(`{${axis}}`)) continue;
      const message = `tasks of this stage would write to one path: \`${path}\` lacks {${axis}}`;
      reader.say(message, located.place);
    }
    read.set(output, located);
  }
  return read;
}
