// config.ts — pipeline.yaml, presets and overrides → Pipeline, or everything that is wrong with them
import { type Diagnostic, failure, type Place, type Result, success } from './event.ts';
import { UNFIT_IN_NAMES } from './key.ts';
import {
  didYouMean,
  type Located,
  labelOf,
  locatedList,
  locatedMap,
  lookupIn,
  overlay,
  parseYaml,
  referencePath,
  substitute,
} from './located.ts';

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

/** Everything that pipeline.yaml says, with presets and overrides laid over it. */
export interface Pipeline {
  readonly params: Located;
  readonly stages: ReadonlyMap<string, StageConfig>;
  readonly mirrors: readonly string[];
}

/** What a pipeline is read from. */
export interface PipelineSource {
  readonly text: string;
  /** What to call the text in diagnostics. */
  readonly file: string;
  readonly presets: readonly string[];
  /** `path=value`, as given with `--set`. */
  readonly sets: readonly string[];
}

/** Reads a pipeline, or gives every diagnostic at once. */
export function readPipeline(source: PipelineSource): Result<Pipeline> {
  const root = parseYaml(source.text, source.file);
  if (!root.ok) return root;
  const reader = new Reader();
  const fields = reader.map(root.value, 'a pipeline', ['params', 'presets', 'stages', 'mirrors']);
  if (fields === undefined) return failure(...reader.problems);
  const params = readParams(reader, fields, source);
  const stages = fields.get('stages');
  if (stages === undefined) {
    reader.say('there are no `stages`', root.value.place, 'add `stages:` with at least one stage');
  }
  const read = stages ? readStages(reader, stages, params) : new Map<string, StageConfig>();
  checkConnections(reader, read);
  const mirrors = (fields.get('mirrors')?.items ?? []).flatMap((item) => reader.text(item) ?? []);
  return reader.problems.length > 0
    ? failure(...reader.problems)
    : success({ params, stages: read, mirrors });
}

/** Collects what is wrong while values are taken out of a located tree. */
class Reader {
  readonly problems: Diagnostic[] = [];

  say(message: string, place: Place, hint?: string): void {
    this.problems.push({ message, place, hint });
  }

  take<T>(result: Result<T>): T | undefined {
    if (result.ok) return result.value;
    this.problems.push(...result.diagnostics);
    return undefined;
  }

  /** The fields of a map. With `known`, any other name is a problem. */
  map(
    located: Located,
    what: string,
    known?: readonly string[],
  ): ReadonlyMap<string, Located> | undefined {
    if (located.fields === undefined) {
      this.say(`${what} must be a map, not ${kindOf(located)}`, located.place);
      return undefined;
    }
    for (const [name, field] of known ? located.fields : []) {
      if (known?.includes(name)) continue;
      const hint = didYouMean(name, known ?? []);
      this.say(`unknown key \`${name}\` in ${what}`, field.named ?? field.place, hint);
    }
    return located.fields;
  }

  text(located: Located): string | undefined {
    if (typeof located.value === 'string') return located.value;
    this.say(`this must be text, not ${kindOf(located)}`, located.place);
    return undefined;
  }
}

const kindOf = ({ value, items }: Located): string => {
  if (value === null) return 'nothing';
  if (items) return 'a list';
  return typeof value === 'object' ? 'a map' : `a ${typeof value}`;
};

// ---- params: params < presets in the order given < --set ----

function readParams(
  reader: Reader,
  fields: ReadonlyMap<string, Located>,
  source: PipelineSource,
): Located {
  const nowhere: Place = { file: source.file, text: source.text, start: 0, end: 1 };
  let params = fields.get('params') ?? locatedMap(new Map(), { place: nowhere });
  if (reader.map(params, '`params`') === undefined) params = locatedMap(new Map(), params);
  const presets = fields.get('presets');
  const known = presets ? reader.map(presets, '`presets`') : undefined;
  for (const [name, preset] of known ?? []) checkPreset(reader, name, preset, params);
  for (const name of source.presets) {
    const preset = known?.get(name);
    if (preset?.fields) params = overlay(params, preset);
    else if (preset === undefined) {
      const place = argumentPlace('--preset', name);
      reader.say(`there is no preset \`${name}\``, place, didYouMean(name, known?.keys() ?? []));
    }
  }
  for (const set of source.sets) params = applySet(reader, params, set);
  return reader.take(resolveWithin(params)) ?? params;
}

function checkPreset(reader: Reader, name: string, preset: Located, params: Located): void {
  for (const [param, value] of reader.map(preset, `preset \`${name}\``) ?? []) {
    if (params.fields?.has(param)) continue;
    const hint = didYouMean(param, params.fields?.keys() ?? []);
    const place = value.named ?? value.place;
    reader.say(`preset \`${name}\` sets \`${param}\`, which is not in params`, place, hint);
  }
}

/** A place on the command line, so that its errors have carets like any other. */
const argumentPlace = (option: string, text: string, start = 0): Place => ({
  file: option,
  text,
  start,
  end: Math.max(text.length, start + 1),
});

function applySet(reader: Reader, params: Located, set: string): Located {
  const equals = set.indexOf('=');
  if (equals < 1) {
    const hint = 'for example --set training.epochs=3';
    reader.say('this is not `path=value`', argumentPlace('--set', set), hint);
    return params;
  }
  const parsed = parseYaml(set.slice(equals + 1) || 'null', '--set');
  if (!parsed.ok) {
    reader.say('this value is not YAML', argumentPlace('--set', set, equals + 1));
    return params;
  }
  const value = moved(parsed.value, argumentPlace('--set', set, equals + 1));
  return setAt(reader, params, set.slice(0, equals), value, set) ?? params;
}

