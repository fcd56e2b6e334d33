// command-check.ts — what will go wrong with commands, as far as it can be told before they run
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { didYouMean } from '../../hint.ts';
import { type CommandConfig, looksLikePath, type Word } from '../config/command.ts';
import { isWithin } from '../config/input.ts';
import type { StageConfig } from '../config/stage-config.ts';
import { type Diagnostic, inReadingOrder } from '../model/event.ts';
import type { Invocation, Plan, Task } from './plan.ts';

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
  for (const task of tasks.values()) {
    const stage = stages.get(task.stage);
    if (!stage?.command || task.command === null) continue;
    const commanded = { stage, command: stage.command, task, invocation: task.command };
    checkScripts(commanded, root, say);
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
  if (!filesOf(task).has(name)) {
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

const isFile = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return isFile(path);
  } catch {
    return false;
  }
}

/** Files of the project that lie in the scratch folder of a task, by name. */
const filesOf = ({ inputs }: Task): ReadonlySet<string> =>
  new Set(
    Object.values(inputs).flatMap(({ files }) =>
      (files ?? []).map(({ name }) => posix.normalize(name)),
    ),
  );

// ---- words that will not be filled in ----

/** What may stand in braces before a dot. */
const ROOMS = ['params', 'inputs', 'outputs'];

function checkWord({ stage, command }: Commanded, { text, place }: Word, say: Say): void {
  const known = new Map<string, string>();
  for (const name of stage.params.keys()) known.set(name, `{params.${name}}`);
  for (const name of stage.inputs.keys()) known.set(name, `{inputs.${name}}`);
  for (const name of command.outputs.keys()) known.set(name, `{outputs.${name}}`);
  const complain = (what: string, hint: string): void => {
    const message = `\`${what}\` in the command of stage \`${stage.name}\` stays as it is: nothing fills it in`;
    say({ message, place, hint });
  };
  const variable = /^\$\{?([A-Za-z_][\w-]*(?:\.[\w-]+)*)\}?$/.exec(text)?.[1];
  if (variable !== undefined) {
    complain(text, `no shell reads it: ${insteadOf(variable, known)}`);
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
  if (filesOf(task).has(name) || !isFile(join(root, name))) return;
  const message = `the command of stage \`${stage.name}\` names ${text}, a file of the project that is no input of it`;
  const hint = `inputs: { script: { file: ${name} } } puts it beside the command and into the key`;
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

// ---- files that scripts need ----

/** How a script of a kind names files of the project, as paths relative to itself without their endings. */
const IMPORTS: { readonly [ending: string]: (text: string) => readonly string[] } = {
  '.py': pythonImports,
  '.mjs': (text) => relativeImports(text, JAVASCRIPT),
  '.js': (text) => relativeImports(text, JAVASCRIPT),
  '.cjs': (text) => relativeImports(text, JAVASCRIPT),
  '.ts': (text) => relativeImports(text, JAVASCRIPT),
  '.R': (text) => relativeImports(text, /^\s*source\(\s*["']([^"']+)["']/gm),
  '.jl': (text) => relativeImports(text, /^\s*include\(\s*["']([^"']+)["']/gm),
  '.sh': (text) => relativeImports(text, /^\s*(?:\.|source)\s+["']?(\.{0,2}[\w./-]+)/gm),
};
const JAVASCRIPT = /\b(?:from|import|require\(|import\()\s*["'](\.{1,2}\/[^"']+)["']/g;
/** A script beyond this size is data. */
const SCRIPT_BYTES_MAX = 2 ** 20;

const relativeImports = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map(([, path = '']) => path);

/** Modules that are imported at the beginning of a line: those within a function or a `try` may be done without. */
function pythonImports(text: string): readonly string[] {
  const paths: string[] = [];
  const pathOf = (module: string): string => {
    const dots = /^\.*/.exec(module)?.[0].length ?? 0;
    const up = dots > 1 ? '../'.repeat(dots - 1) : '';
    return up + module.slice(dots).replaceAll('.', '/');
  };
  for (const [, modules = ''] of text.matchAll(/^import[ \t]+([^#\n;]+)/gm)) {
    for (const part of modules.split(',')) paths.push(pathOf(part.trim().split(/\s/, 1).join()));
  }
  for (const [, module = '', names = ''] of text.matchAll(
    /^from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*|[^#;\n]*)/gm,
  )) {
    paths.push(pathOf(module));
    for (const name of names.replace(/^\(|#.*$/gm, '').split(',')) {
      const [word = ''] = name.trim().split(/\s/);
      if (/^\w+$/.test(word)) paths.push(posix.join(pathOf(module), word));
    }
  }
  return paths.filter((path) => /^(?:\.\.\/)*[\w/]+$/.test(path));
}

const ENDINGS = ['', '.py', '/__init__.py', '.mjs', '.js', '.ts', '.json'];

function checkScripts({ stage, task }: Commanded, root: string, say: Say): void {
  const there = filesOf(task);
  for (const [port, { files }] of Object.entries(task.inputs)) {
    for (const { name, path, stamp } of files ?? []) {
      const read = IMPORTS[posix.extname(name)];
      if (read === undefined || stamp.size > SCRIPT_BYTES_MAX || !isWithin(name)) continue;
      for (const module of read(readFileSync(path, 'utf8'))) {
        const base = posix.join(posix.dirname(name), module);
        const file = ENDINGS.map((ending) => base + ending).find(
          (candidate) => isWithin(candidate) && isFile(join(root, candidate)),
        );
        if (file === undefined || there.has(file)) continue;
        const place = stage.inputs.get(port)?.files?.place ?? stage.place;
        const message = `${name} needs ${file}, which is no input of stage \`${stage.name}\``;
        const hint = `inputs: { helper: { file: ${file} } } puts it beside ${name} and into the key`;
        say({ message, place, hint });
      }
    }
  }
}
