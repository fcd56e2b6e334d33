// command-runner.ts — runs a command in a fresh folder: inputs become files, files become outputs

import { constants } from 'node:fs';
import {
  access,
  chmod,
  copyFile,
  lstat,
  mkdir,
  readdir,
  realpath,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { plainName } from '../../plain-text.ts';
import { entryOf } from '../../present.ts';
import { EVENTS_PLACE, PARAMS_FILE } from '../config/command.ts';
import { fileDigest } from '../files/files.ts';
import { isSystemError, systemSentence } from '../files/system-error.ts';
import { type ActionResult, failed } from '../model/action-result.ts';
import type { DescribedFailure, Failure } from '../model/failure.ts';
import { byCodeUnit, canonicalJson, type Digest, type Json, type Named } from '../model/key.ts';
import type { KeptOutput } from '../model/record.ts';
import {
  type Argument,
  argumentsOf,
  type Fillings,
  formatTooLong,
  listFile,
} from '../planning/command-line.ts';
import { codecOf } from '../planning/command-module.ts';
import { environmentOf, scratchName } from '../planning/external-inputs.ts';
import { progressInLine } from '../process/lines.ts';
import { causeOf, watchOutOfMemory } from '../process/out-of-memory.ts';
import { type Attempt, openAttempt, unlockTree } from '../process/scratch-folder.ts';
import { type ProgramEnd, runProgram } from '../process/shell.ts';
import { newNonce } from '../process/supervisor.ts';
import { StageError } from '../stage.ts';
import { keptOutput, StoreError } from '../store/store.ts';
import type { CommandSpec, HeldInput } from './command-spec.ts';
import type { ActionSpec, Hooks } from './executor.ts';
import type { CommandMachine } from './machine.ts';
import { takeOutput } from './output-file.ts';
import type { ProgramEvents } from './program-events.ts';
import { surround } from './program-surroundings.ts';

/** A command to run for an action. */
export interface ScratchWork {
  readonly action: ActionSpec;
  readonly command: CommandSpec;
  /** Inputs that come from stages, by port. */
  readonly inputs: Named<HeldInput>;
  readonly machine: CommandMachine;
  readonly signal: AbortSignal;
  readonly hooks: Pick<Hooks, 'progress' | 'metrics' | 'checkpointFolder' | 'dropCheckpoint'>;
  log(line: string): void;
  /** Hears, now and then, what a line says that is going to be overwritten: a progress bar. */
  state(text: string): void;
  warn(message: string): void;
}

/** What keeps a command from giving its outputs. */
class CommandFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.cause);
    this.failure = failure;
  }
}

/** The store has lost a blob that the command reads. */
class LostInput extends Error {
  readonly digest: Digest;

  constructor(digest: Digest) {
    super(`the store has lost ${digest}`);
    this.digest = digest;
  }
}

const because = (cause: DescribedFailure['cause'], message: string): CommandFailure =>
  new CommandFailure({ cause, message });

/** The program asks to be started without its checkpoint. */
class StartAnew extends Error {}

/** The exit code by which it does: EX_TEMPFAIL of sysexits.h. */
const START_ANEW = 75;

/** Undeclared files and processes that are named; the rest are counted. */
const EXTRA_SHOWN = 8;
/** So much of a stage's name begins the name of its scratch folders. */
const STAGE_NAME_SHOWN = 48;

/** Runs the command of an action. Its scratch folder is removed, but for a failure, which tells where it is. */
export async function runInScratch(work: ScratchWork): Promise<ActionResult> {
  const end = await runOnce(work);
  if (end !== 'start anew') return end;
  await work.hooks.dropCheckpoint();
  const again = await runOnce(work);
  return again === 'start anew' ? failed({ cause: 'infrastructure', message: STUCK }) : again;
}

const STUCK = 'its checkpoint could not be dropped';

