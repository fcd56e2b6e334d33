// params.ts — params < presets in the order given < files of --params < --set

import { didYouMean } from '../../hint.ts';
import { failure, type Place, type Result, success } from '../model/event.ts';
import { equalsIn, joinDotted, type QuotedStep, quotedStep, splitDotted } from '../text/dotted.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import {
  countParts,
  type Located,
  labelOf,
  locatedList,
  locatedMap,
  overlay,
  PARTS_MAX,
} from './located.ts';
import { isOfKind, isTakenWhole, layFile, type ParamsFile } from './params-file.ts';
import { lookupIn, referencePath, substitute } from './reference.ts';
import { parseYaml } from './yaml.ts';

/** What a pipeline is read from. */
export interface PipelineSource {
  readonly text: string;
  /** What to call the text in diagnostics. */
  readonly file: string;
  readonly presets: readonly string[];
  /** Given with `--params`; later ones win. */
  readonly paramsFiles?: readonly ParamsFile[];
  /** `path=value`, as given with `--set`. */
  readonly sets: readonly string[];
}

/** The params after presets and overrides. */
export interface ReadParams {
  /** References between them are resolved. */
  readonly params: Located;
  /** What files of `--params` and `--set` said beyond presets, all as values of `--set`, in their order. */
  readonly overrides: readonly string[];
}

/** Reads the params, and lays presets, files and `--set` over them. */
export function readParams(
  reader: DiagnosticCollector,
  fields: ReadonlyMap<string, Located>,
  source: PipelineSource,
): ReadParams {
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
      reader.report(`there is no preset \`${name}\``, place, didYouMean(name, known?.keys() ?? []));
    }
  }
  const passed = referencesIn(fields.get('stages'));
  const overrides: string[] = [];
  for (const file of source.paramsFiles ?? []) {
    const laid = layFile(reader, params, file, passed);
    params = laid.params;
    overrides.push(...laid.sets);
  }
  for (const set of source.sets) params = applySet(reader, params, set, passed);
  overrides.push(...source.sets);
  return { params: reader.take(resolveWithin(params)) ?? params, overrides };
}

function checkPreset(
  reader: DiagnosticCollector,
  name: string,
  preset: Located,
  params: Located,
): void {
  for (const [param, value] of reader.map(preset, `preset \`${name}\``) ?? []) {
    if (params.fields?.has(param)) continue;
    const [first = '', ...rest] = splitDotted(param);
    const nested = rest.length > 0 && params.fields?.get(first)?.fields !== undefined;
    const hint = nested
      ? `mappings are nested here: ${first}: { ${rest.join(': { ')}: … ${'}'.repeat(rest.length)}`
      : didYouMean(param, params.fields?.keys() ?? []);
    const place = value.named ?? value.place;
    reader.report(`preset \`${name}\` sets \`${param}\`, which is not in params`, place, hint);
  }
}

/** A place on the command line, so that its errors have carets like any other. */
const argumentPlace = (option: string, text: string, start = 0): Place => ({
  file: option,
  text,
  start,
  end: Math.max(text.length, start + 1),
});

/** Everything that stages refer to: `training` of `$training`. */
function referencesIn(part: Located | undefined): ReadonlySet<string> {
  const paths = new Set<string>();
  const visit = (at: Located): void => {
    const path = referencePath(at.value);
    if (path) paths.add(joinDotted(path));
    for (const below of at.fields?.values() ?? []) visit(below);
    for (const below of at.items ?? []) visit(below);
  };
  if (part) visit(part);
  return paths;
}

