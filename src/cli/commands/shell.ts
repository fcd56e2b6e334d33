// shell.ts — pipeline shell TASK: a shell, or the command itself, in a scratch folder as the task would have it
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { searchPath } from '../../engine/environments/command-variables.ts';
import { type Layout, layOut } from '../../engine/executors/command-runner.ts';
import { type HeldInput, invocationOf } from '../../engine/executors/command-spec.ts';
import type { ActionInput, ActionSpec } from '../../engine/executors/executor.ts';
import { nothingKnown } from '../../engine/executors/input-files.ts';
import { CommandFailure, LostInput } from '../../engine/executors/scratch.ts';
import { fileDigest } from '../../engine/files/files.ts';
import type { Digest, Named, TaskId } from '../../engine/model/key.ts';
import { namedFiles } from '../../engine/planning/project-files.ts';
import { formatFailure } from '../../engine/process/failure-message.ts';
import { type Attempt, openAttempt } from '../../engine/process/scratch-folder.ts';
import { quotedWord } from '../../engine/process/shell.ts';
import type { Action } from '../../engine/rebuilder/action.ts';
import { type Forecast, forecast } from '../../engine/rebuilder/forecast.ts';
import { checkpointFolders } from '../../engine/store/checkpoint-folders.ts';
import { currentTask, planFor } from '../session/named-tasks.ts';
import { stderrColors as c, writeStderr } from '../session/printing.ts';
import { type CommonOptions, openSession, type Session } from '../session/session.ts';
import { UsageError } from '../session/usage-error.ts';
import { COMMON, type CommandDeclaration, TASK } from '../terminal/declaration.ts';
import { formatAbsence } from '../terminal/format.ts';

export const command: CommandDeclaration = {
  name: 'shell',
  group: 'Look',
  about: 'open a shell in a scratch folder like that of a task',
  arguments: [TASK],
  options: [
    { flags: '--run', about: 'run the command instead of a shell' },
    {
      flags: '--with <words>',
      about: "run it under a program, such as 'python3 -m pdb' or 'strace -f'",
    },
    { flags: '--keep', about: 'keep the folder' },
    ...COMMON.filter(({ flags }) => flags !== '--json'),
  ],
  examples: ['shell train/0.1', 'shell train/0.1 --run', "shell train/0.1 --with 'python3 -m pdb'"],
};
export { openShell as run };

interface ShellOptions extends CommonOptions {
  readonly run?: boolean;
  readonly with?: string;
  readonly keep?: boolean;
}

/** Runs a shell, or the command, with this terminal as its own. Gives its exit code. */
async function openShell(word: string, options: ShellOptions): Promise<number> {
  const session = await openSession(options);
  try {
    const id = currentTask(session, word);
    const forecasts = await forecast(planFor(session.plan, [id]), session.store, new Set());
    const action = actionOf(forecasts.get(id), word);
    const parent = await realpath(await mkdtemp(join(tmpdir(), 'pipeline-shell-')));
    let keeps = options.keep ?? false;
    try {
      const attempt = await attemptIn(parent, action);
      const layout = await filled(session, { action, forecasts, attempt });
      const given = await digestsIn(attempt.work);
      const argv = options.run || options.with ? commandOf(layout, options.with) : undefined;
      writeStderr(c.dim(`${attempt.work}: what is in it are copies`));
      if (argv === undefined) {
        const words = layout.filled.map(({ text }) => quotedWord(text)).join(' ');
        writeStderr(c.dim(`the command is: ${words}`));
      }
      const code = await runHere(argv ?? [process.env.SHELL ?? '/bin/sh'], layout, attempt.work);
      const edited = await editedIn(attempt.work, given);
      if (edited.length > 0 && !keeps) {
        keeps = true;
        writeStderr(`${c.yellow('kept')} the folder: ${edited.join(', ')} was changed there`);
      }
      if (keeps) writeStderr(attempt.work);
      return code;
    } finally {
      if (!keeps) await rm(parent, { recursive: true, force: true });
    }
  } finally {
    await session.store.close();
  }
}

/** The action of a task whose inputs are made. @throws UsageError */
function actionOf(predicted: Forecast | undefined, word: string): Action {
  if (predicted?.status === 'infeasible') {
    const message = formatAbsence(predicted.task, predicted.missingOutput);
    throw new UsageError([{ message, hint: 'change its params' }]);
  }
  if (predicted?.status === 'unknown') {
    throw new UsageError([{ message: `${predicted.task} is unknown: ${predicted.message}` }]);
  }
  if (predicted === undefined || !('action' in predicted)) {
    const message = `the inputs of ${word} have not been made`;
    const after = predicted?.status === 'pending' ? predicted.after.join(' ') : word;
    throw new UsageError([{ message, hint: `pipeline make ${quotedWord(after)}` }]);
  }
  const { action } = predicted;
  if (action.task.command === null) {
    const message = `${action.task.id} is a module: only commands have a scratch folder`;
    const hint = `to debug a module, run it under an inspector: see CONTRIBUTING.md`;
    throw new UsageError([{ message, hint }]);
  }
  return action;
}

const attemptIn = (parent: string, { task, key }: Action): Promise<Attempt> =>
  openAttempt({
    parent,
    name: `${task.stage}-${key.slice(0, 16)}`,
    unique: 'shell',
    identity: { host: '', pid: process.pid, exists: () => true },
  });

