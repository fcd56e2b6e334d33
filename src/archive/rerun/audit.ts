// audit.ts — whether a task gives the same bits twice, in surroundings that have little in common
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActionInput, ActionInputItem, ActionSpec } from '../../engine/executors/executor.ts';
import type { ActionResult } from '../../engine/model/action-result.ts';
import type { Digest, Named } from '../../engine/model/key.ts';
import type { ActionRecord, KeptOutput } from '../../engine/model/record.ts';
import { namedFiles, readProjectFile } from '../../engine/planning/project-files.ts';
import { formatFailure } from '../../engine/process/failure-message.ts';
import type { Action } from '../../engine/rebuilder/action.ts';
import type { Store } from '../../engine/store/store.ts';
import type { StageModule } from '../../engine/worker/declaration.ts';
import { differenceOf } from './difference.ts';
import { SILENT, sandboxExecutor } from './sandbox-executor.ts';
import type { Launcher } from './sandboxed-run.ts';

/** What an audit draws on. */
export interface AuditOptions {
  readonly action: Action;
  readonly module: StageModule;
  readonly store: Store;
  /** Traces of the tasks that it reads from. */
  readonly traces: { get(task: string): ActionRecord | undefined };
  readonly node: string;
  /** Script that starts sandboxes. */
  readonly script: string;
  readonly root: string;
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** What every process needs of the environment, such as PATH for native libraries. */
  readonly environment: Named<string>;
}

/** How two runs of one action compare. */
export interface Audit {
  readonly task: string;
  readonly key: string;
  readonly verdict: 'bit-exact' | 'within tolerance' | 'different';
  readonly outputs: readonly {
    readonly output: string;
    readonly words: string;
    readonly relative: number;
  }[];
  /** Whether the store's own outputs are those of the first run; null when it has none. */
  readonly asStored: boolean | null;
}

/** An audit that could not be held. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
}

/** Two surroundings: one thread, plain; many threads, another zone, language, home and folder. */
export const SURROUNDINGS: readonly Named<string>[] = [
  { TZ: 'UTC', LANG: 'C', LC_ALL: 'C', ...threads('1') },
  { TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8', ...threads('5') },
];

function threads(count: string): Named<string> {
  return {
    UV_THREADPOOL_SIZE: count,
    OMP_NUM_THREADS: count,
    TF_NUM_INTRAOP_THREADS: count,
    TF_NUM_INTEROP_THREADS: count,
  };
}

/** A bit-exact output may have no more bytes than this. */
const OUTPUT_BYTES_MAX = 2 ** 31 - 1;

/** The outputs of a run, by name. */
export type Outputs = ReadonlyMap<string, KeptOutput>;

/** Runs an action twice. @throws AuditError when it cannot be run */
export async function auditAction(options: AuditOptions): Promise<Audit> {
  const ends: Outputs[] = [];
  for (const index of SURROUNDINGS.keys()) ends.push(await rerunModule(options, index));
  return compared(options, ends);
}

/** Runs an action of a module in one of the surroundings. @throws AuditError when it cannot be run */
export async function rerunModule(options: AuditOptions, index: number): Promise<Outputs> {
  const home = join(options.scratch, `home-${index}`);
  await mkdir(home, { recursive: true });
  const around = { ...options.environment, ...SURROUNDINGS[index], HOME: home, TMPDIR: home };
  const result = await runOnce(options, around, home);
  if (result.status === 'stopped') throw new AuditError('interrupted');
  if (result.status === 'failed') {
    throw new AuditError(`run ${index + 1} fails: ${formatFailure(result.failure)}`);
  }
  if (result.status === 'lost-inputs') throw new AuditError('its inputs are missing');
  return new Map(Object.entries(result.outputs));
}

/** How the outputs of two runs compare. */
export async function compared(
  { action, store }: Pick<AuditOptions, 'action' | 'store'>,
  [first, second]: readonly Outputs[],
): Promise<Audit> {
  const trace = await store.actions.get(action.key);
  const kinds = action.parts.outputs;
  const outputs = Object.entries(kinds).flatMap(([output, kind]) => {
    const [a, b] = [first?.get(output), second?.get(output)];
    if (a === undefined || b === undefined || a.digest === b.digest) return [];
    const found =
      a.content && b.content
        ? differenceOf(kind, a.content, b.content)
        : { words: `${a.bytes} → ${b.bytes} bytes, which differ`, relative: Infinity };
    return found ? [{ output, words: found.words, relative: found.relative }] : [];
  });
  const tolerance = action.task.tools?.tolerance;
  const near = tolerance !== undefined && outputs.every(({ relative }) => relative <= tolerance);
  const verdict = outputs.length === 0 ? 'bit-exact' : near ? 'within tolerance' : 'different';
  const asStored =
    trace === undefined
      ? null
      : Object.entries(trace.outputs).every(
          ([output, { digest }]) => first?.get(output)?.digest === digest,
        );
  return { task: action.task.id, key: action.key, verdict, outputs, asStored };
}

async function runOnce(
  options: AuditOptions,
  environment: Named<string>,
  cwd: string,
): Promise<ActionResult> {
  const { action, module, node, script, root, signal, store } = options;
  const { key, parts, task } = action;
  const launcher: Launcher = { node, script, restrictions: null, walls: null, environment };
  const projectFiles = Object.values(task.inputs).flatMap(({ files }) => files ?? []);
  const executor = sandboxExecutor({
    launcher,
    root,
    cwd,
    bundle: async () => module.code,
    file: (digest, name) => bytesOf(store, digest, name),
    projectFile({ name, digest }) {
      const found = projectFiles.find((file) => file.name === name && file.digest === digest);
      if (found === undefined) throw new AuditError(`${name} is not a file of the task`);
      return readProjectFile(found);
    },
    outputBytesMax: () => OUTPUT_BYTES_MAX,
  });
  const files = (task.files ?? []).map(({ name, sha256 }) => [name, sha256 as Digest]);
  const spec: ActionSpec = {
    key,
    parts,
    task: task.id,
    stage: task.stage,
    inputs: await inputsOf(options, { withBytes: true }),
    files: Object.fromEntries(files),
    isolate: true,
    timeout_ms: null,
    notes: [],
  };
  return executor.execute(spec, SILENT, signal);
}

async function bytesOf({ blobs }: Store, digest: Digest, what: string): Promise<Uint8Array> {
  const bytes = await blobs.get(digest);
  if (bytes === undefined) throw new AuditError(`${what} is not in the store: make the task first`);
  return bytes;
}

/** The inputs of an action; with the bytes of blobs, where they are asked for. */
export async function inputsOf(
  { action, traces, store }: Pick<AuditOptions, 'action' | 'traces' | 'store'>,
  { withBytes }: { readonly withBytes: boolean },
): Promise<Named<ActionInput>> {
  const inputs: Record<string, ActionInput> = {};
  for (const [port, { arity, links, files }] of Object.entries(action.task.inputs)) {
    if (files) {
      inputs[port] = { projectFiles: namedFiles(files) };
      continue;
    }
    const recorded = action.parts.inputs[port];
    const items: ActionInputItem[] = [];
    for (const [index, { task, at, output }] of links.entries()) {
      const made = traces.get(task)?.outputs[output];
      if (made) {
        const { digest, bytes } = made;
        const content = withBytes ? await bytesOf(store, digest, `${task}:${output}`) : undefined;
        items.push({ task, at, blob: { digest, bytes }, ...(content && { content }) });
      } else if (Array.isArray(recorded)) items.push({ task, at, missing: recorded[index][3] });
    }
    inputs[port] = { arity, items };
  }
  return inputs;
}
