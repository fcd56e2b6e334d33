// job-script.ts — the script of a job: prologue, then the worker, to which signals are passed on
import type { SubmitAsk } from '../batch.ts';

/** A word for a shell. */
export const quoteWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * The script. Slurm signals the script alone (`--signal=B:…`), so it passes on what it hears. @param element the shell word
 * for the number of the job
 */
export function jobScript(
  { cls, argv, env }: SubmitAsk,
  element = '"$SLURM_ARRAY_TASK_ID"',
): string {
  const words = [...cls.wrap, ...argv];
  const [program = ''] = words;
  // `module` and its like are functions that a login shell has.
  const shell = cls.prologue.length > 0 ? '#!/bin/bash -l' : '#!/bin/bash';
  const variables = Object.entries(env).map(
    ([name, value]) => `export ${name}=${quoteWord(value)}`,
  );
  return `${[
    shell,
    ...cls.prologue,
    ...variables,
    `if ! command -v ${quoteWord(program)} > /dev/null; then`,
    `  echo "pipeline: there is no program \\"${program.replace(/["$`\\]/g, '\\$&')}\\" on $(hostname)"`,
    '  exit 127',
    'fi',
    `${words.map(quoteWord).join(' ')} ${element} &`,
    'worker=$!',
    'for name in USR1 TERM INT HUP; do',
    '  trap "kill -s $name $worker 2> /dev/null" "$name"',
    'done',
    // A signal ends `wait`, not the worker.
    'while wait "$worker"; code=$?; [ "$code" -gt 128 ] && kill -0 "$worker" 2> /dev/null; do :; done',
    'exit "$code"',
  ].join('\n')}\n`;
}
