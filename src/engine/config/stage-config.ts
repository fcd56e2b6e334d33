// stage-config.ts — one stage of pipeline.yaml, read

import { didYouMean } from '../../hint.ts';
import { elementAt } from '../../present.ts';
import { type Place, success } from '../model/event.ts';
import {
  type ParamSchema,
  readSchema,
  SCHEMA_KEYWORDS,
  TYPE_NAMES,
} from '../schema/read-schema.ts';
import { COMMAND_KEYS, type CommandConfig, readCommand } from './command.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import { type InputConfig, readInputs } from './input.ts';
import { type Located, locatedMap } from './located.ts';
import { type AxisValue, checkName, type Matrix, readMatrix } from './matrix.ts';
import { POLICY_KEYS, type Policy, readPolicy } from './policy.ts';
import { lookupIn, referencePath, substitute } from './reference.ts';

/** A stage as pipeline.yaml declares it. */
export interface StageConfig extends Matrix {
  readonly name: string;
  readonly place: Place;
  /** Path of the module, relative to the folder of pipeline.yaml; empty for a command. */
  readonly run: string;
  readonly runPlace: Place;
  /** What runs in place of a module. */
  readonly command: CommandConfig | null;
  /** What becomes of a task that asks for what cannot be done. */
  readonly infeasible: 'skip' | 'fail';
  readonly inputs: ReadonlyMap<string, InputConfig>;
  /** Params by name; a reference to one of the stage's own axes is filled in per task. */
  readonly params: ReadonlyMap<string, Located>;
  readonly artifacts: ReadonlyMap<string, Located>;
  readonly policy: Policy;
}

/** What the params of a command may be. */
export interface DeclaredParams {
  /** By name: of those that say so themselves. */
  readonly schemas: ReadonlyMap<string, ParamSchema>;
  /** The params with their values in place of declarations. */
  readonly values: ReadonlyMap<string, Located>;
}

/** Reads every stage; those with mistakes are left out, and said. */
export function readStages(
  reader: DiagnosticCollector,
  stages: Located,
  params: Located,
): ReadonlyMap<string, StageConfig> {
  const read = new Map<string, StageConfig>();
  const hint = 'add a stage: NAME: { run: stages/NAME.ts }';
  if (stages.fields?.size === 0) reader.report('there are no stages', stages.place, hint);
  for (const [name, located] of reader.map(stages, '`stages`') ?? []) {
    if (!checkName(reader, 'a stage', name, located)) continue;
    const stage = readStage(reader, name, located, params);
    if (stage) read.set(name, stage);
  }
  return read;
}

/** The keys of every stage; commands have some more. */
export const STAGE_KEYS = ['run', 'matrix', 'inputs', 'params', 'artifacts', 'infeasible'];

function readStage(
  reader: DiagnosticCollector,
  name: string,
  located: Located,
  params: Located,
): StageConfig | undefined {
  const what = `stage \`${name}\``;
  const fields = reader.map(located, what, [...STAGE_KEYS, ...POLICY_KEYS, ...COMMAND_KEYS]);
  if (fields === undefined) return undefined;
  const place = located.named ?? located.place;
  const run = fields.get('run');
  const isCommand = fields.has('command');
  checkKeys(reader, what, place, fields);
  const matrix = readMatrix(reader, fields.get('matrix'), what, params);
  const within = (field: string): ReadonlyMap<string, Located> => {
    const section = fields.get(field);
    return section ? (reader.map(section, `\`${field}\` of ${what}`) ?? new Map()) : new Map();
  };
  const inputs = readInputs(reader, within('inputs'), params, isCommand);
  const declared = isCommand
    ? readDeclarations(reader, within('params'), params)
    : { schemas: new Map(), values: within('params') };
  const given = readStageParams(reader, declared.values, matrix.axes, params);
  const policy = readPolicy(reader, fields, what);
  const names = {
    ...{ params: given.keys(), inputs: inputs.keys(), resources: policy.resources },
    schemas: declared.schemas,
  };
  return {
    name,
    place,
    run: (run && reader.text(run, `\`run\` of ${what}`)) ?? '',
    runPlace: run?.place ?? place,
    command: isCommand ? readCommand(reader, what, fields, names) : null,
    ...matrix,
    infeasible: readInfeasible(reader, fields.get('infeasible')),
    inputs,
    params: given,
    artifacts: readArtifacts(reader, within('artifacts'), matrix.axes),
    policy,
  };
}

