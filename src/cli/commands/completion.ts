// completion.ts — pipeline completion SHELL: a script that asks `pipeline complete` what may come next

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Argument, Command, Option } from 'commander';
import { decodeSource } from '../../engine/config/source-text.ts';
import { parseYaml } from '../../engine/config/yaml.ts';
import { byCodeUnit } from '../../engine/model/key.ts';
import { entryOf } from '../../present.ts';
import { optionWords, taskWords } from '../session/completion-words.ts';
import { EXIT, placesOf, storeAt, tell } from '../session/session.ts';

/**
 * Each script passes the words before the cursor, the last one unfinished and without its quotes, and takes a candidate from
 * each line. One that ends with `/`, `=`, `.`, `:`, `[` or `,` goes on: no blank follows it.
 */
const SCRIPTS: { readonly [shell: string]: string } = {
  bash: `# pipeline completion for bash
_pipeline() {
  local line="\${COMP_LINE:0:COMP_POINT}" current prefix="" candidate
  local -a words
  # Not COMP_WORDS: readline breaks words at : and =, and tasks and --set have to stay whole.
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  current="\${words[\${#words[@]}-1]}"
  case "$current" in
    [\\'\\"]*) current="\${current:1}" ;; # readline keeps a quoted word whole
    *[:=]*) prefix="\${current%"\${current##*[:=]}"}" ;;
  esac
  words[\${#words[@]}-1]="$current"
  COMPREPLY=()
  # Not compgen -W: it would run what stands in a name.
  while IFS= read -r candidate; do
    COMPREPLY+=("\${candidate#"$prefix"}")
  done < <(pipeline complete -- "\${words[@]:1}" 2>/dev/null)
  if [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == *[/=.:[,] ]]; then
    compopt -o nospace 2>/dev/null
  fi
}
complete -o default -F _pipeline pipeline`,
  zsh: `#compdef pipeline
_pipeline() {
  local -a candidates open
  candidates=("\${(@f)$(pipeline complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  open=("\${(@M)candidates:#*[/=.:\\[,]}")
  candidates=("\${(@)candidates:#*[/=.:\\[,]}")
  candidates=("\${(@)candidates:#}")
  if (( \${#open} + \${#candidates} == 0 )); then _files; return; fi
  (( \${#open} )) && compadd -S '' -- "\${(@)open}"
  (( \${#candidates} )) && compadd -- "\${(@)candidates}"
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
export async function complete(root: Command, words: readonly string[]): Promise<number> {
  const before = words.slice(0, -1);
  const begun = words.at(-1) ?? '';
  const command = root.commands.find((known) => known.name() === before[0]);
  const all = command ? await candidatesIn(command, before.slice(1), begun) : commandNames(root);
  for (const candidate of all) if (candidate.startsWith(begun)) tell(candidate);
  return EXIT.made;
}

const commandNames = (root: Command): readonly string[] =>
  root
    .createHelp()
    .visibleCommands(root)
    .map((command) => command.name());

async function candidatesIn(
  command: Command,
  before: readonly string[],
  begun: string,
): Promise<readonly string[]> {
  const asked = command.options.find(
    (option) => takesValue(option) && isCalled(option, before.at(-1)),
  );
  const folder = valueAfter(before, ['-C', '--directory']) ?? '.';
  const file = valueAfter(before, ['--file']) ?? 'pipeline.yaml';
  const cache = valueAfter(before, ['--cache']);
  const presets = valuesAfter(before, '--preset');
  const sets = valuesAfter(before, '--set').filter((set) => set !== begun);
  const study = {
    directory: folder,
    file,
    ...(cache !== undefined && { cache }),
    preset: presets,
    set: sets,
  };
  if (asked) {
    if (asked.argChoices) return asked.argChoices;
    if (asked.long === '--preset') return namesIn(folder, file, 'presets');
    if (asked.long === '--run') return runIds(folder, cache);
    if (asked.long === '--against') return runIds(folder, cache);
    if (asked.long === '--force' || asked.long === '--target') return await taskWords(study, begun);
    return optionWords(study, asked.long ?? '', before, begun);
  }
  if (begun.startsWith('-')) return command.options.flatMap(({ long }) => long ?? []);
  const argument = argumentAt(command, before);
  if (argument === undefined) return [];
  if (argument.argChoices) return argument.argChoices;
  if (/^(target|task|stage)/.test(argument.name())) return await taskWords(study, begun);
  return /^(runs?|before|after)$/.test(argument.name()) ? runIds(folder, cache) : [];
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
    const ids = store.history.runs(20).map(({ id }) => id);
    void store.close();
    const called = store.history
      .runs(20)
      .flatMap(({ name, tags = [] }) => [...tags, ...(name ? [name] : [])]);
    return ['last', ...new Set(called), ...ids];
  } catch {
    return []; // A shell that completes a word is no place for errors.
  }
}
