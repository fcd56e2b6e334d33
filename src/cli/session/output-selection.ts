// output-selection.ts — `TASK:output/tensor` on the command line → what is meant by it, with verified bytes

import { kindByName } from '../../engine/config/codecs.ts';
import { FOLDER, type FolderFile } from '../../engine/model/folder-manifest.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, Output } from '../../engine/model/record.ts';
import type { Plan } from '../../engine/planning/plan.ts';
import { latestRecord } from '../../engine/rebuilder/action.ts';
import { forecast } from '../../engine/rebuilder/forecast.ts';
import { folderIn } from '../../engine/store/folder-blobs.ts';
import { taskInRuns } from '../../engine/store/history.ts';
import type { Store } from '../../engine/store/store.ts';
import { didYouMean } from '../../hint.ts';
import { plainName } from '../../plain-text.ts';
import { entryOf } from '../../present.ts';
import { decodeSafetensors, type TensorFile } from '../../tensor.ts';
import { formatAbsence, taskWord } from '../terminal/format.ts';
import { formatUnknown } from './forecast.ts';
import { oneTask } from './named-tasks.ts';
import { stderrColors as c, writeStderr } from './printing.ts';
import type { Remains } from './session.ts';
import { UsageError } from './usage-error.ts';

/** A task and, where they were named, one of its outputs and a part of that. */
export interface Selection {
  readonly trace: ActionRecord;
  readonly output?: Output;
  readonly name?: string;
  /**
   * What stands after the output's name: a tensor, or the beginning of several tensors' names. A file of a folder is an output
   * by itself.
   */
  readonly part?: string;
}

/** Finds what a word selects. @throws UsageError */
export async function select(remains: Remains, target: string): Promise<Selection> {
  const colon = target.indexOf(':');
  const [word, rest] =
    colon < 0 ? [target, undefined] : [target.slice(0, colon), target.slice(colon + 1)];
  const trace = await traceOf(remains, word);
  if (rest === undefined) return { trace };
  if (Object.hasOwn(trace.outputs, rest)) {
    return { trace, name: rest, output: entryOf(trace.outputs, rest) };
  }
  const slash = rest.indexOf('/');
  const name = slash < 0 ? rest : rest.slice(0, slash);
  if (!Object.hasOwn(trace.outputs, name)) {
    const hint = didYouMean(name, Object.keys(trace.outputs));
    throw new UsageError([{ message: `${trace.task} has no output \`${name}\``, hint }]);
  }
  const output = entryOf(trace.outputs, name);
  if (slash < 0) return { trace, name, output };
  if (output.kind === FOLDER) {
    const path = rest.slice(slash + 1);
    const file = await fileInFolder(remains.store, { task: trace.task, name, output }, path);
    return { trace, name: rest, output: file };
  }
  if (output.kind !== 'tensors') {
    const message = `${trace.task}:${name} is ${output.kind}: only tensors and folders have parts`;
    throw new UsageError([{ message }]);
  }
  return { trace, name, output, part: rest.slice(slash + 1) };
}

/** The bytes of an output, verified. @throws UsageError when the store has lost them */
export async function bytesOf(
  { store }: Remains,
  task: TaskId,
  name: string,
  output: Output,
): Promise<Uint8Array> {
  const bytes = await store.blobs.get(output.digest);
  if (bytes !== undefined) return bytes;
  throw lostOutput(task, name);
}

/** Says that the store has not the bytes of an output. */
export function lostOutput(task: TaskId, name: string): UsageError {
  const message = `the store has lost ${task}:${plainName(name)}`;
  return new UsageError([{ message, hint: `pipeline make ${taskWord(task)}` }]);
}

/** Says that a file was named for one output, and not which. */
export function noOutputNamed({ outputs }: ActionRecord): UsageError {
  const names = Object.keys(outputs).map(plainName).join(', ');
  const hint = names === '' ? 'the task has no outputs' : `one of ${names}: TASK:OUTPUT`;
  return new UsageError([{ message: 'no output is named', hint }]);
}

/** An output that is a folder. */
export interface StoredFolder {
  readonly task: TaskId;
  readonly name: string;
  readonly output: Pick<Output, 'digest'>;
}

