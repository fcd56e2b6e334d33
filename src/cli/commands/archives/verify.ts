// verify.ts — pipeline verify: whether an archive is true. Its own copy of the checker is never run
import { resolve } from 'node:path';
import { fingerprintsIn } from '../../../archive/rerun/fingerprints.ts';
import type { KnownChecker } from '../../../archive/verify.ts';
import { jobsFor, ownSettings } from '../../session/own-settings.ts';
import { stdoutColors } from '../../session/printing.ts';
import { UsageError } from '../../session/usage-error.ts';
import { mirrorSettings } from '../../settings/settings.ts';
import { type CommandDeclaration, JOBS } from '../../terminal/declaration.ts';
import { secondsOf, verification } from '../../terminal/verification.ts';
import { checkerFile } from './archive.ts';

export const command: CommandDeclaration = {
  name: 'verify',
  group: 'Archives',
  about: 'check that an archive is consistent and, with --rerun, that its code gives its results',
  arguments: [{ name: '<file>', about: 'the archive' }],
  options: [
    {
      flags: '--rerun',
      about: 'run tasks again and compare bit by bit: executes code from the archive',
    },
    { flags: '--yes', about: 'do not ask before running code' },
    {
      flags: '--commands',
      about: 'also run stages that are commands (implies --rerun)',
    },
    {
      flags: '--require-walls',
      about: 'run nothing unless it can be isolated (bubblewrap or user namespaces)',
    },
    { flags: '--budget <time>', about: 'time limit for reruns: 90s, 10m, 1h', default: '10m' },
    { flags: '--seed <n>', about: 'seed of the random sample of tasks', value: 'not-negative' },
    JOBS,
    {
      flags: '--mirror <dir|url>',
      about: 'where to look first for external files (repeatable; PIPELINE_MIRROR)',
      repeatable: true,
    },
    {
      flags: '--packages <dir>',
      about: 'a folder with node_modules, for stages that use packages',
    },
    {
      flags: '--trust <name=key>',
      about: 'require a signature by this key; of several, by any (repeatable)',
      repeatable: true,
    },
    { flags: '--html <file>', about: 'write the verdict as a page' },
    { flags: '--json', about: 'print JSON' },
  ],
  examples: [
    'verify study.zip',
    'verify study.zip --rerun --budget 30m',
    'verify study.zip --rerun --yes --html verification.html',
  ],
};
export { verify as run };

/** Filled in by the build. */
declare const VERSION: string;
/** Those of docs/verify-digests.md, as the build found them. */
declare const PUBLISHED_CHECKERS: readonly KnownChecker[];

interface VerifyOptions {
  readonly rerun?: boolean;
  readonly yes?: boolean;
  readonly commands?: boolean;
  readonly requireWalls?: boolean;
  readonly budget: string;
  readonly seed?: number;
  readonly jobs?: number;
  readonly mirror: readonly string[];
  readonly packages?: string;
  readonly trust: readonly string[];
  readonly html?: string;
  readonly json?: boolean;
}

/** Verifies an archive. */
async function verify(file: string, options: VerifyOptions): Promise<number> {
  const budget_s = secondsOf(options.budget);
  if (budget_s === undefined) {
    throw new UsageError([
      { message: `--budget ${options.budget} is not a duration`, hint: 'such as 90s, 10m, 1h' },
    ]);
  }
  const asked = { flags: options.mirror, declared: [], root: '' };
  const request = {
    file: resolve(file),
    rerun: (options.rerun || options.commands) ?? false,
    commands: options.commands ?? false,
    requireWalls: options.requireWalls ?? false,
    yes: options.yes ?? false,
    budget_s,
    seed: options.seed,
    jobs: jobsFor(options.jobs),
    mirrors: mirrorSettings(asked, ownSettings()).map(({ value }) => value),
    packages: options.packages,
    trust: options.trust,
    html: options.html,
    json: options.json ?? false,
  };
  const setting = {
    version: VERSION,
    script: checkerFile,
    checker: checkerFile,
    published: PUBLISHED_CHECKERS,
    colors: stdoutColors,
    fingerprintsIn,
  };
  return verification(request, setting);
}
