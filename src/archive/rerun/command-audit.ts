// command-audit.ts — whether a command gives the same bits twice, and what it read that it was not given
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { commandExecutor } from '../../engine/executors/command-executor.ts';
import type { ActionSpec } from '../../engine/executors/executor.ts';
import type { ActionResult } from '../../engine/model/action-result.ts';
import type { Failure } from '../../engine/model/failure.ts';
import type { Named } from '../../engine/model/key.ts';
import type { KeptOutput } from '../../engine/model/record.ts';
import { askProgram } from '../../engine/process/ask-program.ts';
import { formatFailure } from '../../engine/process/failure-message.ts';
import type { Action } from '../../engine/rebuilder/action.ts';
import { type BlobFile, type BlobFiles, openBlobFiles } from '../../engine/store/blob-files.ts';
import {
  type Audit,
  AuditError,
  type AuditOptions,
  compared,
  inputsOf,
  type Outputs,
} from './audit.ts';
import { readTouches, straceWords } from './read-trace.ts';
import { SILENT } from './sandbox-executor.ts';
import { type UndeclaredFiles, undeclaredIn } from './undeclared.ts';

/** What the audit of a command draws on. */
export type CommandAuditOptions = Pick<
  AuditOptions,
  'action' | 'store' | 'traces' | 'root' | 'scratch' | 'signal'
> & {
  /** Where programs are looked for. */
  readonly path: string;
  /** The variables around us, of which the command is passed those that it declares. */
  readonly environment: NodeJS.ProcessEnv;
  readonly home: string | undefined;
  readonly platform: NodeJS.Platform;
};

/** What was found. */
export interface CommandAudit extends Audit {
  /** What differed between the runs. */
  readonly surroundings: readonly string[];
  /** Whether outputs differ by what a make always sets alike, where they differ at all. */
  readonly cause: 'pinned' | 'other' | null;
  /** Files that it touched and was not given; null when nobody could look. */
  readonly undeclared: UndeclaredFiles | null;
  /** Why nobody could look, or looked no further. */
  readonly unseen: string | null;
}

/** What surrounds one run. */
interface Around {
  readonly name: string;
  /** Variables that a make sets alike each time, set to something else. */
  readonly pinned: Named<string>;
  readonly umask: string;
  /** Whether it has one processor alone. */
  readonly isAlone: boolean;
  /** Whether what it opens is written down. */
  readonly isTraced: boolean;
}

const PLAIN: Around = { name: 'a', pinned: {}, umask: '022', isAlone: false, isTraced: false };
const OTHER_PINNED = {
  TZ: 'Asia/Kathmandu',
  LANG: 'tr_TR.UTF-8',
  LC_ALL: 'tr_TR.UTF-8',
  PYTHONHASHSEED: '4242',
  SOURCE_DATE_EPOCH: '1000000000',
};
const STRANGE: Around = {
  ...{ name: 'elsewhere/b', pinned: OTHER_PINNED, umask: '077' },
  ...{ isAlone: true, isTraced: false },
};

/** Runs a command twice, and a third time where that tells why they differ. @throws AuditError when it cannot be run */
export async function auditCommand(options: CommandAuditOptions): Promise<CommandAudit> {
  const runs = new Runs(options);
  const unseen = await runs.whyBlind();
  const first = await runs.run({ ...PLAIN, isTraced: unseen === null });
  const second = await runs.run(STRANGE);
  const audit = await compared(options, [first, second]);
  const isSame = audit.outputs.length === 0;
  const cause = isSame ? null : await runs.causeOf(first);
  const seen = unseen === null ? await runs.seen() : undefined;
  return {
    ...audit,
    surroundings: runs.surroundings(),
    cause,
    undeclared: seen?.undeclared ?? null,
    unseen: unseen ?? seen?.unseen ?? null,
  };
}

/** Runs a command as a make does (0), or in other surroundings (1). @throws AuditError when it cannot be run */
export const rerunCommand = (options: CommandAuditOptions, index: number): Promise<Outputs> =>
  new Runs(options).run(index === 0 ? PLAIN : STRANGE);

class Runs {
  private readonly options: CommandAuditOptions;
  private readonly kept: BlobFiles;
  private readonly trace: string;
  /** Of the run that is traced: the folder of its attempt, and where it began. */
  private folder = '';
  private cwd = '';
  private count = 0;

  constructor(options: CommandAuditOptions) {
    this.options = options;
    this.kept = openBlobFiles(join(options.scratch, 'outputs'));
    this.trace = join(options.scratch, 'trace');
  }

  /** Why the files that the command opens cannot be told here; null when they can. */
  async whyBlind(): Promise<string | null> {
    if (this.options.platform !== 'linux')
      return 'the files that a command reads are listed on Linux alone';
    const { path, scratch, signal } = this.options;
    if (!this.has('strace')) {
      return 'strace is not installed, so the files that the command reads are not known: on Debian, apt install strace';
    }
    const argv = [...straceWords(join(scratch, 'probe')), 'true'];
    const { end, text } = await askProgram({ argv, env: { PATH: path }, folder: scratch, signal });
    if (end.code === 0) return null;
    const why = text.split('\n').at(-1) ?? '';
    return `strace cannot be used here, so the files that the command reads are not known: ${why}`;
  }

  private has(program: string): boolean {
    return this.options.path
      .split(delimiter)
      .some((folder) => folder !== '' && existsSync(join(folder, program)));
  }

