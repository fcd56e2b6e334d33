// verification.ts — verifies an archive for a person: progress, the question before code runs, words, files

import { randomInt } from 'node:crypto';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { trustIn } from '../../archive/checking/signed.ts';
import type { TaskVerdict, Verification } from '../../archive/checking/verdict.ts';
import { printable } from '../../archive/form/finding.ts';
import type { RerunEvent, RerunOptions } from '../../archive/rerun/rerun.ts';
import type { Launcher } from '../../archive/rerun/sandboxed-run.ts';
import { findWalls, type Walls, wallsInWords } from '../../archive/rerun/walls.ts';
import { verificationPage } from '../../archive/verification-page.ts';
import { type KnownChecker, verifyArchive } from '../../archive/verify.ts';
import { isSystemError, systemSentence } from '../../engine/files/system-error.ts';
import { digestOf } from '../../engine/model/key.ts';
import { killProgramsNow } from '../../engine/process/shell.ts';
import { elementAt } from '../../present.ts';
import { type Colors, count } from './format.ts';
import { ERASE_LINE, renderedStream } from './ink.ts';

/** What a person asks for. */
export interface VerificationRequest {
  readonly file: string;
  readonly rerun: boolean;
  readonly yes: boolean;
  /** Whether programs of command stages are run, too: behind the system's walls, where there are any. */
  readonly commands: boolean;
  /** Whether nothing is run where the system has no walls. */
  readonly requireWalls: boolean;
  readonly budget_s: number;
  readonly seed: number | undefined;
  readonly jobs: number | undefined;
  readonly mirrors: readonly string[];
  readonly packages: string | undefined;
  /** Who has to have signed it, as `NAME=KEY`. */
  readonly trust: readonly string[];
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
  /** Copies of verify.mjs that were published with versions up to this one. */
  readonly published: readonly KnownChecker[];
  readonly colors: Colors;
  /** What archives of earlier versions tell of fingerprints in their pipeline.yaml; verify.mjs knows no YAML. */
  readonly fingerprintsIn?: NonNullable<RerunOptions['fingerprintsIn']>;
}

const EXIT = { holds: 0, differs: 1, usage: 2, interrupted: 130 } as const;
const writeStderr = (line: string): void => void process.stderr.write(`${line}\n`);
const writeStdout = (line: string): void => void process.stdout.write(`${line}\n`);

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
  const { checker, version, published, colors: c } = setting;
  const line = liveLine();
  const stop = new AbortController();
  let scratch: string | undefined;
  let isRunning = false;
  const removeScratch = (): void => {
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
  };
  const leave = (): void => {
    line.clear();
    killProgramsNow();
    removeScratch();
    process.exit(EXIT.interrupted);
  };
  // What was found until then is worth telling; before anything runs there is nothing to tell.
  const onSignal = (): void => {
    if (!isRunning || stop.signal.aborted) leave();
    line.say('stopping; Ctrl-C again stops at once');
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onSignal);
  const trusted = trustIn(request.trust);
  if ('wrong' in trusted) {
    const hint = 'such as lab=ed25519:…, from the `trust` of a pipeline.yaml';
    writeStderr(`${c.red('error')}: --trust ${trusted.wrong} names no public key (${hint})`);
    return EXIT.usage;
  }
  try {
    await stat(request.file);
    if (request.html !== undefined) await checkPage(request.html);
    let again: (() => Promise<RerunChosen>) | undefined;
    if (request.rerun) {
      const folder = realpathSync(mkdtempSync(join(tmpdir(), 'pipeline-verify-')));
      scratch = folder;
      const walls = await wallsFor(request, folder);
      if (walls === undefined) return EXIT.usage;
      if (!request.yes && !(await agrees(request.commands, walls))) return EXIT.usage;
      again = async () => {
        isRunning = true;
        return rerunOf(request, setting, { scratch: folder, walls }, line, stop.signal);
      };
    }
    const found = await verifyArchive({
      path: request.file,
      version,
      checker: checker === null ? null : digestOf(await readFile(checker)),
      published,
      node: process.version,
      trust: trusted.trust,
      progress: (done, of) => line.show(`reading ${done} of ${of} files`),
      ...(again && { rerun: again }),
    });
    line.clear();
    if (request.html !== undefined) {
      const date = new Date().toISOString().slice(0, 10);
      const platform = `${process.platform} ${process.arch}, Node ${process.version}`;
      await writeFile(request.html, verificationPage(found, { date, platform }));
    }
    if (request.json) writeStdout(JSON.stringify(found));
    else words(found, c);
    if (request.html !== undefined && !request.json) writeStderr(`written: ${request.html}`);
    if (stop.signal.aborted) return EXIT.interrupted;
    return found.holds ? EXIT.holds : EXIT.differs;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const { code, path } = error;
    const gone = code === 'ENOENT' && path !== undefined;
    writeStderr(`${c.red('error')}: ${gone ? `there is no ${path}` : systemSentence(error)}`);
    return EXIT.usage;
  } finally {
    line.clear();
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    process.off('SIGHUP', onSignal);
    removeScratch();
  }
}

