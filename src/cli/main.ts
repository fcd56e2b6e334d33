// main.ts — argv → command → exit code
import { type Command, CommanderError } from 'commander';
import { isSystemError, systemHint, systemSentence } from '../engine/files/system-error.ts';
import { debugTo } from '../engine/model/debug-log.ts';
import { StoreError } from '../engine/store/store.ts';
import { plainName } from '../plain-text.ts';
import { asksForJson, program, usageDiagnostic } from './program.ts';
import { ownSettings } from './session/own-settings.ts';
import { reportDiagnostics, stderrColors, writeStderr } from './session/printing.ts';
import { EXIT } from './session/session.ts';
import { UsageError } from './session/usage-error.ts';
import { takeRemoteSecrets } from './settings/remote-secrets.ts';
import { argumentFault } from './terminal/arguments.ts';

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
      (argument, n) => [`the argument ${argument.name()}`, command.processedArgs[n]] as const,
    ),
  ];
  const empty = given.filter(
    ([, value]) => value === '' || (Array.isArray(value) && value.includes('')),
  );
  if (empty.length === 0) return;
  const hint = 'a variable of the shell may not be set';
  throw new UsageError(empty.map(([name]) => ({ message: `${name} is empty`, hint })));
}

/** Refuses words that a command does not take; one may be meant as the value of the option before it. */
function refuseExtra(
  { args, options, registeredArguments: taken }: Command,
  argv: readonly string[],
): void {
  const extra = taken.at(-1)?.variadic ? undefined : args[taken.length];
  if (extra === undefined) return;
  const before = argv[argv.lastIndexOf(extra) - 1] ?? '';
  const isFlag = options.some(({ long, short, flags }) => {
    return (long === before || short === before) && !/[<[]/.test(flags);
  });
  const most = taken.map((one) => `\`${one.name()}\``).join(' and ') || 'no argument';
  const message = `\`${plainName(extra)}\` is one word too many: the command takes ${most}`;
  const hint = isFlag ? `${before} takes no value` : 'a name that has blanks goes into quotes';
  throw new UsageError([{ message, hint }]);
}

/** Runs a command. What a user can mend is worded; anything else is a bug of ours, and shows its stack. */
async function main(argv: readonly string[]): Promise<number> {
  const ended = { code: EXIT.success as number };
  takeRemoteSecrets(process.env);
  try {
    const fault = argumentFault(argv.slice(2));
    if (fault !== undefined) {
      const hint = 'write it in UTF-8, or put the value into pipeline.yaml';
      throw new UsageError([{ message: fault, hint }]);
    }
    const root = program(argv, (code) => {
      ended.code = code;
    });
    root.hook('preAction', (_, command) => {
      refuseExtra(command, argv);
      refuseEmpty(command);
      // What is wrong with a settings file is told by every command but the one that shells ask.
      if (command.name() !== 'complete') ownSettings();
    });
    await root.parseAsync([...argv]);
    return ended.code;
  } catch (error) {
    const json = asksForJson(argv);
    if (error instanceof CommanderError) {
      // Of `pipeline help`, commander takes the exit code that this process has for now.
      const isHelp =
        error.exitCode === 0 || (error.code === 'commander.help' && argv[2] === 'help');
      if (json && !isHelp) reportDiagnostics([usageDiagnostic(error, argv)], true);
      return isHelp ? EXIT.success : EXIT.usage;
    }
    if (error instanceof UsageError) reportDiagnostics(error.diagnostics, json);
    else if (error instanceof StoreError) {
      reportDiagnostics([{ message: error.message, hint: error.hint }], json);
    } else if (isSystemError(error)) {
      // A full disk, a folder without permission: nothing that is wrong with us.
      reportDiagnostics([{ message: systemSentence(error), hint: systemHint(error) }], json);
    } else {
      writeStderr(
        `${stderrColors.red('bug')}: this is a mistake in pipeline itself; please report it`,
      );
      writeStderr(error instanceof Error ? (error.stack ?? error.message) : String(error));
      return EXIT.failed;
    }
    return EXIT.usage;
  }
}

/** A whole command: whatever comes of it is the exit code of this process. */
export async function begin(argv: readonly string[]): Promise<void> {
  // `PIPELINE_LOG=debug`: what the engine does, on stderr. Times count from the start of the process.
  if (process.env.PIPELINE_LOG === 'debug') {
    debugTo((topic, line) => {
      const seconds = (performance.now() / 1000).toFixed(3);
      process.stderr.write(`debug ${seconds.padStart(8)}s ${topic.padEnd(7)} ${line}\n`);
    });
  }
  // Should nothing be left to do before the command is over, it has failed.
  process.exitCode = EXIT.failed;
  process.exitCode = await main(argv);
}
