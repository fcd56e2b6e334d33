// params-schema.ts — what the params of a command may be, and the types that they keep on their way to the program
import { resolve } from 'node:path';
import { DiagnosticCollector } from '../config/diagnostic-collector.ts';
import type { Located } from '../config/located.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { parseYaml } from '../config/yaml.ts';
import { readAtMost } from '../files/bounded-file.ts';
import { type Stamp, stampOf } from '../files/stamp.ts';
import { formatSystem, isSystemError, systemHint } from '../files/system-error.ts';
import { failure, type Place, type Result, success } from '../model/event.ts';
import { byCodeUnit, type Json, type Named, type TaskId } from '../model/key.ts';
import { judge, pointerOf } from '../schema/judge-schema.ts';
import { type ParamSchema, readSchema, speaksOfNumbers } from '../schema/read-schema.ts';
import { decodeSource } from '../text/source-text.ts';
import type { DeclaredProblem, ParamSchemas } from '../worker/declaration.ts';
import type { TypedValues } from './command-module.ts';
import type { Binding } from './plan.ts';

/** A schema beyond this size was not written by a person. */
const BYTES_MAX = 8 * 2 ** 20;

/** The schemas of a command's params, its file read. @param stamps is told of the file, for who watches it */
export function schemasOf(
  { command }: StageConfig,
  root: string,
  stamps: Map<string, Stamp | null>,
): Result<ParamSchemas | undefined> {
  if (command === null) return success(undefined);
  const { schemas, schemaFile, typed } = command;
  const file = schemaFile && readFile(schemaFile, root, stamps);
  if (file && !file.ok) return file;
  const whole = file?.value ?? null;
  if (schemas.size === 0 && whole === null && !typed) return success(undefined);
  const all = [...schemas.values(), ...(whole ? [whole] : [])];
  return success({ named: schemas, whole, isTyped: typed || all.some(speaksOfNumbers) });
}

function readFile(
  { name, place }: { readonly name: string; readonly place: Place },
  root: string,
  stamps: Map<string, Stamp | null>,
): Result<ParamSchema> {
  const path = resolve(root, name);
  stamps.set(path, stampOf(path));
  let text: Result<string>;
  try {
    text = decodeSource(readAtMost(path, BYTES_MAX), name);
  } catch (error) {
    if (error instanceof RangeError) {
      return failure({ message: `${name} has more than ${BYTES_MAX} bytes: no schema has`, place });
    }
    if (!isSystemError(error)) throw error;
    const hint = error.code === 'ENOENT' ? 'check the spelling' : systemHint(error);
    return failure({ message: `${name} cannot be read: ${formatSystem(error)}`, place, hint });
  }
  if (!text.ok) return text;
  const kind = { what: 'a schema', whenEmpty: 'a JSON Schema, such as { "properties": {} }' };
  const parsed = parseYaml(text.value, name, undefined, kind);
  if (!parsed.ok) return parsed;
  const reader = new DiagnosticCollector();
  const schema = readSchema(reader, parsed.value, 'file');
  return reader.problems.length > 0 ? failure(...reader.problems) : success(schema);
}

/** What schemas say of the params of a task. */
export interface JudgedParams {
  readonly problems: readonly DeclaredProblem[];
  /** The numbers that are written as floats, as JSON pointers, sorted; undefined where types are not kept. */
  readonly floats?: readonly string[];
}

/** Judges the params of a task. */
export function judgeParams(
  { named, whole, isTyped }: ParamSchemas,
  located: Located,
  values: Named<Json>,
): JudgedParams {
  const verdicts = [...named].flatMap(([name, schema]) =>
    Object.hasOwn(values, name) ? [judge(schema, values[name] ?? null, [name])] : [],
  );
  if (whole) verdicts.push(judge(whole, values));
  const problems = verdicts.flatMap(({ faults }) => faults);
  if (!isTyped) return { problems };
  const said = new Map(verdicts.flatMap(({ numbers }) => [...numbers]));
  const floats: string[] = [];
  const visit = (part: Located, path: readonly (string | number)[]): void => {
    if (part.fields) for (const [name, field] of part.fields) visit(field, [...path, name]);
    else if (part.items) for (const [at, item] of part.items.entries()) visit(item, [...path, at]);
    else if (typeof part.value === 'number') {
      const pointer = pointerOf(path);
      const kind = said.get(pointer) ?? (part.isFloat ? 'float' : 'integer');
      if (kind === 'float' && Number.isInteger(part.value)) floats.push(pointer);
    }
  };
  visit(located, []);
  return { problems, floats: floats.sort(byCodeUnit) };
}

/**
 * What the files of a task tell of types: that of its params, and the values on the axes of its lists.
 * @param stageOf the stage of a task upstream
 */
export function typedValues(
  floats: readonly string[] = [],
  inputs: Named<Binding>,
  stageOf: (task: TaskId) => StageConfig | undefined,
): TypedValues {
  const stages = new Map<string, Map<string, Map<string, string>>>();
  for (const { arity, links } of Object.values(inputs)) {
    for (const { task, at } of arity === 'many' || arity === 'partial' ? links : []) {
      const stage = stageOf(task);
      if (stage === undefined) continue;
      const axes = stages.get(stage.name) ?? new Map<string, Map<string, string>>();
      stages.set(stage.name, axes);
      for (const [axis, label] of Object.entries(at)) {
        const texts = axes.get(axis) ?? new Map<string, string>();
        axes.set(axis, texts);
        if (texts.has(label)) continue;
        const known = stage.axes.get(axis)?.find((value) => value.label === label);
        if (known) texts.set(label, locatedText(known.located));
      }
    }
  }
  const named = [...stages].map(([stage, axes]) => [
    stage,
    Object.fromEntries([...axes].map(([axis, texts]) => [axis, Object.fromEntries(texts)])),
  ]);
  return { floats, axes: Object.fromEntries(named) };
}

/** The text of a value whose numbers keep their types. */
export const locatedText = (located: Located): string => {
  if (located.fields) {
    const fields = [...located.fields].sort(([a], [b]) => byCodeUnit(a, b));
    const texts = fields.map(([name, part]) => `${JSON.stringify(name)}:${locatedText(part)}`);
    return `{${texts.join(',')}}`;
  }
  if (located.items) return `[${located.items.map(locatedText).join(',')}]`;
  return scalarText(located.value, located.isFloat === true);
};

/** The canonical text of a value, in which some integers are written as floats. @param floats their JSON pointers */
export function typedText(value: Json, floats: ReadonlySet<string>, pointer = ''): string {
  const within = (part: Json, step: string | number): string =>
    typedText(part, floats, pointer + pointerOf([step]));
  if (Array.isArray(value)) return `[${value.map(within).join(',')}]`;
  if (typeof value !== 'object' || value === null) return scalarText(value, floats.has(pointer));
  const fields = Object.entries(value).sort(([a], [b]) => byCodeUnit(a, b));
  return `{${fields.map(([name, part]) => `${JSON.stringify(name)}:${within(part, name)}`).join(',')}}`;
}

/** -0 becomes 0, as everywhere. */
function scalarText(value: Json, isFloat: boolean): string {
  if (typeof value !== 'number') return JSON.stringify(value);
  const text = String(value);
  return isFloat && /^-?\d+$/.test(text) ? `${text}.0` : text;
}