/** A stage is a module or a command, and some keys are for one of them. */
function checkKeys(
  reader: DiagnosticCollector,
  what: string,
  place: Place,
  fields: ReadonlyMap<string, Located>,
): void {
  const [run, command] = [fields.get('run'), fields.get('command')];
  if (!run && !command) {
    const hint = 'run: stages/NAME.ts, or command: [PROGRAM, ARGUMENT, …]';
    reader.report(`${what} has no \`run\``, place, hint);
  }
  if (run && command) {
    reader.report(
      `${what} has both \`run\` and \`command\``,
      run.named ?? run.place,
      'leave one out',
    );
  }
  for (const key of command ? [] : COMMAND_KEYS) {
    const field = fields.get(key);
    const hint = 'a module declares this in its code';
    if (field) reader.report(`\`${key}\` is for commands`, field.named ?? field.place, hint);
  }
}

function readInfeasible(
  reader: DiagnosticCollector,
  located: Located | undefined,
): 'skip' | 'fail' {
  if (located === undefined || located.value === 'fail') return 'fail';
  const hint = 'skip leaves out infeasible tasks; fail is the default';
  if (located.value !== 'skip') {
    reader.report('`infeasible` is `skip` or `fail`', located.place, hint);
  }
  return 'skip';
}

/** Resolves what refers to params now; what refers to the stage's own axes differs from task to task. */
function readStageParams(
  reader: DiagnosticCollector,
  section: ReadonlyMap<string, Located>,
  axes: ReadonlyMap<string, readonly AxisValue[]>,
  params: Located,
): ReadonlyMap<string, Located> {
  const read = new Map<string, Located>();
  for (const [name, located] of section) {
    const resolved = substitute(located, (path, place) =>
      axes.has(elementAt(path, 0))
        ? success({ value: null, place, axis: path })
        : lookupIn(params, path, place),
    );
    const value = reader.take(resolved);
    if (value) read.set(name, { ...value, named: located.named });
  }
  return read;
}

/** Control characters, backslashes and drives. */
const UNFIT_IN_PATHS = /[\p{Cc}\u2028\u2029\\]|^[A-Za-z]:/u;

/** Whether a text names a file or folder below artifacts/, the same on every system. */
const isArtifactPath = (path: string): boolean =>
  path === '.' ||
  (!UNFIT_IN_PATHS.test(path) &&
    path.split('/').every((name) => name !== '' && name !== '.' && name !== '..'));

function readArtifacts(
  reader: DiagnosticCollector,
  section: ReadonlyMap<string, Located>,
  axes: ReadonlyMap<string, readonly AxisValue[]>,
): ReadonlyMap<string, Located> {
  const read = new Map<string, Located>();
  for (const [output, located] of section) {
    const path = reader.text(located, 'an artifact');
    if (path === undefined) continue;
    if (!isArtifactPath(path)) {
      const hint =
        'it has / between names, no empty name, no .. and no drive, and no control characters; . is the folder itself';
      reader.report('an artifact is a relative path within artifacts/', located.place, hint);
    }
    for (const [, axis = ''] of path.matchAll(/\{([^{}]*)\}/g)) {
      if (axes.has(axis)) continue;
      const message = `\`{${axis}}\` in this path is not an axis of the stage`;
      reader.report(message, located.place, didYouMean(axis, axes.keys()));
    }
    const lacking = [...axes].filter(
      ([axis, { length }]) => length > 1 && !path.includes(`{${axis}}`),
    );
    if (lacking.length > 0) {
      const missing = lacking.map(([axis]) => `{${axis}}`);
      const message = `the tasks of this stage would all write to \`${path}\`: it lacks ${missing.join(', ')}`;
      reader.report(message, located.place, `for example ${missing.join('/')}/${path}`);
    }
    read.set(output, located);
  }
  return read;
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
    const message = `this param is a mapping with a \`type\` and a \`value\`: \`${word}\` is not a schema type, so nothing is checked`;
    const hint = OTHER_NAMES.includes(word) ? `types are ${TYPE_NAMES.join(', ')}` : meant;
    reader.warnings.push({ message, place: odd?.place ?? named ?? place, hint });
  }
  return false;
}
