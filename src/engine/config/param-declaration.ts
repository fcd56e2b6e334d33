// param-declaration.ts — params of commands that say what they may be: `{ type: integer, min: 1, value: $epochs }`
import { didYouMean } from '../../hint.ts';
import type { Place } from '../model/event.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import { isWithin } from './input.ts';
import { type Located, locatedMap } from './located.ts';
import { type ParamSchema, readSchema, SCHEMA_KEYWORDS, TYPE_NAMES } from './param-schema.ts';
import { lookupIn, referencePath, substitute } from './reference.ts';

/** What the params of a command may be. */
export interface DeclaredParams {
  /** By name: of those that say so themselves. */
  readonly schemas: ReadonlyMap<string, ParamSchema>;
  /** The params with their values in place of declarations. */
  readonly values: ReadonlyMap<string, Located>;
}

/** A file with a JSON Schema of all params, and where it is named. */
export interface SchemaFile {
  readonly name: string;
  readonly place: Place;
}

const KEYS: ReadonlySet<string> = new Set(['value', ...SCHEMA_KEYWORDS]);
/** What other languages call the types. */
const OTHER_NAMES = ['int', 'float', 'double', 'str', 'bool', 'dict'];

/** Takes the declarations out of the `params` of a command. */
export function readDeclarations(
  reader: DiagnosticCollector,
  section: ReadonlyMap<string, Located>,
  params: Located,
): DeclaredParams {
  const schemas = new Map<string, ParamSchema>();
  const values = new Map<string, Located>();
  for (const [name, located] of section) {
    const value = located.fields?.get('value');
    if (value === undefined || !isDeclaration(reader, located)) {
      values.set(name, located);
      continue;
    }
    const fields = new Map(located.fields);
    fields.delete('value');
    const resolved = reader.take(
      substitute(locatedMap(fields, located), (path, place) => lookupIn(params, path, place)),
    );
    if (resolved) schemas.set(name, readSchema(reader, resolved, 'inline'));
    values.set(name, { ...value, named: located.named });
  }
  return { schemas, values };
}

/**
 * Whether a map declares a param. It has a `value`, a `type` or an `enum`, and nothing that no schema has. One of nothing
 * but a type and a value that is written out is a param like any other: nothing could be set in it.
 */
function isDeclaration(reader: DiagnosticCollector, { fields, named, place }: Located): boolean {
  if (fields === undefined || ![...fields.keys()].every((key) => KEYS.has(key))) return false;
  const type = fields.get('type');
  const isReference = referencePath(fields.get('value')?.value ?? null) !== null;
  if (!isReference && fields.size <= 2) return false;
  if (type === undefined) return fields.has('enum') || fields.has('const') || fields.has('anyOf');
  const types = type.items ?? [type];
  if (types.every(({ value }) => value === null || TYPE_NAMES.includes(String(value)))) return true;
  const odd = types.find(({ value }) => !TYPE_NAMES.includes(String(value)));
  const word = String(odd?.value);
  const meant = didYouMean(word, TYPE_NAMES);
  const near = OTHER_NAMES.includes(word) || meant?.startsWith('did you mean') === true;
  if (near) {
    const message = `this param is a mapping with a \`type\` and a \`value\`: \`${word}\` is no type of a schema, so that nothing is checked`;
    const hint = OTHER_NAMES.includes(word) ? `types are ${TYPE_NAMES.join(', ')}` : meant;
    reader.warnings.push({ message, place: odd?.place ?? named ?? place, hint });
  }
  return false;
}

/** `params-schema: FILE`: a JSON Schema of all params of a stage. */
export function readSchemaFile(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): SchemaFile | null {
  if (located === undefined) return null;
  const name = reader.text(located, `\`params-schema\` of ${what}`);
  if (name === undefined) return null;
  if (isWithin(name)) return { name, place: located.place };
  const hint = 'a path relative to the folder of pipeline.yaml, such as schema.json';
  reader.report(`\`params-schema\` of ${what} names no file of the project`, located.place, hint);
  return null;
}
