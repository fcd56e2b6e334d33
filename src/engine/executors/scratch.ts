// scratch.ts — the content of a scratch folder: inputs become files, files become outputs
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
import type { DescribedFailure, Failure } from '../model/failure.ts';
import { byCodeUnit, canonicalJson, type Digest, type Json, type Named } from '../model/key.ts';
import type { KeptOutput } from '../model/record.ts';
import { listFile } from '../planning/command-line.ts';
import { codecOf } from '../planning/command-module.ts';
import { scratchName } from '../planning/external-inputs.ts';
import { digestAt } from '../planning/project-files.ts';
import { unlockTree } from '../process/scratch-folder.ts';
import { keptOutput, StoreError } from '../store/store.ts';
import type { CommandSpec, HeldInput } from './command-spec.ts';
import type { ActionSpec, Hooks } from './executor.ts';
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
  readonly signal: AbortSignal;
  readonly hooks: Pick<Hooks, 'progress' | 'metrics' | 'checkpointFolder' | 'dropCheckpoint'>;
  log(line: string): void;
  /** Hears, now and then, what a line says that is going to be overwritten: a progress bar. */
  state(text: string): void;
  warn(message: string): void;
}

/** What keeps a command from giving its outputs. */
export class CommandFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.cause);
    this.failure = failure;
  }
}

/** The store has lost a blob that the command reads. */
export class LostInput extends Error {
  readonly digest: Digest;

  constructor(digest: Digest) {
    super(`the store has lost ${digest}`);
    this.digest = digest;
  }
}

export const because = (cause: DescribedFailure['cause'], message: string): CommandFailure =>
  new CommandFailure({ cause, message });

/** A folder in which a command runs. */
export class Scratch {
  readonly folder: string;
  /** The paths of each input, by port: one for a file or a list's folder, several for files of the project. */
  readonly places: Record<string, readonly string[]> = {};
  /** The file in which those paths stand, by port, where the command asks for one. */
  readonly lists: Record<string, string> = {};
  private readonly given = new Set<string>([PARAMS_FILE]);
  /** Every path of an input by itself, by port: of a list from stages its files, not its folder. */
  private readonly paths: Record<string, readonly string[]> = {};
  private readonly work: Pick<ScratchWork, 'action' | 'command' | 'inputs' | 'machine'>;

  constructor(folder: string, work: Scratch['work']) {
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
      if ((await digestAt(copy, file)) !== digest) {
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
    throw because(
      'outputs',
      `output ${name} cannot be kept: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
