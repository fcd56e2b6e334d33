// params.ts — params < presets in the order given < --set

import { didYouMean } from '../hint.ts';
import { failure, type Place, type Result, success } from './event.ts';
import {
  countParts,
  type Located,
  labelOf,
  locatedList,
  locatedMap,
  overlay,
  PARTS_MAX,
} from './located.ts';
import { kindOf, type Reader } from './reader.ts';
import { lookupIn, referencePath, substitute } from './reference.ts';
import { parseYaml } from './yaml.ts';

/** What a pipeline is read from. */
export interface PipelineSource {
  readonly text: string;
  /** What to call the text in diagnostics. */
  readonly file: string;
  readonly presets: readonly string[];
  /** `path=value`, as given with `--set`. */
  readonly sets: readonly string[];
}

/** The params after presets and overrides, references between them resolved. */
export function readParams(
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
  const passed = referencesIn(fields.get('stages'));
  for (const set of source.sets) params = applySet(reader, params, set, passed);
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

/** Everything that stages refer to: `training` of `$training`. */
function referencesIn(part: Located | undefined): ReadonlySet<string> {
  const paths = new Set<string>();
  const visit = (at: Located): void => {
    const path = referencePath(at.value);
    if (path) paths.add(path.join('.'));
    for (const below of at.fields?.values() ?? []) visit(below);
    for (const below of at.items ?? []) visit(below);
  };
  if (part) visit(part);
  return paths;
}

function applySet(
  reader: Reader,
  params: Located,
  set: string,
  passed: ReadonlySet<string>,
): Located {
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
  return setAt(reader, params, set.slice(0, equals), value, { set, passed }) ?? params;
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

/** What an override was given as, and the paths that stages take whole. */
interface Override {
  readonly set: string;
  readonly passed: ReadonlySet<string>;
}

/**
 * Replaces the part at a dotted path. In a list, a step is a label (which may hold dots) or an index. A map that a stage
 * takes whole may get a key that it lacks, since the stage's schema says which keys there are.
 */
function setAt(
  reader: Reader,
  part: Located,
  path: string,
  value: Located,
  { set, passed }: Override,
): Located | undefined {
  if (path === '') {
    // What a reference will stand for is not known yet: then the stage's schema decides.
    const open = [part, value].some(({ value: text }) => referencePath(text) !== null);
    const before = kindOf(part);
    if (part.value !== null && before !== kindOf(value) && !open) {
      reader.say(`this is ${before} in params, not ${kindOf(value)}`, value.place);
      return undefined;
    }
    return { ...value, named: part.named };
  }
  const [step, rest] = splitPath(part, path);
  if (part.fields) {
    const below = part.fields.get(step);
    if (below) {
      const next = setAt(reader, below, rest, value, { set, passed });
      return next && locatedMap(new Map(part.fields).set(step, next), part);
    }
  } else if (part.items) {
    const labels = part.items.map(labelOf);
    const index = labels.includes(step) ? labels.indexOf(step) : /^\d+$/.test(step) ? +step : -1;
    const below = part.items[index];
    if (below) {
      const next = setAt(reader, below, rest, value, { set, passed });
      return next && locatedList(part.items.with(index, next), part);
    }
  }
  const names = part.fields?.keys() ?? part.items?.flatMap((item) => labelOf(item) ?? []) ?? [];
  const start = set.indexOf('=') - path.length;
  const above = set.slice(0, Math.max(0, start - 1));
  const within = above === '' ? 'params' : `\`${above}\``;
  const at = { ...argumentPlace('--set', set, start), end: start + Math.max(1, step.length) };
  const ordinary = !path.split('.').includes('__proto__');
  if (part.fields && ordinary && isPassed(above, passed)) {
    const added = { ...mapAt(rest, value, at), named: at };
    return locatedMap(new Map(part.fields).set(step, added), part);
  }
  reader.say(`there is no \`${step}\` in ${within}`, at, didYouMean(step, names));
  return undefined;
}

/** Whether a stage takes this map whole, or one that it is in: `training` and `training.schedule` of `$training`. */
const isPassed = (path: string, passed: ReadonlySet<string>): boolean =>
  path !== '' &&
  path.split('.').some((_, end, steps) => passed.has(steps.slice(0, end + 1).join('.')));

/** A value below maps that are not there yet. */
function mapAt(path: string, value: Located, place: Place): Located {
  if (path === '') return value;
  const dot = path.indexOf('.');
  const [step, rest] = dot < 0 ? [path, ''] : [path.slice(0, dot), path.slice(dot + 1)];
  const below = { ...mapAt(rest, value, place), named: place };
  return locatedMap(new Map([[step, below]]), { place });
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
  const cycles = new Set<string>();
  let parts = 0;
  const resolve = (part: Located): Result<Located> =>
    substitute(part, (path, place) => {
      const name = path.join('.');
      if (open.includes(name)) {
        const cycle = open.slice(open.indexOf(name));
        // A cycle is met once from each of its members, and told once.
        const members = [...cycle].sort().join(' ');
        if (cycles.has(members)) return success({ value: null, place });
        cycles.add(members);
        const message = `\`$${name}\` refers to itself: ${[...cycle, name].join(' → ')}`;
        return failure({ message, place });
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
