// completion.ts — pipeline completion SHELL: a script that asks `pipeline complete` what may come next

import { entryOf } from '../../../present.ts';
import { writeStdout } from '../../session/printing.ts';
import { EXIT } from '../../session/session.ts';
import { type CommandDeclaration, JSON_ACCEPTED } from '../../terminal/declaration.ts';

export const command: CommandDeclaration = {
  name: 'completion',
  group: 'Set up',
  about: 'print a script that completes commands, options, tasks, params and runs',
  arguments: [{ name: '<shell>', choices: ['bash', 'zsh', 'fish'] }],
  options: [JSON_ACCEPTED],
  examples: [
    'completion bash > ~/.local/share/bash-completion/completions/pipeline',
    'completion zsh > ~/.zfunc/_pipeline',
    'completion fish > ~/.config/fish/completions/pipeline.fish',
  ],
};
export { completion as run };

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
  candidates=("\${(@f)$(pipeline complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  open=("\${(@M)candidates:#*[/=.:\\[,]}")
  candidates=("\${(@)candidates:#*[/=.:\\[,]}")
  candidates=("\${(@)candidates:#}")
  if (( \${#open} + \${#candidates} == 0 )); then _files; return; fi
  (( \${#open} )) && compadd -S '' -- "\${(@)open}"
  (( \${#candidates} )) && compadd -- "\${(@)candidates}"
}
# As a file of fpath this is the body of _pipeline when it is first called; otherwise it was sourced.
if [[ "$funcstack[1]" == _pipeline ]]; then _pipeline "$@"; else compdef _pipeline pipeline; fi`,
  fish: `# pipeline completion for fish
function __pipeline_candidates
  # The word as it is meant: fish itself quotes what it puts in its place.
  set -l begun (commandline -ct | string replace -r '^["\\']' '' | string unescape)
  set -l found (pipeline complete -- (commandline -opc | string unescape)[2..] "$begun" 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path "$begun"
  end
end
complete -c pipeline -f -a '(__pipeline_candidates)'`,
};

/** Prints the script for a shell. */
function completion(shell: string): number {
  writeStdout(entryOf(SCRIPTS, shell));
  return EXIT.success;
}