async function runOnce(work: ScratchWork): Promise<ActionResult | 'start anew'> {
  const { key, stage, notes } = work.action;
  const { scratch: parent, identity, root } = work.machine;
  const name = `${stage.slice(0, STAGE_NAME_SHOWN)}-${key.slice(0, 16)}`;
  const nonce = newNonce();
  let attempt: Attempt;
  try {
    attempt = await openAttempt({ parent, name, unique: nonce.slice(0, -1), identity });
  } catch (error) {
    const why = isSystemError(error) ? systemSentence(error) : textOf(error);
    const message = `its scratch folder cannot be made: ${why}`;
    return failed({ cause: 'infrastructure', message });
  }
  const discard = async (): Promise<void> => {
    const obstacle = await attempt.discard();
    if (obstacle === undefined) return;
    work.warn(`the scratch folder could not be removed, and will be tried again: ${obstacle}`);
  };
  try {
    const end = await runIn(attempt, nonce, work);
    await discard();
    return end;
  } catch (error) {
    if (error instanceof LostInput) {
      await discard();
      return { status: 'lost-inputs', digests: [error.digest] };
    }
    if (error instanceof StartAnew) {
      await discard();
      const said = error.message === '' ? '' : `: ${error.message}`;
      work.warn(`the program cannot use its checkpoint and starts anew${said}`);
      return 'start anew';
    }
    if (!(error instanceof CommandFailure)) throw error;
    const there = await lstat(attempt.work).catch(() => undefined);
    if (there === undefined) {
      await discard();
      return failed({ ...error.failure, notes });
    }
    await attempt.keep();
    const keptFolder = relative(root, attempt.work).split(sep).join('/');
    return failed({ ...error.failure, notes, keptFolder });
  }
}

async function runIn(
  { folder: whole, work: folder, home, temporary }: Attempt,
  nonce: string,
  work: ScratchWork,
): Promise<ActionResult> {
  const { action, command, machine, signal, log, state, warn } = work;
  const scratch = new Scratch(await realpath(folder), work);
  await scratch.fill().catch((error: unknown) => {
    const isKnown = error instanceof CommandFailure || error instanceof LostInput;
    if (isKnown || !(error instanceof Error)) throw error;
    throw because('infrastructure', `its scratch folder cannot be filled: ${error.message}`);
  });
  const { places, lists } = scratch;
  const filled = argumentsIn(command, { params: action.parts.params, places, lists });
  const argv = filled.map(({ text }) => text);
  const around = await surround({
    ...{ command, folder: whole, environment: machine.environment },
    listener: { ...work.hooks, log, warn },
    checkpointFolder: () => work.hooks.checkpointFolder(),
  }).catch((error: unknown) => {
    throw because('infrastructure', `what it declares cannot be made: ${textOf(error)}`);
  });
  const env = {
    ...environmentOf({ ...command, path: machine.path }, home, temporary),
    ...withoutNamed(around.variables, command.env),
  };
  const killedForMemory = watchOutOfMemory();
  const enclosed = machine.enclose?.(argv, { cwd: folder, folder: whole }) ?? argv;
  const line = (text: string): void => {
    const progress = progressInLine(text);
    if (progress) work.hooks.progress(progress.done, progress.of, progress.note);
    log(text);
  };
  const { stop } = action;
  const program = { argv: enclosed, env, nonce, folder, line, state, signal, stop };
  const end = await runProgram(program).finally(() => around.events?.finish());
  if (signal.aborted) return { status: 'stopped' };
  if (isTooLong(end)) throw because('inputs', formatTooLong(filled, env));
  if (end.refusal) {
    throw because(
      'infrastructure',
      `the command could not be started: ${refusalWords(end.refusal)}`,
    );
  }
  if (end.code === START_ANEW && around.resumes) throw new StartAnew(end.last.at(-1) ?? '');
  if (end.code !== 0) {
    const process = { argv, code: end.code, signal: end.signal, last: end.last };
    throw new CommandFailure({ cause: causeOf(process, killedForMemory), process });
  }
  if (end.left.length > 0) warn(formatLeft(end.left));
  await scratch.unlock();
  const outputs = await scratch.outputs(around.events);
  const extra = await scratch.extra();
  if (extra.length > 0) warn(formatExtra(extra));
  return { status: 'done', outputs };
}

/** The arguments, or why they cannot be filled in. */
function argumentsIn(command: CommandSpec, fillings: Fillings): readonly Argument[] {
  try {
    return argumentsOf(command, fillings);
  } catch (error) {
    throw error instanceof StageError ? because('inputs', error.message) : error;
  }
}

/** Which program cannot be started, and why: the message of the system is `spawn PROGRAM CODE`. */
const refusalWords = ({ code, message }: { code: string | undefined; message: string }): string =>
  code === undefined
    ? message
    : systemSentence(Object.assign(new Error(message), { code, syscall: message }));

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