/** The same value, said to stand elsewhere. */
function moved(located: Located, place: Place): Located {
  if (located.fields) {
    const fields = [...located.fields].map(([name, part]) => [name, moved(part, place)] as const);
    return locatedMap(new Map(fields), { place });
  }
  if (located.items) {
    return locatedList(
      located.items.map((item) => moved(item, place)),
      { place },
    );
  }
  return { value: located.value, place };
}

/** Replaces the part at a dotted path. In a list, a step is a label (which may hold dots) or an index. */
function setAt(
  reader: Reader,
  part: Located,
  path: string,
  value: Located,
  set: string,
): Located | undefined {
  if (path === '') {
    const before = kindOf(part);
    if (part.value !== null && before !== kindOf(value)) {
      reader.say(`this is ${before} in params, not ${kindOf(value)}`, value.place);
    }
    return { ...value, named: part.named };
  }
  const [step, rest] = splitPath(part, path);
  const at = argumentPlace('--set', set, set.indexOf(path));
  if (part.fields) {
    const below = part.fields.get(step);
    if (below) {
      const next = setAt(reader, below, rest, value, set);
      return next && locatedMap(new Map(part.fields).set(step, next), part);
    }
  } else if (part.items) {
    const labels = part.items.map(labelOf);
    const index = labels.includes(step) ? labels.indexOf(step) : /^\d+$/.test(step) ? +step : -1;
    const below = part.items[index];
    if (below) {
      const next = setAt(reader, below, rest, value, set);
      return next && locatedList(part.items.with(index, next), part);
    }
  }
  const names = part.fields?.keys() ?? part.items?.flatMap((item) => labelOf(item) ?? []) ?? [];
  reader.say(`there is no \`${step}\` in params at this point`, at, didYouMean(step, names));
  return undefined;
}

/** The first step of a path and the rest; the longest label of a list that fits wins. */
function splitPath(part: Located, path: string): [step: string, rest: string] {
  const labels = (part.items ?? []).flatMap((item) => labelOf(item) ?? []);
  const fitting = labels.filter((label) => path === label || path.startsWith(`${label}.`));
  const longest = fitting.sort((a, b) => b.length - a.length)[0];
  const end = longest?.length ?? (path.includes('.') ? path.indexOf('.') : path.length);
  return [path.slice(0, end), path.slice(end + 1)];
}

/** Resolves references between params. A param that needs itself is a problem. */
function resolveWithin(params: Located): Result<Located> {
  const open: string[] = [];
  const resolve = (part: Located): Result<Located> =>
    substitute(part, (path, place) => {
      const name = path.join('.');
      if (open.includes(name)) {
        const message = `\`$${name}\` refers to itself: ${[...open, name].join(' → ')}`;
        return failure({ message, place });
      }
      const found = lookupIn(params, path, place);
      if (!found.ok) return found;
      open.push(name);
      const resolved = resolve(found.value);
      open.pop();
      return resolved;
    });
  return resolve(params);
}

// ---- stages ----

function readStages(
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

// ---- connections between stages ----

function checkConnections(reader: Reader, stages: ReadonlyMap<string, StageConfig>): void {
  for (const stage of stages.values()) {
    for (const [port, input] of stage.inputs) {
      for (const source of input.from) {
        if (stages.has(source.stage)) continue;
        const hint = didYouMean(source.stage, stages.keys());
        reader.say(`there is no stage \`${source.stage}\``, source.place, hint);
      }
      checkWhere(reader, port, input, stages);
    }
  }
  const cycle = findCycle(stages);
  if (cycle) {
    const last = stages.get(cycle[cycle.length - 1]);
    const input = [...(last?.inputs.values() ?? [])]
      .flatMap(({ from }) => from)
      .find((source) => source.stage === cycle[0]);
    const place = input?.place ?? last?.place;
    const hint = 'a stage cannot need its own output, not even by way of others';
    if (place)
      reader.say(`the stages form a cycle: ${[...cycle, cycle[0]].join(' → ')}`, place, hint);
  }
}

function checkWhere(
  reader: Reader,
  port: string,
  input: InputConfig,
  stages: ReadonlyMap<string, StageConfig>,
): void {
  const upstream = input.from.flatMap((source) => stages.get(source.stage) ?? []);
  for (const [axis, { labels, place }] of input.where) {
    const axes = new Set(upstream.flatMap((stage) => [...stage.axes.keys()]));
    if (!axes.has(axis)) {
      const message = `\`where\` of input \`${port}\` names axis \`${axis}\`, which its source lacks`;
      reader.say(message, place, didYouMean(axis, axes));
      continue;
    }
    const known = new Set(
      upstream.flatMap((stage) => (stage.axes.get(axis) ?? []).map(({ label }) => label)),
    );
    for (const label of labels) {
      if (known.has(label)) continue;
      reader.say(`axis \`${axis}\` has no value \`${label}\``, place, didYouMean(label, known));
    }
  }
}

/** The stages of a cycle, each the input of the next, or undefined. */
function findCycle(stages: ReadonlyMap<string, StageConfig>): readonly string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (name: string): readonly string[] | undefined => {
    if (done.has(name)) return undefined;
    if (path.includes(name)) return path.slice(path.indexOf(name)).reverse();
    path.push(name);
    for (const { from } of stages.get(name)?.inputs.values() ?? []) {
      for (const { stage } of from) {
        const cycle = visit(stage);
        if (cycle) return cycle;
      }
    }
    path.pop();
    done.add(name);
    return undefined;
  };
  for (const name of stages.keys()) {
    const cycle = visit(name);
    if (cycle) return cycle;
  }
  return undefined;
}
