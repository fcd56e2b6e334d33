// options.ts — what the declarations of commands are made of
import { type Command, InvalidArgumentError } from 'commander';

/** Collects the values of an option that may be repeated. */
export const several = (value: string, before: string[] = []): string[] => [...before, value];

/** Options that may be repeated, and are lists. Empty ones come from here: a default would show in `--help`. */
export const withLists = <Options extends object>(options: Options) => ({
  preset: [],
  set: [],
  force: [],
  mirror: [],
  ...options,
});

const wholeNumber =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (value: string): number => {
    const number = Number(value);
    const plain = /^\d+(?:e\d+)?$/i.test(value);
    if (plain && Number.isInteger(number) && number >= least && number <= most) return number;
    const bounds =
      most < Number.MAX_SAFE_INTEGER ? `from ${least} to ${most}` : `of at least ${least}`;
    throw new InvalidArgumentError(`It must be a whole number ${bounds}.`);
  };

export const positive = wholeNumber(1);
export const notNegative = wholeNumber(0);
/** More tasks at once than this no machine runs. */
export const jobs = wholeNumber(1, 4096);

/** Adds what every command takes. */
export function withCommon(command: Command): Command {
  return withStore(
    command
      .option(
        '--preset <name>',
        'lay a preset of pipeline.yaml over its params (repeatable)',
        several,
      )
      .option(
        '--set <path=value>',
        'set one param, such as training.epochs=3 (repeatable)',
        several,
      )
      .option('--file <name>', 'the pipeline file within its folder', 'pipeline.yaml'),
  );
}

/** Adds what commands take that look at the store alone. */
export function withStore(command: Command): Command {
  return command
    .option('-C, --directory <dir>', 'the folder of the pipeline', '.')
    .option('--cache <dir>', 'the store (default: cache, or PIPELINE_CACHE)')
    .option('--json', 'say everything as JSON on stdout');
}

/** The last part of a command's help. */
export const examples = (...lines: string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ pipeline ${line}`).join('\n')}`;
