// verification.ts — verifies an archive for a person: progress, the question before code runs, words, files
import { randomInt } from 'node:crypto';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { BUDGET_SPENT, type RerunEvent } from '../archive/rerun.ts';
import type { Launcher } from '../archive/runner.ts';
import type { TaskVerdict, Verification } from '../archive/verdict.ts';
import { verificationPage } from '../archive/verification-page.ts';
import { verifyArchive } from '../archive/verify.ts';
import { digestOf } from '../pipeline/key.ts';
import type { Colors } from './words.ts';

/** What a person asks for. */
export interface VerificationRequest {
  readonly file: string;
  readonly rerun: boolean;
  readonly yes: boolean;
  readonly budget_s: number;
  readonly seed: number | undefined;
  readonly jobs: number | undefined;
  readonly mirrors: readonly string[];
  readonly packages: string | undefined;
  /** Where verification.html goes. */
  readonly html: string | undefined;
  readonly json: boolean;
}

/** Around it. */
export interface VerificationSetting {
  readonly version: string;
  /** Path of the script that starts sandboxes. */
  readonly script: string;
  /** Path of the verify.mjs that this version publishes; null where this is it. */
  readonly checker: string | null;
  readonly colors: Colors;
}

const EXIT = { holds: 0, differs: 1, mend: 2 } as const;
const talk = (line: string): void => void process.stderr.write(`${line}\n`);
const tell = (line: string): void => void process.stdout.write(`${line}\n`);

/** `10m`, `90s`, `1.5h`, `600`: seconds. Undefined for anything else. */
export function secondsOf(text: string): number | undefined {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)\s*([smh])?$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  return Number(number) * { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h'];
}

/** Verifies and tells; gives the exit code. */
export async function verification(
  request: VerificationRequest,
  setting: VerificationSetting,
): Promise<number> {
  if (request.rerun && !request.yes && !(await agrees())) return EXIT.mend;
  const { checker, version, colors: c } = setting;
  const line = liveLine();
  const scratch = request.rerun
    ? realpathSync(mkdtempSync(join(tmpdir(), 'pipeline-verify-')))
    : undefined;
  const removeScratch = (): void => {
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
  };
  const onSignal = (): void => {
    removeScratch();
    process.exit(130);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const found = await verifyArchive({
      path: request.file,
      version,
      checker: checker === null ? null : digestOf(await readFile(checker)),
      node: process.version,
      progress: (done, of) => line.show(`reading ${done} of ${of} files`),
      ...(scratch !== undefined && { rerun: rerunOf(request, setting, scratch, line) }),
    });
    line.clear();
    if (request.html !== undefined) await writeFile(request.html, verificationPage(found));
    if (request.json) tell(JSON.stringify(found));
    else words(found, c);
    if (request.html !== undefined && !request.json) talk(`written: ${request.html}`);
    return found.holds ? EXIT.holds : EXIT.differs;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'EACCES' && code !== 'ENOSPC') throw error;
    talk(`${c.red('error')}: ${(error as Error).message}`);
    return EXIT.mend;
  } finally {
    line.clear();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    removeScratch();
  }
}

const WARNING = `--rerun executes code from the archive, in processes with an empty environment that Node's permission model
keeps from your files and from other programs. This does not keep them from the network: on a machine where that
matters, take it away first (a container without one, \`unshare -n\`, the cable).`;

async function agrees(): Promise<boolean> {
  talk(WARNING);
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    talk('say --yes when that is all right');
    return false;
  }
  const ask = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await ask.question('Run it? [y/N] ');
  ask.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** Node's flag for its permission model: experimental in 20 and 22. */
export function permissionFlag(): string {
  const flags = process.allowedNodeEnvironmentFlags;
  return flags.has('--permission') ? '--permission' : '--experimental-permission';
}

