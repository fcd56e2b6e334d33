// verify-alone.ts — verify.mjs: one plain file that verifies archives without anything installed
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import declared from 'pipeline:declaration/verify';
import {
  namesOf,
  type OptionDeclaration,
  readValue,
  takesValue,
  ValueError,
} from '../terminal/declaration.ts';
import { colorsFor } from '../terminal/format.ts';
import { renderTexts } from '../terminal/ink.ts';
import { secondsOf, verification } from '../terminal/verification.ts';
import { sandbox } from './sandbox.ts';

/** Filled in by the build. */
declare const VERSION: string;

const HELP = `verify.mjs of pipeline ${VERSION}: checks an archive of a study

  node verify.mjs [FILE]          FILE: an archive, or the folder that one was unpacked to
                                  (default: the archive that this file lies in, or the one zip file here)

${helpLines(declared.options)}
  --version

Exit codes: 0 no difference, 1 something is wrong or differs, 2 usage error, 130 interrupted.

A checker that came with an archive could vouch for itself: compare the SHA-256 of this file with the one that is
published with its version of pipeline, or use \`pipeline verify\`.`;

/** Those of `pipeline verify`, and what a program of its own has beside. */
const OPTIONS: NonNullable<ParseArgsConfig['options']> = {
  ...Object.fromEntries(declared.options.map((option) => [longOf(option), parsedAs(option)])),
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
};

/** What `OPTIONS` give. */
interface Values {
  readonly rerun?: boolean;
  readonly yes?: boolean;
  readonly commands?: boolean;
  readonly 'require-walls'?: boolean;
  readonly budget: string;
  readonly seed?: string;
  readonly jobs?: string;
  readonly mirror?: readonly string[];
  readonly packages?: string;
  readonly trust?: readonly string[];
  readonly html?: string;
  readonly json?: boolean;
  readonly help?: boolean;
  readonly version?: boolean;
}

function longOf(option: OptionDeclaration): string {
  return (namesOf(option).at(-1) ?? '').slice(2);
}

function parsedAs(option: OptionDeclaration) {
  const [short] = namesOf(option);
  return {
    type: takesValue(option) ? ('string' as const) : ('boolean' as const),
    ...(option.repeatable && { multiple: true }),
    ...(typeof option.default === 'string' && { default: option.default }),
    ...(short?.startsWith('--') === false && { short: short.slice(1) }),
  };
}

function helpLines(options: readonly OptionDeclaration[]): string {
  const width = Math.max(...options.map(({ flags }) => flags.length)) + 2;
  const lines = options.map(({ flags, about, default: value }) => {
    const shown = value === undefined ? '' : ` (default: ${value})`;
    return `  ${flags.padEnd(width)}${about}${shown}`;
  });
  return lines.join('\n');
}

// Node opens its debugger to whoever sends this signal, and code that we run could: with a listener it does not.
process.on('SIGUSR1', () => undefined);

const self = fileURLToPath(import.meta.url);

class Misuse extends Error {}

/** The bag that this file lies in, or the one archive in the working folder. */
function archiveAround(): string {
  const bag = dirname(dirname(self));
  if (existsSync(join(bag, 'bagit.txt'))) return bag;
  const here = readdirSync('.').filter((name) => name.endsWith('.zip'));
  const [only] = here;
  if (only !== undefined && here.length === 1) return only;
  throw new Misuse(
    here.length === 0
      ? 'name an archive: there is not a zip file here'
      : `name one of them: ${here.join(', ')}`,
  );
}

function integerOf(text: string | undefined, name: string): number | undefined {
  const option = declared.options.find((one) => longOf(one) === name);
  if (text === undefined || option === undefined) return undefined;
  try {
    return Number(readValue(option, text));
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new Misuse(`--${name} ${text}: ${error.message}`);
  }
}

function formatParsed(): { readonly values: Values; readonly positionals: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
    // The declaration gives these options, of these types.
    return { values: values as unknown as Values, positionals };
  } catch (error) {
    throw new Misuse((error as Error).message);
  }
}

async function main(): Promise<number> {
  const { values, positionals } = formatParsed();
  if (values.help) return say(HELP);
  if (values.version) return say(VERSION);
  if (positionals.length > 1) throw new Misuse('name one archive');
  const budget_s = secondsOf(values.budget);
  if (budget_s === undefined)
    throw new Misuse(`--budget must be a time such as 10m, not ${values.budget}`);
  const request = {
    file: positionals[0] ?? archiveAround(),
    rerun: (values.rerun || values.commands) ?? false,
    commands: values.commands ?? false,
    requireWalls: values['require-walls'] ?? false,
    yes: values.yes ?? false,
    budget_s,
    seed: integerOf(values.seed, 'seed'),
    jobs: integerOf(values.jobs, 'jobs'),
    mirrors: values.mirror ?? [],
    packages: values.packages,
    trust: values.trust ?? [],
    html: values.html,
    json: values.json ?? false,
  };
  const colors = colorsFor(process.stdout, process.env);
  const own = { version: VERSION, script: self, checker: null, published: [] };
  return verification(request, { ...own, colors });
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

if (process.argv[2] === '--sandbox') await sandbox();
else {
  for (const stream of [process.stdout, process.stderr]) renderTexts(stream);
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof Misuse)) throw error;
    process.stderr.write(`error: ${error.message}\n(node verify.mjs --help tells more)\n`);
    process.exitCode = 2;
  }
}
