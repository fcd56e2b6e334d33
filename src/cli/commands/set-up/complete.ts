// complete.ts — pipeline complete WORDS: what may stand at the end of a command line
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { declarations } from 'pipeline:declarations';
import { decodeSource } from '../../../engine/config/source-text.ts';
import { parseYaml } from '../../../engine/config/yaml.ts';
import { byCodeUnit } from '../../../engine/model/key.ts';
import { EXIT, placesOf, storeAt, tell } from '../../session/session.ts';
import {
  type ArgumentDeclaration,
  type CommandDeclaration,
  namesOf,
  type OptionDeclaration,
  takesValue,
} from '../../terminal/declaration.ts';

export const command: CommandDeclaration = {
  name: 'complete',
  group: 'Set up',
  about: 'what may stand at the end of some words: asked by the scripts of `completion`',
  arguments: [{ name: '[words...]' }],
  options: [],
  examples: [],
  hidden: true,
};
export { complete as run };

/** Prints what may stand in place of the last of some words, one to a line. */
function complete(words: readonly string[]): number {
  const before = words.slice(0, -1);
  const begun = words.at(-1) ?? '';
  const named = declarations.find(({ name }) => name === before[0]);
  const all = named ? candidatesIn(named, before.slice(1), begun) : commandNames();
  for (const candidate of all) if (candidate.startsWith(begun)) tell(candidate);
  return EXIT.made;
}

const commandNames = (): readonly string[] => [
  ...declarations.filter(({ hidden }) => !hidden).map(({ name }) => name),
  'help',
];

function candidatesIn(
  { options, arguments: places = [] }: CommandDeclaration,
  before: readonly string[],
  begun: string,
): readonly string[] {
  const asked = options.find((option) => takesValue(option) && isCalled(option, before.at(-1)));
  const folder = valueAfter(before, ['-C', '--directory']) ?? '.';
  const file = valueAfter(before, ['--file']) ?? 'pipeline.yaml';
  const cache = valueAfter(before, ['--cache']);
  if (asked) {
    if (asked.choices) return asked.choices;
    if (isCalled(asked, '--preset')) return namesIn(folder, file, 'presets');
    if (isCalled(asked, '--run')) return runIds(folder, cache);
    return isCalled(asked, '--force') ? namesIn(folder, file, 'stages') : [];
  }
  if (begun.startsWith('-')) return options.flatMap((option) => namesOf(option).at(-1) ?? []);
  const argument = argumentAt(options, places, before);
  if (argument === undefined) return [];
  if (argument.choices) return argument.choices;
  if (/^.(target|task)/.test(argument.name)) return namesIn(folder, file, 'stages');
  return /^.(runs|before|after)\b/.test(argument.name) ? runIds(folder, cache) : [];
}

const isCalled = (option: OptionDeclaration, word: string | undefined): boolean =>
  word !== undefined && namesOf(option).includes(word);

/** The argument that stands at the cursor: those before it that are no options are counted. */
function argumentAt(
  options: readonly OptionDeclaration[],
  places: readonly ArgumentDeclaration[],
  before: readonly string[],
): ArgumentDeclaration | undefined {
  const plain = before.filter((word, at) => {
    const option = options.find((known) => isCalled(known, before[at - 1]));
    return !word.startsWith('-') && !(option && takesValue(option));
  });
  return places[Math.min(plain.length, places.length - 1)];
}
function valueAfter(words: readonly string[], options: readonly string[]): string | undefined {
  const at = words.findLastIndex((word) => options.includes(word));
  return at < 0 ? undefined : words[at + 1];
}

/** Names of one section of the pipeline file; none when it cannot be read. */
function namesIn(folder: string, file: string, section: string): readonly string[] {
  try {
    const text = decodeSource(readFileSync(join(folder, file)), file);
    const parsed = text.ok ? parseYaml(text.value, file) : text;
    const names = parsed.ok ? parsed.value.fields?.get(section)?.fields?.keys() : undefined;
    return [...(names ?? [])].sort(byCodeUnit);
  } catch {
    return [];
  }
}

function runIds(folder: string, cache: string | undefined): readonly string[] {
  try {
    const places = placesOf({ directory: folder, ...(cache !== undefined && { cache }) });
    const store = storeAt(places.cache, 'read');
    const ids = store.history.runs(20).map(({ id }) => id);
    void store.close();
    return ['last', ...ids];
  } catch {
    return []; // A shell that completes a word is no place for errors.
  }
}
