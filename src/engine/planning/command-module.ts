// command-module.ts — a command, declared as if it were a module: so that plans need not know the difference
import { CODECS } from '../config/codecs.ts';
import type { CommandConfig } from '../config/command.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { canonicalJson, digestOf } from '../model/key.ts';
import type { Arity, Codec, CodecKind } from '../stage.ts';
import type { DeclaredInput, StageModule } from '../worker/declaration.ts';

/** The code of every command: how its scratch folder is laid out. What it runs has a part of the key to itself. */
const CODE = digestOf(canonicalJson(['command/1']));

/** The codec of an output file. */
export const codecOf = (kind: CodecKind): Codec<unknown> => CODECS[kind].codec;

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
  return { code: { digest: CODE, file: '', bytes: new Uint8Array(0) }, declaration };
}
