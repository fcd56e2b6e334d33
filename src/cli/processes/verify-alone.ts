// verify-alone.ts — verify.mjs: one plain file that verifies archives without anything installed
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { colorsFor } from '../terminal/format.ts';
import { secondsOf, verification } from '../terminal/verification.ts';
import { sandbox } from './sandbox.ts';

/** Filled in by the build. */
declare const VERSION: string;

const HELP = `verify.mjs of pipeline ${VERSION}: checks an archive of a study

  node verify.mjs [FILE]          FILE: an archive, or the folder that one was unpacked to
                                  (default: the archive that this file lies in, or the one zip file here)

  --rerun             run tasks again and compare bit by bit. This executes code from the archive, behind the
                      walls that the system has (bubblewrap or user namespaces) and Node's permission model
  --yes               do not ask before that
  --commands          also run stages that are commands (python3, ...), behind the same walls; where there are none,
                      with all your rights (means --rerun)
  --require-walls     run nothing where the system has no walls
  --budget TIME       at most so long: 90s, 10m, 1h (default: 10m)
  --seed N            draws the random sample of tasks (default: random, and printed)
  -j, --jobs N        tasks at once (default: one per core)
  --mirror DIR|URL    look here first for files from outside (repeatable)
  --packages DIR      a folder with node_modules, for stages that use packages
  --html FILE         write the verdict as a page
  --json              print it as JSON
  --version

Exit codes: 0 nothing differs, 1 something is wrong or differs, 2 something you can mend, 130 interrupted.

A checker that came with an archive could vouch for itself: compare the SHA-256 of this file with the one that is
published with its version of pipeline, or use \`pipeline verify\`.`;

const OPTIONS = {
  rerun: { type: 'boolean' },
  yes: { type: 'boolean' },
  commands: { type: 'boolean' },
  'require-walls': { type: 'boolean' },
  budget: { type: 'string', default: '10m' },
  seed: { type: 'string' },
  jobs: { type: 'string', short: 'j' },
  mirror: { type: 'string', multiple: true },
  packages: { type: 'string' },
  html: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

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
      ? 'name an archive: there is no zip file here'
      : `name one of them: ${here.join(', ')}`,
  );
}

function whole(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new Misuse(`--${name} must be a whole number, not ${text}`);
}

async function main(): Promise<number> {
  let parsed: ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Misuse((error as Error).message);
  }
  const { values, positionals } = parsed;
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
    seed: whole(values.seed, 'seed'),
    jobs: whole(values.jobs, 'jobs') || undefined,
    mirrors: values.mirror ?? [],
    packages: values.packages,
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
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof Misuse)) throw error;
    process.stderr.write(`error: ${error.message}\n(node verify.mjs --help tells more)\n`);
    process.exitCode = 2;
  }
}
