// program.ts — the commands as commander knows them, made from what they declare

import { load } from 'pipeline:commands';
import { declarations } from 'pipeline:declarations';
import { Argument, Command, type CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Diagnostic } from '../engine/model/event.ts';
import { nearestOf } from '../engine/text/nearest.ts';
import { plainName } from '../plain-text.ts';
import { entryOf } from '../present.ts';
import {
  type ArgumentDeclaration,
  attributeOf,
  type CommandDeclaration,
  GROUPS,
  type OptionDeclaration,
  readValue,
  ValueError,
} from './terminal/declaration.ts';

/** Filled in by the build. */
declare const VERSION: string;

const examples = (lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ pipeline ${line}`).join('\n')}`;

/** Whether a command line asks for JSON, whatever else is wrong with it. */
export const asksForJson = (argv: readonly string[]): boolean => {
  const end = argv.indexOf('--');
  return argv.slice(2, end < 0 ? undefined : end).includes('--json');
};

/** The whole command line. A command that is named is declared alone: no other can be meant. */
export function program(argv: readonly string[], end: (code: number) => void): Command {
  const root = new Command('pipeline')
    .exitOverride()
    .description('Runs machine-learning experiments, and only the tasks that are not up to date.')
    .version(VERSION)
    .showHelpAfterError('(run with --help for usage and examples)')
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => write(reworded(text, argv)),
      // What is wrong is told on stdout.
      ...(asksForJson(argv) && { writeErr: () => undefined }),
    })
    .addHelpText(
      'after',
      `${examples(['make report', 'make report --preset mnist --mirror DIR', 'why report'])}

Exit codes: 0 success, 1 a task failed, 2 usage or configuration error, 130 interrupted.`,
    );
  const help = new Command('help').argument('[command]').helpOption(false);
  root.addHelpCommand(help.description('show the help of a command').helpGroup('Set up:'));
  if (argv[2] === 'help' && argv[3] !== undefined) checkHelpFor(root, argv[3]);
  const named = declarations.filter(({ name }) => name === argv[2]);
  const sorted = GROUPS.flatMap((group) => declarations.filter((one) => one.group === group));
  for (const declaration of named.length > 0 ? named : sorted) declare(root, declaration, end);
  return root;
}

/** What commander found wrong with a command line. */
export function usageDiagnostic({ message }: CommanderError, argv: readonly string[]): Diagnostic {
  const [first = '', ...more] = reworded(`${message}\n`, argv).trim().split('\n');
  const hints = more.map((line) => line.replace(/^\((.*)\)$/, '$1'));
  const hint = hints.join('; ') || 'run with --help for usage and examples';
  return { message: first.replace(/^error: /, ''), hint };
}

/** Errors of commander in our words. */
function reworded(text: string, argv: readonly string[]): string {
  const worded = text.replace(
    /command-argument value ('.*?') is invalid for argument/,
    '$1 is invalid for',
  );
  const hint = text.includes('unknown option') ? placeOfOption(argv[2] ?? '') : undefined;
  return hint === undefined ? worded : `${worded}${hint}\n`;
}

/** Where an option is to stand that is given before the command. */
function placeOfOption(word: string): string | undefined {
  const flag = word.split('=', 1).join();
  const owners = declarations.filter(({ hidden, options }) =>
    options.some(({ flags }) => !hidden && flags.split(/[ ,]+/).includes(flag)),
  );
  const owner = owners.find(({ name }) => name === 'make') ?? owners[0];
  return owner && `(it stands after the command: pipeline ${owner.name} ${flag} …)`;
}

/** Refuses `help` for what is no command. */
function checkHelpFor(root: Command, word: string): void {
  const names = declarations.filter(({ hidden }) => !hidden).map(({ name }) => name);
  if (word === 'help' || word.startsWith('-') || declarations.some(({ name }) => name === word))
    return;
  const near = nearestOf(word, names);
  const hint = near === undefined ? '' : `\n(Did you mean ${near}?)`;
  root.error(`error: unknown command '${plainName(word)}'${hint}`);
}

function declare(root: Command, declared: CommandDeclaration, end: (code: number) => void): void {
  const command = root
    .command(declared.name, { hidden: declared.hidden ?? false })
    .helpGroup(`${declared.group}:`)
    .description(declared.about)
    // Those are refused by name.
    .allowExcessArguments();
  for (const argument of declared.arguments ?? []) command.addArgument(argumentFrom(argument));
  for (const option of declared.options) command.addOption(optionFrom(option));
  if (declared.hidden) command.allowUnknownOption().helpOption(false);
  else command.addHelpText('after', examples(declared.examples));
  command.action(async (...given: unknown[]) => {
    const words = given.slice(0, -2);
    const options = withLists(declared, given.at(-2) as Values);
    const { run } = await entryOf(load, declared.name)();
    // What a command takes is what it declares.
    end(await run(...([...words, options, command] as never[])));
  });
}

type Values = { readonly [name: string]: unknown };

/** Lists are there even when nothing was given. `--force` without a value is true, and stands in its list so. */
function withLists({ options }: CommandDeclaration, given: Values): Values {
  const lists = options
    .filter(({ repeatable }) => repeatable)
    .map((option) => {
      const value = given[attributeOf(option)] ?? [];
      return [attributeOf(option), Array.isArray(value) ? value : [value]] as const;
    });
  return { preset: [], params: [], set: [], ...given, ...Object.fromEntries(lists) };
}

function argumentFrom({ name, about, choices, default: value }: ArgumentDeclaration): Argument {
  const argument = new Argument(name, about);
  if (choices) argument.choices(choices);
  return value === undefined ? argument : argument.default(value);
}

function optionFrom(declared: OptionDeclaration): Option {
  const option = new Option(declared.flags, declared.about);
  if (declared.choices) option.choices(declared.choices);
  if (declared.default !== undefined) option.default(declared.default, declared.defaultShown);
  if (declared.repeatable) {
    option.argParser((text, before: unknown) => [...(Array.isArray(before) ? before : []), text]);
  } else if (declared.value) option.argParser((text) => checked(declared, text));
  return option;
}

function checked(declared: OptionDeclaration, text: string): string | number {
  try {
    return readValue(declared, text);
  } catch (error) {
    throw error instanceof ValueError ? new InvalidArgumentError(error.message) : error;
  }
}
