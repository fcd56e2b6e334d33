// command-module.ts — a command, declared as if it were a module: so that plans need not know the difference
import { CODECS } from '../config/codecs.ts';
import type { CommandConfig } from '../config/command.ts';
import type { StageConfig } from '../config/stage-config.ts';
import type { EnvironmentParts } from '../environments/environment.ts';
import { FOLDER } from '../model/folder-manifest.ts';
import { type CommandParts, canonicalJson, digestOf, type Named } from '../model/key.ts';
import type { Arity, Codec, CodecKind } from '../stage.ts';
import type { DeclaredInput, StageModule } from '../worker/declaration.ts';

/**
 * The code of every command: how its scratch folder is laid out, and its environment. What it runs has a part of the key
 * to itself. A stage that declares nothing of the second form, and has no folder among its inputs and outputs, is of the
 * first, so that its key stays as it was.
 */
const CODE = digestOf(canonicalJson(['command/1']));
const CODE_2 = digestOf(canonicalJson(['command/2']));

/**
 * What commands of the form `command/2` have in their keys beside `CommandParts`. It is not declared with them, since
 * key.ts is part of every bundle, and its letters decide the names that a minifier gives.
 */
export interface SecondForm {
  /** It keeps checkpoints. Absent where it does not. */
  readonly checkpoint?: true;
  /** It reports events. Absent where it does not. */
  readonly events?: true;
  /** Variables that are passed on, by name. Absent, not empty, when there is none. */
  readonly pass?: readonly string[];
  /** Variables that name units of resources, as written: `{resources.gpu}`. Absent, not empty, when there is none. */
  readonly units?: Named<string>;
  /** How much of each such resource it has. Which units these are enters no key. */
  readonly shows?: Named<number>;
  /** How many threads its libraries may start. */
  readonly threads?: number;
  /** The environment of Python that it runs in. */
  readonly environment?: EnvironmentParts;
  /** The home folder that it shares with others, by name. */
  readonly sharedHome?: string;
  /** It is told where its inputs and outputs are. Absent where it is not. */
  readonly taskFile?: true;
  /** The code of its Python sources counts, and not their bytes. Absent where it does not. */
  readonly code?: 'python';
}

/** What a command has of the second form: nothing, for one of the first. */
export const secondFormOf = (command: CommandParts): SecondForm => command as SecondForm;

/** Whether a command sees more than those of the first form do. */
export const isSecondForm = (form: SecondForm): boolean =>
  SECOND_FORM.some((part) => form[part] !== undefined);

const SECOND_FORM = [
  'checkpoint',
  'events',
  'pass',
  'units',
  'shows',
  'threads',
  'taskFile',
  'code',
  'environment',
  'sharedHome',
] as const satisfies readonly (keyof SecondForm)[];

/** What decides the second form, as pipeline.yaml has it. */
export type ProgramOptions = Pick<
  CommandConfig,
  | 'checkpoint'
  | 'events'
  | 'pass'
  | 'units'
  | 'shows'
  | 'threads'
  | 'taskFile'
  | 'code'
  | 'sharedHome'
>;

/** What a command has of the second form. @param environment as it was found */
export function secondForm(options: ProgramOptions, environment?: EnvironmentParts): SecondForm {
  const { checkpoint, events, pass, units, shows, threads, taskFile, code, sharedHome } = options;
  return {
    ...(checkpoint !== null && { checkpoint: true }),
    ...(events && { events: true }),
    ...(pass.length > 0 && { pass }),
    ...(units.size > 0 && { units: Object.fromEntries(units) }),
    ...(shows.size > 0 && { shows: Object.fromEntries(shows) }),
    ...(threads !== null && { threads }),
    ...(taskFile && { taskFile: true }),
    ...(code === 'python' && { code }),
    ...(environment && { environment }),
    ...(sharedHome !== null && { sharedHome }),
  };
}

/** The codec of an output file. */
export const codecOf = (kind: CodecKind): Codec<unknown> => CODECS[kind].codec;

/** Declares a command: its params are those that it is given, its inputs of any kind, lists where axes are open. */
export function commandModule(
  stage: StageConfig,
  command: CommandConfig,
  stages: ReadonlyMap<string, StageConfig>,
): StageModule {
  const ports = [...stage.inputs].map(
    ([port, { from, files, where, partial }]): [string, DeclaredInput] => {
      const open = from.some(({ stage: name }) =>
        [...(stages.get(name)?.axes.keys() ?? [])].some(
          (axis) => !stage.axes.has(axis) && !where.get(axis)?.single,
        ),
      );
      const arity: Arity = partial ? 'partial' : open || files ? 'many' : 'one';
      return [port, { kind: 'bytes', arity }];
    },
  );
  const declaration = {
    params: [...stage.params.keys()],
    inputs: Object.fromEntries(ports),
    outputs: Object.fromEntries([...command.outputs].map(([name, { kind }]) => [name, { kind }])),
    hasWork: false,
  };
  const isSecond =
    command.environment !== null ||
    isSecondForm(secondForm(command)) ||
    hasFolders(stage, command.outputs, stages);
  const code = isSecond ? CODE_2 : CODE;
  return { code: { digest: code, file: '', bytes: new Uint8Array(0) }, declaration };
}

/** Whether a command writes folders, or reads what others wrote as folders. */
function hasFolders(
  stage: StageConfig,
  outputs: CommandConfig['outputs'],
  stages: ReadonlyMap<string, StageConfig>,
): boolean {
  const isFolder = (name: string, output: string): boolean =>
    stages.get(name)?.command?.outputs.get(output)?.kind === FOLDER;
  return (
    [...outputs.values()].some(({ kind }) => kind === FOLDER) ||
    [...stage.inputs.values()].some(({ from }) =>
      from.some(({ stage: name, output }) => isFolder(name, output)),
    )
  );
}
