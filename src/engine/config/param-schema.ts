// param-schema.ts — JSON Schema as far as params need it: read strictly, and what it finds wrong with values
import { didYouMean } from '../../hint.ts';
import { canonicalJson, type Json, type Named } from '../model/key.ts';
import { type DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import type { Located } from './located.ts';

/** A schema that was read: every keyword in it is known, and has a value that makes sense. */
export interface ParamSchema {
  readonly root: Json;
  /** The whole document, in which `$ref` finds its way. */
  readonly document: Json;
}

/** What a schema finds wrong, at a path below the value. */
export interface SchemaFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint?: string | undefined;
  /** The mistake is the name at the end of the path, not its value. */
  readonly isName?: boolean;
}

/** What a schema says of a value. */
export interface SchemaVerdict {
  readonly faults: readonly SchemaFault[];
  /** Numbers that are to be written as floats, as JSON pointers; and integers, whatever they were written as. */
  readonly numbers: ReadonlyMap<string, 'float' | 'integer'>;
}

/** The types of JSON Schema, and how YAML calls two of them. */
const TYPES: { readonly [name: string]: string } = {
  integer: 'an integer',
  number: 'a number',
  string: 'a string',
  boolean: 'true or false',
  array: 'a list',
  list: 'a list',
  object: 'a mapping',
  map: 'a mapping',
  null: 'empty',
};
/** What `type` may name. */
export const TYPE_NAMES: readonly string[] = Object.keys(TYPES);

/** What a keyword takes. */
type Form = 'schema' | 'schemas' | 'named' | 'number' | 'count' | 'flag' | 'type' | 'texts' | 'any';

const KEYWORDS: { readonly [keyword: string]: Form } = {
  ...{ type: 'type', enum: 'any', const: 'any', $ref: 'any', pattern: 'any' },
  ...{ minimum: 'number', maximum: 'number', min: 'number', max: 'number' },
  ...{ exclusiveMinimum: 'number', exclusiveMaximum: 'number', multipleOf: 'number' },
  ...{ minLength: 'count', maxLength: 'count', minItems: 'count', maxItems: 'count' },
  ...{ uniqueItems: 'flag', required: 'texts', properties: 'named', items: 'schema' },
  ...{ additionalProperties: 'schema', anyOf: 'schemas', oneOf: 'schemas', allOf: 'schemas' },
  ...{ not: 'schema', $defs: 'named', definitions: 'named' },
};
/** Keywords that say something to people alone. */
const ANNOTATIONS = [
  ...['title', 'description', 'default', 'examples', '$schema', '$id', '$comment', 'deprecated'],
];
/** The keywords of a schema. */
export const SCHEMA_KEYWORDS: readonly string[] = [...Object.keys(KEYWORDS), ...ANNOTATIONS];
/** Keywords and types that only pipeline.yaml has, and what they are called elsewhere. */
const SHORT: { readonly [word: string]: string } = {
  ...{ min: 'minimum', max: 'maximum', list: 'array', map: 'object' },
};
/** Schemas may lie so deep within each other, and so many `$ref` may lead from one to the next. */
const DEPTH_MAX = 64;

/**
 * Reads a schema. What is unknown, or would not be checked, is a mistake.
 * @param place whether it stands in pipeline.yaml, where `min`, `max`, `list` and `map` may be written
 */
export function readSchema(
  reader: DiagnosticCollector,
  located: Located,
  place: 'inline' | 'file',
): ParamSchema {
  readPart(reader, located, { document: located, isInline: place === 'inline', depth: 0 });
  return { root: located.value, document: located.value };
}

/** Where in a schema a part of it stands. */
interface Within {
  readonly document: Located;
  readonly isInline: boolean;
  readonly depth: number;
}

function readPart(reader: DiagnosticCollector, part: Located, within: Within): void {
  if (typeof part.value === 'boolean') return;
  if (part.fields === undefined) {
    reader.report(`a schema is a mapping, or true or false, not ${kindOf(part)}`, part.place);
    return;
  }
  if (within.depth > DEPTH_MAX) {
    reader.report(`schemas lie more than ${DEPTH_MAX} deep in each other`, part.place);
    return;
  }
  for (const [keyword, value] of part.fields) {
    if (ANNOTATIONS.includes(keyword)) continue;
    const isKnown = Object.hasOwn(KEYWORDS, keyword) && (within.isInline || !isShort(keyword));
    const form = isKnown ? KEYWORDS[keyword] : undefined;
    if (form === undefined) {
      const known = isShort(keyword)
        ? `in a file it is \`${SHORT[keyword]}\``
        : didYouMean(keyword, SCHEMA_KEYWORDS);
      const hint = known ?? `checked are ${Object.keys(KEYWORDS).join(', ')}`;
      const message = `\`${keyword}\` in a schema of params is not checked here`;
      reader.report(message, value.named ?? value.place, hint);
    } else readKeyword(reader, keyword, { ...within, form, value });
  }
}

