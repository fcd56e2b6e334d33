// located.ts — values that remember where a person wrote them, so that every error can point
import { closest, distance } from 'fastest-levenshtein';
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { labelFrom } from '../label.ts';
import { type Diagnostic, failure, type Place, type Result, success } from './event.ts';
import type { Json } from './key.ts';

/** A value as a person wrote it, with the place of every part of it. */
export interface Located {
  readonly value: Json;
  readonly place: Place;
  /** Place of the name, when the value is a field of a map. */
  readonly named?: Place | undefined;
  /** The parts of a map; absent for anything else. */
  readonly fields?: ReadonlyMap<string, Located> | undefined;
  /** The parts of a list; absent for anything else. */
  readonly items?: readonly Located[] | undefined;
  /** A path into the task's own point, whose value differs from task to task: filled in by `fillAxes`. */
  readonly axis?: readonly string[] | undefined;
}

/** More parts than this are an alias bomb, not a pipeline. */
export const PARTS_MAX = 300_000;

/** Makes a map of its parts. */
export function locatedMap(
  fields: ReadonlyMap<string, Located>,
  at: Omit<Located, 'value'>,
): Located {
  const value = Object.fromEntries([...fields].map(([name, field]) => [name, field.value]));
  return { value, place: at.place, named: at.named, fields };
}

/** Makes a list of its parts. */
export function locatedList(items: readonly Located[], at: Omit<Located, 'value'>): Located {
  return { value: items.map((item) => item.value), place: at.place, named: at.named, items };
}

/** Reads YAML 1.2 (with merge keys), refusing what cannot be kept: see the messages below. */
export function parseYaml(text: string, file: string): Result<Located> {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    merge: true,
    keepSourceTokens: false,
  });
  const placeAt = (start: number, end: number): Place => ({ file, text, start, end });
  const problems = [...document.errors, ...document.warnings];
  if (problems.length > 0) {
    return failure(...problems.map((error) => yamlProblem(error, text, placeAt)));
  }
  const reader = yamlReader(placeAt, (alias) => alias.resolve(document));
  const root = document.contents;
  const located = root === null ? undefined : reader.read(root as Node, undefined);
  if (located === undefined) {
    return failure({ message: `${file} is empty`, hint: 'a pipeline has `params` and `stages`' });
  }
  return reader.problems.length > 0 ? failure(...reader.problems) : success(located);
}

