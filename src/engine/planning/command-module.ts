// command-module.ts — a command, declared as if it were a module: so that plans need not know the difference
import { fileSet } from '../../file-set.ts';
import type { CommandConfig } from '../config/command.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { canonicalJson, digestOf } from '../model/key.ts';
import { type Arity, bytes, type Codec, type CodecKind, json, tensors, text } from '../stage.ts';
import type { DeclaredInput, StageModule } from '../worker/declaration.ts';

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
    outputs: Object.fromEntries([...outputs].map(([name, { kind }]) => [name, { kind }])),
    hasWork: false,
  };
  return { code: { digest: CODE, file: '' }, declaration };
}
