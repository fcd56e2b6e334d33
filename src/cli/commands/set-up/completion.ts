// completion.ts — pipeline completion SHELL: a script that asks `pipeline complete` what may come next

import { entryOf } from '../../../present.ts';
import { EXIT, tell } from '../../session/session.ts';
import { type CommandDeclaration, JSON_ACCEPTED } from '../../terminal/declaration.ts';

export const command: CommandDeclaration = {
  name: 'completion',
  group: 'Set up',
  about: 'a script that completes commands, options, presets, stages and runs',
  arguments: [{ name: '<shell>', choices: ['bash', 'zsh', 'fish'] }],
  options: [JSON_ACCEPTED],
  examples: [
    'completion bash > ~/.local/share/bash-completion/completions/pipeline',
    'completion zsh > ~/.zfunc/_pipeline',
    'completion fish > ~/.config/fish/completions/pipeline.fish',
  ],
};
export { completion as run };

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
function completion(shell: string): number {
  tell(entryOf(SCRIPTS, shell));
  return EXIT.made;
}