/** What the YAML parser found, in our words where its own speak to programmers. */
function yamlProblem(
  { code, message, pos: [start, end] }: YAMLError,
  text: string,
  placeAt: (start: number, end: number) => Place,
): Diagnostic {
  // At the end of the file there is nothing to point at: point at the last thing before it.
  const last = text.trimEnd().length - 1;
  const place = start > last ? placeAt(last, last + 1) : placeAt(start, Math.max(end, start + 1));
  const hint = 'quotes and brackets must close, and what belongs together is indented alike';
  if (code === 'MULTIPLE_DOCS') {
    return { message: 'a second document begins here, and a pipeline is one', place };
  }
  if (code === 'DUPLICATE_KEY') {
    const name = /^[\w-]+/.exec(text.slice(start))?.[0];
    return { message: `${name ? `\`${name}\`` : 'a key'} is given twice in one map`, place };
  }
  const words = message.split('\n', 1)[0].replace(/ at line \d+.*$/, '');
  return { message: `this is not YAML: ${words}`, place, hint };
}

/** Turns YAML nodes into located values, collecting what is wrong on the way. */
function yamlReader(
  placeAt: (start: number, end: number) => Place,
  resolve: (alias: Alias) => Node | undefined,
) {
  const problems: Diagnostic[] = [];
  const open = new Set<Node>();
  let parts = 0;
  let tooMany = false;

  const placeOf = (node: Node): Place => {
    const [start, end] = node.range ?? [0, 0];
    return placeAt(start, Math.max(end, start + 1));
  };
  const refuse = (node: Node, message: string, hint?: string): Located => {
    problems.push({ message, place: placeOf(node), hint });
    return { value: null, place: placeOf(node) };
  };

  const read = (node: Node, named: Place | undefined): Located => {
    parts += 1;
    if (tooMany) return { value: null, place: placeOf(node) };
    if (parts > PARTS_MAX) {
      tooMany = true;
      return refuse(node, `aliases expand to more than ${PARTS_MAX} values`);
    }
    if (open.has(node)) return refuse(node, 'an alias contains itself');
    if (isAlias(node)) {
      const target = resolve(node);
      if (target) return { ...read(target, named), named };
      return refuse(node, `there is no anchor \`&${node.source}\` above this alias`);
    }
    open.add(node);
    try {
      if (isMap(node)) return locatedMap(readFields(node), { place: placeOf(node), named });
      if (isSeq(node)) {
        const items = node.items.map((item) => read(item as Node, undefined));
        return locatedList(items, { place: placeOf(node), named });
      }
      return readScalar(node, named);
    } finally {
      open.delete(node);
    }
  };

  const readScalar = (node: Node, named: Place | undefined): Located => {
    const value: unknown = isScalar(node) ? node.value : undefined;
    if (typeof value === 'number' && !Number.isFinite(value)) {
      return refuse(node, `${value} is not a number that can be kept`);
    }
    if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      return refuse(node, 'an integer beyond 2^53 loses digits', 'quote it to keep it as text');
    }
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) {
      return { value: value as Json, place: placeOf(node), named };
    }
    return refuse(
      node,
      'this kind of YAML value is not supported',
      'use text, numbers, lists, maps',
    );
  };

  const readFields = (map: YAMLMap): Map<string, Located> => {
    const fields = new Map<string, Located>();
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const name = isScalar(pair.key) ? pair.key.value : undefined;
      const at = placeOf(pair.key);
      if (typeof name === 'symbol' || name === '<<') mergeInto(fields, pair);
      else if (name === '__proto__') refuse(pair.key, '`__proto__` cannot be a name');
      else if (typeof name === 'string' || typeof name === 'number') {
        const empty: Located = { value: null, place: at, named: at };
        fields.set(String(name), pair.value === null ? empty : read(pair.value, at));
      } else refuse(pair.key, 'a name must be text');
    }
    return fields;
  };

  const mergeInto = (fields: Map<string, Located>, pair: Pair<Node, Node | null>): void => {
    const source = pair.value === null ? undefined : read(pair.value, undefined);
    const maps = source?.items ?? (source ? [source] : []);
    if (maps.length === 0 || maps.some((part) => part.fields === undefined)) {
      refuse(pair.value ?? pair.key, '`<<` merges a map or a list of maps');
    }
    for (const { fields: merged } of maps) {
      for (const [name, field] of merged ?? []) if (!fields.has(name)) fields.set(name, field);
    }
  };

  return { read, problems };
}

/** The part at a path, or the deepest part above it that exists: where a caret goes. */
export function partAt(located: Located, path: readonly (string | number | symbol)[]): Located {
  let part = located;
  for (const step of path) {
    const next = part.fields?.get(String(step)) ?? part.items?.[Number(step)];
    if (next === undefined) return part;
    part = next;
  }
  return part;
}

/** A hint names no more than this many known names. */
const NAMES_MAX = 12;

/** A hint that names the likeliest of some known names when one is near enough, and else what is known. */
export function didYouMean(unknown: string, known: Iterable<string>): string | undefined {
  const names = [...known];
  if (names.length === 0) return undefined;
  const near = closest(unknown, names);
  // Of numbers, the nearest by spelling is no likelier than any other.
  const far = /^[\d.+-]+$/.test(unknown)
    ? 0
    : unknown.length < 2
      ? 0
      : Math.ceil(unknown.length / 3);
  if (distance(unknown, near) <= far) return `did you mean \`${near}\`?`;
  const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
  return `known: ${names.slice(0, NAMES_MAX).join(', ')}${more}`;
}

/** Lays an overlay on a value: maps merge, anything else is replaced. */
export function overlay(base: Located, over: Located): Located {
  if (base.fields === undefined || over.fields === undefined) return { ...over, named: over.named };
  const fields = new Map(base.fields);
  for (const [name, field] of over.fields) {
    const below = fields.get(name);
    fields.set(name, below ? overlay(below, field) : field);
  }
  return locatedMap(fields, base);
}

