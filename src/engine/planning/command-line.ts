// command-line.ts — the arguments of a command, filled in, and what to say where they are more than the system takes

import { plainName } from '../../plain-text.ts';
import { entryOf } from '../../present.ts';
import { REFERENCE } from '../config/command.ts';
import { withoutSlash } from '../config/outputs.ts';
import { canonicalJson, type Json, type Named } from '../model/key.ts';
import { StageError } from '../stage.ts';
import { joinDotted, splitDotted } from '../text/dotted.ts';
import type { Invocation } from './plan.ts';

/** What takes the place of `{params.x}`, `{inputs.x}` and `{outputs.x}`. */
export interface Fillings {
  readonly params: Named<Json>;
  /** The paths of each input, by port. */
  readonly places: Named<readonly string[]>;
  /** The file that lists the paths of an input, by port: for `{inputs.x.list}`. */
  readonly lists: Named<string>;
}

/** An argument, and the reference in pipeline.yaml that it comes from, where it holds one. */
export interface Argument {
  readonly text: string;
  readonly from: string | undefined;
}

/** Linux takes no argument or variable of this many bytes, whatever `ulimit -s` allows in all. */
const ARGUMENT_BYTES_MAX = 131_072;

/** The inputs whose paths a command wants in a file: those of its `{inputs.x.list}`. */
export function listsIn(argv: readonly string[]): readonly string[] {
  const ports = argv.flatMap((argument) =>
    [...argument.matchAll(REFERENCE)].flatMap(([, room, path = '']) =>
      room === 'inputs' && path.endsWith('.list') ? [path.slice(0, -'.list'.length)] : [],
    ),
  );
  return [...new Set(ports)].sort();
}

/** Where the list of an input's paths lies in a scratch folder. */
export const listFile = (port: string): string => `${port}.list`;

/** The arguments with params and paths filled in. */
export function argumentsOf(
  { argv, outputs }: Pick<Invocation, 'argv' | 'outputs'>,
  { params, places, lists }: Fillings,
): readonly Argument[] {
  const values = (room: string, path: string): readonly string[] => {
    const [name = '', ...rest] = splitDotted(path);
    if (room === 'outputs') return [withoutSlash(entryOf(outputs, name).file)];
    if (room === 'params') return [paramText(params, [name, ...rest])];
    // In commands of earlier versions `list` meant nothing.
    const list = rest[0] === 'list' ? lists[name] : undefined;
    return list === undefined ? entryOf(places, name) : [list];
  };
  return argv.flatMap((argument): readonly Argument[] => {
    const whole = [...argument.matchAll(REFERENCE)];
    const [from, room = '', path = ''] = whole[0] ?? [];
    if (whole.length === 1 && from === argument) {
      return values(room, path).map((text) => ({ text, from }));
    }
    const text = argument.replace(REFERENCE, (reference, room: string, path: string) => {
      const given = values(room, path);
      const [only] = given;
      if (only !== undefined && given.length === 1) return only;
      throw new StageError(
        `${reference} is ${given.length} files: let it be an argument by itself, and it becomes one for each`,
      );
    });
    return [{ text, from }];
  });
}

/** A param as an argument: text as it is, all else as JSON. */
function paramText(params: Named<Json>, path: readonly string[]): string {
  let value: Json | undefined = params;
  for (const step of path) {
    const within: boolean =
      typeof value === 'object' && value !== null && Object.hasOwn(value, step);
    value = within ? (value as Named<Json>)[step] : undefined;
  }
  if (value === undefined) throw new StageError(`there is no param \`${joinDotted(path)}\``);
  return typeof value === 'string' ? value : canonicalJson(value);
}

/** Says which part of a command is more than the system takes at once, and what to do. */
export function formatTooLong(argv: readonly Argument[], env: Named<string>): string {
  const long = argv.find(({ text }) => bytesOf(text) >= ARGUMENT_BYTES_MAX);
  if (long !== undefined) {
    const which = long.from ?? plainName(`${long.text.slice(0, 40)}…`);
    return `${which} is an argument of ${count(bytesOf(long.text))} bytes, and the system takes none of more than ${count(ARGUMENT_BYTES_MAX - 1)} (E2BIG)${adviceOn(long.from)}`;
  }
  const variable = Object.entries(env).find(
    ([name, value]) => bytesOf(name) + 1 + bytesOf(value) >= ARGUMENT_BYTES_MAX,
  );
  if (variable !== undefined) {
    const [name, value] = variable;
    return `the variable ${name} has ${count(bytesOf(value))} bytes, and the system takes none of more than ${count(ARGUMENT_BYTES_MAX - 2 - bytesOf(name))} (E2BIG): let it be a param or a file`;
  }
  return formatTotalTooLong(argv, env);
}

function formatTotalTooLong(argv: readonly Argument[], env: Named<string>): string {
  const sizes = new Map<string | undefined, { words: number; bytes: number }>();
  for (const { text, from } of argv) {
    const known = sizes.get(from) ?? { words: 0, bytes: 0 };
    sizes.set(from, { words: known.words + 1, bytes: known.bytes + bytesOf(text) + 1 });
  }
  const all = [...sizes.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const around = Object.entries(env).reduce(
    (sum, [name, value]) => sum + bytesOf(name) + bytesOf(value) + 2,
    0,
  );
  const [largest] = [...sizes].sort(([, a], [, b]) => b.bytes - a.bytes);
  const [from, { words, bytes }] = largest ?? [undefined, { words: 0, bytes: 0 }];
  const which =
    from === undefined ? '' : `; ${from} became ${count(words)} of them, of ${count(bytes)} bytes`;
  const total = `the command line has ${count(argv.length)} arguments of ${count(all)} bytes, beside ${count(around)} bytes of environment`;
  return `${total}: more than the system takes at once (E2BIG)${which}${adviceOn(from)}`;
}

function adviceOn(from: string | undefined): string {
  const [, room, path] = /^\{(\w+)\.([^}]*)\}$/.exec(from ?? '') ?? [];
  if (room === 'inputs') {
    return `: {inputs.${path}.list} is a file that lists them, one per line`;
  }
  return room === 'params' ? ': the program finds it in params.json' : '';
}

const bytesOf = (text: string): number => Buffer.byteLength(text);
const count = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
