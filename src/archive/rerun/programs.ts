// programs.ts — commands of an archive, run again: nothing keeps a program from anything, so only for who asks for it
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type GivenBlobs,
  runInScratch,
  type ScratchWork,
} from '../../engine/executors/command-runner.ts';
import type {
  CommandParts,
  Coordinates,
  Digest,
  Json,
  Key,
  Named,
  TaskId,
} from '../../engine/model/key.ts';
import { environmentOf, scratchName } from '../../engine/planning/external-inputs.ts';
import type { Binding, Invocation, Task } from '../../engine/planning/plan.ts';
import type { ProjectFile } from '../../engine/planning/project-files.ts';
import { runProgram } from '../../engine/process/shell.ts';
import type { CodecKind } from '../../engine/stage.ts';
import { keptOutput } from '../../engine/store/store.ts';
import type { InputBlobs } from '../../engine/worker/protocol.ts';
import { entryOf } from '../../present.ts';
import { printable } from '../form/finding.ts';
import { nameFault } from '../form/opened.ts';
import { type ArchivedTrace, partsOf, type StudyTask } from '../form/study.ts';
import type { SandboxedResult } from './sandboxed-run.ts';
import { programFolders, type Walls } from './walls.ts';

/** What commands run within. */
export interface ProgramsOptions {
  /** An empty folder of our own. */
  readonly scratch: string;
  /** Where programs are looked for. */
  readonly path: string;
  readonly home: string | undefined;
  /** The system's walls around them; null for none. */
  readonly walls: Walls | null;
  readonly signal: AbortSignal;
  /** The words of fingerprints, by those words joined by blanks, for archives whose traces do not tell them. */
  readonly words?: ReadonlyMap<string, readonly string[]>;
}

/** How long a command that tells a version may take. */
const FINGERPRINT_MS = 30_000;
const NAME = /^[\w-]+$/;

/** A command in words, as a verdict tells it. */
export function commandWords({ parts }: ArchivedTrace): string {
  const tools = Object.entries(parts.tools ?? {}).map(([name, said]) => `${name}: ${said}`);
  const told = tools.length > 0 ? ` (${tools.join('; ')})` : '';
  return `\`${printable((parts.command?.argv ?? []).join(' '), 80)}\`${printable(told, 120)}`;
}

/** Runs commands, each in a folder of its own that is laid out as it was in the study. */
export class Programs {
  private readonly said = new Map<string, Promise<string>>();
  private readonly options: ProgramsOptions;

  constructor(options: ProgramsOptions) {
    this.options = options;
  }

  /** Why a command cannot be run here: its tools tell other versions, or its paths leave its folder. */
  async obstacle(task: StudyTask, trace: ArchivedTrace): Promise<string | undefined> {
    const { command, tools = {} } = partsOf(trace);
    if (command === undefined) return 'its trace does not tell what it runs';
    const unfit = unfitPath(command, task);
    if (unfit !== undefined) return `it has ${printable(unfit)}, which is no name in its folder`;
    for (const [name, version] of Object.entries(tools)) {
      const told = this.wordsOf(name, trace);
      const words = told ?? name.split(' ');
      const here = await this.version(words, command.env);
      if (here === version) continue;
      const unsure =
        told || words.length <= 2 ? '' : ' (this archive does not tell where its words end)';
      const said = `to say "${version}", and here it says "${here}"`;
      return printable(`it needs \`${name}\`${unsure} ${said}`);
    }
    return undefined;
  }

  /** The words of a fingerprint, which its name joins by blanks; undefined when nobody tells them. */
  private wordsOf(
    name: string,
    { fingerprints = {} }: ArchivedTrace,
  ): readonly string[] | undefined {
    const told = Object.hasOwn(fingerprints, name) ? fingerprints[name] : undefined;
    const words = told ?? this.options.words?.get(name);
    return words?.join(' ') === name ? words : undefined;
  }

  /** Runs a command that has no obstacle. */
  async run(
    task: StudyTask,
    trace: ArchivedTrace,
    inputs: Named<InputBlobs>,
  ): Promise<SandboxedResult> {
    const { scratch, signal } = this.options;
    const kept = join(scratch, 'project-files');
    await mkdir(kept, { recursive: true });
    const given: Record<string, GivenBlobs> = {};
    const bindings: Record<string, Binding> = {};
    for (const [port, input] of Object.entries(task.inputs)) {
      const { items, missing = [] } = entryOf(inputs, port);
      const held = items.map((item) => ({ ...item, bytes: item.bytes ?? new Uint8Array() }));
      if ('files' in input) {
        for (const { digest, bytes } of held) await writeFile(join(kept, digest), bytes);
        const files = held.map(({ task: name, digest }) => fileOf(name, digest, kept));
        bindings[port] = { arity: 'many', links: [], files };
        continue;
      }
      given[port] = { items: held, missing };
      const at = new Map([...held, ...missing].map((one) => [one.task as string, one.at]));
      const links = input.links.map(([id, output]) => {
        return { task: id as TaskId, output, at: at.get(id) as Coordinates };
      });
      bindings[port] = { arity: input.arity, links };
    }
    const parts = partsOf(trace);
    const command = this.invocation(parts.command as CommandParts, parts.outputs);
    const end = await runInScratch({
      task: { ...NOBODY, params: task.params as Named<Json>, inputs: bindings, command },
      command,
      key: trace.key as Key,
      inputs: given,
      blobs: IN_MEMORY,
      root: scratch,
      folder: join(scratch, 'commands'),
      // Nobody else looks into this folder.
      identity: { host: '', pid: 0, exists: () => true },
      enclose: (argv, attempt) => this.enclose(argv, attempt),
      signal,
      log: () => undefined,
      state: () => undefined,
      warn: () => undefined,
    });
    if (end.end === 'stopped') return end;
    if (end.end === 'failed') {
      return {
        end: 'failed',
        message: printable(end.message.split('\n', 1).join()),
        infeasible: false,
      };
    }
    if (end.end === 'lost') throw new Error('bug: an input without its bytes');
    const outputs = Object.entries(end.outputs).map(
      ([name, { content }]) => [name, content] as const,
    );
    return {
      end: 'done',
      outputs: new Map(outputs.flatMap(([name, content]) => (content ? [[name, content]] : []))),
    };
  }

