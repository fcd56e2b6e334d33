// complete.ts — pipeline complete WORDS: what may stand at the end of a command line
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { declarations } from 'pipeline:declarations';
import { parseYaml } from '../../../engine/config/yaml.ts';
import { byCodeUnit } from '../../../engine/model/key.ts';
import { decodeSource } from '../../../engine/text/source-text.ts';
import { completeOption, completeTask } from '../../session/completion-words.ts';
import { placesOf } from '../../session/places.ts';
import { writeStdout } from '../../session/printing.ts';
import { EXIT, storeAt } from '../../session/session.ts';
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
  about: 'list the completions of a command line; used by the scripts of `completion`',
  arguments: [{ name: '[words...]' }],
  options: [],
  examples: [],
  hidden: true,
};
export { complete as run };

/** Prints what may stand in place of the last of some words, one to a line. */
async function complete(words: readonly string[]): Promise<number> {
  const before = words.slice(0, -1);
  const begun = words.at(-1) ?? '';
  const named = declarations.find(({ name }) => name === before[0]);
  const all = named ? await candidatesIn(named, before.slice(1), begun) : commandNames();
  for (const candidate of all) if (candidate.startsWith(begun)) writeStdout(candidate);
  return EXIT.success;
}

const commandNames = (): readonly string[] => [
  ...declarations.filter(({ hidden }) => !hidden).map(({ name }) => name),
  'help',
];

async function candidatesIn(
  { options, arguments: places = [] }: CommandDeclaration,
  before: readonly string[],
  begun: string,
): Promise<readonly string[]> {
  const asked = options.find((option) => takesValue(option) && isCalled(option, before.at(-1)));
  const folder = valueAfter(before, ['-C', '--directory']) ?? '.';
  const file = valueAfter(before, ['--file']) ?? 'pipeline.yaml';
  const cache = valueAfter(before, ['--cache']);
  const study = {
    directory: folder,
    file,
    ...(cache !== undefined && { cache }),
    preset: valuesAfter(before, '--preset'),
    params: valuesAfter(before, '--params'),
    set: valuesAfter(before, '--set'),
  };
  if (asked) {
    if (asked.choices) return asked.choices;
    if (isCalled(asked, '--preset')) return namesIn(folder, file, 'presets');
    if (isCalled(asked, '--run') || isCalled(asked, '--against')) return runIds(folder, cache);
    if (isCalled(asked, '--force') || isCalled(asked, '--target')) {
      return await completeTask(study, begun);
    }
    return await completeOption(study, namesOf(asked).at(-1) ?? '', before, begun);
  }
  if (begun.startsWith('-')) return options.flatMap((option) => namesOf(option).at(-1) ?? []);
  const argument = argumentAt(options, places, before);
  if (argument === undefined) return [];
  if (argument.choices) return argument.choices;
  if (/^.(target|task|stage)/.test(argument.name)) return await completeTask(study, begun);
  return /^.(runs?|before|after)\b/.test(argument.name) ? runIds(folder, cache) : [];
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

const valuesAfter = (words: readonly string[], option: string): readonly string[] =>
  words.flatMap((word, at) => (words[at - 1] === option ? [word] : []));

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
    const runs = store.history.runs(20);
    void store.close();
    const called = runs.flatMap(({ name, tags = [] }) => [...tags, ...(name ? [name] : [])]);
    return ['last', ...new Set(called), ...runs.map(({ id }) => id)];
  } catch {
    return []; // A shell that completes a word is no place for errors.
  }
}
