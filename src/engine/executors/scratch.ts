// scratch.ts — the content of a scratch folder: inputs become files, files become outputs
import { constants } from 'node:fs';
import { access, chmod, lstat, mkdir, readdir, realpath, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { plainName } from '../../plain-text.ts';
import { entryOf } from '../../present.ts';
import { EVENTS_PLACE, PARAMS_FILE, withoutSlash } from '../config/outputs.ts';
import type { DescribedFailure, Failure } from '../model/failure.ts';
import {
  byCodeUnit,
  type Coordinates,
  canonicalJson,
  type Digest,
  type Json,
  type Named,
  type TaskId,
} from '../model/key.ts';
import type { KeptOutput } from '../model/record.ts';
import { listFile } from '../planning/command-line.ts';
import { codecOf, type TypedValues } from '../planning/command-module.ts';
import { typedText } from '../planning/params-schema.ts';
import { scratchName } from '../planning/scratch-layout.ts';
import { unlockTree } from '../process/scratch-folder.ts';
import type { CodecKind } from '../stage.ts';
import { keptOutput, StoreError } from '../store/store.ts';
import type { CommandSpec, HeldInput } from './command-spec.ts';
import type { ActionSpec, Hooks } from './executor.ts';
import { TooLarge, takeFolder, tooLarge } from './folder-output.ts';
import { type GivenBlob, InputFiles, type KnownFiles } from './input-files.ts';
import type { CommandMachine } from './machine.ts';
import { takeOutput } from './output-file.ts';
import type { ProgramEvents } from './program-events.ts';

/** A command to run for an action, and who hears of it. */
export interface ScratchWork {
  readonly action: ActionSpec;
  readonly command: CommandSpec;
  /** Inputs that come from stages, by port. */
  readonly inputs: Named<HeldInput>;
  readonly machine: CommandMachine;
  /** Whether inputs may be further names of blobs of the store. */
  readonly mayLink: boolean;
  /** Files of the project whose digests are known. */
  readonly known: KnownFiles;
  readonly signal: AbortSignal;
  readonly hooks: Pick<Hooks, 'progress' | 'metrics' | 'checkpointFolder' | 'dropCheckpoint'>;
  log(line: string): void;
  /** Hears, now and then, what a line says that is going to be overwritten: a progress bar. */
  state(text: string): void;
  warn(message: string): void;
}

/** As much of it as fills and empties a scratch folder. */
export type ScratchParts = Pick<
  ScratchWork,
  'action' | 'command' | 'inputs' | 'machine' | 'mayLink' | 'known' | 'warn'
>;

/** What keeps a command from giving its outputs. */
export class CommandFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.cause);
    this.failure = failure;
  }
}

/** The store has lost blobs that the command reads. */
export class LostInput extends Error {
  readonly digests: readonly Digest[];

  constructor(digests: Iterable<Digest>) {
    const all = [...digests];
    super(`the store has lost ${all.join(', ')}`);
    this.digests = all;
  }
}

export const because = (cause: DescribedFailure['cause'], message: string): CommandFailure =>
  new CommandFailure({ cause, message });

/** A folder in which a command runs. */
export class Scratch {
  readonly folder: string;
  /** The paths of each input, by port: one for a file or a folder, several for files of the project. */
  readonly places: Record<string, readonly string[]> = {};
  /** The file in which those paths stand, by port, where the command asks for one. */
  readonly lists: Record<string, string> = {};
  readonly inputs: InputFiles;
  private readonly given = new Set<string>([PARAMS_FILE]);
  /** Folders that are inputs, with a slash at the end: nobody asks which of their files are. */
  private readonly givenFolders: string[] = [];
  /** Every path of an input by itself, by port: of a list from stages its items, not its folder. */
  private readonly paths: Record<string, readonly string[]> = {};
  private readonly work: ScratchParts;

  constructor(folder: string, work: ScratchParts) {
    this.folder = folder;
    this.work = work;
    const { mayLink, known, machine } = work;
    this.inputs = new InputFiles(folder, { blobs: machine.blobs, mayLink, known });
  }