/** @throws where the page cannot be written: before anything is verified for it */
async function checkPage(file: string): Promise<void> {
  await readdir(dirname(resolve(file)));
  const isFolder = await stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) throw Object.assign(new Error(), { code: 'EISDIR', syscall: 'write', path: file });
}

const PATH = (): string => process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin';

/** The walls that can be had here; undefined, after saying why, where there are none and some are required. */
async function wallsFor(
  { requireWalls }: VerificationRequest,
  scratch: string,
): Promise<Walls | undefined> {
  const walls = await findWalls(scratch, PATH());
  if (walls.kind !== 'none' || !requireWalls) return walls;
  writeStderr(
    `error: --require-walls: the system has no walls for code from the archive (${printable(walls.lacking ?? '', 300)})`,
  );
  writeStderr('hint: install bubblewrap, or allow user namespaces; docs/archive.md tells how');
  return undefined;
}

const warning = ({ kind, lacking }: Walls): string =>
  kind === 'none'
    ? `--rerun executes code from the archive, in processes with an empty environment that Node's permission model
keeps from your files and from other programs. There are no walls of the system around them (${printable(lacking ?? '', 200)}): the
network is not closed to whoever finds a way around Node. Where that matters, use a container without a network.`
    : `--rerun executes code from the archive, behind ${wallsInWords[kind]}.`;

const commandsWarning = ({ kind }: Walls): string =>
  kind === 'none'
    ? `--commands starts the programs that the archive names (such as python3), with all your rights: nothing keeps them
from your files. Use a container or a machine that you can throw away, unless you trust whoever made the archive.`
    : '--commands starts the programs that the archive names (such as python3) behind the same walls.';

async function agrees(commands: boolean, walls: Walls): Promise<boolean> {
  writeStderr(warning(walls));
  if (commands) writeStderr(commandsWarning(walls));
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    writeStderr('say --yes when that is all right');
    return false;
  }
  const ask = createInterface({ input: process.stdin, output: renderedStream(process.stderr) });
  // Ctrl-C and Ctrl-D close it without an answer.
  const closed = new Promise<string>((resolve) => ask.once('close', () => resolve('')));
  const answer = await Promise.race([ask.question('Run it? [y/N] '), closed]);
  ask.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** Node 22 and later have a database that writes files past the permission model. */
const WITHOUT_SQLITE = '--no-experimental-sqlite';

/** Node's flags that restrict a process. The permission model is experimental in 20 and 22. */
export function restrictions(): readonly string[] {
  const flags = process.allowedNodeEnvironmentFlags;
  return [
    flags.has('--permission') ? '--permission' : '--experimental-permission',
    ...(flags.has(WITHOUT_SQLITE) ? [WITHOUT_SQLITE] : []),
  ];
}

type RerunChosen = Omit<RerunOptions, 'contents' | 'claims'>;

function rerunOf(
  request: VerificationRequest,
  { script, fingerprintsIn }: VerificationSetting,
  { scratch, walls }: { readonly scratch: string; readonly walls: Walls },
  line: Line,
  signal: AbortSignal,
): RerunChosen {
  const { budget_s, mirrors, packages, commands } = request;
  const seed = request.seed ?? randomInt(2 ** 31);
  const launcher: Launcher = {
    node: process.execPath,
    script: realpathSync(script),
    restrictions: restrictions(),
    walls,
    environment: process.platform === 'win32' ? { SystemRoot: process.env.SystemRoot ?? '' } : {},
  };
  return {
    launcher,
    scratch,
    budget_s,
    jobs: request.jobs ?? availableParallelism(),
    seed,
    mirrors,
    packages: packages === undefined ? null : realpathSync(resolve(packages)),
    programs: commands ? { path: PATH(), home: process.env.HOME } : null,
    ...(fingerprintsIn && { fingerprintsIn }),
    clock: () => performance.now(),
    hear: progressOn(line, seed, request.jobs ?? availableParallelism()),
    signal,
  };
}

/** Tells how far it is. What came out is told at the end, all of it. */
function progressOn(line: Line, seed: number, jobs: number): (said: RerunEvent) => void {
  let different = 0;
  return (said) => {
    if (said.say === 'warning') line.say(`warning: ${printable(said.message)}`);
    else if (said.say === 'chosen') {
      const { tasks, seconds, drawn } = said.choice;
      const long = seconds < jobs ? 'a second or two' : `about ${(seconds / jobs).toFixed(0)} s`;
      line.say(
        `running ${count(tasks.length, 'task')} again, ${long} (${drawn} of them sampled at random: --seed ${seed})`,
      );
    } else {
      const { verdict, done, of } = said;
      if (verdict.verdict === 'different') different += 1;
      line.show(
        `${done} of ${of} tasks run again${different > 0 ? `, ${different} different` : ''}`,
      );
    }
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
    if (isLive) process.stderr.write(ERASE_LINE);
  };
  return {
    clear,
    say(text) {
      clear();
      writeStderr(text);
    },
    show(text) {
      const now = performance.now();
      if (!isLive || now < next) return;
      next = now + 100;
      process.stderr.write(`${ERASE_LINE}${text}`);
    },
  };
}

