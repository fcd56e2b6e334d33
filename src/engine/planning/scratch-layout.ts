// scratch-layout.ts — where inputs and outputs of a command lie in its scratch folder, and whether they are in each other's way
import { plainName } from '../../plain-text.ts';
import { elementAt, entryOf } from '../../present.ts';
import { CODECS } from '../config/codecs.ts';
import type { InputConfig } from '../config/input.ts';
import { EVENTS_PLACE, withoutSlash } from '../config/outputs.ts';
import type { StageConfig } from '../config/stage-config.ts';
import type { Diagnostic } from '../model/event.ts';
import type { Named } from '../model/key.ts';
import type { Arity, CodecKind } from '../stage.ts';
import { listFile } from './command-line.ts';
import type { Binding, Invocation, Plan } from './plan.ts';

/** Where inputs of a command lie. */
export type InputPlaces = Pick<Invocation, 'inputs' | 'ends'>;

type Report = (problem: Diagnostic) => void;

/** A file or folder of the scratch folder. */
interface Entry {
  readonly noun: 'input' | 'list of input' | 'output';
  /** The name of the input or output. */
  readonly name: string;
  /** A folder ends with a slash. */
  readonly path: string;
}

const isList = (arity: Arity): boolean => arity === 'many' || arity === 'partial';

/** Where a file of the project lies in a scratch folder: under its own name, or below the port's when it is outside. */
export const scratchName = (port: string, name: string): string =>
  /^(\/|\.\.\/|[A-Za-z]:)/.test(name) ? `${port}/${name.replace(/^.*[\\/]/, '')}` : name;

/** Where the inputs lie that pipeline.yaml names. */
export function inputPlaces(
  plan: Plan,
  stage: StageConfig,
  inputs: Named<Binding>,
  report: Report,
): InputPlaces {
  const ends: [string, string][] = [];
  const places = [...stage.inputs].map(([port, config]): [string, string | null] => {
    if (config.files) return [port, null];
    const { arity } = entryOf(inputs, port);
    const { ending } = CODECS[kindOf(plan, elementAt(config.from, 0))];
    if (isList(arity)) ends.push([port, ending]);
    return [port, placeOf(port, config, { arity, ending }, report)];
  });
  return { inputs: Object.fromEntries(places), ends: Object.fromEntries(ends) };
}

/** Where an input from a stage lies: `data.json`, `model/` for a folder, or `runs/` for a list. */
function placeOf(
  port: string,
  { as }: InputConfig,
  { arity, ending }: { readonly arity: Arity; readonly ending: string },
  report: Report,
): string {
  const named = typeof as?.value === 'string' ? as.value : undefined;
  if (isList(arity) || ending === '/') return `${withoutSlash(named ?? port)}/`;
  if (named?.endsWith('/')) {
    const message = `input \`${port}\` is one file, and \`${named}\` names a folder`;
    report({ message, place: as?.place, hint: withoutSlash(named) });
  }
  return named ?? `${port}${ending}`;
}

const kindOf = (plan: Plan, { stage, output }: InputConfig['from'][number]): CodecKind =>
  plan.stages.get(stage)?.declaration.outputs[output]?.kind ?? 'bytes';

/** Two files on one path would hide each other; what lies in a folder of another would become part of it. */
export function checkLayout(
  stage: StageConfig,
  command: Invocation,
  inputs: Named<Binding>,
  report: Report,
): void {
  const owners = new Map<string, string>([['params.json', 'the params']]);
  const folders = new Map<string, string>();
  for (const { noun, name, path } of entriesOf(command, inputs)) {
    const owner = owners.get(withoutSlash(path));
    const who = `${noun} \`${name}\``;
    if (owner !== undefined) {
      const message = `${owner} and ${who} of stage \`${stage.name}\` would both be \`${withoutSlash(path)}\` in its scratch folder`;
      const place = stage.inputs.get(name)?.place ?? stage.place;
      report({ message, place, hint: 'give one of them another `file`' });
    }
    owners.set(withoutSlash(path), who);
    const isListFolder = noun === 'input' && Object.hasOwn(command.ends, name);
    if (path.endsWith('/') && !isListFolder) folders.set(path, who);
  }
  if (folders.size > 0) checkFolders(stage, folders, owners, report);
}

/** Everything that is put into the scratch folder or expected there. */
function entriesOf(command: Invocation, inputs: Named<Binding>): readonly Entry[] {
  const given = Object.entries(command.inputs).flatMap(([name, place]) => {
    const files = place === null ? (entryOf(inputs, name).files ?? []) : [];
    const paths = place === null ? files.map((file) => scratchName(name, file.name)) : [place];
    return paths.map((path) => ({ noun: 'input' as const, name, path }));
  });
  const lists = command.lists.map((name) => ({
    noun: 'list of input' as const,
    name,
    path: listFile(name),
  }));
  const outputs = Object.entries(command.outputs)
    .filter(([, { file }]) => file !== EVENTS_PLACE)
    .map(([name, { file }]) => ({ noun: 'output' as const, name, path: file }));
  return [...given, ...lists, ...outputs];
}

/** @param owners whose each path of the scratch folder is */
function checkFolders(
  stage: StageConfig,
  folders: ReadonlyMap<string, string>,
  owners: ReadonlyMap<string, string>,
  report: Report,
): void {
  for (const [folder, owner] of folders) {
    for (const [path, who] of owners) {
      if (!path.startsWith(folder)) continue;
      const message = `${who} (${path}) of stage \`${stage.name}\` lies in the folder of ${owner} (${folder})`;
      report({ message, place: stage.place, hint: 'give one of them another `file`' });
    }
  }
}

/** A list has one path a line. */
export function checkLists(
  stage: StageConfig,
  { lists }: Invocation,
  inputs: Named<Binding>,
  report: Report,
): void {
  for (const port of lists) {
    const odd = entryOf(inputs, port).files?.find(({ name }) => name.includes('\n'));
    if (odd === undefined) continue;
    const message = `\`${plainName(odd.name)}\` has a line break in its name, and cannot stand in the list of input \`${port}\` of stage \`${stage.name}\``;
    report({
      message,
      place: stage.inputs.get(port)?.place,
      hint: 'give the file another name',
    });
  }
}
