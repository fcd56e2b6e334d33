// completion.ts — pipeline completion SHELL: a script that asks `pipeline complete` what may come next

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Argument, Command, Option } from 'commander';
import { decodeSource } from '../../engine/config/source-text.ts';
import { parseYaml } from '../../engine/config/yaml.ts';
import { byCodeUnit } from '../../engine/model/key.ts';
import { entryOf } from '../../present.ts';
import { EXIT, placesOf, storeAt, tell } from '../session/session.ts';

/** Each script passes the words before the cursor, the last one unfinished, and takes a candidate from each line. */
const SCRIPTS: { readonly [shell: string]: string } = {
  bash: `# pipeline completion for bash
_pipeline() {
  local words cword
  # Without : and = among the word breaks, tasks and --set stay whole.
  _get_comp_words_by_ref -n := words cword 2>/dev/null || { words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
  words=("\${words[@]:0:cword+1}")
  local candidate
  COMPREPLY=()
  # Not compgen -W: it would run what stands in a name.
  while IFS= read -r candidate; do
    COMPREPLY+=("$candidate")
  done < <(pipeline complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -o default -F _pipeline pipeline`,
  zsh: `#compdef pipeline
_pipeline() {
  local -a candidates
  candidates=("\${(@f)$(pipeline complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n $candidates ]]; then compadd -- $candidates; else _files; fi
}
compdef _pipeline pipeline`,
  fish: `# pipeline completion for fish
complete -c pipeline -a '(pipeline complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`,
};

/** Prints the script for a shell. */
export function completion(shell: string): number {
  tell(entryOf(SCRIPTS, shell));
  return EXIT.made;
}

/** Prints what may stand in place of the last of some words, one to a line. */
export function complete(root: Command, words: readonly string[]): number {
  const before = words.slice(0, -1);
  const begun = words.at(-1) ?? '';
  const command = root.commands.find((known) => known.name() === before[0]);
  const all = command ? candidatesIn(command, before.slice(1), begun) : commandNames(root);
  for (const candidate of all) if (candidate.startsWith(begun)) tell(candidate);
  return EXIT.made;
}

const commandNames = (root: Command): readonly string[] =>
  root
    .createHelp()
    .visibleCommands(root)
    .map((command) => command.name());

function candidatesIn(
  command: Command,
  before: readonly string[],
  begun: string,
): readonly string[] {
  const asked = command.options.find(
    (option) => takesValue(option) && isCalled(option, before.at(-1)),
  );
  const folder = valueAfter(before, ['-C', '--directory']) ?? '.';
  const file = valueAfter(before, ['--file']) ?? 'pipeline.yaml';
  const cache = valueAfter(before, ['--cache']);
  if (asked) {
    if (asked.argChoices) return asked.argChoices;
    if (asked.long === '--preset') return namesIn(folder, file, 'presets');
    if (asked.long === '--run') return runIds(folder, cache);
    return asked.long === '--force' ? namesIn(folder, file, 'stages') : [];
  }
  if (begun.startsWith('-')) return command.options.flatMap(({ long }) => long ?? []);
  const argument = argumentAt(command, before);
  if (argument === undefined) return [];
  if (argument.argChoices) return argument.argChoices;
  if (/^(target|task)/.test(argument.name())) return namesIn(folder, file, 'stages');
  return /^(runs|before|after)$/.test(argument.name()) ? runIds(folder, cache) : [];
}

const isCalled = ({ short, long }: Option, word: string | undefined): boolean =>
  word !== undefined && (word === short || word === long);

const takesValue = ({ required, optional }: Option): boolean => required || optional;

/** The argument that stands at the cursor: those before it that are no options are counted. */
function argumentAt(command: Command, before: readonly string[]): Argument | undefined {
  const plain = before.filter((word, at) => {
    const option = command.options.find((known) => isCalled(known, before[at - 1]));
    return !word.startsWith('-') && !(option && takesValue(option));
  });
  const { registeredArguments } = command;
  return registeredArguments[Math.min(plain.length, registeredArguments.length - 1)];
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
