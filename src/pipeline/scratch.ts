// scratch.ts — runs a command in a fresh folder: inputs become files, files become outputs
import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { type Attempt, openAttempt } from './attempt.ts';
import { PARAMS_FILE, REFERENCE } from './command.ts';
import { codecOf } from './command-module.ts';
import { fileDigest } from './files.ts';
import type { Identity } from './holder.ts';
import {
  byCodeUnit,
  type Coordinates,
  canonicalJson,
  type Json,
  type Key,
  type Named,
  type TaskId,
} from './key.ts';
import { environmentOf, scratchName } from './outside.ts';
import type { Invocation, Task } from './plan.ts';
import { type ProgramEnd, quotedWord, runProgram } from './shell.ts';
import { type Absent, StageError } from './stage.ts';

/** The blobs of one input port. */
export interface GivenBlobs {
  readonly items: readonly {
    readonly task: TaskId;
    readonly at: Coordinates;
    readonly bytes: Uint8Array;
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
  /** Folder of the project. */
  readonly root: string;
  /** Folder in which scratch folders are made, one for each attempt. */
  readonly folder: string;
  /** Who runs it: a folder of a living process is nobody else's. */
  readonly identity: Identity;
  readonly signal: AbortSignal;
  log(line: string): void;
  warn(message: string): void;
}

/** How a command ended. */
export type ScratchEnd =
  | { readonly end: 'done'; readonly outputs: Named<Uint8Array> }
  | { readonly end: 'stopped' }
  | { readonly end: 'failed'; readonly message: string };

/** An output file larger than this is refused: blobs are read as a whole. */
const OUTPUT_BYTES_MAX = 2 ** 30;
/** Undeclared files and processes that are named; the rest are counted. */
const EXTRA_SHOWN = 8;
/** So much of a stage's name begins the name of its scratch folders. */
const STAGE_NAME_SHOWN = 48;

/** Runs the command of a task. Its scratch folder is removed, but for a failure, which tells where it is. */
export async function runInScratch(work: ScratchWork): Promise<ScratchEnd> {
  const { task, key, folder: parent, identity, root, warn } = work;
  const name = `${task.stage.slice(0, STAGE_NAME_SHOWN)}-${key.slice(0, 16)}`;
  const attempt = await openAttempt({ parent, name, identity }).catch((error: unknown) => {
    throw new StageError(`its scratch folder cannot be made: ${textOf(error)}`);
  });
  const discard = async (): Promise<void> => {
    const obstacle = await attempt.discard();
    if (obstacle === undefined) return;
    warn(`the scratch folder could not be removed, and will be tried again: ${obstacle}`);
  };
  try {
    const end = await runIn(attempt, work);
    await discard();
    return end;
  } catch (error) {
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
  { work: folder, home, temporary }: Attempt,
  work: ScratchWork,
): Promise<ScratchEnd> {
  const { task, command, signal, log, warn } = work;
  const scratch = new Scratch(await realpath(folder), work);
  await scratch.fill().catch((error: unknown) => {
    if (error instanceof StageError || !(error instanceof Error)) throw error;
    throw new StageError(`its scratch folder cannot be filled: ${error.message}`);
  });
  const argv = argumentsOf(command, task.params, scratch.places);
  const env = environmentOf(command, home, temporary);
  const end = await runProgram({ argv, env, folder, line: log, signal });
  if (signal.aborted) return { end: 'stopped' };
  if (end.code !== 0) throw new StageError(endWords(argv, end));
  if (end.left.length > 0) warn(leftWords(end.left));
  const outputs = await scratch.outputs();
  const extra = await scratch.extra();
  if (extra.length > 0) warn(extraWords(extra));
  return { end: 'done', outputs };
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

class Scratch {
  readonly folder: string;
  /** The paths of each input, by port: one for a file or a list's folder, several for files of the project. */
  readonly places: Record<string, readonly string[]> = {};
  private readonly given = new Set<string>([PARAMS_FILE]);
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
        const item = this.work.inputs[port].items[0];
        if (item) await this.write(place, item.bytes);
        this.places[port] = [place];
      }
    }
    for (const { file } of Object.values(command.outputs)) {
      await mkdir(dirname(join(this.folder, file)), { recursive: true });
    }
  }

