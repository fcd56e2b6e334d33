// command-module.ts — a command, declared as if it were a module: so that plans need not know the difference
import { fileSet } from '../file-set.ts';
import type { StageModule } from './code.ts';
import type { CommandConfig } from './command.ts';
import { canonicalJson, digestOf } from './key.ts';
import type { StageConfig } from './section.ts';
import {
  bytes,
  type Codec,
  type CodecKind,
  json,
  type Port,
  type StageDeclaration,
  tensors,
  text,
} from './stage.ts';

/** The code of every command: how its scratch folder is laid out. What it runs has a part of the key to itself. */
const CODE = digestOf(canonicalJson(['command/1']));

const CODECS: { readonly [kind in CodecKind]: Codec<unknown> } = {
  json: json() as Codec<unknown>,
  tensors: tensors() as Codec<unknown>,
  text: text() as Codec<unknown>,
  bytes: bytes() as Codec<unknown>,
  files: fileSet() as Codec<unknown>,
};

/** The codec of an output file. */
export const codecOf = (kind: CodecKind): Codec<unknown> => CODECS[kind];

/** Declares a command: its params are those that it is given, its inputs of any kind, lists where axes are open. */
export function commandModule(
  stage: StageConfig,
  { outputs }: CommandConfig,
  stages: ReadonlyMap<string, StageConfig>,
): StageModule {
  const ports = [...stage.inputs].map(
    ([port, { from, files, where, partial }]): [string, Port<unknown>] => {
      const open = from.some(({ stage: name }) =>
        [...(stages.get(name)?.axes.keys() ?? [])].some(
          (axis) => !stage.axes.has(axis) && !where.get(axis)?.single,
        ),
      );
      return [
        port,
        { codec: CODECS.bytes, arity: partial ? 'partial' : open || files ? 'many' : 'one' },
      ];
    },
  );
  const shape = Object.fromEntries([...stage.params.keys()].map((name) => [name, true]));
  const declaration = {
    // What a schema is asked for: which params there are, and whether they are right. A command takes them as they are.
    params: { shape, safeParse: (data: unknown) => ({ success: true, data }) },
    inputs: Object.fromEntries(ports),
    outputs: Object.fromEntries([...outputs].map(([name, { kind }]) => [name, CODECS[kind]])),
    run: () => {
      throw new Error('bug: a command has no module to run');
    },
  } as unknown as StageDeclaration;
  return { code: { digest: CODE, file: '' }, declaration };
}