  /** The words of a program behind the walls, which may write the folder of its attempt and nothing else. */
  private enclose(
    [program, ...args]: readonly string[],
    { cwd, folder }: { readonly cwd: string; readonly folder: string },
  ): readonly string[] {
    const { walls, path, home } = this.options;
    if (walls === null || program === undefined) return [program ?? '', ...args];
    const readable = programFolders(path, home);
    const behind = walls.enclose({ program, args, cwd, readable, writable: [folder] });
    return [behind.program, ...behind.args];
  }

  /** The invocation that a key tells of. */
  private invocation(
    { argv, env, inputs, outputs, lists = [] }: CommandParts,
    kinds: Named<string>,
  ): Invocation {
    const places: Record<string, string | null> = {};
    const ends: Record<string, string> = {};
    for (const [port, place] of Object.entries(inputs)) {
      const [, folder, end] = /^(.*\/)\*(.*)$/s.exec(place ?? '') ?? [];
      places[port] = folder ?? place;
      if (end !== undefined) ends[port] = end;
    }
    const files = Object.entries(outputs).map(([name, file]) => [
      name,
      { file, kind: kinds[name] as CodecKind },
    ]);
    const { path } = this.options;
    const rest = {
      outputs: Object.fromEntries(files),
      fingerprints: {},
      fingerprintWords: {},
      notes: [],
    };
    return { argv, env, path, inputs: places, ends, lists, ...rest };
  }

  /** What a tool says of its version here; asked once. */
  private version(words: readonly string[], env: CommandParts['env']): Promise<string> {
    const memo = JSON.stringify([words, env]);
    const known = this.said.get(memo) ?? this.ask(words, env);
    this.said.set(memo, known);
    return known;
  }

  private async ask(words: readonly string[], env: CommandParts['env']): Promise<string> {
    const { scratch, path, signal } = this.options;
    const home = join(scratch, 'asked');
    await mkdir(home, { recursive: true });
    const said: string[] = [];
    const end = await runProgram({
      argv: this.enclose(words, { cwd: home, folder: home }),
      env: environmentOf({ env, path }, home, home),
      folder: home,
      line: (line) => said.push(line),
      signal: AbortSignal.any([signal, AbortSignal.timeout(FINGERPRINT_MS)]),
    });
    if (end.code === 127) return 'that there is no such program';
    return said.join('\n').trim();
  }
}

/** A path of a command that would lead out of its folder. A key may hold anything. */
function unfitPath(
  { inputs, outputs, lists = [] }: CommandParts,
  task: StudyTask,
): string | undefined {
  const ports = [...Object.keys(task.inputs), ...Object.keys(inputs)];
  const unnamed = ports.find((port) => !NAME.test(port));
  if (unnamed !== undefined) return unnamed;
  const unlisted = lists.find((port) => !Object.hasOwn(inputs, port));
  if (unlisted !== undefined) return `{inputs.${unlisted}.list}`;
  const files = Object.entries(task.inputs).flatMap(([port, input]) =>
    'files' in input ? input.files.map(([name]) => scratchName(port, name)) : [],
  );
  const places = Object.values(inputs).map((place) => place?.replace(/\/\*[\w.-]*$/, '') ?? 'x');
  return [...files, ...places, ...Object.values(outputs)].find(
    (path) => nameFault(path) !== undefined,
  );
}

/** A file of the project, as it was taken from the archive. */
const fileOf = (name: string, digest: Digest, folder: string): ProjectFile => ({
  name,
  digest,
  path: join(folder, digest),
  stamp: { size: 0, mtimeMs: 0, ctimeMs: 0, inode: 0 },
});

/** What a command does not ask of its task. Names of an archive do not become names of folders. */
const NOBODY: Omit<Task, 'params' | 'inputs' | 'command'> = {
  id: 'command' as TaskId,
  stage: 'command',
  at: {},
  files: null,
  work: null,
  artifacts: {},
  tools: null,
  skipsInfeasible: false,
  infeasible: null,
};

/** Outputs of a rerun are compared and not kept: they stay in memory, and all inputs come with their bytes. */
const IN_MEMORY: ScratchWork['blobs'] = {
  copyTo: async () => false,
  takeFile: async (path) => keptOutput(await readFile(path)),
};