/** More tasks than this are counted: all of them are in the JSON and on the page. */
const LINES_MAX = 25;

function taskLine({ task, verdict, why, outputs = [] }: TaskVerdict, c: Colors): string {
  const paint = verdict === 'different' ? c.red : c.yellow;
  const details = outputs.map(({ output, words: told, tolerance }) => {
    const within = tolerance === undefined ? '' : `, within its tolerance of ${tolerance}`;
    return `${output}: ${told ?? ''}${within}`;
  });
  const told = [why ?? [], ...details].flat().join('; ');
  return `${paint(verdict.padEnd(14))}${printable(`${task}${told === '' ? '' : ` — ${told}`}`, 600)}`;
}

/** A verification in words, on stdout. */
function words(found: Verification, c: Colors): void {
  const { digest, findings, findingCount, tasks, blobs, claims, notes, checker } = found;
  for (const { place, message } of findings) writeStdout(`${c.red('wrong')}  ${place}: ${message}`);
  if (findingCount > findings.length) writeStdout(`and ${findingCount - findings.length} more`);
  for (const note of notes) writeStdout(`${c.yellow('note')}  ${note}`);
  if (digest !== null) {
    writeStdout(`study digest  ${digest}`);
    if (found.signed) {
      const { by, key } = found.signed;
      const whose = by === null ? c.dim(' (--trust NAME=KEY says whose that is)') : '';
      writeStdout(`signed by     ${by === null ? key : `${by} (${key})`}${whose}`);
    }
    if (checker.words !== undefined) writeStdout(`verify.mjs    ${checker.words}`);
    const holds = findingCount === 0 ? c.green('holds') : c.red(count(findingCount, 'finding'));
    const left = blobs.leftOut > 0 ? `, ${blobs.leftOut} left out` : '';
    const absent = found.absent.failed + found.absent.skipped;
    const without =
      absent > 0 ? ` (${found.absent.failed} failed, ${found.absent.skipped} skipped)` : '';
    writeStdout(
      `integrity     ${holds}: ${count(tasks, 'task')}${without}, ${count(blobs.here, 'blob')}${left}`,
    );
  }
  formatRerun(found, c);
  const width = Math.max(0, ...claims.map(({ id }) => id.length));
  for (const { id, says, verdict, why } of claims) {
    const paint = verdict === 'different' ? c.red : verdict === 'identical' ? c.green : c.dim;
    const name = printable(id, 60).padEnd(width);
    writeStdout(
      `claim ${name}  ${paint(verdict.padEnd(12))}${printable(`says "${says}": ${why}`)}`,
    );
  }
  writeStdout(found.holds ? c.green(summaryOf(found)) : c.red('it does not hold'));
}

/** What it comes to, and how far that reaches. */
function summaryOf({ rerun, taskVerdicts }: Verification): string {
  if (rerun === null) return 'nothing is wrong; nothing was run again (--rerun does)';
  const untested = taskVerdicts.some(({ verdict }) => verdict === 'not tested');
  return untested ? 'nothing that was run again differs' : 'nothing differs';
}

function formatRerun({ rerun, taskVerdicts }: Verification, c: Colors): void {
  if (rerun === null) return;
  const by = (verdict: string): readonly TaskVerdict[] =>
    taskVerdicts.filter((one) => one.verdict === verdict);
  const [different, within] = [by('different'), by('within tolerance')];
  const untested = by('not tested');
  const parts = [
    `${by('identical').length} identical`,
    ...(within.length > 0 ? [`${within.length} within tolerance`] : []),
    ...(different.length > 0 ? [c.red(`${different.length} different`)] : []),
    ...(untested.length > 0 ? [`${untested.length} not tested`] : []),
  ];
  writeStdout(`run again     ${parts.join(', ')}`);
  if (rerun.walls) writeStdout(`walls         ${wallsInWords[rerun.walls]}`);
  const told = [...different, ...within];
  for (const task of told.slice(0, LINES_MAX)) writeStdout(taskLine(task, c));
  if (told.length > LINES_MAX) writeStdout(`and ${told.length - LINES_MAX} more`);
  const reasons = new Map<string, TaskVerdict[]>();
  for (const task of untested) {
    const why = task.why ?? '';
    reasons.set(why, [...(reasons.get(why) ?? []), task]);
  }
  const sorted = [...reasons].sort(([, a], [, b]) => b.length - a.length);
  for (const [why, some] of sorted.slice(0, LINES_MAX)) {
    const { task } = elementAt(some, 0);
    const which = some.length === 1 ? task : `${count(some.length, 'task')}, such as ${task}`;
    writeStdout(`${c.dim('not tested'.padEnd(14))}${printable(`${which}: ${why}`, 600)}`);
  }
}
