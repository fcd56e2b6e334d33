// main.ts — argv → command → exit code
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { EXIT, reportDiagnostics, stderrColors, talk, UsageError } from './session.ts';

/** Filled in by the build. */
declare const VERSION: string;

const several = (value: string, before: string[] = []): string[] => [...before, value];

/** Commander says true itself where no value is given, and drops what came before: a list of it does as well. */
const severalOrAll = (value: string, before: unknown): unknown[] => [
  ...(Array.isArray(before) ? before : []),
  value,
];

/** Options that may be repeated, and are lists. Empty ones come from here: a default would show in `--help`. */
const withLists = <Options extends object>(options: Options) => ({
  preset: [],
  set: [],
  force: [],
  mirror: [],
  ...options,
});

/** `--force` without a task is true. */
const withForced = <Options extends { force: unknown }>(options: Options) => ({
  ...options,
  force: Array.isArray(options.force) ? options.force : [true as const],
});

function positive(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) {
    throw new InvalidArgumentError('It must be a whole number of at least 1.');
  }
  return number;
}

/** Adds what every command takes. */
function withCommon(command: Command): Command {
  return command
    .option(
      '--preset <name>',
      'lay a preset of pipeline.yaml over its params (repeatable)',
      several,
    )
    .option('--set <path=value>', 'set one param, such as training.epochs=3 (repeatable)', several)
    .option('-C, --directory <dir>', 'the folder of the pipeline', '.')
    .option('--file <name>', 'the pipeline file within it', 'pipeline.yaml')
    .option('--cache <dir>', 'the store (default: cache, or PIPELINE_CACHE)')
    .option('--json', 'say everything as JSON on stdout');
}

const examples = (...lines: string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ pipeline ${line}`).join('\n')}`;

function program(end: (code: number) => void): Command {
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

Exit codes: 0 made, 1 a task failed, 2 something you can mend, 130 interrupted.`,
    );

  withCommon(root.command('make [targets...]'))
    .description('make targets (stages or tasks; all when none is named) and what they need')
    .addOption(
      new Option('-j, --jobs <n>', 'tasks at once (default: one per core)').argParser(positive),
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
    .option('-q, --quiet', 'say only what goes wrong')
    .addHelpText(
      'after',
      examples(
        'make report',
        'make report --dry-run --set profiles.lognormal-cv1.cv=1.5',
        "make 'rigl[profile=uniform]' -j 1",
        'make rigl/synth-digits/0.9/erk/uniform/0',
      ),
    )
    .action(async (targets, options) =>
      end(await (await import('./make.ts')).make(targets, withForced(withLists(options)))),
    );

  withCommon(root.command('status [targets...]'))
    .description('what is made and what a make would run')
    .addHelpText('after', examples('status', 'status rigl --json'))
    .action(async (targets, options) =>
      end(await (await import('./status.ts')).status(targets, withLists(options))),
    );

  withCommon(root.command('why <task>'))
    .description('why a task would run, or who made it, when and at what cost')
    .addHelpText('after', examples('why report', 'why rigl/synth-digits/0.9/erk/uniform/0'))
    .action(async (task, options) =>
      end(await (await import('./why.ts')).why(task, withLists(options))),
    );

  withCommon(root.command('graph [targets...]'))
    .description('the stages and how they are connected')
    .option('--tasks', 'show tasks instead of stages')
    .addOption(
      new Option('--format <form>', 'form').choices(['text', 'mermaid', 'dot']).default('text'),
    )
    .addHelpText('after', examples('graph', 'graph --format mermaid', 'graph report --tasks'))
    .action(async (targets, options) =>
      end(await (await import('./graph.ts')).graph(targets, withLists(options))),
    );

  withCommon(root.command('show <task[:output]>'))
    .description('the outputs of a task, or one output')
    .option('-o, --output <file>', 'write the bytes of the output to a file')
    .addHelpText(
      'after',
      examples(
        'show report',
        'show rigl/synth-digits/0.9/erk/uniform/0:metrics',
        'show report:html -o r.html',
      ),
    )
    .action(async (target, options) =>
      end(await (await import('./show.ts')).show(target, withLists(options))),
    );

  return root;
}

/** Runs a command. What a user can mend is worded; anything else is a bug of ours, and shows its stack. */
async function main(argv: readonly string[]): Promise<number> {
  const ended = { code: EXIT.made as number };
  try {
    await program((code) => {
      ended.code = code;
    }).parseAsync([...argv]);
    return ended.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.made : EXIT.mend;
    const json = argv.includes('--json');
    if (error instanceof UsageError) reportDiagnostics(error.diagnostics, json);
    else if (error instanceof Error && error.name === 'StoreError') {
      reportDiagnostics([{ message: error.message }], json);
    } else if (isSystemError(error)) {
      // A full disk, a folder without permission: nothing that is wrong with us.
      reportDiagnostics([{ message: error.message, hint: systemHint(error.code) }], json);
    } else {
      talk(`${stderrColors.red('bug')}: this is a mistake in pipeline itself; please report it`);
      talk(error instanceof Error ? (error.stack ?? error.message) : String(error));
      return EXIT.failed;
    }
    return EXIT.mend;
  }
}

/** An error of the operating system, such as ENOSPC on a write. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

function systemHint(code: string | undefined): string | undefined {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'free some space and try again';
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return 'check the permissions';
  return undefined;
}

process.exitCode = await main(process.argv);
