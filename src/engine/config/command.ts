// command.ts — a program in place of a module, as pipeline.yaml declares it

import { didYouMean } from '../../hint.ts';
import { elementAt } from '../../present.ts';
import type { Place } from '../model/event.ts';
import type { ParamSchema } from '../schema/read-schema.ts';
import { dottedStep, STEP, splitDotted } from '../text/dotted.ts';
import { type DiagnosticCollector, kindOf } from './diagnostic-collector.ts';
import { isWithin } from './input.ts';
import type { Located } from './located.ts';
import { EVENTS_PLACE, METRICS_LOG, type OutputFile, readOutputs } from './outputs.ts';
import { readFlag } from './policy.ts';
import { type EnvironmentConfig, readEnvironmentConfig } from './program-environment.ts';
import {
  readCheckpoint,
  readCode,
  readEnvironment,
  readPassed,
  readSchemaFile,
  readSharedHome,
  type SchemaFile,
  type SeenResources,
  type SourceCounting,
  type StopPolicy,
  seenResources,
} from './program-options.ts';
import type { Amount } from './resources.ts';

/** A text of pipeline.yaml, and where it stands. */
export interface Word {
  readonly text: string;
  readonly place: Place;
}

/** What a stage with `command` says beside inputs and params. */
export interface CommandConfig extends SeenResources {
  /** The program and its arguments, with `{params.x}`, `{inputs.x}` and `{outputs.x}` still in them. */
  readonly argv: readonly Word[];
  /** Variables of the environment: a value, or null for the one around us. Those of `units` are not among them. */
  readonly env: ReadonlyMap<string, string | null>;
  readonly outputs: ReadonlyMap<string, OutputFile>;
  /** Commands whose output tells the version of a tool. */
  readonly fingerprints: readonly (readonly Word[])[];
  /** Whether it keeps checkpoints, and how it is asked to stop then; null when it keeps none. */
  readonly checkpoint: StopPolicy | null;
  /** Whether it reports progress and metrics as lines of a file. */
  readonly events: boolean;
  /** The Python environment that it runs in. */
  readonly environment: EnvironmentConfig | null;
  /** The name of a home folder that tasks share; null where each has its own. */
  readonly sharedHome: string | null;
  /** Variables of the environment that are passed on and whose values enter no key, sorted. */
  readonly pass: readonly string[];
  /** Whether it is told, in a file, where its inputs and outputs are. */
  readonly taskFile: boolean;
  /** Whether the code of its Python sources counts, or their bytes. */
  readonly code: SourceCounting;
  /** What its params may be, of those that say so themselves. */
  readonly schemas: ReadonlyMap<string, ParamSchema>;
  /** A file with a schema of all its params. */
  readonly schemaFile: SchemaFile | null;
  /** Whether floats and values on axes keep their types, whatever schemas say. */
  readonly typed: boolean;
}

/** Keys of a stage that only commands have. */
export const COMMAND_KEYS = [
  'command',
  'outputs',
  'env',
  'fingerprint',
  'checkpoint',
  'environment',
  'shared-home',
  'events',
  'pass',
  'task-file',
  'code',
  'params-schema',
  'typed',
];

/**
 * A reference in an argument: `{params.dpi}`, `{params."fc1.weight"}`, `{inputs.data}`, `{inputs.data.list}`,
 * `{outputs.plot}`. All other braces are text.
 */
export const REFERENCE = new RegExp(
  `\\{(params|inputs|outputs)\\.(${STEP}(?:\\.${STEP})*)\\}`,
  'g',
);

/** What the rest of a stage says that its command may refer to. */
export interface StageNames {
  readonly params: Iterable<string>;
  readonly inputs: Iterable<string>;
  readonly resources: ReadonlyMap<string, Amount>;
  /** Of params that say what they may be. */
  readonly schemas: ReadonlyMap<string, ParamSchema>;
}