  /** Writes params, inputs, and the folders that outputs go into. @throws LostInput */
  async fill(): Promise<void> {
    const { action, command } = this.work;
    const { params } = action.parts;
    const text = command.typed
      ? typedText(params, new Set(command.typed.floats))
      : canonicalJson(params);
    await this.write(PARAMS_FILE, `${text}\n`);
    for (const [port, place] of Object.entries(command.inputs)) {
      if (place === null) await this.copyFiles(port);
      else if (Object.hasOwn(command.ends, port)) await this.writeList(port, withoutSlash(place));
      else {
        const path = withoutSlash(place);
        const item = entryOf(this.work.inputs, port)[0];
        if (item && 'digest' in item) await this.put(port, place, item);
        this.places[port] = [path];
        this.paths[port] = [path];
      }
    }
    if (this.inputs.lost.size > 0) throw new LostInput(this.inputs.lost);
    for (const port of command.lists) await this.writePaths(port);
    for (const { file } of Object.values(command.outputs)) {
      const folder = file.endsWith('/') ? file : dirname(file);
      await mkdir(join(this.folder, folder), { recursive: true });
    }
  }

  private async write(path: string, content: Uint8Array | string): Promise<void> {
    this.given.add(path);
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), content, { flag: 'wx' });
  }

  /** A blob becomes a file, or a folder where its place ends with a slash. */
  private async put(port: string, place: string, blob: GivenBlob): Promise<void> {
    const path = withoutSlash(place);
    if (place.endsWith('/')) {
      this.givenFolders.push(place);
      await this.inputs.putFolder(port, path, blob);
    } else {
      this.given.add(path);
      await this.inputs.putBlob(port, path, blob);
    }
  }

  /** A list becomes a folder: a file for each item, and an index that tells whose it is, or what is missing and why. */
  private async writeList(port: string, place: string): Promise<void> {
    const { command, inputs } = this.work;
    const index: string[] = [];
    const paths: string[] = [];
    for (const [position, { task, at, ...item }] of entryOf(inputs, port).entries()) {
      if ('digest' in item) {
        const file = `${position}${command.ends[port] ?? ''}`;
        await this.put(port, `${place}/${file}`, item);
        paths.push(`${place}/${withoutSlash(file)}`);
        index.push(indexEntry(command.typed, { task, at, file: withoutSlash(file) }));
      } else index.push(indexEntry(command.typed, { task, at, missing: item.missing }));
    }
    await this.write(`${place}/index.json`, `[${index.join(',')}]\n`);
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
      const { name } = file;
      const place = scratchName(port, name);
      const from = this.work.machine.projectFile(file);
      this.given.add(place);
      if (!(await this.inputs.putProjectFile(port, place, { ...file, from }))) {
        throw because('inputs', `${name} has just changed: run make again`);
      }
      paths.push(place);
    }
    this.places[port] = paths;
    this.paths[port] = paths;
  }

  /** @throws CommandFailure when the command has written to what it was given */
  async checkInputs(): Promise<void> {
    const changed = await this.inputs.changed();
    if (changed === undefined) return;
    const what = `its input \`${changed.port}\` (${plainName(changed.path)})`;
    const message = `the command changed ${what}: inputs are read-only; let it write to a copy`;
    throw because('inputs', message);
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
    // All are looked for before any is taken: what is missing is told at once, and the folder is kept as it was.
    const found = new Map<string, string>();
    for (const [name, { file }] of Object.entries(this.work.command.outputs)) {
      if (file !== EVENTS_PLACE) found.set(name, await this.outputAt(name, file));
    }
    for (const [name, { file, kind }] of Object.entries(this.work.command.outputs)) {
      const path = found.get(name);
      outputs[name] =
        path === undefined ? metricsLog(name, events) : await this.take(name, { file, kind, path });
    }
    return outputs;
  }

  /** The path of an output, which is there. */
  private async outputAt(name: string, file: string): Promise<string> {
    const isFolder = file.endsWith('/');
    const path = join(this.folder, withoutSlash(file));
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) {
      throw because('outputs', `output ${name} is missing: the command did not write ${file}`);
    }
    const isFit = isFolder ? found.isDirectory() : found.isFile();
    if (isFit && (await realpath(path)) === path) return path;
    const isOther = isFolder ? found.isFile() : found.isDirectory();
    const instead = isFolder
      ? `a file: declare it as one (outputs: { ${name}: ${withoutSlash(file)} })`
      : `a folder, and an output is one file: declare it as a folder (outputs: { ${name}: ${file}/ }), or name a file in it`;
    const what = isOther ? instead : `not a regular ${isFolder ? 'folder' : 'file'}`;
    throw because('outputs', `output ${name} (${file}) is ${what}`);
  }

  private async take(
    name: string,
    output: { readonly file: string; readonly kind: CodecKind; readonly path: string },
  ): Promise<KeptOutput> {
    const { file, kind, path } = output;
    const { machine, action, warn } = this.work;
    const bytesMax = action.limits?.[name];
    const tell = (message: string): void => warn(`output ${name} (${file}): ${message}`);
    try {
      if (kind === 'folder') {
        return await takeFolder({ path, bytesMax, warn: tell }, machine.blobs);
      }
      const { size } = await lstat(path);
      if (bytesMax !== undefined && size > bytesMax) throw tooLarge(size, bytesMax);
      return await takeOutput({ path, kind, size }, machine.blobs);
    } catch (error) {
      if (error instanceof StoreError) throw error;
      const text = error instanceof Error ? error.message : String(error);
      const isFault = error instanceof TooLarge || kind === 'folder' || kind === 'bytes';
      const fault = isFault ? `cannot be kept: ${text}` : `does not hold ${kind}: ${text}`;
      throw because('outputs', `output ${name} (${file}) ${fault}`);
    }
  }

  /** Files that the command wrote and that no output names. */
  async extra(): Promise<readonly string[]> {
    const outputs = Object.values(this.work.command.outputs).map(({ file }) => file);
    const declared = new Set(outputs);
    const folders = [...outputs.filter((file) => file.endsWith('/')), ...this.givenFolders];
    // What cannot be listed cannot be told; it fails nothing.
    const options = { recursive: true, withFileTypes: true } as const;
    const entries = await readdir(this.folder, options).catch(() => []);
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(this.folder, join(entry.parentPath, entry.name)))
      .map((path) => path.split(sep).join('/'))
      .filter((path) => !this.given.has(path) && !declared.has(path) && !PYTHON_CACHE.test(path))
      .filter((path) => !folders.some((folder) => path.startsWith(folder)))
      .sort(byCodeUnit);
  }
}