class Scratch {
  readonly folder: string;
  /** The paths of each input, by port: one for a file or a list's folder, several for files of the project. */
  readonly places: Record<string, readonly string[]> = {};
  /** The file in which those paths stand, by port, where the command asks for one. */
  readonly lists: Record<string, string> = {};
  private readonly given = new Set<string>([PARAMS_FILE]);
  /** Every path of an input by itself, by port: of a list from stages its files, not its folder. */
  private readonly paths: Record<string, readonly string[]> = {};
  private readonly work: ScratchWork;

  constructor(folder: string, work: ScratchWork) {
    this.folder = folder;
    this.work = work;
  }

  /** Writes params, inputs, and the folders that outputs go into. */
  async fill(): Promise<void> {
    const { action, command } = this.work;
    await this.write(PARAMS_FILE, `${canonicalJson(action.parts.params)}\n`);
    for (const [port, place] of Object.entries(command.inputs)) {
      if (place === null) await this.copyFiles(port);
      else if (place.endsWith('/')) await this.writeList(port, place.slice(0, -1));
      else {
        const item = entryOf(this.work.inputs, port)[0];
        if (item && 'digest' in item) await this.writeBlob(place, item);
        this.places[port] = [place];
        this.paths[port] = [place];
      }
    }
    for (const port of command.lists) await this.writePaths(port);
    for (const { file } of Object.values(command.outputs)) {
      await mkdir(dirname(join(this.folder, file)), { recursive: true });
    }
  }

  private async write(path: string, content: Uint8Array | string): Promise<void> {
    this.given.add(path);
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), content, { flag: 'wx' });
  }

  /** @throws LostInput */
  private async writeBlob(
    path: string,
    { digest, bytes }: { readonly digest: Digest; readonly bytes?: Uint8Array },
  ): Promise<void> {
    if (bytes) return this.write(path, bytes);
    this.given.add(path);
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    if (await this.work.machine.blobs.copyTo(digest, join(this.folder, path))) return;
    throw new LostInput(digest);
  }

  /** A list becomes a folder: a file for each item, and an index that tells whose it is, or what is missing and why. */
  private async writeList(port: string, place: string): Promise<void> {
    const { command, inputs } = this.work;
    const index: Json[] = [];
    const paths: string[] = [];
    for (const [position, { task, at, ...item }] of entryOf(inputs, port).entries()) {
      if ('digest' in item) {
        const file = `${position}${command.ends[port] ?? ''}`;
        await this.writeBlob(`${place}/${file}`, item);
        paths.push(`${place}/${file}`);
        index.push({ task, at, file });
      } else index.push({ task, at, missing: item.missing });
    }
    await this.write(`${place}/index.json`, `${canonicalJson(index)}\n`);
    this.places[port] = [place];
    this.paths[port] = paths;
  }

  /** For `{inputs.x.list}`: a file with one path a line. */
  private async writePaths(port: string): Promise<void> {
    const paths = entryOf(this.paths, port);
    const odd = paths.find((path) => path.includes('\n'));
    if (odd !== undefined) {
      const message = `${plainName(odd)} has a line break in its name, and cannot stand in a list`;
      throw because('inputs', message);
    }
    this.lists[port] = listFile(port);
    await this.write(listFile(port), paths.map((path) => `${path}\n`).join(''));
  }

  /** Files of the project are copied, and must be what the key says. */
  private async copyFiles(port: string): Promise<void> {
    const paths: string[] = [];
    const input = entryOf(this.work.action.inputs, port);
    for (const file of 'projectFiles' in input ? input.projectFiles : []) {
      const { name, digest } = file;
      const path = this.work.machine.projectFile(file);
      const place = scratchName(port, name);
      const copy = join(this.folder, place);
      await mkdir(dirname(copy), { recursive: true });
      await copyFile(path, copy, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      if ((await fileDigest(copy)) !== digest) {
        throw because('inputs', `${name} has just changed: make again`);
      }
      this.given.add(place);
      paths.push(place);
    }
    this.places[port] = paths;
    this.paths[port] = paths;
  }

  /** A command may take rights away from itself: what it wrote can be read and listed all the same. */
  async unlock(): Promise<void> {
    const isRefused = async (looking: Promise<unknown>): Promise<boolean> =>
      looking.then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === 'EACCES',
      );
    if (await isRefused(readdir(this.folder, { recursive: true }))) await unlockTree(this.folder);
    for (const { file } of Object.values(this.work.command.outputs)) {
      const path = join(this.folder, file);
      // A link is refused later, and what it names is not ours to change.
      const isFile = (await lstat(path).catch(() => undefined))?.isFile() ?? false;
      if (isFile && (await isRefused(access(path, constants.R_OK)))) await chmod(path, 0o600);
    }
  }

  /** The declared outputs, as their codecs keep them: equal values give equal bytes. */
  async outputs(events: ProgramEvents | undefined): Promise<Named<KeptOutput>> {
    const there = await lstat(this.folder).catch(() => undefined);
    if (!there?.isDirectory()) {
      throw because(
        'outputs',
        'the command removed the folder that it ran in, and its outputs with it',
      );
    }
    const outputs: Record<string, KeptOutput> = {};
    for (const [name, { file, kind }] of Object.entries(this.work.command.outputs)) {
      if (file === EVENTS_PLACE) {
        outputs[name] = metricsLog(name, events);
        continue;
      }
      const path = join(this.folder, file);
      const found = await lstat(path).catch(() => undefined);
      if (found === undefined)
        throw because('outputs', `the command gave no output ${name}: it wrote no ${file}`);
      if (!found.isFile() || (await realpath(path)) !== path) {
        const what = found.isDirectory() ? 'a folder, and an output is one file' : 'no plain file';
        const advice = found.isDirectory() ? ': name a file in it, or pack it into one (tar)' : '';
        throw because('outputs', `output ${name} (${file}) is ${what}${advice}`);
      }
      try {
        outputs[name] = await takeOutput({ path, kind, size: found.size }, this.work.machine.blobs);
      } catch (error) {
        if (error instanceof StoreError) throw error;
        const text = error instanceof Error ? error.message : String(error);
        throw because('outputs', `output ${name} (${file}) does not hold ${kind}: ${text}`);
      }
    }
    return outputs;
  }

  /** Files that the command wrote and that no output names. */
  async extra(): Promise<readonly string[]> {
    const declared = new Set(Object.values(this.work.command.outputs).map(({ file }) => file));
    // What cannot be listed cannot be told; it fails nothing.
    const options = { recursive: true, withFileTypes: true } as const;
    const entries = await readdir(this.folder, options).catch(() => []);
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(this.folder, join(entry.parentPath, entry.name)))
      .map((path) => path.split(sep).join('/'))
      .filter((path) => !this.given.has(path) && !declared.has(path) && !PYTHON_CACHE.test(path))
      .sort(byCodeUnit);
  }
}