function applySet(
  reader: DiagnosticCollector,
  params: Located,
  set: string,
  passed: ReadonlySet<string>,
): Located {
  const equals = equalsIn(set);
  if (equals < 1) {
    const hint = 'for example --set training.epochs=3';
    reader.report('this is not `path=value`', argumentPlace('--set', set), hint);
    return params;
  }
  const place = argumentPlace('--set', set, equals + 1);
  const parsed = parseYaml(set.slice(equals + 1) || 'null', '--set', (found) => {
    // Nobody means a text by --set rate=1e-3.
    if (!found.isNumberHere) reader.warnings.push({ ...found.diagnostic, place });
  });
  if (!parsed.ok) {
    for (const { message, hint } of parsed.diagnostics) {
      const isSyntax = message.startsWith('this is not YAML');
      if (isSyntax) reader.report('this value is not YAML', place);
      else reader.report(message, place, hint);
    }
    return params;
  }
  const value = moved(parsed.value, place);
  const path = set.slice(0, equals);
  return setAt(reader, params, { path, start: 0, set, walked: [], passed }, value) ?? params;
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
  const { value, isFloat } = located;
  return { value, place, ...(isFloat && { isFloat }) };
}

/** What is left of the path of a `--set`, and where in it that begins. */
interface SetPath {
  readonly path: string;
  readonly start: number;
  readonly set: string;
  /** The steps that were gone so far. */
  readonly walked: readonly string[];
  /** The paths that stages take whole. */
  readonly passed: ReadonlySet<string>;
}

/**
 * Replaces the part at a dotted path. In a list, a step is a label (which may hold dots) or an index. A step in quotes
 * is one name, whatever is in it. A map that a stage takes whole may get a key that it lacks, since the stage's schema says
 * which keys there are.
 */
function setAt(
  reader: DiagnosticCollector,
  part: Located,
  at: SetPath,
  value: Located,
): Located | undefined {
  const { path, start, set } = at;
  if (path === '' && start > 0) {
    return isOfKind(reader, part, value) ? { ...value, named: part.named } : undefined;
  }
  const first = firstStep(part, path);
  if (first === null) {
    const place = { ...argumentPlace('--set', set, start), end: start + path.length };
    reader.report('these quotes are not closed before a `.` or `=`', place, QUOTES_HINT);
    return undefined;
  }
  const { step, rest } = first;
  const walked = [...at.walked, step];
  const below = { ...at, path: rest, start: start + path.length - rest.length, walked };
  const index = part.items ? indexOf(part.items, step) : -1;
  const found = part.fields?.get(step) ?? part.items?.[index];
  const next = found && setAt(reader, found, below, value);
  if (next && part.fields) return locatedMap(new Map(part.fields).set(step, next), part);
  if (next && part.items) return locatedList(part.items.with(index, next), part);
  if (found !== undefined) return undefined;
  const added = part.fields && canAdd(part, at) ? mapAt(below, value) : undefined;
  if (added && part.fields) {
    const named = stepPlace(at, step);
    return locatedMap(new Map(part.fields).set(step, { ...added, named }), part);
  }
  sayMissing(reader, part, at, step);
  return undefined;
}

/** Whether a map may get a key that it lacks. Not where a path without quotes goes by a name with dots. */
function canAdd(part: Located, at: SetPath): boolean {
  const isOrdinary = !at.path.includes('__proto__');
  return (
    isOrdinary &&
    isTakenWhole(at.walked, at.passed) &&
    dottedHint([...(part.fields?.keys() ?? [])], at) === undefined
  );
}