/** Reads what makes a stage a command. @param what the stage, in words */
export function readCommand(
  reader: DiagnosticCollector,
  what: string,
  fields: ReadonlyMap<string, Located>,
  names: StageNames,
): CommandConfig {
  const command = fields.get('command') as Located;
  const events = readFlag(reader, fields.get('events'), `\`events\` of ${what}`);
  const outputs = readOutputs(reader, what, fields.get('outputs'), command.place);
  for (const [name, { file }] of outputs) {
    if (file !== EVENTS_PLACE || events) continue;
    const message = `output \`${name}\` is a ${METRICS_LOG}, and the stage reports no events`;
    reader.report(
      message,
      fields.get('outputs')?.fields?.get(name)?.place ?? command.place,
      'add `events: true`',
    );
  }
  const argv = readWords(reader, '`command`', command);
  const known = {
    params: [...names.params],
    inputs: [...names.inputs],
    outputs: [...outputs.keys()],
  };
  for (const { text, place } of argv) {
    for (const [whole, room = '', path = ''] of text.matchAll(REFERENCE)) {
      const [name = '', ...within] = splitDotted(path);
      const there = known[room as keyof typeof known];
      const noun = room.slice(0, -1);
      if (there.includes(name)) {
        const isFit = room === 'params' || within.length === 0 || isList(room, within);
        const hint = `{${room}.${name}}${room === 'inputs' ? `, or {inputs.${name}.list}: a file with one path a line` : ''}`;
        if (!isFit) reader.report(`\`${whole}\` does not exist within the ${noun}`, place, hint);
        continue;
      }
      const message = `\`${whole}\` in this command is no ${noun} of the stage`;
      const dotted = there.find((known) => path === known || path.startsWith(`${known}.`));
      const hint = dotted && `a name with dots stands in quotes: {${room}.${dottedStep(dotted)}}`;
      reader.report(message, place, hint ?? didYouMean(name, there));
    }
  }
  const pass = readPassed(reader, fields.get('pass'), fields.get('env'));
  const seen = seenResources(reader, names.resources, fields.get('env'), pass);
  const env = [...readEnvironment(reader, fields.get('env'))];
  return {
    argv,
    env: new Map(env.filter(([name]) => !seen.units.has(name))),
    ...seen,
    outputs,
    fingerprints: readFingerprints(reader, fields.get('fingerprint')),
    checkpoint: readCheckpoint(reader, fields.get('checkpoint'), what),
    events,
    environment: readEnvironmentConfig(reader, fields.get('environment'), what),
    sharedHome: readSharedHome(reader, fields.get('shared-home'), what),
    pass,
    code: readCode(reader, fields.get('code'), what),
    schemas: names.schemas,
    schemaFile: readSchemaFile(reader, fields.get('params-schema'), what),
    typed: readFlag(reader, fields.get('typed'), `\`typed\` of ${what}`),
    taskFile: readFlag(reader, fields.get('task-file'), `\`task-file\` of ${what}`),
  };
}

/** Whether a reference is `{inputs.x.list}`. */
const isList = (room: string, within: readonly string[]): boolean =>
  room === 'inputs' && within.length === 1 && within[0] === 'list';

/** A list of words: no shell reads them, so each is one argument as it stands. */
function readWords(reader: DiagnosticCollector, what: string, located: Located): readonly Word[] {
  if (!located.items?.length) {
    const hint =
      '["python3", "plot.py"]: each argument separately, since there is no shell to split them';
    reader.report(`${what} must be a list of words, not ${kindOf(located)}`, located.place, hint);
    return [];
  }
  return located.items.flatMap(({ value, place, ...rest }) => {
    const plain = ['string', 'number', 'boolean'].includes(typeof value);
    const text = String(value);
    if (plain && !text.includes('\0')) return [{ text, place }];
    if (plain) {
      reader.report(`an argument of ${what} cannot hold a zero byte`, place);
      return [];
    }
    const message = `an argument of ${what} must be a string, not ${kindOf({ value, place, ...rest })}`;
    reader.report(message, place);
    return [];
  });
}

function readFingerprints(
  reader: DiagnosticCollector,
  located: Located | undefined,
): readonly (readonly Word[])[] {
  if (located === undefined) return [];
  const several = located.items?.[0]?.items !== undefined;
  const lists = several ? (located.items ?? []) : [located];
  const read = lists.map((list) => readWords(reader, '`fingerprint`', list));
  const known = new Map<string, string>();
  for (const [at, words] of read.entries()) {
    // Keys hold them so.
    const name = words.map(({ text }) => text).join(' ');
    const exact = JSON.stringify(words.map(({ text }) => text));
    const other = known.get(name);
    if (other !== undefined && other !== exact) {
      const hint = 'they differ only in where words end, and a key could not tell them apart';
      reader.report(`two fingerprints read \`${name}\``, elementAt(lists, at).place, hint);
    }
    known.set(name, exact);
  }
  return read;
}

/** Whether a word of a command is a path that may lie in the project. */
export const looksLikePath = (word: string): boolean =>
  isWithin(word) && !word.startsWith('-') && !word.includes('{');
