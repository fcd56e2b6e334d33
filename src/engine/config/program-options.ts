// program-options.ts — what a command is given beside inputs and params: variables, a place for checkpoints

import { didYouMean } from '../../hint.ts';
import type { Place } from '../model/event.ts';
import { byCodeUnit } from '../model/key.ts';
import { DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import { readDuration } from './duration.ts';
import { isWithin } from './input.ts';
import type { Located } from './located.ts';
import {
  type Amount,
  CPUS,
  GPU,
  handsOut,
  threadsOf,
  UNITS,
  VISIBLE_DEVICES,
} from './resources.ts';

/** How a program that keeps checkpoints is asked to stop. It changes no result. */
export interface StopPolicy {
  readonly signal: NodeJS.Signals;
  /** How long it may take to save, before it is killed. */
  readonly grace_ms: number;
}

/** The keys of `checkpoint`. */
export const CHECKPOINT_KEYS = ['grace', 'signal'];
/** What `signal` of `checkpoint` may name, with or without SIG. */
export const STOP_SIGNALS = ['TERM', 'INT', 'HUP', 'USR1', 'USR2'];
/** How long a program may take to save, where nothing is said. */
const GRACE_MS = 10_000;

/** `checkpoint: true`, or how the program is asked to save. */
export function readCheckpoint(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): StopPolicy | null {
  if (located === undefined || located.value === false) return null;
  const policy: StopPolicy = { signal: 'SIGTERM', grace_ms: GRACE_MS };
  if (located.value === true) return policy;
  const whole = `\`checkpoint\` of ${what}`;
  if (located.fields === undefined) {
    const hint = 'checkpoint: true, or checkpoint: { grace: 60s, signal: USR1 }';
    reader.report(`${whole} must be true or a mapping`, located.place, hint);
    return policy;
  }
  const fields = reader.map(located, whole, CHECKPOINT_KEYS);
  const [grace, signal] = [fields?.get('grace'), fields?.get('signal')];
  const name = String(signal?.value ?? 'TERM').replace(/^SIG/, '');
  if (signal && !STOP_SIGNALS.includes(name)) {
    const hint = didYouMean(name, STOP_SIGNALS) ?? `one of ${STOP_SIGNALS.join(', ')}`;
    reader.report(`\`signal\` of ${whole} cannot be ${signal.value}`, signal.place, hint);
  }
  return {
    signal: `SIG${STOP_SIGNALS.includes(name) ? name : 'TERM'}` as NodeJS.Signals,
    grace_ms: grace ? (readDuration(reader, grace, `\`grace\` of ${whole}`) ?? GRACE_MS) : GRACE_MS,
  };
}

/** What of a command's sources counts: `code` of the Python modules that it imports, or the bytes of `files` alone. */
export type SourceCounting = 'python' | 'files';
/** The values of `code`. */
export const SOURCE_COUNTINGS: readonly SourceCounting[] = ['files', 'python'];

/** `code: python`, or `code: files`. */
export function readCode(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): SourceCounting {
  if (located === undefined) return 'files';
  const found = SOURCE_COUNTINGS.find((one) => one === located.value);
  if (found === undefined) {
    const hint =
      didYouMean(String(located.value), SOURCE_COUNTINGS) ??
      'python: the modules that a script imports are inputs; files: what `inputs` names';
    reader.report(`\`code\` of ${what} is python or files`, located.place, hint);
  }
  return found ?? 'files';
}

/** What tasks share that say `shared-home: true`. */
const SHARED_HOME = 'shared';

/** `shared-home: true`, or the name of a home that only tasks share which name it. */
export function readSharedHome(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): string | null {
  if (located === undefined || located.value === false) return null;
  const { value, place } = located;
  if (value === true) return SHARED_HOME;
  if (typeof value === 'string' && /^[A-Za-z0-9][\w.-]{0,63}$/.test(value)) return value;
  const message = `\`shared-home\` of ${what} must be true or a name`;
  reader.report(message, place, 'shared-home: true, or shared-home: models');
  return null;
}

/** `pass: [NAME, …]`: variables that say where things are, such as caches, and change no result. */
export function readPassed(
  reader: DiagnosticCollector,
  located: Located | undefined,
  env: Located | undefined,
): readonly string[] {
  if (located === undefined) return [];
  if (!located.items) {
    const hint = 'pass: [HF_HOME, CUDA_HOME]';
    reader.report(`\`pass\` must be a list, not ${kindOf(located)}`, located.place, hint);
    return [];
  }
  const keyed = readEnvironment(new DiagnosticCollector(), env);
  const names = new Set<string>();
  for (const item of located.items) {
    const name = reader.text(item, 'the name of a variable');
    if (name === undefined) continue;
    if (!VARIABLE.test(name)) {
      reader.report(`\`${name}\` cannot name a variable`, item.place, VARIABLE_HINT);
    } else if (keyed.has(name)) {
      const hint = 'its value enters the key by `env`: leave it out of one of them';
      reader.report(`variable \`${name}\` is in \`env\` and in \`pass\``, item.place, hint);
    } else if (RESERVED.has(name)) {
      const hint = 'the engine sets it: name it in `env` to set another value';
      reader.report(`variable \`${name}\` cannot be passed on`, item.place, hint);
    } else names.add(name);
  }
  return [...names].sort(byCodeUnit);
}

/** What every command is given. */
const RESERVED: ReadonlySet<string> = new Set([
  'PATH',
  'HOME',
  'TMPDIR',
  'LANG',
  'LC_ALL',
  'TZ',
  'SOURCE_DATE_EPOCH',
  'PYTHONHASHSEED',
  'PIPELINE_CHECKPOINT',
  'PIPELINE_EVENTS',
  'PIPELINE_TASK_FILE',
]);

const VARIABLE = /^[A-Za-z_]\w*$/;
const VARIABLE_HINT = 'a name is a letter or _, then letters, digits and _';

/** `env: [NAME, …]` passes variables on; `env: { NAME: value }` sets them, or passes on those without a value. */
export function readEnvironment(
  reader: DiagnosticCollector,
  located: Located | undefined,
): ReadonlyMap<string, string | null> {
  const env = new Map<string, string | null>();
  const add = (name: string, value: string | null, place: Place): void => {
    if (VARIABLE.test(name)) env.set(name, value);
    else reader.report(`\`${name}\` cannot name a variable`, place, VARIABLE_HINT);
  };
  for (const item of located?.items ?? []) {
    const name = reader.text(item, 'the name of a variable');
    if (name !== undefined) add(name, null, item.place);
  }
  for (const [name, { value, place, named }] of located?.fields ?? []) {
    if (typeof value === 'object' && value !== null) {
      reader.report(`variable \`${name}\` must be a string`, place);
    } else if (String(value).includes('\0')) {
      reader.report(`variable \`${name}\` cannot hold a zero byte`, place);
    } else add(name, value === null ? null : String(value), named ?? place);
  }
  if (located && !located.items && !located.fields) {
    const hint = 'env: [NAME, …] passes variables on, env: { NAME: value } sets them';
    reader.report(
      `\`env\` must be a list or a mapping, not ${kindOf(located)}`,
      located.place,
      hint,
    );
  }
  return env;
}

/** What a program sees of the resources that its task takes. */
export interface SeenResources {
  /** Variables that name units of resources, by name: `{resources.gpu}` stands for those that the task has. */
  readonly units: ReadonlyMap<string, string>;
  /** How much it has of each resource that these name: whole units, or bytes. */
  readonly shows: ReadonlyMap<string, number>;
  /** How many threads its libraries may start; null where nothing is said. */
  readonly threads: number | null;
}

/**
 * What a program sees of what its task takes. @param env variables that the stage sets @param pass those that it passes on
 */
export function seenResources(
  reader: DiagnosticCollector,
  amounts: ReadonlyMap<string, Amount>,
  env: Located | undefined,
  pass: readonly string[],
): SeenResources {
  const units = new Map<string, string>();
  for (const [name, { value, place }] of env?.fields ?? []) {
    if (typeof value !== 'string') continue;
    const named = [...value.matchAll(UNITS)].map(([, resource = '']) => resource);
    for (const resource of named) {
      if (amounts.has(resource)) continue;
      const message = `variable \`${name}\` names units of \`${resource}\`, which the stage does not take`;
      const hint = didYouMean(resource, amounts.keys()) ?? `resources: { ${resource}: 1 }`;
      reader.report(message, place, hint);
    }
    if (named.length > 0) units.set(name, value);
  }
  const isNamed = env?.fields?.has(VISIBLE_DEVICES) || isListed(env, VISIBLE_DEVICES);
  if (amounts.has(GPU) && !isNamed && !pass.includes(VISIBLE_DEVICES)) {
    units.set(VISIBLE_DEVICES, `{resources.${GPU}}`);
  }
  const cpus = amounts.get(CPUS)?.amount;
  const threads = cpus === undefined ? null : threadsOf(cpus);
  const shows = new Map<string, number>();
  for (const text of units.values()) {
    for (const [, resource = ''] of text.matchAll(UNITS)) {
      const amount = amounts.get(resource)?.amount;
      if (amount === undefined || resource === CPUS) continue;
      shows.set(resource, handsOut(resource) ? Math.ceil(amount) : amount);
    }
  }
  return { units, shows, threads };
}

const isListed = (env: Located | undefined, name: string): boolean =>
  env?.items?.some(({ value }) => value === name) ?? false;

/** A file with a JSON Schema of all params, and where it is named. */
export interface SchemaFile {
  readonly name: string;
  readonly place: Place;
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
