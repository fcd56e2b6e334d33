// archive-commands.ts — the commands about archives, declared

import { type Command, InvalidArgumentError, Option } from 'commander';
import { entryOf } from '../present.ts';
import { examples, jobs, several, withCommon, withStore } from './terminal/options.ts';

const UNITS: { readonly [unit: string]: number } = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** `512M`, `2G`, `1000`: bytes. */
function bytesOf(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([KMG]?)i?B?$/i.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError('It must be a size such as 512M.');
  return Number(number) * entryOf(UNITS, unit.toUpperCase());
}

function seedOf(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new InvalidArgumentError('It must be a whole number.');
}

/** Declares them. Each loads its own file when it runs. */
export function addArchives(root: Command, end: (code: number) => void): void {
  const lists = { preset: [], set: [], target: [], allow: [], mirror: [] };

  withCommon(root.command('archive [file]'))
    .description('write the study into one file that checks itself (default: study-DIGEST.zip)')
    .option(
      '--target <target>',
      'what to archive, with all it needs (repeatable; default: what has artifacts)',
      several,
    )
    .option('--light', 'leave out large blobs that are neither masks nor final models')
    .option('--with-data', 'put in files from outside, too: see that their licences allow it')
    .option('--allow <item>', 'let through what the gate told by this name (repeatable)', several)
    .addOption(
      new Option('--max-file <size>', 'hold back files that are larger')
        .argParser(bytesOf)
        .default(2 ** 30, '1G'),
    )
    .addHelpText(
      'after',
      examples('archive', 'archive study.zip --preset mnist', "archive --light --allow 'licence'"),
    )
    .action(async (file, options) =>
      end(await (await import('./commands/archive.ts')).archive(file, { ...lists, ...options })),
    );

  root
    .command('verify <file>')
    .description(
      'check an archive: that it holds together and, with --rerun, that its code gives its results',
    )
    .option('--rerun', 'run tasks again and compare bit by bit: executes code from the archive')
    .option('--yes', 'do not ask before that')
    .option('--commands', 'also run stages that are commands (means --rerun)')
    .option(
      '--require-walls',
      'run nothing where the system has no walls for it (bubblewrap or user namespaces)',
    )
    .option('--budget <time>', 'at most so long: 90s, 10m, 1h', '10m')
    .addOption(new Option('--seed <n>', 'draws the random sample of tasks').argParser(seedOf))
    .addOption(
      new Option('-j, --jobs <n>', 'tasks at once (default: one per core)').argParser(jobs),
    )
    .option(
      '--mirror <dir|url>',
      'look here first for files from outside (repeatable; PIPELINE_MIRROR)',
      several,
    )
    .option('--packages <dir>', 'a folder with node_modules, for stages that use packages')
    .option('--html <file>', 'write the verdict as a page')
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      examples(
        'verify study.zip',
        'verify study.zip --rerun --budget 30m',
        'verify study.zip --rerun --yes --html verification.html',
      ),
    )
    .action(async (file, options) =>
      end(await (await import('./commands/verify.ts')).verify(file, { ...lists, ...options })),
    );

  withStore(root.command('import <file>'))
    .description('fill the store from an archive, so that make runs only what differs')
    .addHelpText('after', examples('import study.zip', 'import study.zip --cache other-cache'))
    .action(async (file, options) =>
      end(await (await import('./commands/import.ts')).importArchive(file, options)),
    );

  withCommon(root.command('audit <task>'))
    .description(
      'run a task twice, in different surroundings, and tell whether its bits are the same',
    )
    .addHelpText(
      'after',
      examples('audit report', 'audit static/synth-digits/128-64/0.9/erk/uniform/0'),
    )
    .action(async (task, options) =>
      end(await (await import('./commands/audit.ts')).audit(task, { ...lists, ...options })),
    );
}
