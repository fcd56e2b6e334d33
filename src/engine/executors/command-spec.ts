// command-spec.ts — from the key's description of a command to what is run
import type { AbsentReason, Coordinates, Digest, KeyParts, Named, TaskId } from '../model/key.ts';
import { isSecondForm, secondFormOf } from '../planning/command-module.ts';
import type { Invocation } from '../planning/plan.ts';
import type { Arity, CodecKind } from '../stage.ts';
import type { ActionInput } from './executor.ts';

/** An input with the bytes of its blobs, in matrix order. */
export type HeldInput = readonly ({
  readonly task: TaskId;
  readonly at: Coordinates;
} /** `bytes` is absent for a large blob, which the store writes. */ & (
  | { readonly digest: Digest; readonly bytes?: Uint8Array }
  | { readonly missing: AbsentReason }
))[];

/** A command, without what only planning needs. */
export type CommandSpec = Pick<
  Invocation,
  'argv' | 'env' | 'inputs' | 'ends' | 'outputs' | 'lists' | 'pass'
> & {
  readonly checkpoint: boolean;
  readonly events: boolean;
  readonly taskFile: boolean;
  /** Variables that name units of resources, as written. */
  readonly units: Named<string>;
  /** How much of each such resource it has. */
  readonly shows: Named<number>;
  /** How many threads its libraries may start; null where nothing is said. */
  readonly threads: number | null;
  /** The name of the home folder that it shares; null where it has one of its own. */
  readonly sharedHome: string | null;
  /** Whether it sees more than commands of the form `command/1` do. */
  readonly isSecondForm: boolean;
};

/** The command of an action. @throws Error when the action is none */
export function invocationOf(
  { command, outputs: kinds }: Pick<KeyParts, 'command' | 'outputs'>,
  given: Named<ActionInput>,
): CommandSpec {
  if (command === undefined) throw new Error('bug: the action is no command');
  const { argv, env, inputs, outputs, lists = [] } = command;
  const second = secondFormOf(command);
  const { checkpoint = false, events = false, pass = [], taskFile = false } = second;
  const { units = {}, shows = {}, threads = null, sharedHome = null } = second;
  const places: Record<string, string | null> = {};
  const ends: Record<string, string> = {};
  for (const [port, place] of Object.entries(inputs)) {
    const input: ActionInput | undefined = given[port];
    const isList = input !== undefined && 'arity' in input && LISTS.has(input.arity);
    const [, folder, end] = (isList && /^(.*\/)\*(.*)$/s.exec(place ?? '')) || [];
    places[port] = folder ?? place;
    if (end !== undefined) ends[port] = end;
  }
  const files = Object.entries(outputs).map(([name, file]) => [
    name,
    { file, kind: kinds[name] as CodecKind },
  ]);
  // No path of the first form ends so.
  const hasFolders = [...Object.values(inputs), ...Object.values(outputs)].some((place) =>
    place?.endsWith('/'),
  );
  return {
    ...{ argv, env, inputs: places, ends, outputs: Object.fromEntries(files), lists },
    ...{ checkpoint, events, pass, taskFile, units, shows, threads, sharedHome },
    isSecondForm: isSecondForm(second) || hasFolders,
  };
}

const LISTS: ReadonlySet<Arity> = new Set(['many', 'partial']);
