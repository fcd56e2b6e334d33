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
import { plainLog, plainName } from '../../plain-text.ts';
import { entryOf } from '../../present.ts';
import { PARAMS_FILE } from '../config/command.ts';
import { fileDigest } from '../files/files.ts';
import {
  byCodeUnit,
  type Coordinates,
  canonicalJson,
  type Digest,
  type Json,
  type Key,
  type Named,
  type TaskId,
} from '../model/key.ts';
import type { Identity } from '../model/process-identity.ts';
import { argumentsOf, formatTooLong, listFile } from '../planning/command-line.ts';
import { environmentOf, scratchName } from '../planning/external-inputs.ts';
import type { Invocation, Task } from '../planning/plan.ts';
import { type Attempt, openAttempt, unlockTree } from '../process/scratch-folder.ts';
import { type ProgramEnd, quotedWord, runProgram } from '../process/shell.ts';
import { newNonce } from '../process/supervisor.ts';
import { type Absent, StageError } from '../stage.ts';
import { type BlobStore, type KeptOutput, StoreError } from '../store/store.ts';
import { takeOutput } from './output-file.ts';

/** The blobs of one input port. */
export interface GivenBlobs {
  readonly items: readonly {
    readonly task: TaskId;
    readonly at: Coordinates;
    readonly digest: Digest;
    /** Absent for a large one, which the store writes. */
    readonly bytes?: Uint8Array;
  }[];
  readonly missing?: readonly Absent[];
}

/** A command to run for a task. */
export interface ScratchWork {
  readonly task: Task;
  readonly command: Invocation;
  readonly key: Key;
  /** Inputs that come from stages, by port. */
  readonly inputs: Named<GivenBlobs>;
  /** Where large inputs come from, and large outputs go to. */
  readonly blobs: Pick<BlobStore, 'copyTo' | 'takeFile'>;
  /** Folder of the project. */
  readonly root: string;
  /** Folder in which scratch folders are made, one for each attempt. */
  readonly folder: string;
  /** Puts the program behind walls, which let it write into the folder of its attempt alone. */
  readonly enclose?: (
    argv: readonly string[],
    attempt: { readonly cwd: string; readonly folder: string },
  ) => readonly string[];
  /** Who runs it: a folder of a living process is nobody else's. */
  readonly identity: Identity;
  readonly signal: AbortSignal;
  log(line: string): void;
  /** Hears, now and then, what a line says that is going to be overwritten: a progress bar. */
  state(text: string): void;
  warn(message: string): void;
}

/** How a command ended. */
export type ScratchEnd =
  | { readonly end: 'done'; readonly outputs: Named<KeptOutput> }
  /** It could not begin: the store has lost an input. */
  | { readonly end: 'lost'; readonly digests: readonly Digest[] }
  | { readonly end: 'stopped' }
  | { readonly end: 'failed'; readonly message: string };

/** Undeclared files and processes that are named; the rest are counted. */
const EXTRA_SHOWN = 8;
/** So much of a stage's name begins the name of its scratch folders. */
const STAGE_NAME_SHOWN = 48;

/** Runs the command of a task. Its scratch folder is removed, but for a failure, which tells where it is. */
export async function runInScratch(work: ScratchWork): Promise<ScratchEnd> {
  const { task, key, folder: parent, identity, root, warn } = work;
  const name = `${task.stage.slice(0, STAGE_NAME_SHOWN)}-${key.slice(0, 16)}`;
  const nonce = newNonce();
  const unique = nonce.slice(0, -1);
  const attempt = await openAttempt({ parent, name, unique, identity }).catch((error: unknown) => {
    throw new StageError(`its scratch folder cannot be made: ${textOf(error)}`);
  });
  const discard = async (): Promise<void> => {
    const obstacle = await attempt.discard();
    if (obstacle === undefined) return;
    warn(`the scratch folder could not be removed, and will be tried again: ${obstacle}`);
  };
  try {
    const end = await runIn(attempt, nonce, work);
    await discard();
    return end;
  } catch (error) {
    if (error instanceof LostInput) {
      await discard();
      return { end: 'lost', digests: [error.digest] };
    }
    if (!(error instanceof StageError)) throw error;
    const notes = work.command.notes.map((note) => `\n${note}`).join('');
    const there = await lstat(attempt.work).catch(() => undefined);
    if (there === undefined) {
      await discard();
      return { end: 'failed', message: `${error.message}${notes}` };
    }
    await attempt.keep();
    const kept = relative(root, attempt.work).split(sep).join('/');
    return { end: 'failed', message: `${error.message}${notes}\nits folder is kept: ${kept}` };
  }
}

async function runIn(
  { folder: whole, work: folder, home, temporary }: Attempt,
  nonce: string,
  work: ScratchWork,
): Promise<ScratchEnd> {
  const { task, command, signal, log, state, warn } = work;
  const scratch = new Scratch(await realpath(folder), work);
  await scratch.fill().catch((error: unknown) => {
    const isKnown = error instanceof StageError || error instanceof LostInput;
    if (isKnown || !(error instanceof Error)) throw error;
    throw new StageError(`its scratch folder cannot be filled: ${error.message}`);
  });
  const { places, lists } = scratch;
  const filled = argumentsOf(command, { params: task.params, places, lists });
  const argv = filled.map(({ text }) => text);
  const env = environmentOf(command, home, temporary);
  const enclosed = work.enclose?.(argv, { cwd: folder, folder: whole }) ?? argv;
  const end = await runProgram({ argv: enclosed, env, nonce, folder, line: log, state, signal });
  if (signal.aborted) return { end: 'stopped' };
  if (isTooLong(end)) throw new StageError(formatTooLong(filled, env));
  if (end.refusal) throw new StageError(`the command could not be started: ${end.refusal.message}`);
  if (end.code !== 0) throw new StageError(endWords(argv, end));
  if (end.left.length > 0) warn(leftWords(end.left));
  await scratch.unlock();
  const outputs = await scratch.outputs();
  const extra = await scratch.extra();
  if (extra.length > 0) warn(extraWords(extra));
  return { end: 'done', outputs };
}

