// audit.ts — whether a task gives the same bits twice, in surroundings that have little in common
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestOf, type Named } from '../../engine/model/key.ts';
import type { ActionRecord } from '../../engine/model/record.ts';
import { readProjectFiles } from '../../engine/planning/project-files.ts';
import type { Action } from '../../engine/rebuilder/action.ts';
import type { Store } from '../../engine/store/store.ts';
import type { StageModule } from '../../engine/worker/declaration.ts';
import type { GivenBlob, InputBlobs } from '../../engine/worker/protocol.ts';
import { differenceOf } from './difference.ts';
import { type Launcher, runSandboxed, type SandboxedResult } from './sandboxed-run.ts';

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

/** Runs an action twice. @throws AuditError when it cannot be run */
export async function auditAction(options: AuditOptions): Promise<Audit> {
  const { action, store } = options;
  const ends: ReadonlyMap<string, Uint8Array>[] = [];
  for (const [index, environment] of SURROUNDINGS.entries()) {
    const home = join(options.scratch, `home-${index}`);
    await mkdir(home, { recursive: true });
    const end = await runOnce(
      options,
      { ...options.environment, ...environment, HOME: home, TMPDIR: home },
      home,
    );
    if (end.end === 'stopped') throw new AuditError('interrupted');
    if (end.end === 'failed') throw new AuditError(`run ${index + 1} fails: ${end.message}`);
    ends.push(end.outputs);
  }
  const trace = await store.actions.get(action.key);
  const kinds = action.parts.outputs;
  const outputs = Object.entries(kinds).flatMap(([output, kind]) => {
    const [first = new Uint8Array(), second = new Uint8Array()] = ends.map((end) =>
      end.get(output),
    );
    const found = differenceOf(kind, first, second);
    return found ? [{ output, words: found.words, relative: found.relative }] : [];
  });
  const tolerance = action.task.tools?.tolerance;
  const near = tolerance !== undefined && outputs.every(({ relative }) => relative <= tolerance);
  const verdict = outputs.length === 0 ? 'bit-exact' : near ? 'within tolerance' : 'different';
  const asStored =
    trace === undefined
      ? null
      : Object.entries(trace.outputs).every(([output, { digest }]) => {
          const made = ends[0]?.get(output);
          return made !== undefined && digestOf(made) === digest;
        });
  return { task: action.task.id, key: action.key, verdict, outputs, asStored };
}

async function runOnce(
  options: AuditOptions,
  environment: Named<string>,
  cwd: string,
): Promise<SandboxedResult> {
  const { action, module, node, script, root, signal } = options;
  const launcher: Launcher = { node, script, restrictions: null, walls: null, environment };
  const { task } = action;
  return runSandboxed(launcher, {
    request: {
      bundle: module.code.file,
      root,
      params: task.params,
      tools: task.tools?.versions ?? null,
      inputs: await inputsOf(options),
      files: await filesOf(options),
    },
    readable: [],
    addons: false,
    cwd,
    outputBytesMax: OUTPUT_BYTES_MAX,
    signal,
  });
}

async function filesOf({ action, store }: AuditOptions): Promise<Named<GivenBlob>> {
  const files: Record<string, GivenBlob> = {};
  for (const { name, sha256 } of action.task.files ?? []) {
    files[name] = await given(store, sha256 as Digest, name);
  }
  return files;
}

async function given(
  { blobs }: Store,
  digest: Digest,
  what: string,
): Promise<{ digest: Digest; bytes: Uint8Array }> {
  const bytes = await blobs.get(digest);
  if (bytes === undefined) throw new AuditError(`${what} is not in the store: make the task first`);
  return { digest, bytes };
}

async function inputsOf({ action, traces, store }: AuditOptions): Promise<Named<InputBlobs>> {
  const inputs: Record<string, InputBlobs> = {};
  for (const [port, { arity, links, files }] of Object.entries(action.task.inputs)) {
    if (files) {
      inputs[port] = { arity, items: await readProjectFiles(files) };
      continue;
    }
    const recorded = action.parts.inputs[port];
    const items: InputBlobs['items'][number][] = [];
    const missing: NonNullable<InputBlobs['missing']>[number][] = [];
    for (const [index, { task, at, output }] of links.entries()) {
      const made = traces.get(task)?.outputs[output];
      if (made) items.push({ task, at, ...(await given(store, made.digest, `${task}:${output}`)) });
      else if (Array.isArray(recorded)) missing.push({ task, at, reason: recorded[index][3] });
    }
    inputs[port] = { arity, items, ...(arity === 'partial' && { missing }) };
  }
  return inputs;
}