/** What a folder is filled from. */
interface Filling {
  readonly action: Action;
  readonly forecasts: ReadonlyMap<TaskId, Forecast>;
  readonly attempt: Attempt;
}

/** Fills the folder of an attempt as a make would. @throws UsageError */
async function filled(
  { store, root, cache }: Session,
  { action, forecasts, attempt }: Filling,
): Promise<Layout> {
  const { inputs, held } = inputsOf(action, forecasts);
  const { id, stage } = action.task;
  const spec: ActionSpec = {
    ...{ key: action.key, parts: action.parts, task: id, stage, inputs },
    ...{ files: {}, isolate: false, timeout_ms: null, notes: [] },
  };
  const projectFiles = Object.values(action.task.inputs).flatMap(({ files }) => files ?? []);
  try {
    return await layOut(attempt, {
      action: spec,
      command: invocationOf(action.parts, inputs),
      inputs: held,
      // What is tried here must not reach the store.
      mayLink: false,
      known: nothingKnown(),
      machine: {
        ...{ root, scratch: attempt.folder, path: searchPath(process.env) },
        environment: process.env,
        homes: join(cache, 'homes'),
        environmentOf: () => action.task.command?.environment?.place,
        identity: { host: '', pid: process.pid, exists: () => true },
        blobs: store.blobs,
        projectFile: ({ name, digest }) =>
          projectFiles.find((file) => file.name === name && file.digest === digest)?.path ??
          join(root, name),
      },
      hooks: {
        progress: () => undefined,
        metrics: () => undefined,
        // A copy: what is tried here must not reach the next make.
        async checkpointFolder() {
          const path = join(attempt.folder, 'checkpoint');
          const folders = checkpointFolders(cache);
          if (await folders.has(action.key)) {
            await cp((await folders.open(action.key)).path, path, { recursive: true });
          } else await mkdir(path);
          return { path, events: join(attempt.folder, 'events.jsonl') };
        },
        dropCheckpoint: async () => undefined,
      },
      log: () => undefined,
      warn: writeStderr,
    });
  } catch (error) {
    if (error instanceof CommandFailure) {
      throw new UsageError([{ message: formatFailure(error.failure) }]);
    }
    if (!(error instanceof LostInput)) throw error;
    const message = `the store has lost what ${id} reads`;
    throw new UsageError([{ message, hint: `pipeline make ${quotedWord(id)}` }]);
  }
}

/** What upstream tasks gave, by port: as an executor gets it, and as blobs that are written as files. */
function inputsOf(
  { task, parts }: Action,
  forecasts: ReadonlyMap<TaskId, Forecast>,
): { readonly inputs: Named<ActionInput>; readonly held: Named<HeldInput> } {
  const inputs: Record<string, ActionInput> = {};
  const held: Record<string, HeldInput> = {};
  for (const [port, { arity, links, files }] of Object.entries(task.inputs)) {
    if (files) {
      inputs[port] = { projectFiles: namedFiles(files) };
      continue;
    }
    const recorded = parts.inputs[port];
    const items = links.map(({ task: id, at, output }, index) => {
      const upstream = forecasts.get(id);
      const made = upstream && 'trace' in upstream ? upstream.trace?.outputs[output] : undefined;
      if (made) return { task: id, at, digest: made.digest };
      const reason = Array.isArray(recorded) ? recorded[index]?.[3] : undefined;
      return { task: id, at, missing: reason };
    });
    inputs[port] = { arity, items: [] };
    held[port] = items;
  }
  return { inputs, held };
}

/** The words of the command, under a program where one is named. One of the same name as the first word takes its place. */
function commandOf({ filled: words }: Layout, under: string | undefined): readonly string[] {
  const argv = words.map(({ text }) => text);
  const before = under?.split(/\s+/).filter((word) => word !== '') ?? [];
  const isSame = basename(before[0] ?? '') === basename(argv[0] ?? '');
  return [...before, ...(isSame ? argv.slice(1) : argv)];
}

/** Runs a program in this terminal. Signals of the terminal are its own. */
async function runHere(
  [program = '', ...argv]: readonly string[],
  { env }: Layout,
  cwd: string,
): Promise<number> {
  const { TERM } = process.env;
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  try {
    const child = spawn(program, argv, {
      cwd,
      env: { ...env, ...(TERM !== undefined && { TERM }) },
      stdio: 'inherit',
    });
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const message = `${program} cannot be started: ${error.code === 'ENOENT' ? 'there is no such program' : error.message}`;
        reject(new UsageError([{ message }]));
      });
      child.once('exit', (code, signal) =>
        resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)),
      );
    });
  } finally {
    process.off('SIGINT', ignore);
  }
}

/** The files of a folder, by path, with their digests. */
async function digestsIn(folder: string): Promise<ReadonlyMap<string, Digest>> {
  const found = new Map<string, Digest>();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.set(relative(folder, path), await fileDigest(path));
  }
  return found;
}

/** The files that were given and are not what they were. */
async function editedIn(folder: string, given: ReadonlyMap<string, Digest>): Promise<string[]> {
  const now = await digestsIn(folder).catch(() => new Map<string, Digest>());
  return [...given].flatMap(([path, digest]) => (now.get(path) === digest ? [] : [path]));
}