const isShort = (word: string): boolean => Object.hasOwn(SHORT, word);

interface Keyword extends Within {
  readonly form: Form;
  readonly value: Located;
}

function readKeyword(
  reader: DiagnosticCollector,
  keyword: string,
  { form, value, ...around }: Keyword,
): void {
  const { document, isInline, depth } = around;
  const within = (part: Located): void => readPart(reader, part, { ...around, depth: depth + 1 });
  const complain = (what: string): void =>
    reader.report(`\`${keyword}\` must be ${what}, not ${kindOf(value)}`, value.place);
  if (form === 'schema') within(value);
  else if (form === 'schemas') {
    if (!value.items?.length) complain('a list of schemas');
    for (const item of value.items ?? []) within(item);
  } else if (form === 'named') {
    if (!value.fields) complain('a mapping of schemas');
    for (const field of value.fields?.values() ?? []) within(field);
  } else if (form === 'flag') {
    if (typeof value.value !== 'boolean') complain('true or false');
  } else if (form === 'texts') {
    const isFit = value.items?.every((item) => typeof item.value === 'string');
    if (!isFit) complain('a list of names');
  } else if (form === 'type') readType(reader, value, isInline ? TYPE_NAMES : FILE_TYPES);
  else if (form === 'any') readOther(reader, keyword, value, document);
  else if (typeof value.value !== 'number') complain('a number');
  else if (form === 'count' && (!Number.isInteger(value.value) || value.value < 0)) {
    reader.report(`\`${keyword}\` must be an integer from 0 on`, value.place);
  } else if (keyword === 'multipleOf' && value.value <= 0) {
    reader.report('`multipleOf` must be more than 0', value.place);
  }
}

const FILE_TYPES = TYPE_NAMES.filter((name) => !isShort(name));

function readType(reader: DiagnosticCollector, located: Located, known: readonly string[]): void {
  for (const { value, place } of located.items ?? [located]) {
    // YAML reads the word as nothing.
    if (value === null || (typeof value === 'string' && known.includes(value))) continue;
    const hint = didYouMean(String(value), known) ?? `one of ${known.join(', ')}`;
    reader.report(`there is no type \`${String(value)}\``, place, hint);
  }
}

function readOther(
  reader: DiagnosticCollector,
  keyword: string,
  { value, items, place }: Located,
  document: Located,
): void {
  if (keyword === 'enum' && !items?.length) {
    reader.report('`enum` must be a list of values', place);
  } else if (keyword === 'pattern' && patternOf(value) === undefined) {
    reader.report('`pattern` must be a regular expression', place);
  } else if (keyword === '$ref') {
    const target = typeof value === 'string' ? referred(document.value, value) : undefined;
    if (target !== undefined) return;
    const hint = 'such as #/$defs/rate: other files are not read';
    reader.report('`$ref` refers to nothing within this schema', place, hint);
  }
}

function patternOf(value: Json | undefined): RegExp | undefined {
  try {
    return typeof value === 'string' ? new RegExp(value, 'u') : undefined;
  } catch {
    return undefined;
  }
}

/** The part of a document that `#/$defs/x` means. */
function referred(document: Json, pointer: string): Json | undefined {
  if (pointer !== '#' && !pointer.startsWith('#/')) return undefined;
  let part: Json | undefined = document;
  for (const step of pointer.split('/').slice(1)) {
    const name = decodePointer(step);
    part = isMap(part) && Object.hasOwn(part, name) ? part[name] : undefined;
  }
  return part !== undefined && (isMap(part) || typeof part === 'boolean') ? part : undefined;
}

function decodePointer(step: string): string {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return step;
  }
}

const isMap = (value: Json | undefined): value is Named<Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a schema says of a value. @param path of the value, for what is said of it */
export function judge(
  { root, document }: ParamSchema,
  value: Json,
  path: readonly (string | number)[] = [],
): SchemaVerdict {
  const judging = new Judging(document, { open: new Set(), left: VISITS_MAX });
  judging.visit(root, value, path, 0);
  return judging;
}

/** A value that takes more looks than this is not judged by a schema that a person wrote. */
const VISITS_MAX = 2_000_000;

/** What bounds the work on one value. */
interface Bounds {
  /** `$ref` that are being followed, each with the path of the value: met again, they would never end. */
  readonly open: Set<string>;
  left: number;
}

class Judging implements SchemaVerdict {
  readonly faults: SchemaFault[] = [];
  readonly numbers = new Map<string, 'float' | 'integer'>();
  private readonly document: Json;
  private readonly bounds: Bounds;