/** Where one step of a path stands. */
const stepPlace = ({ path, start, set }: SetPath, step: string): Place => {
  const length = /^["']/.test(path) ? step.length + 2 : step.length;
  return { ...argumentPlace('--set', set, start), end: start + Math.max(1, length) };
};

/** A value below maps that are not there yet. Undefined when quotes in the path do not close. */
function mapAt(at: SetPath, value: Located): Located | undefined {
  const { path, start } = at;
  if (path === '') return value;
  const place = argumentPlace('--set', at.set, start);
  const first = firstStep({ value: null, place }, path);
  if (first === null) return undefined;
  const { step, rest } = first;
  const below = mapAt({ ...at, path: rest, start: start + path.length - rest.length }, value);
  return (
    below && locatedMap(new Map([[step, { ...below, named: stepPlace(at, step) }]]), { place })
  );
}

const indexOf = (items: readonly Located[], step: string): number => {
  const labels = items.map(labelOf);
  return labels.includes(step) ? labels.indexOf(step) : /^\d+$/.test(step) ? +step : -1;
};

const QUOTES_HINT = `for example --set 'rates."fc1.weight"=0.2'`;

function sayMissing(
  reader: DiagnosticCollector,
  part: Located,
  { path, start, set }: SetPath,
  step: string,
): void {
  const names = [
    ...(part.fields?.keys() ?? part.items?.flatMap((item) => labelOf(item) ?? []) ?? []),
  ];
  const before = set.slice(0, Math.max(0, start - 1));
  const within = before === '' ? 'params' : `\`${before}\``;
  const length = /^["']/.test(path) ? path.length : step.length;
  const place = { ...argumentPlace('--set', set, start), end: start + Math.max(1, length) };
  const hint = dottedHint(names, { path, start, set }) ?? didYouMean(step, names);
  reader.report(`there is no \`${step}\` in ${within}`, place, hint);
}

/** How a name with dots in it is written, where a path without quotes goes by one. */
function dottedHint(
  names: readonly string[],
  { path, start, set }: Pick<SetPath, 'path' | 'start' | 'set'>,
): string | undefined {
  const fits = (name: string): boolean => path === name || path.startsWith(`${name}.`);
  const name = names.filter(fits).sort((a, b) => b.length - a.length)[0];
  if (name === undefined) return undefined;
  const corrected = `${set.slice(0, start)}${JSON.stringify(name)}${set.slice(start + name.length)}`;
  return `a name with dots stands in quotes: --set '${corrected.replaceAll("'", `'\\''`)}'`;
}

/** The first step of a path and the rest; null when its quotes do not close. The longest label of a list wins. */
function firstStep(part: Located, path: string): QuotedStep | null {
  const quoted = quotedStep(path);
  if (quoted !== undefined) return quoted;
  const labels = (part.items ?? []).flatMap((item) => labelOf(item) ?? []);
  const fitting = labels.filter((label) => path === label || path.startsWith(`${label}.`));
  const longest = fitting.sort((a, b) => b.length - a.length)[0];
  const end = longest?.length ?? (path.includes('.') ? path.indexOf('.') : path.length);
  return { step: path.slice(0, end), rest: path.slice(end + 1) };
}

/** So many references may lead from one to the next. */
const DEPTH_MAX = 256;

/** Resolves references between params. A param that needs itself is a problem. */
function resolveWithin(params: Located): Result<Located> {
  const open: string[] = [];
  const cycles = new Set<string>();
  let parts = 0;
  let isTooDeep = false;
  const resolve = (part: Located): Result<Located> =>
    substitute(part, (path, place) => {
      const name = joinDotted(path);
      if (open.includes(name)) {
        const cycle = open.slice(open.indexOf(name));
        // A cycle is met once from each of its members, and told once.
        const members = [...cycle].sort().join(' ');
        if (cycles.has(members)) return success({ value: null, place });
        cycles.add(members);
        const message = `\`$${name}\` refers to itself: ${[...cycle, name].join(' → ')}`;
        return failure({ message, place });
      }
      // Said once: whatever refers to such a chain is as deep.
      if (isTooDeep) return success({ value: null, place });
      if (open.length >= DEPTH_MAX) {
        isTooDeep = true;
        const message = `\`$${open[0]}\` refers to \`$${name}\` through more than ${DEPTH_MAX} others`;
        return failure({ message, place, hint: 'refer to the value itself' });
      }
      const found = lookupIn(params, path, place);
      if (!found.ok) return found;
      const room = parts <= PARTS_MAX;
      parts += countParts(found.value);
      if (parts > PARTS_MAX) {
        const message = `references expand to more than ${PARTS_MAX} values`;
        return room ? failure({ message, place }) : success({ value: null, place });
      }
      open.push(name);
      const resolved = resolve(found.value);
      open.pop();
      return resolved;
    });
  return resolve(params);
}
