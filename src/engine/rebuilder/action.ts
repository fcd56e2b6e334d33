// action.ts — a task whose inputs are known: its key, and whether it must run

import { briefKey, debug } from '../model/debug-log.ts';
import type { Change, Reason } from '../model/event.ts';
import type { Digest } from '../model/key.ts';
import {
  type CollectedDigest,
  type CommandParts,
  canonicalJson,
  type InputDigest,
  type Json,
  type Key,
  type KeyParts,
  type Named,
  type TaskId,
} from '../model/key.ts';
import { keyOfShared } from '../model/key-text.ts';
import type { ActionRecord, RecordResult } from '../model/record.ts';
import { isSameJson } from '../model/same-json.ts';
import type { SecondForm } from '../planning/command-module.ts';
import type { Binding, Invocation, Plan, Task } from '../planning/plan.ts';
import { missingOutputs } from '../store/folder-blobs.ts';
import type { ActionCache, Store } from '../store/store.ts';
import type { StageModule } from '../worker/declaration.ts';
import type { MissingOutput } from './missing-output.ts';

/** A task with everything that decides its outputs. */
export interface Action {
  readonly task: Task;
  readonly key: Key;
  readonly parts: KeyParts;
}

/** The results of upstream tasks, or why there are none. */
export interface Upstream {
  readonly traces: { get(task: TaskId): RecordResult | undefined };
  readonly missing: { get(task: TaskId): MissingOutput | undefined };
}

/** The action of a task. Every upstream task must have a trace; for a partial input, a trace or the reason why there is none. */
export function actionOf(plan: Plan, task: Task, upstream: Upstream): Action {
  const module = plan.stages.get(task.stage);
  if (module === undefined) throw new Error(`bug: stage ${task.stage} has no module`);
  const { inputs, text } = inputsOf(task, upstream);
  const parts: KeyParts = {
    code: module.code.digest,
    params: task.params,
    inputs,
    outputs: outputKinds(module),
    source: task.files
      ? Object.fromEntries(task.files.map(({ name, sha256 }) => [name, sha256 as Digest]))
      : null,
  };
  const hasMore = task.tools !== null || task.command !== null;
  const all = hasMore ? { ...parts, ...moreParts(task) } : parts;
  const key = keyOfShared(all, text);
  debug?.('key', `${task.id} ${key} code ${briefKey(parts.code)}`);
  return { task, key, parts: all };
}

/** The inputs of an action, and their canonical text where that is known. */
interface KnownInputs {
  readonly inputs: Named<InputDigest>;
  readonly text?: string;
}

/** Inputs are shared between tasks. `by`: the upstream records from which they were computed. */
const given = new WeakMap<
  Task['inputs'],
  KnownInputs & { readonly by: readonly (readonly [TaskId, RecordResult])[] }
>();
/** Inputs with more links than this are computed again instead of compared. */
const SHARED_LINKS_MAX = 8;

function inputsOf(task: Task, upstream: Upstream): KnownInputs {
  const known = given.get(task.inputs);
  if (known?.by.every(([id, record]) => upstream.traces.get(id) === record)) return known;
  const inputs: Record<string, InputDigest> = {};
  const by: (readonly [TaskId, RecordResult])[] = [];
  let isShared = true;
  for (const [port, binding] of Object.entries(task.inputs)) {
    inputs[port] = inputDigest(binding, upstream);
    isShared &&= binding.links.length <= SHARED_LINKS_MAX && !binding.files;
    for (const link of isShared ? binding.links : []) {
      const record = upstream.traces.get(link.task);
      if (record) by.push([link.task, record]);
      else isShared = false;
    }
  }
  if (!isShared) return { inputs };
  const found = { inputs, text: canonicalJson(inputs), by };
  given.set(task.inputs, found);
  return found;
}

const kinds = new WeakMap<StageModule, Named<string>>();

/** The kind of each output of a module: one map for all its tasks. */
export function outputKinds(module: StageModule): Named<string> {
  let known = kinds.get(module);
  if (known === undefined) {
    const outputs = Object.entries(module.declaration.outputs);
    known = Object.fromEntries(outputs.map(([name, codec]) => [name, codec.kind]));
    kinds.set(module, known);
  }
  return known;
}

/** Parts that most tasks lack. */
const moreParts = (task: Task): Pick<KeyParts, 'tools' | 'command'> => ({
  ...toolsOf(task),
  ...(task.command && { command: commandParts(task.command) }),
});

/** What runs beside the bundle: packages, or programs with their versions. Absent when there is none. */
function toolsOf({ tools, command }: Task): { readonly tools?: Named<string> } {
  if (tools) return { tools: tools.versions };
  const fingerprints = command?.fingerprints ?? {};
  return Object.keys(fingerprints).length > 0 ? { tools: fingerprints } : {};
}

function commandParts(invocation: Invocation): CommandParts & SecondForm {
  const { argv, env, inputs, ends, outputs, lists, second } = invocation;
  const places = Object.entries(inputs).map(([port, place]) => [
    port,
    place !== null && Object.hasOwn(ends, port) ? `${place}*${ends[port] ?? ''}` : place,
  ]);
  const files = Object.entries(outputs).map(([name, { file }]) => [name, file]);
  return {
    argv,
    env,
    inputs: Object.fromEntries(places),
    outputs: Object.fromEntries(files),
    ...(lists.length > 0 && { lists }),
    ...second,
  };
}