  constructor(document: Json, bounds: Bounds) {
    this.document = document;
    this.bounds = bounds;
  }

  visit(schema: Json, value: Json, path: readonly (string | number)[], depth: number): void {
    const say = (message: string): void => void this.faults.push({ path, message });
    const name = path.length === 0 ? 'params' : `\`${path.join('.')}\``;
    if (schema === true) return;
    if (schema === false) say(`${name} must not be given`);
    if (!isMap(schema)) return;
    this.bounds.left -= 1;
    if (depth > 4 * DEPTH_MAX || this.bounds.left < 0) {
      say(`${name} cannot be judged: its schema leads too far`);
      return;
    }
    const before = this.faults.length;
    this.type(schema, value, path, name);
    if (this.faults.length > before) return;
    if (typeof schema.$ref === 'string')
      this.follow(schema.$ref, value, path, { name, depth, say });
    this.values(schema, value, name, say);
    if (typeof value === 'number') boundsOf(schema, value, name).forEach(say);
    if (typeof value === 'string') lengthsOf(schema, value, name).forEach(say);
    if (Array.isArray(value)) this.list(schema, value, path, { name, depth, say });
    else if (isMap(value)) this.map(schema, value, path, depth);
    this.choices(schema, value, path, { name, depth, say });
  }

  private follow(
    pointer: string,
    value: Json,
    path: readonly (string | number)[],
    { name, depth, say }: VisitParts,
  ): void {
    const target = referred(this.document, pointer);
    const mark = `${pointerOf(path)} ${pointer}`;
    const { open } = this.bounds;
    if (open.has(mark)) {
      say(`the schema of ${name} refers to itself without end`);
      return;
    }
    open.add(mark);
    if (target !== undefined) this.visit(target, value, path, depth + 1);
    open.delete(mark);
  }

  private type(
    { type }: Named<Json>,
    value: Json,
    path: readonly (string | number)[],
    name: string,
  ): void {
    if (type === undefined) return;
    const types = (Array.isArray(type) ? type : [type]).map((one) => one ?? 'null') as string[];
    if (!types.some((one) => isOf(one, value))) {
      const musts = [...new Set(types.map((one) => TYPES[one]))];
      this.faults.push({ path, message: `${name} must be ${musts.join(' or ')}` });
    } else if (typeof value === 'number') {
      const isInteger = types.includes('integer') && Number.isInteger(value);
      this.numbers.set(pointerOf(path), isInteger ? 'integer' : 'float');
    }
  }

  private values(
    schema: Named<Json>,
    value: Json,
    name: string,
    say: (message: string) => void,
  ): void {
    const text = canonicalJson(value);
    const allowed = Array.isArray(schema.enum) ? schema.enum : undefined;
    if (allowed && !allowed.some((one) => canonicalJson(one) === text)) {
      say(`${name} must be one of ${allowed.map(shown).join(', ')}`);
    }
    const { const: only } = schema;
    if (only !== undefined && canonicalJson(only) !== text) say(`${name} must be ${shown(only)}`);
  }

  private list(
    schema: Named<Json>,
    value: readonly Json[],
    path: readonly (string | number)[],
    { name, depth, say }: VisitParts,
  ): void {
    const count = (limit: number): string => `${limit} item${limit === 1 ? '' : 's'}`;
    const { minItems: min, maxItems: max, items } = schema;
    if (typeof min === 'number' && value.length < min)
      say(`${name} must have at least ${count(min)}`);
    if (typeof max === 'number' && value.length > max)
      say(`${name} must have at most ${count(max)}`);
    const distinct = new Set(value.map((item) => canonicalJson(item)));
    if (schema.uniqueItems === true && distinct.size < value.length) {
      say(`${name} must have no item twice`);
    }
    if (items === undefined) return;
    for (const [index, item] of value.entries())
      this.visit(items, item, [...path, index], depth + 1);
  }

  private map(
    schema: Named<Json>,
    value: Named<Json>,
    path: readonly (string | number)[],
    depth: number,
  ): void {
    const properties = isMap(schema.properties) ? schema.properties : {};
    for (const name of Array.isArray(schema.required) ? schema.required : []) {
      if (typeof name !== 'string' || Object.hasOwn(value, name)) continue;
      const at = [...path, name];
      this.faults.push({ path: at, message: `\`${at.join('.')}\` must be given` });
    }
    const { additionalProperties: others } = schema;
    for (const [name, item] of Object.entries(value)) {
      const at = [...path, name];
      const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (known !== undefined) this.visit(known, item, at, depth + 1);
      else if (others === false) {
        const message = `unknown param \`${at.join('.')}\``;
        const hint = didYouMean(name, Object.keys(properties));
        this.faults.push({ path: at, message, hint, isName: true });
      } else if (others !== undefined) this.visit(others, item, at, depth + 1);
    }
  }

