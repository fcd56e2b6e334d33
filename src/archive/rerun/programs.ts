// programs.ts — commands of an archive, run again behind the system's walls where there are any; only on request
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withoutSlash } from '../../engine/config/outputs.ts';
import { environmentOf } from '../../engine/environments/command-variables.ts';
import { commandExecutor } from '../../engine/executors/command-executor.ts';
import type { Executor } from '../../engine/executors/executor.ts';
import type { CommandParts, Digest } from '../../engine/model/key.ts';
import type { KeptOutput } from '../../engine/model/record.ts';
import { secondFormOf } from '../../engine/planning/command-module.ts';
import { scratchName } from '../../engine/planning/scratch-layout.ts';
import { askProgram } from '../../engine/process/ask-program.ts';
import { keptOutput } from '../../engine/store/store.ts';
import { printable } from '../form/finding.ts';
import { nameFault } from '../form/opened.ts';
import { type ArchivedTrace, partsOf, type StudyTask } from '../form/study.ts';
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

/** Where commands that run again take blobs from, and leave files of folders. */
export interface RerunBlobs {
  /** The content of a blob, or of a file of the project. @throws when there is none */
  read(digest: Digest): Promise<Uint8Array>;
  keep(digest: Digest, content: Uint8Array): Promise<void>;
}

const NAME = /^[\w-]+$/;

/** A command in words, as a verdict tells it. */
export function formatCommand({ parts }: ArchivedTrace): string {
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
    if (unfit !== undefined) return `it has ${printable(unfit)}, which is not a name in its folder`;
    const { environment } = secondFormOf(command);
    if (environment) {
      const { kind, python, lock } = environment;
      return printable(
        `it ran in an environment of ${kind} (${python}, lock ${lock.slice(0, 12)}), which is not here`,
      );
    }
    for (const [name, version] of Object.entries(tools)) {
      const told = this.wordsOf(name, trace);
      const words = told ?? name.split(' ');
      const here = await this.version(words, command.env);
      if (here === version) continue;
      const unsure =
        told || words.length <= 2 ? '' : ' (this archive does not tell where its arguments end)';
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

  /** An executor for commands that have no obstacle. */
  executor({ read, keep }: RerunBlobs): Executor {
    const { scratch, path } = this.options;
    const kept = join(scratch, 'project-files');
    const commands = commandExecutor({
      root: scratch,
      scratch: join(scratch, 'commands'),
      path,
      environment: {},
      // Nobody else looks into this folder.
      identity: { host: '', pid: 0, exists: () => true },
      // Outputs of a rerun are compared: they stay in memory, but for the files of folders. Inputs come with their bytes.
      blobs: {
        get: (digest) => read(digest).catch(() => undefined),
        async copyTo(digest, place) {
          const content = await read(digest).catch(() => undefined);
          if (content) await writeFile(place, content, { flag: 'wx' });
          return content !== undefined;
        },
        takeFile: async (file) => keptOutput(await readFile(file)),
        putStream: gathered,
        async putAll(contents) {
          for (const { digest, content } of contents) if (content) await keep(digest, content);
        },
        verify: async () => true,
        forget: async () => undefined,
      },
      projectFile: ({ digest }) => join(kept, digest),
      enclose: (argv, attempt) => this.enclose(argv, attempt),
    });
    return {
      ...commands,
      async execute(action, hooks, signal) {
        await mkdir(kept, { recursive: true });
        for (const input of Object.values(action.inputs)) {
          for (const { digest } of 'projectFiles' in input ? input.projectFiles : []) {
            await writeFile(join(kept, digest), await read(digest));
          }
        }
        return commands.execute(action, hooks, signal);
      },
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
    const { text, end, excess } = await askProgram({
      argv: this.enclose(words, { cwd: home, folder: home }),
      env: environmentOf({ env, path }, home, home),
      folder: home,
      signal,
    });
    if (excess !== undefined) return `that it ${excess}`;
    if (end.code === 127) return 'that there is no such program';
    return text;
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
  const places = Object.values(inputs).map((place) => place?.replace(/\/\*[\w.-]*\/?$/, '') ?? 'x');
  return [...files, ...places, ...Object.values(outputs)].find(
    (path) => nameFault(withoutSlash(path)) !== undefined,
  );
}

/** All that comes, in memory. */
async function gathered(content: AsyncIterable<Uint8Array>): Promise<KeptOutput> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content) pieces.push(Buffer.from(piece));
  return keptOutput(Buffer.concat(pieces));
}
