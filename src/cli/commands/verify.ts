// verify.ts — pipeline verify: whether an archive is true. Its own copy of the checker is never run
import { resolve } from 'node:path';
import { fingerprintsIn } from '../../archive/rerun/fingerprints.ts';
import type { KnownChecker } from '../../archive/verify.ts';
import { stdoutColors, UsageError } from '../session/session.ts';
import { secondsOf, verification } from '../terminal/verification.ts';
import { checkerFile } from './archive.ts';

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
  readonly html?: string;
  readonly json?: boolean;
}

/** Verifies an archive. */
export async function verify(file: string, options: VerifyOptions): Promise<number> {
  const budget_s = secondsOf(options.budget);
  if (budget_s === undefined) {
    throw new UsageError([
      { message: `--budget ${options.budget} is no time`, hint: 'such as 90s, 10m, 1h' },
    ]);
  }
  const fromEnvironment = process.env.PIPELINE_MIRROR ? [process.env.PIPELINE_MIRROR] : [];
  const request = {
    file: resolve(file),
    rerun: (options.rerun || options.commands) ?? false,
    commands: options.commands ?? false,
    requireWalls: options.requireWalls ?? false,
    yes: options.yes ?? false,
    budget_s,
    seed: options.seed,
    jobs: options.jobs,
    mirrors: [...options.mirror, ...fromEnvironment],
    packages: options.packages,
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