/** The store has lost a blob that the command reads. */
class LostInput extends Error {
  readonly digest: Digest;

  constructor(digest: Digest) {
    super(`the store has lost ${digest}`);
    this.digest = digest;
  }
}

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
    const { task, command } = this.work;
    await this.write(PARAMS_FILE, `${canonicalJson(task.params)}\n`);
    for (const [port, place] of Object.entries(command.inputs)) {
      if (place === null) await this.copyFiles(port);
      else if (place.endsWith('/')) await this.writeList(port, place.slice(0, -1));
      else {
        const item = entryOf(this.work.inputs, port).items[0];
        if (item) await this.writeBlob(place, item);
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
    if (await this.work.blobs.copyTo(digest, join(this.folder, path))) return;
    throw new LostInput(digest);
  }

  /** A list becomes a folder: a file for each item, and an index that tells whose it is, or what is missing and why. */
  private async writeList(port: string, place: string): Promise<void> {
    const { task, command, inputs } = this.work;
    const given = entryOf(inputs, port);
    const missing = new Map(given.missing?.map((absent) => [absent.task, absent.reason]));
    const items = given.items.values();
    const index: Json[] = [];
    const paths: string[] = [];
    for (const [at, link] of entryOf(task.inputs, port).links.entries()) {
      const whose = { task: link.task, at: link.at };
      const reason = missing.get(link.task);
      const item = reason ? undefined : items.next().value;
      if (item) {
        const file = `${at}${command.ends[port] ?? ''}`;
        await this.writeBlob(`${place}/${file}`, item);
        paths.push(`${place}/${file}`);
        index.push({ ...whose, file });
      } else index.push({ ...whose, missing: reason ?? null });
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
      throw new StageError(
        `${plainName(odd)} has a line break in its name, and cannot stand in a list`,
      );
    }
    this.lists[port] = listFile(port);
    await this.write(listFile(port), paths.map((path) => `${path}\n`).join(''));
  }

  /** Files of the project are copied, and must be what the key says. */
  private async copyFiles(port: string): Promise<void> {
    const paths: string[] = [];
    for (const { name, path, digest } of entryOf(this.work.task.inputs, port).files ?? []) {
      const place = scratchName(port, name);
      const copy = join(this.folder, place);
      await mkdir(dirname(copy), { recursive: true });
      await copyFile(path, copy, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      if ((await fileDigest(copy)) !== digest) {
        throw new StageError(`${name} has just changed: make again`);
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
  async outputs(): Promise<Named<KeptOutput>> {
    const there = await lstat(this.folder).catch(() => undefined);
    if (!there?.isDirectory()) {
      throw new StageError(
        'the command removed the folder that it ran in, and its outputs with it',
      );
    }
    const outputs: Record<string, KeptOutput> = {};
    for (const [name, { file, kind }] of Object.entries(this.work.command.outputs)) {
      const path = join(this.folder, file);
      const found = await lstat(path).catch(() => undefined);
      if (found === undefined)
        throw new StageError(`the command gave no output ${name}: it wrote no ${file}`);
      if (!found.isFile() || (await realpath(path)) !== path) {
        const what = found.isDirectory() ? 'a folder, and an output is one file' : 'no plain file';
        const advice = found.isDirectory() ? ': name a file in it, or pack it into one (tar)' : '';
        throw new StageError(`output ${name} (${file}) is ${what}${advice}`);
      }
      try {
        outputs[name] = await takeOutput({ path, kind, size: found.size }, this.work.blobs);
      } catch (error) {
        if (error instanceof StoreError) throw error;
        const text = error instanceof Error ? error.message : String(error);
        throw new StageError(`output ${name} (${file}) does not hold ${kind}: ${text}`);
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
      .filter((path) => !this.given.has(path) && !declared.has(path))
      .sort(byCodeUnit);
  }
}

/** Whether the system refused the arguments: those of the shell, or those of the program that it becomes. */
const isTooLong = ({ refusal, code, last }: ProgramEnd): boolean =>
  refusal?.code === 'E2BIG' || (code === 126 && /argument list too long/i.test(last.join()));

function endWords(argv: readonly string[], { code, signal, last }: ProgramEnd): string {
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  const advice = code === 127 ? ` (is ${argv[0]} installed, and on PATH?)` : '';
  const words = last.map((line) => `\n  ${plainLog(line)}`).join('');
  return `the command ${how}${advice}: ${argv.map(quotedWord).join(' ')}${words}`;
}

function leftWords(left: readonly string[]): string {
  const shown = left.slice(0, EXTRA_SHOWN).map(plainName).join(', ');
  const more = left.length > EXTRA_SHOWN ? ` and ${left.length - EXTRA_SHOWN} more` : '';
  return `the command ended and left ${shown}${more} running: what it starts ends with it`;
}

function extraWords(extra: readonly string[]): string {
  const shown = extra.slice(0, EXTRA_SHOWN).map(plainName).join(', ');
  const more = extra.length > EXTRA_SHOWN ? ` and ${extra.length - EXTRA_SHOWN} more` : '';
  return `the command also wrote ${shown}${more}, which no output names: it is not kept`;
}
