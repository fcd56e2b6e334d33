// input-staging.ts — what a task reads, gathered for its worker; blobs that were lost are made again

import { entryOf } from '../../present.ts';
import { type FetchOptions, fetchFiles } from '../fetch/fetch.ts';
import type { Listener } from '../model/event.ts';
import type { Digest, Named, TaskId } from '../model/key.ts';
import type { ActionRecord } from '../model/record.ts';
import type { Binding, Plan, Task } from '../planning/plan.ts';
import { readProjectFiles } from '../planning/project-files.ts';
import type { MissingOutput } from '../rebuilder/missing-output.ts';
import { type Absent, StageError } from '../stage.ts';
import { LARGE_BLOB_BYTES } from '../store/blob-files.ts';
import type { Store } from '../store/store.ts';
import type { GivenBlob, InputBlobs } from '../worker/protocol.ts';

/** What the staging draws on. */
export interface InputStagingOptions {
  readonly plan: Plan;
  readonly store: Store;
  readonly mirrors: readonly string[];
  readonly signal: AbortSignal;
  readonly listener: Listener;
  /** Traces of the tasks that are made. */
  readonly traces: { get(task: TaskId): ActionRecord | undefined };
  /** Tasks that gave nothing. */
  readonly missing: { get(task: TaskId): MissingOutput | undefined };
  /** Runs a task again whose outputs are lost. False when it was not made: it failed, or the run ends. */
  rebuild(task: Task, lost: readonly string[]): Promise<boolean>;
}

/** The inputs of a task, or those blobs among them that the store has lost. */
export type StagedInputs =
  | { readonly end: 'staged'; readonly inputs: Named<InputBlobs> }
  | { readonly end: 'lost'; readonly digests: readonly Digest[] };

/** A download that says nothing for this long is given up and tried again, after pauses that double. */
const FETCH_PACE = { retryAfter_ms: 1000, stall_ms: 30_000 };
/** Blobs up to this size are sent to a worker; it reads larger ones from the store, once for all its tasks. */
const SENT_BYTES_MAX = 16_384;

/** Gathers files and inputs. */
export class InputStaging {
  private readonly options: InputStagingOptions;

  constructor(options: InputStagingOptions) {
    this.options = options;
  }

  /** The content of every file that a source declares is in the store after this. */
  async files(task: Task, progress: FetchOptions['progress']): Promise<Named<GivenBlob>> {
    if (task.files === null) return {};
    const { store, mirrors, signal, listener } = this.options;
    const warn = (message: string): void => listener({ event: 'warning', message, task: task.id });
    const options = { blobs: store.blobs, mirrors, signal, progress, warn, ...FETCH_PACE };
    const digests = await fetchFiles(task.files, options);
    return Object.fromEntries(Object.entries(digests).map(([name, digest]) => [name, { digest }]));
  }

  /** The inputs of a task; small ones with their bytes. */
  async inputs(task: Task): Promise<StagedInputs> {
    const inputs: Record<string, InputBlobs> = {};
    const lost: Digest[] = [];
    for (const [port, binding] of Object.entries(task.inputs)) {
      const { arity, files } = binding;
      if (files) {
        if (task.command === null) inputs[port] = { arity, items: await readProjectFiles(files) };
      } else inputs[port] = await this.blobsOf(binding, task.command !== null, lost);
    }
    return lost.length > 0 ? { end: 'lost', digests: lost } : { end: 'staged', inputs };
  }

  /** @param lost is given the blobs that the store lacks */
  private async blobsOf(
    { arity, links }: Binding,
    isCommand: boolean,
    lost: Digest[],
  ): Promise<InputBlobs> {
    const { store, traces, missing: missingOutputs } = this.options;
    const unread: Digest[] = [];
    const items: InputBlobs['items'][number][] = [];
    const missing: Absent[] = [];
    for (const { task: id, at, output } of links) {
      const trace = traces.get(id);
      if (trace === undefined) {
        const { kind, message } = missingOutputs.get(id) as MissingOutput;
        missing.push({ task: id, at, reason: { kind, message } });
        continue;
      }
      const { digest, bytes: size } = entryOf(trace.outputs, output);
      // A large one goes to a command from the store to a file, piece by piece.
      const isSent = size <= (isCommand ? LARGE_BLOB_BYTES - 1 : SENT_BYTES_MAX);
      const bytes = isSent ? await store.blobs.get(digest) : undefined;
      if (!isSent) unread.push(digest);
      else if (bytes === undefined) lost.push(digest);
      items.push({ task: id, at, digest, ...(bytes && { bytes }) });
    }
    lost.push(...(await store.blobs.missing(unread)));
    return { arity, items, ...(arity === 'partial' && { missing }) };
  }

  /**
   * Sees to it that a blob which a task made is there and whole: it is made again where it was lost. False when that could
   * not be.
   * @throws StageError when the task gave other bytes than before
   */
  async ensure(maker: TaskId, digest: Digest): Promise<boolean> {
    const { blobs } = this.options.store;
    if (await blobs.verify(digest)) return true;
    return (await this.rebuild(maker, digest)) && blobs.verify(digest);
  }

  /** The tasks that made some blobs which a task reads. */
  makersOf(task: Task, digests: readonly Digest[]): ReadonlyMap<TaskId, Digest> {
    const wanted = new Set(digests);
    const makers = new Map<TaskId, Digest>();
    for (const { links } of Object.values(task.inputs)) {
      for (const { task: id, output } of links) {
        const digest = this.options.traces.get(id)?.outputs[output]?.digest;
        if (digest !== undefined && wanted.delete(digest)) makers.set(id, digest);
      }
    }
    return makers;
  }

  /**
   * Sees to it that what a task reads is in the store again. Gives the tasks that could not be made again.
   * @throws StageError when one of them gave other bytes than before
   */
  async restore(task: Task, digests: readonly Digest[]): Promise<readonly TaskId[]> {
    // This look verifies: what is damaged is dropped, and a file from outside is fetched again.
    const lost: Digest[] = [];
    for (const digest of digests) {
      if (!(await this.options.store.blobs.verify(digest))) lost.push(digest);
    }
    const rebuilt = [...this.makersOf(task, lost)].map(async ([id, digest]) =>
      (await this.rebuild(id, digest)) ? [] : [id],
    );
    return (await Promise.all(rebuilt)).flat();
  }

  /** @throws StageError */
  private async rebuild(maker: TaskId, digest: Digest): Promise<boolean> {
    const { plan, traces, store, rebuild } = this.options;
    const lost = Object.entries(traces.get(maker)?.outputs ?? {})
      .filter(([, output]) => output.digest === digest)
      .map(([name]) => name);
    if (!(await rebuild(plan.tasks.get(maker) as Task, lost))) return false;
    if ((await store.blobs.missing([digest])).length > 0)
      throw new StageError(this.whyLost(maker, digest));
    return true;
  }

  private whyLost(maker: TaskId, digest: Digest): string {
    const why = this.options.plan.tasks.get(maker)?.tools
      ? 'it is inexact: make again to go on from what it gave'
      : 'is it a pure function of its params and inputs?';
    const short = digest.slice(0, 12);
    return `${maker} was made again and gave other bytes than before (${short} is lost): ${why}`;
  }
}