/** The files of a folder. @throws UsageError when the store has lost their list */
export async function filesOfFolder(
  store: Store,
  { task, name, output }: StoredFolder,
): Promise<readonly FolderFile[]> {
  const files = await folderIn(store.blobs, output.digest);
  if (files !== undefined) return files;
  throw lostOutput(task, name);
}

/** A file of a folder, as an output of the kind that its name tells. @throws UsageError when there is none of this path */
export async function fileInFolder(
  store: Store,
  folder: StoredFolder,
  path: string,
): Promise<Output> {
  const files = await filesOfFolder(store, folder);
  const found = files.find((file) => file.path === path);
  if (found) return { digest: found.digest, bytes: found.bytes, kind: kindByName(path) };
  const message = `${folder.task}:${folder.name} has no file \`${plainName(path)}\``;
  const within = files.find((file) => file.path.startsWith(`${path}/`))?.path;
  const near = didYouMean(
    path,
    files.map((file) => file.path),
  );
  throw new UsageError([{ message, hint: within ? `such as ${within}` : near }]);
}

/** Tensors of an output: all, the one that is called `part`, or those whose names begin with `part.`. */
export function tensorsOf(bytes: Uint8Array, part: string | undefined): TensorFile {
  const file = decodeSafetensors(bytes);
  if (part === undefined) return file;
  const names = Object.keys(file.tensors);
  const chosen = names.filter((name) => name === part || name.startsWith(`${part}.`));
  if (chosen.length === 0) {
    throw new UsageError([
      { message: `no tensor is called \`${part}\``, hint: didYouMean(part, names) },
    ]);
  }
  const exact = chosen.includes(part) ? [part] : chosen;
  return {
    tensors: Object.fromEntries(exact.map((name) => [name, entryOf(file.tensors, name)])),
    metadata: {},
  };
}

/** The trace of a task as it is now; of its last making where that is another, with a word saying so. */
async function traceOf(remains: Remains, word: string): Promise<ActionRecord> {
  const { plan, store } = remains;
  const task = plan && taskIn(plan, remains, word);
  if (plan === undefined || task === undefined) return pastTrace(remains, word);
  const predicted = (await forecast(plan, store, new Set())).get(task);
  if (predicted?.status === 'reuse') return predicted.trace;
  if (predicted?.status === 'infeasible') {
    const message = `${task} has no outputs: ${formatAbsence(task, predicted.missingOutput)}`;
    throw new UsageError([{ message, hint: 'change its params, or leave it out of the matrix' }]);
  }
  const trace = await latestTrace(store, task);
  if (trace === undefined) {
    const hint = `pipeline make ${taskWord(task)}`;
    throw new UsageError([{ message: `${task} has not been made`, hint }]);
  }
  const isUnknown = predicted?.status === 'unknown';
  const state = isUnknown ? `unknown (${formatUnknown(predicted)})` : 'out of date';
  writeStderr(`${c.yellow(state)}: this is the last result of ${task}`);
  return trace;
}

async function latestTrace(store: Store, task: TaskId): Promise<ActionRecord | undefined> {
  const trace = await latestRecord(store.actions, task);
  return trace?.infeasible === undefined ? trace : undefined;
}

/** The task of a plan that a word names; undefined when it names none, and one of an earlier run. @throws UsageError */
function taskIn(plan: Plan, { store }: Remains, word: string): TaskId | undefined {
  try {
    return oneTask(plan, word);
  } catch (error) {
    if (error instanceof UsageError && taskInRuns(store.history.runs(), word)) return undefined;
    throw error;
  }
}

/** What a task gave that is in no plan now: there is none, or not with this task. @throws UsageError */
async function pastTrace({ plan, store, problems }: Remains, word: string): Promise<ActionRecord> {
  const task = taskInRuns(store.history.runs(), word);
  const trace = task && (await latestTrace(store, task));
  if (trace === undefined) {
    const message = `no stored run made a task \`${word}\``;
    throw new UsageError(plan ? [{ message }] : problems);
  }
  const why = plan
    ? `${task} is no longer in the pipeline`
    : `the pipeline cannot be loaded (${problems[0]?.message})`;
  writeStderr(`${c.yellow(why)}: this is the last result of ${task}`);
  return trace;
}