function inputDigest({ arity, links, files }: Binding, { traces, missing }: Upstream): InputDigest {
  if (files) return files.map(({ name, digest }) => [name, digest] as const);
  const digests = links.map((link): CollectedDigest => {
    const output = traces.get(link.task)?.outputs[link.output];
    if (output) return [link.task, link.at, output.digest];
    const missingOutput = arity === 'partial' ? missing.get(link.task) : undefined;
    if (missingOutput === undefined)
      throw new Error(`bug: ${link.task}:${link.output} is not made yet`);
    return [link.task, link.at, null, { kind: missingOutput.kind, message: missingOutput.message }];
  });
  return arity === 'many' || arity === 'partial' ? digests : (digests[0]?.[2] ?? null);
}

/** Whether an action was made before, or why it must run. Knows nothing of order. */
export type Verdict<R extends RecordResult = ActionRecord> =
  | { readonly hit: true; readonly trace: R }
  | { readonly hit: false; readonly reason: Reason };

async function lookUp(
  action: Action,
  { actions, blobs, checkpoints }: Store,
  forced: boolean,
): Promise<Verdict> {
  if (forced) return { hit: false, reason: { kind: 'forced' } };
  const trace = await actions.get(action.key);
  // Found infeasible while that was to be left out; now it is to be an error, which the stage itself words.
  if (trace?.infeasible !== undefined && !action.task.skipsInfeasible) {
    return { hit: false, reason: { kind: 'new' } };
  }
  if (trace) {
    const outputs = Object.entries(trace.outputs);
    // Outputs of a remote result may not have been fetched yet.
    if (trace.origin !== undefined && !trace.origin.lost) return { hit: true, trace };
    const missing = await missingOutputs(blobs, Object.values(trace.outputs));
    if (missing.size === 0) return { hit: true, trace };
    const lost = outputs.filter(([, { digest }]) => missing.has(digest));
    return { hit: false, reason: { kind: 'lost', outputs: lost.map(([name]) => name) } };
  }
  const isResumed =
    (await checkpoints.get(action.key)) !== undefined || (await checkpoints.has(action.key));
  if (isResumed) return { hit: false, reason: { kind: 'resumed' } };
  const previous = await latestRecord(actions, action.task.id);
  if (previous === undefined) return { hit: false, reason: { kind: 'new' } };
  const changes = changesBetween(previous.parts, action);
  return { hit: false, reason: { kind: 'changed', changes } };
}

/** Looks an action up. A trace counts only while all its outputs are there. */
export async function decide(action: Action, store: Store, forced: boolean): Promise<Verdict> {
  const verdict = await lookUp(action, store, forced);
  const { id } = action.task;
  const found = verdict.hit
    ? `hit from run ${verdict.trace.made.run}`
    : `miss: ${verdict.reason.kind}`;
  debug?.('cache', `${id} ${briefKey(action.key)} ${found}`);
  return verdict;
}

/** What is known of how a task was last made or reused. */
export async function latestRecord(
  actions: ActionCache,
  task: TaskId,
): Promise<ActionRecord | undefined> {
  const key = (await actions.latest([task])).get(task);
  return key && actions.get(key);
}

/** What differs between the parts of an earlier key and those of an action, path by path. */
export function changesBetween(
  before: KeyParts,
  { parts: after, task }: Action,
): readonly Change[] {
  const changes: Change[] = [];
  const diff = (path: string, a: Json, b: Json, through?: readonly TaskId[]): void => {
    if (isSameJson(a, b)) return;
    if (isMap(a) && isMap(b) && through === undefined) {
      for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
        diff(`${path}.${name}`, a[name] ?? null, b[name] ?? null);
      }
      return;
    }
    changes.push({ path, before: a, after: b, ...(through && { through }) });
  };
  diff('code', before.code, after.code);
  diff('command', before.command ?? {}, after.command ?? {});
  diff('params', before.params, after.params);
  for (const port of new Set([...Object.keys(before.inputs), ...Object.keys(after.inputs)])) {
    const [a, b] = [before.inputs[port] ?? null, after.inputs[port] ?? null];
    if (a === b) continue;
    diff(`inputs.${port}`, a, b, changedLinks(a, b, task, port));
  }
  diff('outputs', before.outputs, after.outputs);
  diff('source', before.source, after.source);
  diff('tools', before.tools ?? {}, after.tools ?? {});
  return changes;
}

const isMap = (value: Json): value is Named<Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The upstream tasks through which an input changed. */
function changedLinks(a: InputDigest, b: InputDigest, task: Task, port: string): readonly TaskId[] {
  if (task.inputs[port]?.files) return [];
  if (!Array.isArray(b)) return (task.inputs[port]?.links ?? []).map((link) => link.task);
  const given = ([, , digest, reason]: CollectedDigest): string =>
    digest ?? canonicalJson(reason ?? null);
  const known = new Map(
    Array.isArray(a) ? a.map((item: CollectedDigest) => [item[0], given(item)]) : [],
  );
  return b
    .filter((item: CollectedDigest) => known.get(item[0]) !== given(item))
    .map(([id]: CollectedDigest) => id);
}