  private choices(
    schema: Named<Json>,
    value: Json,
    path: readonly (string | number)[],
    { name, depth, say }: VisitParts,
  ): void {
    const tried = (parts: Json | undefined): readonly Judging[] =>
      (Array.isArray(parts) ? parts : []).map((part) => {
        const one = new Judging(this.document, this.bounds);
        one.visit(part, value, path, depth + 1);
        return one;
      });
    for (const one of tried(schema.allOf)) this.add(one);
    for (const parts of [schema.anyOf, schema.oneOf]) {
      const all = tried(parts);
      const fitting = all.filter(({ faults }) => faults.length === 0);
      const [first] = fitting;
      if (first) this.add(first);
      else if (all.length > 0) this.faults.push(...nearestOf(all, path, name));
      if (parts === schema.oneOf && fitting.length > 1) {
        say(`${name} fits ${fitting.length} of the schemas in oneOf, and must fit one`);
      }
    }
    const [excluded] = tried(schema.not === undefined ? [] : [schema.not]);
    if (excluded?.faults.length === 0) say(`${name} must not be as \`not\` says`);
  }

  private add({ faults, numbers }: Judging): void {
    this.faults.push(...faults);
    for (const [pointer, number] of numbers) this.numbers.set(pointer, number);
  }
}

interface VisitParts {
  readonly name: string;
  readonly depth: number;
  readonly say: (message: string) => void;
}

/** What the branch that came nearest says, whose faults lie deepest; all that it may be where none came near. */
function nearestOf(
  branches: readonly Judging[],
  path: readonly (string | number)[],
  name: string,
): readonly SchemaFault[] {
  const depthOf = ({ faults }: Judging): number => faults[0]?.path.length ?? 0;
  const [nearest] = [...branches].sort((a, b) => depthOf(b) - depthOf(a));
  if (nearest && depthOf(nearest) > path.length) return nearest.faults;
  const musts = branches.flatMap(
    ({ faults }) => faults[0]?.message.replace(`${name} must `, '') ?? [],
  );
  return [{ path, message: `${name} must ${[...new Set(musts)].join(', or ')}` }];
}

function isOf(type: string, value: Json): boolean {
  if (type === 'null') return value === null;
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'array' || type === 'list') return Array.isArray(value);
  if (type === 'object' || type === 'map') return isMap(value);
  return typeof value === type;
}

/** What is wrong with a number. */
function boundsOf(schema: Named<Json>, value: number, name: string): readonly string[] {
  const said: string[] = [];
  const check = (keywords: readonly string[], words: string, fits: (limit: number) => boolean) => {
    for (const keyword of keywords) {
      const limit = schema[keyword];
      if (typeof limit === 'number' && !fits(limit)) said.push(`${name} must be ${words} ${limit}`);
    }
  };
  check(['minimum', 'min'], 'at least', (limit) => value >= limit);
  check(['maximum', 'max'], 'at most', (limit) => value <= limit);
  check(['exclusiveMinimum'], 'more than', (limit) => value > limit);
  check(['exclusiveMaximum'], 'less than', (limit) => value < limit);
  check(['multipleOf'], 'a multiple of', (limit) => isMultiple(value, limit));
  return said;
}

/** 0.3 is a multiple of 0.1, as people write them. */
function isMultiple(value: number, of: number): boolean {
  const times = value / of;
  return Math.abs(times - Math.round(times)) <= 1e-9 * Math.max(1, Math.abs(times));
}

/** What is wrong with a text. */
function lengthsOf(schema: Named<Json>, value: string, name: string): readonly string[] {
  const said: string[] = [];
  const length = [...value].length;
  const count = (limit: number): string => `${limit} character${limit === 1 ? '' : 's'}`;
  const { minLength: min, maxLength: max } = schema;
  if (typeof min === 'number' && length < min)
    said.push(`${name} must have at least ${count(min)}`);
  if (typeof max === 'number' && length > max) said.push(`${name} must have at most ${count(max)}`);
  const pattern = patternOf(schema.pattern);
  if (pattern && !pattern.test(value)) said.push(`${name} must fit ${pattern}`);
  return said;
}

const shown = (value: Json): string => (typeof value === 'string' ? value : canonicalJson(value));

/** A path as a JSON pointer. */
export const pointerOf = (path: readonly (string | number)[]): string =>
  path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** Whether a schema speaks of numbers that need not be integers. */
export const speaksOfNumbers = ({ document }: ParamSchema): boolean => mentions(document);

function mentions(part: Json): boolean {
  if (Array.isArray(part)) return part.some(mentions);
  if (!isMap(part)) return false;
  const types = Array.isArray(part.type) ? part.type : [part.type];
  return types.includes('number') || Object.values(part).some(mentions);
}