/** What a reference looks like: `$training`, `$network.hidden`, `$profiles.0`. */
const REFERENCE = /^\$([A-Za-z_][\w-]*(?:\.[\w-]+)*)$/;

/** The path that a text refers to; null for text that is not a reference. `$$` begins a literal dollar. */
export function referencePath(value: Json): readonly string[] | null {
  const match = typeof value === 'string' ? REFERENCE.exec(value) : null;
  return match ? match[1].split('.') : null;
}

/** Finds what a reference stands for, or says what is wrong with it. */
export type Lookup = (path: readonly string[], at: Place) => Result<Located>;

/** The same value with every leaf rewritten, or everything that stood in the way. */
function rewriteLeaves(
  located: Located,
  rewrite: (leaf: Located) => Result<Located>,
): Result<Located> {
  const problems: Diagnostic[] = [];
  const visit = (part: Located): Located => {
    if (part.fields) {
      const fields = [...part.fields].map(([name, field]) => [name, visit(field)] as const);
      return locatedMap(new Map(fields), part);
    }
    if (part.items) return locatedList(part.items.map(visit), part);
    const rewritten = rewrite(part);
    if (rewritten.ok) return { ...rewritten.value, named: part.named };
    problems.push(...rewritten.diagnostics);
    return part;
  };
  const result = visit(located);
  return problems.length > 0 ? failure(...problems) : success(result);
}

/** Puts what they stand for in place of all references in a value. */
export function substitute(located: Located, lookup: Lookup): Result<Located> {
  return rewriteLeaves(located, (leaf) => {
    const { value, place } = leaf;
    if (typeof value !== 'string' || !value.startsWith('$')) return success(leaf);
    if (value.startsWith('$$')) return success({ ...leaf, value: value.slice(1) });
    const path = referencePath(value);
    if (path) return lookup(path, place);
    const hint = 'a reference is `$name` or `$name.part`; `$$` begins a literal dollar';
    return failure({ message: `\`${value}\` is not a reference`, place, hint });
  });
}

/** The same value with each reference to an axis replaced by what `point` holds there. */
export function fillAxes(located: Located, point: Lookup): Result<Located> {
  return rewriteLeaves(located, (leaf) =>
    leaf.axis === undefined ? success(leaf) : point(leaf.axis, leaf.place),
  );
}

/**
 * Walks down from `root` by names or indexes.
 * @param above the steps by which `root` itself was reached; none when it is the params
 */
export function lookupIn(
  root: Located,
  path: readonly string[],
  at: Place,
  above: readonly string[] = [],
): Result<Located> {
  let part = root;
  const walked = [...above];
  for (const step of path) {
    const next = part.fields?.get(step) ?? part.items?.[/^\d+$/.test(step) ? Number(step) : -1];
    if (next === undefined) {
      const within = walked.length === 0 ? 'params' : `\`${walked.join('.')}\``;
      const lacks = part.items
        ? `${within} has ${part.items.length} items, counted from 0`
        : `there is no \`${step}\` in ${within}`;
      return failure({
        message: `\`$${[...above, ...path].join('.')}\` refers to nothing: ${lacks}`,
        place: at,
        hint: didYouMean(step, part.fields?.keys() ?? []),
      });
    }
    part = next;
    walked.push(step);
  }
  return success(part);
}

/** How many values a value holds, itself included. */
export function countParts({ fields, items }: Located): number {
  let count = 1;
  for (const part of fields?.values() ?? items ?? []) count += countParts(part);
  return count;
}

/** The label of a value on an axis: its own text, a map's `name`, or one derived from a map's fields. */
export function labelOf(located: Located): string | undefined {
  const { value, fields } = located;
  if (fields === undefined) {
    const scalar = ['string', 'number', 'boolean'].includes(typeof value);
    return scalar ? String(value) : undefined;
  }
  const name = fields.get('name')?.value;
  if (name !== undefined) return typeof name === 'string' ? name : undefined;
  return labelFrom([...fields].map(([field, part]) => [field, part.value] as const));
}
