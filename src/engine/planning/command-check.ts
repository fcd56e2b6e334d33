// command-check.ts — what will go wrong with commands, as far as it can be told before they run
import { accessSync, constants, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { didYouMean } from '../../hint.ts';
import { type CommandConfig, looksLikePath, type Word } from '../config/command.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { type Diagnostic, inReadingOrder } from '../model/event.ts';
import type { Invocation, Plan, Task } from './plan.ts';
import { filesOf, ScriptImports } from './script-imports.ts';

/** A task that runs a command, with its stage. */
interface Commanded {
  readonly stage: StageConfig;
  readonly command: CommandConfig;
  readonly task: Task;
  readonly invocation: Invocation;
}

/**
 * Finds programs that are not there, references that will not be filled in, and files of the project that a script needs
 * and does not get. @param root folder of pipeline.yaml
 */
export function checkCommands(
  stages: ReadonlyMap<string, StageConfig>,
  { tasks }: Plan,
  root: string,
): readonly Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  const say = (diagnostic: Diagnostic): void => {
    found.set(`${diagnostic.place?.start}:${diagnostic.message}`, diagnostic);
  };
  const seen = new Set<string>();
  const scripts = new ScriptImports(root);
  for (const task of tasks.values()) {
    const stage = stages.get(task.stage);
    if (!stage?.command || task.command === null) continue;
    const commanded = { stage, command: stage.command, task, invocation: task.command };
    for (const needed of scripts.check(stage, task)) say(needed);
    // The words of a command are the same for every task of its stage.
    if (seen.has(stage.name)) continue;
    seen.add(stage.name);
    checkProgram(commanded, root, say);
    for (const word of stage.command.argv) {
      checkWord(commanded, word, say);
      checkNamed(commanded, word, root, say);
    }
  }
  return inReadingOrder([...found.values()]);
}

type Say = (diagnostic: Diagnostic) => void;

// ---- programs ----

function checkProgram(
  { stage, command, task, invocation }: Commanded,
  root: string,
  say: Say,
): void {
  const [program] = command.argv;
  if (program === undefined || program.text.includes('{')) return;
  const { text, place } = program;
  const complain = (message: string, hint: string): void => say({ message, place, hint });
  if (!text.includes('/')) {
    const path = invocation.env.PATH ?? invocation.path;
    if (path.split(':').some((folder) => isProgram(join(folder || '.', text)))) return;
    const hint = 'install it, or put its folder into PATH';
    complain(`there is no program \`${text}\` on PATH, which stage \`${stage.name}\` runs`, hint);
    return;
  }
  if (text.startsWith('/')) {
    if (isProgram(text)) return;
    const why = isFile(text) ? 'is not executable' : 'is not there';
    complain(`the program ${text} of stage \`${stage.name}\` ${why}`, 'name one that can be run');
    return;
  }
  const name = posix.normalize(text);
  if (!filesOf(task.inputs).has(name)) {
    // A file of the project that is no input is told with the other words.
    if (isFile(join(root, name))) return;
    const hint = 'a program in the scratch folder is an input: inputs: { script: { file: … } }';
    complain(`there is no ${text}, which stage \`${stage.name}\` runs`, hint);
  } else if (!isProgram(join(root, name))) {
    complain(
      `${text}, which stage \`${stage.name}\` runs, is not executable`,
      `chmod +x ${name}, or name what runs it first: [python3, ${text}]`,
    );
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    return false; // A word too long for a path, or below a folder that is closed.
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return isFile(path);
  } catch {
    return false;
  }
}

// ---- words that will not be filled in ----

/** What may stand in braces before a dot. */
const ROOMS = ['params', 'inputs', 'outputs'];

function checkWord({ stage, command }: Commanded, { text, place }: Word, say: Say): void {
  const known = new Map<string, string>();
  for (const name of stage.params.keys()) known.set(name, `{params.${name}}`);
  for (const name of stage.inputs.keys()) known.set(name, `{inputs.${name}}`);
  for (const name of command.outputs.keys()) known.set(name, `{outputs.${name}}`);
  const complain = (what: string, hint: string): void => {
    const message = `\`${what}\` in the command of stage \`${stage.name}\` is not replaced by anything`;
    say({ message, place, hint });
  };
  const variable = /^\$\{?([A-Za-z_][\w-]*(?:\.[\w-]+)*)\}?$/.exec(text)?.[1];
  if (variable !== undefined) {
    complain(text, `there is no shell: ${insteadOf(variable, known)}`);
  }
  for (const [whole, room = '', path] of text.matchAll(
    /(?<!\$)\{([\w-]+)(?:\.([\w-]+(?:\.[\w-]+)*))?\}/g,
  )) {
    if (path === undefined) {
      const filled = known.get(room);
      if (filled) complain(whole, `did you mean \`${filled}\`?`);
      else if (stage.axes.has(room)) complain(whole, insteadOf(room, known));
      else if (nearRoom(room)) complain(whole, `one of ${[...known.values()].join(', ')}`);
    } else if (!ROOMS.includes(room) && nearRoom(room)) {
      complain(whole, `did you mean \`{${nearRoom(room)}.${path}}\`?`);
    }
  }
}

/** A file of the project that a command names and does not get. */
function checkNamed(
  { stage, task }: Commanded,
  { text, place }: Word,
  root: string,
  say: Say,
): void {
  if (!looksLikePath(text)) return;
  const name = posix.normalize(text);
  if (filesOf(task.inputs).has(name) || !isFile(join(root, name))) return;
  const message = `the command of stage \`${stage.name}\` names ${text}, a file of the project that is not an input`;
  const hint = `inputs: { script: { file: ${name} } } adds it to the scratch folder and to the key`;
  say({ message, place, hint });
}

/** The room that a word was meant to be: `param`, `input`, `Inputs`, `ouputs`. */
function nearRoom(word: string): string | undefined {
  const lower = word.toLowerCase();
  const one = ROOMS.find((room) => room === lower || room === `${lower}s`);
  return one ?? ROOMS.find((room) => didYouMean(lower, [room]) !== undefined && lower.length > 3);
}

function insteadOf(name: string, known: ReadonlyMap<string, string>): string {
  const filled = known.get(name.split('.', 1).join());
  if (filled) return `write \`${filled}\``;
  const last = name.split('.').at(-1) ?? name;
  return `give the stage a param (params: { ${last}: $${name} }) and write \`{params.${last}}\``;
}