/** What Python leaves beside modules that it has read. */
const PYTHON_CACHE = /(?:^|\/)__pycache__\//;

/** The metrics that a program has reported, as an output. */
function metricsLog(name: string, events: ProgramEvents | undefined): KeptOutput {
  try {
    return keptOutput(codecOf('json').encode(events?.rows() ?? []));
  } catch (error) {
    throw because('outputs', `output ${name} cannot be kept: ${textOf(error)}`);
  }
}

/** Variables without those that the stage sets itself. */
const withoutNamed = (variables: Named<string>, env: Named<string | null>): Named<string> =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !Object.hasOwn(env, name)));

/** Whether the system refused the arguments: those of the shell, or those of the program that it becomes. */
const isTooLong = ({ refusal, code, last }: ProgramEnd): boolean =>
  refusal?.code === 'E2BIG' || (code === 126 && /argument list too long/i.test(last.join()));

function formatLeft(left: readonly string[]): string {
  const shown = left.slice(0, EXTRA_SHOWN).map(plainName).join(', ');
  const more = left.length > EXTRA_SHOWN ? ` and ${left.length - EXTRA_SHOWN} more` : '';
  return `the command ended and left ${shown}${more} running: what it starts ends with it`;
}

function formatExtra(extra: readonly string[]): string {
  const shown = extra.slice(0, EXTRA_SHOWN).map(plainName).join(', ');
  const more = extra.length > EXTRA_SHOWN ? ` and ${extra.length - EXTRA_SHOWN} more` : '';
  return `the command also wrote ${shown}${more}, which no output names: it is not kept`;
}