function rerunOf(
  request: VerificationRequest,
  { script, colors: c }: VerificationSetting,
  scratch: string,
  line: Line,
) {
  const { budget_s, mirrors, packages } = request;
  const seed = request.seed ?? randomInt(2 ** 31);
  const launcher: Launcher = {
    node: process.execPath,
    script: realpathSync(script),
    permission: permissionFlag(),
    environment: process.platform === 'win32' ? { SystemRoot: process.env.SystemRoot ?? '' } : {},
  };
  const hear = (said: RerunEvent): void => {
    if (said.say === 'warning') line.say(`${c.yellow('warning')}: ${said.message}`);
    else if (said.say === 'chosen') {
      const { tasks, seconds, drawn } = said.choice;
      line.say(
        `running ${tasks.length} tasks again (some ${seconds.toFixed(0)} s of work; ${drawn} drawn by lot, --seed ${seed})`,
      );
    } else {
      const { verdict, done, of } = said;
      if (verdict.verdict !== 'identical' && verdict.why !== BUDGET_SPENT)
        line.say(taskLine(verdict, c));
      line.show(`${done} of ${of} tasks run again`);
    }
  };
  return {
    launcher,
    scratch,
    budget_s,
    jobs: request.jobs ?? availableParallelism(),
    seed,
    mirrors,
    packages: packages === undefined ? null : realpathSync(resolve(packages)),
    clock: () => performance.now(),
    hear,
  };
}

interface Line {
  /** Shows what is going on, on a terminal. */
  show(text: string): void;
  say(text: string): void;
  clear(): void;
}

function liveLine(): Line {
  const isLive = process.stderr.isTTY === true;
  let next = 0;
  const clear = (): void => {
    if (isLive) process.stderr.write('\r\u001b[K');
  };
  return {
    clear,
    say(text) {
      clear();
      talk(text);
    },
    show(text) {
      const now = performance.now();
      if (!isLive || now < next) return;
      next = now + 100;
      process.stderr.write(`\r\u001b[K${text}`);
    },
  };
}

function taskLine({ task, verdict, why, outputs = [] }: TaskVerdict, c: Colors): string {
  const paint = verdict === 'different' ? c.red : verdict === 'identical' ? c.green : c.yellow;
  const details = outputs.map(({ output, words: told, tolerance }) => {
    const within = tolerance === undefined ? '' : `, within its tolerance of ${tolerance}`;
    return `${output}: ${told ?? ''}${within}`;
  });
  const told = [why ?? [], ...details].flat().join('; ');
  return `  ${paint(verdict.padEnd(16))} ${task}${told === '' ? '' : ` — ${told}`}`;
}

/** A verification in words, on stdout. */
function words(found: Verification, c: Colors): void {
  const { digest, findings, findingCount, tasks, blobs, claims, taskVerdicts, rerun, notes } =
    found;
  for (const { place, message } of findings) tell(`${c.red('wrong')}  ${place}: ${message}`);
  if (findingCount > findings.length) tell(`and ${findingCount - findings.length} more`);
  for (const note of notes) talk(`${c.yellow('note')}: ${note}`);
  if (digest !== null) {
    tell(`study digest  ${digest}`);
    tell(
      `integrity     ${findingCount === 0 ? c.green('holds') : c.red(`${findingCount} findings`)}: ${tasks} tasks, ${blobs.here} blobs${blobs.leftOut > 0 ? `, ${blobs.leftOut} left out` : ''}`,
    );
  }
  if (rerun) {
    const n = (verdict: string): number =>
      taskVerdicts.filter((one) => one.verdict === verdict).length;
    const within = n('within tolerance');
    const parts = [
      `${n('identical')} identical`,
      ...(within > 0 ? [`${within} within tolerance`] : []),
      ...(n('different') > 0 ? [c.red(`${n('different')} different`)] : []),
      `${n('not tested')} not tested`,
    ];
    tell(`run again     ${parts.join(', ')}`);
  }
  for (const { id, says, verdict, why } of claims) {
    const paint = verdict === 'different' ? c.red : verdict === 'identical' ? c.green : c.dim;
    tell(`claim ${id.padEnd(8)}${paint(verdict.padEnd(12))}says "${says}": ${why}`);
  }
  tell(found.holds ? c.green('nothing differs') : c.red('it does not hold'));
}
