// judge-schema.ts — what a schema finds wrong with values, and which of their numbers it takes for floats
import { didYouMean } from '../../hint.ts';
import { canonicalJson, type Json, type Named } from '../model/key.ts';
import { DEPTH_MAX, isMap, type ParamSchema, patternOf, referred, TYPES } from './read-schema.ts';

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