/** An entry of the index of a list. Where types are kept, its coordinates are the values, beside their labels. */
function indexEntry(
  typed: TypedValues | null,
  entry: { readonly task: TaskId; readonly at: Coordinates } & Named<Json>,
): string {
  if (typed === null) return canonicalJson(entry);
  const { at: labels, ...rest } = entry;
  const stage = entry.task.split('[', 1).join();
  const axes = Object.hasOwn(typed.axes, stage) ? typed.axes[stage] : undefined;
  const values = Object.keys(labels)
    .sort(byCodeUnit)
    .map((axis) => {
      const texts = axes && Object.hasOwn(axes, axis) ? axes[axis] : undefined;
      const label = entryOf(labels, axis);
      const text = texts && Object.hasOwn(texts, label) ? texts[label] : undefined;
      return `${JSON.stringify(axis)}:${text ?? JSON.stringify(label)}`;
    });
  return `{"at":{${values.join(',')}},${canonicalJson({ ...rest, labels }).slice(1)}`;
}

/** What Python leaves beside modules that it has read. */
const PYTHON_CACHE = /(?:^|\/)__pycache__\//;

/** The metrics that a program has reported, as an output. */
function metricsLog(name: string, events: ProgramEvents | undefined): KeptOutput {
  try {
    return keptOutput(codecOf('json').encode(events?.rows() ?? []));
  } catch (error) {
    throw because(
      'outputs',
      `output ${name} cannot be kept: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