  private async write(path: string, content: Uint8Array | string): Promise<void> {
    this.given.add(path);
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), content, { flag: 'wx' });
  }

  /** A list becomes a folder: a file for each item, and an index that tells whose it is, or what is missing and why. */
  private async writeList(port: string, place: string): Promise<void> {
    const { task, command, inputs } = this.work;
    const missing = new Map(inputs[port].missing?.map((absent) => [absent.task, absent.reason]));
    const items = inputs[port].items.values();
    const index: Json[] = [];
    for (const [at, link] of task.inputs[port].links.entries()) {
      const whose = { task: link.task, at: link.at };
      const reason = missing.get(link.task);
      const item = reason ? undefined : items.next().value;
      if (item) {
        const file = `${at}${command.ends[port] ?? ''}`;
        await this.write(`${place}/${file}`, item.bytes);
        index.push({ ...whose, file });
      } else index.push({ ...whose, missing: reason ?? null });
    }
    await this.write(`${place}/index.json`, `${canonicalJson(index)}\n`);
    this.places[port] = [place];
  }

  /** Files of the project are copied, and must be what the key says. */
  private async copyFiles(port: string): Promise<void> {
    const paths: string[] = [];
    for (const { name, path, digest } of this.work.task.inputs[port].files ?? []) {
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
  }

  /** The declared outputs, as their codecs keep them: equal values give equal bytes. */
  async outputs(): Promise<Named<Uint8Array>> {
    const there = await lstat(this.folder).catch(() => undefined);
    if (!there?.isDirectory()) {
      throw new StageError(
        'the command removed the folder that it ran in, and its outputs with it',
      );
    }
    const outputs: Record<string, Uint8Array> = {};
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
      if (found.size > OUTPUT_BYTES_MAX) {
        throw new StageError(`output ${name} is larger than 1 GiB: ${file}`);
      }
      const codec = codecOf(kind);
      try {
        outputs[name] = codec.encode(codec.decode(await readFile(path)));
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        throw new StageError(`output ${name} (${file}) does not hold ${kind}: ${text}`);
      }
    }
    return outputs;
  }

  /** Files that the command wrote and that no output names. */
  async extra(): Promise<readonly string[]> {
    const declared = new Set(Object.values(this.work.command.outputs).map(({ file }) => file));
    const entries = await readdir(this.folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(this.folder, join(entry.parentPath, entry.name)))
      .map((path) => path.split(sep).join('/'))
      .filter((path) => !this.given.has(path) && !declared.has(path))
      .sort(byCodeUnit);
  }
}

/** The arguments with params and paths filled in. */
function argumentsOf(
  { argv, outputs }: Invocation,
  params: Named<Json>,
  places: Named<readonly string[]>,
): readonly string[] {
  const values = (room: string, path: string): readonly string[] => {
    const [name, ...rest] = path.split('.');
    if (room === 'inputs') return places[name];
    if (room === 'outputs') return [outputs[name].file];
    return [paramText(params, [name, ...rest])];
  };
  return argv.flatMap((argument) => {
    const whole = [...argument.matchAll(REFERENCE)];
    if (whole.length === 1 && whole[0][0] === argument) return values(whole[0][1], whole[0][2]);
    return argument.replace(REFERENCE, (reference, room: string, path: string) => {
      const given = values(room, path);
      if (given.length === 1) return given[0];
      throw new StageError(
        `${reference} is ${given.length} files: let it be an argument by itself, and it becomes one for each`,
      );
    });
  });
}

/** A param as an argument: text as it is, all else as JSON. */
function paramText(params: Named<Json>, path: readonly string[]): string {
  let value: Json | undefined = params;
  for (const step of path) {
    const within: boolean =
      typeof value === 'object' && value !== null && Object.hasOwn(value, step);
    value = within ? (value as Named<Json>)[step] : undefined;
  }
  if (value === undefined) throw new StageError(`there is no param \`${path.join('.')}\``);
  return typeof value === 'string' ? value : canonicalJson(value);
}

function endWords(argv: readonly string[], { code, signal, last }: ProgramEnd): string {
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  const advice = code === 127 ? ` (is ${argv[0]} installed, and on PATH?)` : '';
  const words = last.map((line) => `\n  ${line}`).join('');
  return `the command ${how}${advice}: ${argv.map(quotedWord).join(' ')}${words}`;
}

function leftWords(left: readonly string[]): string {
  const shown = left.slice(0, EXTRA_SHOWN).join(', ');
  const more = left.length > EXTRA_SHOWN ? ` and ${left.length - EXTRA_SHOWN} more` : '';
  return `the command ended and left ${shown}${more} running: what it starts ends with it`;
}

function extraWords(extra: readonly string[]): string {
  const shown = extra.slice(0, EXTRA_SHOWN).join(', ');
  const more = extra.length > EXTRA_SHOWN ? ` and ${extra.length - EXTRA_SHOWN} more` : '';
  return `the command also wrote ${shown}${more}, which no output names: it is not kept`;
}
