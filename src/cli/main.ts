// main.ts — argv → command → exit code
import { Command, CommanderError, Option } from 'commander';
import { isSystemError, systemHint, systemSentence } from '../engine/files/system-error.ts';
import { StoreError } from '../engine/store/store.ts';
import { EXIT, reportDiagnostics, stderrColors, talk, UsageError } from './session/session.ts';
import { argumentFault } from './terminal/arguments.ts';
import { examples, jobs, several, withCommon, withLists } from './terminal/options.ts';

/** Filled in by the build. */
declare const VERSION: string;

/** The commands that people wait for most: when one of them is named, the others are not even declared. */
const FREQUENT = new Set(['make', 'status', 'why']);

/** Commander says true itself where no value is given, and drops what came before: a list of it does as well. */
const severalOrAll = (value: string, before: unknown): unknown[] => [
  ...(Array.isArray(before) ? before : []),
  value,
];

/** `--force` without a task is true. */
const withForced = <Options extends { force: unknown }>(options: Options) => ({
  ...options,
  force: Array.isArray(options.force) ? options.force : [true as const],
});

async function program(argv: readonly string[], end: (code: number) => void): Promise<Command> {
  const root = new Command('pipeline')
    .exitOverride()
    .description(
      'Makes the artifacts of a machine-learning study, and only what must be made again.',
    )
    .version(VERSION)
    .showHelpAfterError('(run with --help for usage and examples)')
    .showSuggestionAfterError()
    .addHelpText(
      'after',
      `${examples('make report', 'make report --preset mnist --mirror DIR', 'why report')}

Exit codes: 0 success, 1 a task failed, 2 usage or configuration error, 130 interrupted.`,
    );

  root.hook('preAction', (_, command) => refuseEmpty(command));

  withCommon(root.command('make [targets...]'))
    .description('make targets (stages or tasks; all when none is named) and what they need')
    .addOption(
      new Option('-j, --jobs <n>', 'tasks at once (default: one per core)').argParser(jobs),
    )
    .option('-n, --dry-run', 'say what would run and why, and run nothing')
    .option('-k, --keep-going', 'after a failure, go on with what does not need it')
    .addOption(
      new Option(
        '--force [task]',
        'run a task even if it was made before; without a name, every target (repeatable)',
      ).argParser(severalOrAll),
    )
    .option('--trace <file>', 'write what ran when, for ui.perfetto.dev or chrome://tracing')
    .option(
      '--mirror <dir|url>',
      'look here first for data files (repeatable; PIPELINE_MIRROR)',
      several,
    )
    .option('--name <name>', 'what to call this run')
    .option('-q, --quiet', 'say only what goes wrong')
    .option(
      '--verify',
      'read and verify everything in the store first; what is damaged is made again',
    )
    .addHelpText(
      'after',
      examples(
        'make report',
        'make report --dry-run --set profiles.lognormal-cv1.cv=1.5',
        "make 'rigl[profile=uniform]' -j 1",
        'make rigl/synth-digits/128-64/0.9/erk/uniform/0',
      ),
    )
    .action(async (targets, options) =>
      end(await (await import('./commands/make.ts')).make(targets, withForced(withLists(options)))),
    );

  withCommon(root.command('status [targets...]'))
    .description('what is made and what a make would run')
    .addHelpText('after', examples('status', 'status rigl --json'))
    .action(async (targets, options) =>
      end(await (await import('./commands/status.ts')).status(targets, withLists(options))),
    );

  withCommon(root.command('why <task>'))
    .description('why a task would run, or who made it, when and at what cost')
    .addHelpText('after', examples('why report', 'why rigl/synth-digits/128-64/0.9/erk/uniform/0'))
    .action(async (task, options) =>
      end(await (await import('./commands/why.ts')).why(task, withLists(options))),
    );

  if (!FREQUENT.has(argv[2] ?? '')) (await import('./registry.ts')).addCommands(root, end);
  return root;
}

/** An option or argument without a value is a slip, such as a variable of a shell that is not set. */
function refuseEmpty(command: Command): void {
  // Shells ask what may stand in the place of an empty word.
  if (command.name() === 'complete') return;
  const given = [
    ...command.options.map((option) => {
      const value: unknown = command.getOptionValue(option.attributeName());
      return [option.long ?? option.flags, value] as const;
    }),
    ...command.registeredArguments.map(
      (argument, n) => [argument.name(), command.processedArgs[n]] as const,
    ),
  ];
  const empty = given.filter(
    ([, value]) => value === '' || (Array.isArray(value) && value.includes('')),
  );
  if (empty.length > 0)
    throw new UsageError(empty.map(([name]) => ({ message: `${name} is empty` })));
}

/** Runs a command. What a user can mend is worded; anything else is a bug of ours, and shows its stack. */
async function main(argv: readonly string[]): Promise<number> {
  const ended = { code: EXIT.made as number };
  try {
    const fault = argumentFault(argv.slice(2));
    if (fault !== undefined) {
      const hint = 'write it in UTF-8, or put the value into pipeline.yaml';
      throw new UsageError([{ message: fault, hint }]);
    }
    const root = await program(argv, (code) => {
      ended.code = code;
    });
    await root.parseAsync([...argv]);
    return ended.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.made : EXIT.mend;
    const json = argv.includes('--json');
    if (error instanceof UsageError) reportDiagnostics(error.diagnostics, json);
    else if (error instanceof StoreError) {
      reportDiagnostics([{ message: error.message, hint: error.hint }], json);
    } else if (isSystemError(error)) {
      // A full disk, a folder without permission: nothing that is wrong with us.
      reportDiagnostics([{ message: systemSentence(error), hint: systemHint(error) }], json);
    } else {
      talk(`${stderrColors.red('bug')}: this is a mistake in pipeline itself; please report it`);
      talk(error instanceof Error ? (error.stack ?? error.message) : String(error));
      return EXIT.failed;
    }
    return EXIT.mend;
  }
}

process.exitCode = await main(process.argv);