  /** One run. @throws AuditError when it fails */
  async run(around: Around): Promise<Outputs> {
    this.count += 1;
    const result = await this.execute(around);
    if (result.status === 'stopped') throw new AuditError('interrupted');
    if (result.status === 'failed') {
      // Its folder goes with those of the audit.
      const { keptFolder: _, ...failure } = result.failure;
      const said = formatFailure(failure as Failure);
      throw new AuditError(`run ${this.count} fails: ${said}`);
    }
    if (result.status === 'lost-inputs') throw new AuditError('its inputs are missing');
    const outputs = Object.entries(result.outputs).map(([name, output]): [string, KeptOutput] => {
      const content = output.content ?? this.contentOf(output);
      return [name, { ...output, ...(content && { content }) }];
    });
    return new Map(outputs);
  }

  /** The bytes of an output that is compared number by number; larger ones are compared as a whole. */
  private contentOf({ digest, bytes }: KeptOutput): Uint8Array | undefined {
    return bytes <= COMPARED_BYTES_MAX ? this.kept.read(digest) : undefined;
  }

  private async execute(around: Around): Promise<ActionResult> {
    const { action, root, store, environment, path, scratch, signal } = this.options;
    const projectFiles = Object.values(action.task.inputs).flatMap(({ files }) => files ?? []);
    const parent = join(scratch, around.name);
    await mkdir(parent, { recursive: true });
    const executor = commandExecutor({
      ...{ root, scratch: parent, path, environment },
      environmentOf: () => action.task.command?.environment?.place,
      // Nobody else looks into this folder.
      identity: { host: '', pid: 0, exists: () => true },
      blobs: {
        get: (digest) => store.blobs.get(digest),
        copyTo: (digest, to) => store.blobs.copyTo(digest, to),
        takeFile: async (file) => keptIn(await this.kept.keepFile(file)),
        putStream: async (content) => keptIn(await this.kept.keep(content)),
        putAll: async (contents) => {
          for (const { digest, content } of contents) {
            if (content) await this.kept.keepBytes(digest, content);
          }
        },
        verify: (digest) => store.blobs.verify(digest),
        forget: async () => undefined,
      },
      projectFile: ({ name, digest }) => {
        const found = projectFiles.find((file) => file.name === name && file.digest === digest);
        if (found === undefined) throw new AuditError(`${name} is not a file of the task`);
        return found.path;
      },
      enclose: (argv, { folder, cwd }) => {
        if (around.isTraced) this.folder = folder;
        if (around.isTraced) this.cwd = cwd;
        return this.enclosed(argv, around);
      },
    });
    return executor.execute(await this.spec(), SILENT, signal);
  }

  /** The words of the program behind those that change what surrounds it. */
  private enclosed(argv: readonly string[], around: Around): readonly string[] {
    const { env } = this.options.action.task.command ?? { env: {} };
    // What the stage sets itself stays: it is part of its key.
    const pinned = Object.entries(around.pinned).filter(([name]) => !Object.hasOwn(env, name));
    return [
      ...['sh', '-c', `umask ${around.umask}; exec "$@"`, 'sh'],
      ...(around.isAlone && this.canBind() ? ['taskset', '-c', '0'] : []),
      ...(pinned.length > 0 ? ['env', ...pinned.map((one) => one.join('='))] : []),
      ...(around.isTraced ? straceWords(this.trace) : []),
      ...argv,
    ];
  }

  private canBind(): boolean {
    return this.options.platform === 'linux' && availableParallelism() > 1 && this.has('taskset');
  }

  private async spec(): Promise<ActionSpec> {
    const { key, parts, task } = this.options.action;
    const inputs = await inputsOf(this.options, { withBytes: false });
    return {
      ...{ key, parts, task: task.id, stage: task.stage, inputs },
      ...{ files: {}, isolate: true, timeout_ms: null, notes: [] },
    };
  }

  /** Why outputs differ: another run, in which all is as in the first that a make sets alike. */
  async causeOf(first: Outputs): Promise<'pinned' | 'other'> {
    const third = await this.run({ ...STRANGE, name: 'elsewhere/c', pinned: {} });
    const isSame = [...first].every(([name, { digest }]) => third.get(name)?.digest === digest);
    return isSame ? 'pinned' : 'other';
  }

  /** What the first run touched and was not given. */
  async seen(): Promise<{ undeclared: UndeclaredFiles; unseen: string | null }> {
    const { root, home, action, scratch, path } = this.options;
    const { touches, isWhole } = await readTouches(this.trace, this.cwd);
    const undeclared = undeclaredIn(touches, {
      ...{ project: root, home, own: [scratch, this.folder] },
      path: path.split(delimiter),
      inputs: inputPaths(action),
    });
    const unseen = isWhole ? null : 'it opens more files than are looked at: the list is not whole';
    return { undeclared, unseen };
  }

  /** What differed, in words. */
  surroundings(): readonly string[] {
    const cores = this.canBind() ? ['one processor'] : [];
    const pinned = Object.entries(OTHER_PINNED).map((one) => one.join('='));
    return ['another folder and home', 'umask 077', ...cores, ...pinned];
  }
}

/** Outputs beyond this size are compared by their digests alone. */
const COMPARED_BYTES_MAX = 2 ** 28;

const keptIn = ({ digest, bytes }: BlobFile): KeptOutput => ({ digest, bytes });

/** Where the files lie that a task is given, copies of which are in its scratch folder. */
const inputPaths = ({ task }: Action): ReadonlySet<string> =>
  new Set(Object.values(task.inputs).flatMap(({ files }) => (files ?? []).map(({ path }) => path)));
