// section.ts — one stage of pipeline.yaml, read
import { type Place, success } from './event.ts';
import { UNFIT_IN_NAMES } from './key.ts';
import {
  didYouMean,
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
  /** Where each label was written. */
  readonly labels: ReadonlyMap<string, Place>;
  readonly single: boolean;
  /** Where the axis is named. */
  readonly named: Place;
}

/** An input as pipeline.yaml connects it. */
export interface InputConfig {
  readonly place: Place;
  /** Where the port is named. */
  readonly named: Place;
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
  /** What becomes of a task that asks for what cannot be done. */
  readonly infeasible: 'skip' | 'fail';
  readonly include: readonly PointPattern[];
  readonly exclude: readonly PointPattern[];
  readonly inputs: ReadonlyMap<string, InputConfig>;
  /** Params by name; a reference to one of the stage's own axes is filled in per task. */
  readonly params: ReadonlyMap<string, Located>;
  readonly artifacts: ReadonlyMap<string, Located>;
}

/** Labels make up task ids, file names and keys of the store, which all have their limits. */
const LABEL_LENGTH_MAX = 100;

/** Reads every stage; those with mistakes are left out, and said. */
export function readStages(
  reader: Reader,
  stages: Located,
  params: Located,
): ReadonlyMap<string, StageConfig> {
  const read = new Map<string, StageConfig>();
  const hint = 'add a stage: NAME: { run: stages/NAME.ts }';
  if (stages.fields?.size === 0) reader.say('there are no stages', stages.place, hint);
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
  const hint = 'a name is a letter, then letters, digits, - and _';
  if (!fit) reader.say(`\`${name}\` cannot name ${what}`, place, hint);
  return fit;
}

const STAGE_KEYS = ['run', 'matrix', 'inputs', 'params', 'artifacts', 'infeasible'];

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
  const axes = matrix
    ? readAxes(reader, matrix, what, params)
    : new Map<string, readonly AxisValue[]>();
  const within = (field: string) => {
    const section = fields.get(field);
    return section ? (reader.map(section, `\`${field}\` of ${what}`) ?? new Map()) : new Map();
  };
  return {
    name,
    place,
    run: (run && reader.text(run, `\`run\` of ${what}`)) ?? '',
    runPlace: run?.place ?? place,
    axes,
    infeasible: readInfeasible(reader, fields.get('infeasible')),
    include: readPatterns(reader, 'include', matrix?.fields?.get('include'), axes),
    exclude: readPatterns(reader, 'exclude', matrix?.fields?.get('exclude'), axes),
    inputs: readInputs(reader, within('inputs'), params),
    params: readStageParams(reader, within('params'), axes, params),
    artifacts: readArtifacts(reader, within('artifacts'), axes),
  };
}

function readInfeasible(reader: Reader, located: Located | undefined): 'skip' | 'fail' {
  if (located === undefined || located.value === 'fail') return 'fail';
  const hint = 'skip leaves out tasks that cannot be done; fail is the default';
  if (located.value !== 'skip') {
    reader.say('`infeasible` is `skip` or `fail`', located.place, hint);
  }
  return 'skip';
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

function readInputs(
  reader: Reader,
  section: ReadonlyMap<string, Located>,
  params: Located,
): ReadonlyMap<string, InputConfig> {
  const inputs = new Map<string, InputConfig>();
  for (const [port, located] of section) {
    const spec = located.fields
      ? reader.map(located, `input \`${port}\``, ['from', 'where'])
      : undefined;
    const from = located.fields ? spec?.get('from') : located;
    if (from === undefined) {
      reader.say(`input \`${port}\` has no \`from\``, located.place, '{ from: stage.output }');
      continue;
    }
    if (from.items?.length === 0) {
      reader.say(`input \`${port}\` comes from nowhere`, from.place, '[stage.output, …]');
      continue;
    }
    const where = spec?.get('where');
    inputs.set(port, {
      place: located.place,
      named: located.named ?? located.place,
      from: (from.items ?? [from]).flatMap((item) => readInputSource(reader, port, item) ?? []),
      where: where ? readWhere(reader, port, where, params) : new Map(),
    });
  }
  return inputs;
}

function readInputSource(reader: Reader, port: string, located: Located): InputSource | undefined {
  const text = reader.text(located, `input \`${port}\``);
  const match = /^([\w-]+)\.([\w-]+)$/.exec(text ?? '');
  if (text !== undefined && match === null) {
    const hint = `an input names a stage and one of its outputs: ${port}: STAGE.OUTPUT`;
    reader.say(`\`${text}\` is not \`stage.output\``, located.place, hint);
  }
  return match ? { stage: match[1], output: match[2], place: located.place } : undefined;
}

function readWhere(
  reader: Reader,
  port: string,
  where: Located,
  params: Located,
): ReadonlyMap<string, Narrowing> {
  const narrowings = new Map<string, Narrowing>();
  for (const [axis, located] of reader.map(where, `\`where\` of input \`${port}\``) ?? []) {
    const resolved = reader.take(substitute(located, (path, at) => lookupIn(params, path, at)));
    if (resolved === undefined) continue;
    const items = resolved.items ?? [resolved];
    narrowings.set(axis, {
      labels: new Map(items.map((item) => [labelOf(item) ?? '', item.place])),
      single: resolved.items === undefined,
      named: located.named ?? located.place,
    });
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
    const path = reader.text(located, 'an artifact');
    if (path === undefined) continue;
    if (path === '' || path.startsWith('/') || /(^|[\\/])\.\.([\\/]|$)|^[A-Za-z]:|\\/.test(path)) {
      const hint = 'it has / between folders, no .. and no drive, and is not empty';
      reader.say('an artifact is a relative path within artifacts/', located.place, hint);
    }
    for (const [, axis] of path.matchAll(/\{([^{}]*)\}/g)) {
      if (axes.has(axis)) continue;
      const message = `\`{${axis}}\` in this path is no axis of the stage`;
      reader.say(message, located.place, didYouMean(axis, axes.keys()));
    }
    const lacking = [...axes].filter(
      ([axis, { length }]) => length > 1 && !path.includes(`{${axis}}`),
    );
    if (lacking.length > 0) {
      const missing = lacking.map(([axis]) => `{${axis}}`);
      const message = `the tasks of this stage would all write to \`${path}\`: it lacks ${missing.join(', ')}`;
      reader.say(message, located.place, `for example ${missing.join('/')}/${path}`);
    }
    read.set(output, located);
  }
  return read;
}
