// read-schema.ts — JSON Schema as far as params need it, read strictly: what would not be checked is refused
import { didYouMean } from '../../hint.ts';
import type { Place } from '../model/event.ts';
import type { Json, Named } from '../model/key.ts';

/** A part of a schema as a person wrote it. */
export interface SchemaSource {
  readonly value: Json;
  readonly place: Place;
  /** Place of the name, when it is a field of a map. */
  readonly named?: Place | undefined;
  readonly fields?: ReadonlyMap<string, SchemaSource> | undefined;
  readonly items?: readonly SchemaSource[] | undefined;
}

/** Hears what is wrong with a schema. */
export interface SchemaReporter {
  report(message: string, place: Place, hint?: string): void;
}

/** A schema that was read: every keyword in it is known, and has a value that makes sense. */
export interface ParamSchema {
  readonly root: Json;
  /** The whole document, in which `$ref` finds its way. */
  readonly document: Json;
}

/** The types of JSON Schema, and how YAML calls two of them. */
export const TYPES: { readonly [name: string]: string } = {
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
export const DEPTH_MAX = 64;

/**
 * Reads a schema. What is unknown, or would not be checked, is a mistake.
 * @param place whether it stands in pipeline.yaml, where `min`, `max`, `list` and `map` may be written
 */
export function readSchema(
  reader: SchemaReporter,
  located: SchemaSource,
  place: 'inline' | 'file',
): ParamSchema {
  readPart(reader, located, { document: located, isInline: place === 'inline', depth: 0 });
  return { root: located.value, document: located.value };
}

/** Where in a schema a part of it stands. */
interface Within {
  readonly document: SchemaSource;
  readonly isInline: boolean;
  readonly depth: number;
}

function readPart(reader: SchemaReporter, part: SchemaSource, within: Within): void {
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
  readonly value: SchemaSource;
}

function readKeyword(
  reader: SchemaReporter,
  keyword: string,
  { form, value, ...around }: Keyword,
): void {
  const { document, isInline, depth } = around;
  const within = (part: SchemaSource): void =>
    readPart(reader, part, { ...around, depth: depth + 1 });
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

function readType(reader: SchemaReporter, located: SchemaSource, known: readonly string[]): void {
  for (const { value, place } of located.items ?? [located]) {
    // YAML reads the word as nothing.
    if (value === null || (typeof value === 'string' && known.includes(value))) continue;
    const hint = didYouMean(String(value), known) ?? `one of ${known.join(', ')}`;
    reader.report(`there is no type \`${String(value)}\``, place, hint);
  }
}

function readOther(
  reader: SchemaReporter,
  keyword: string,
  { value, items, place }: SchemaSource,
  document: SchemaSource,
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

export function patternOf(value: Json | undefined): RegExp | undefined {
  try {
    return typeof value === 'string' ? new RegExp(value, 'u') : undefined;
  } catch {
    return undefined;
  }
}

/** The part of a document that `#/$defs/x` means. */
export function referred(document: Json, pointer: string): Json | undefined {
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

export const isMap = (value: Json | undefined): value is Named<Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a schema speaks of numbers that need not be integers. */
export const speaksOfNumbers = ({ document }: ParamSchema): boolean => mentions(document);

function mentions(part: Json): boolean {
  if (Array.isArray(part)) return part.some(mentions);
  if (!isMap(part)) return false;
  const types = Array.isArray(part.type) ? part.type : [part.type];
  return types.includes('number') || Object.values(part).some(mentions);
}

/** What a value is, in words. */
function kindOf({ value }: SchemaSource): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? 'a string' : `a ${typeof value}`;
}
