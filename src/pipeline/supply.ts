// supply.ts — what a task reads, gathered for its worker
import type { Absence } from './absence.ts';
import type { GivenBlob, InputBlobs } from './assignment.ts';
import type { Listener } from './event.ts';
import { type FetchOptions, fetchFiles } from './fetch.ts';
import type { Digest, Named, TaskId } from './key.ts';
import type { Plan, Task } from './plan.ts';
import { readProjectFiles } from './project-file.ts';
import type { Trace } from './record.ts';
import { type Absent, StageError } from './stage.ts';
import type { Store } from './store.ts';

/** What the supply draws on. */
export interface SupplyOptions {
  readonly plan: Plan;
  readonly store: Store;
  readonly mirrors: readonly string[];
  readonly signal: AbortSignal;
  readonly listener: Listener;
  /** Traces of the tasks that are made. */
  readonly traces: { get(task: TaskId): Trace | undefined };
  /** Tasks that gave nothing. */
  readonly absent: { get(task: TaskId): Absence | undefined };
  /** Runs a task again whose blob is lost. */
  remake(task: Task, lost: readonly string[]): Promise<void>;
}

/** A download that says nothing for this long is given up and tried again, after pauses that double. */
const FETCH_PACE = { retryAfter_ms: 1000, stall_ms: 30_000 };
/** Blobs up to this size are sent to a worker; it reads larger ones from the store, once for all its tasks. */
const SENT_BYTES_MAX = 16_384;

/** Gathers files and inputs. A blob that turns out damaged or lost is made again by its task. */
export class Supply {
  private readonly remaking = new Map<Digest, Promise<void>>();
  private readonly options: SupplyOptions;

  constructor(options: SupplyOptions) {
    this.options = options;
  }

  /** The content of every file that a source declares is in the store after this. */
  async files(task: Task, progress: FetchOptions['progress']): Promise<Named<GivenBlob>> {
    if (task.files === null) return {};
    const { store, mirrors, signal, listener } = this.options;
    const warn = (message: string): void => listener({ event: 'warning', message, task: task.id });
    const options = { store, mirrors, signal, progress, warn, ...FETCH_PACE };
    const digests = await fetchFiles(task.files, options);
    return Object.fromEntries(Object.entries(digests).map(([name, digest]) => [name, { digest }]));
  }

  /** The inputs of a task; those of a command with all their bytes. */
  async inputs(task: Task): Promise<Named<InputBlobs>> {
    const { traces, absent } = this.options;
    const inputs: Record<string, InputBlobs> = {};
    for (const [port, { arity, links, files }] of Object.entries(task.inputs)) {
      if (files) {
        if (task.command === null) inputs[port] = { arity, items: await readProjectFiles(files) };
        continue;
      }
      const items = [];
      const missing: Absent[] = [];
      for (const { task: id, at, output } of links) {
        const trace = traces.get(id);
        if (trace === undefined) {
          const { kind, message } = absent.get(id) as Absence;
          missing.push({ task: id, at, reason: { kind, message } });
          continue;
        }
        const { digest, bytes: size } = trace.outputs[output];
        const isSent = size <= SENT_BYTES_MAX || task.command !== null;
        const sent = isSent && { bytes: await this.bytesOf(id, digest) };
        items.push({ task: id, at, digest, ...sent });
      }
      inputs[port] = { arity, items, ...(arity === 'partial' && { missing }) };
    }
    return inputs;
  }

  /** A blob that a task made, verified. */
  async bytesOf(maker: TaskId, digest: Digest): Promise<Uint8Array> {
    const { store } = this.options;
    const known = store.blob(digest);
    if (known) return known;
    await this.remake(maker, digest);
    const bytes = store.blob(digest);
    if (bytes === undefined) throw new StageError(this.whyLost(maker, digest));
    return bytes;
  }

  /** Sees to it that what a task reads is in the store again: the worker did not find these blobs there. */
  async restore(task: Task, digests: readonly Digest[]): Promise<void> {
    const lost = new Set(digests);
    for (const { links } of Object.values(task.inputs)) {
      for (const { task: id, output } of links) {
        const digest = this.options.traces.get(id)?.outputs[output].digest;
        if (digest !== undefined && lost.delete(digest)) await this.bytesOf(id, digest);
      }
    }
    // A file whose copy is damaged is dropped by this look, and fetched again.
    for (const digest of lost) this.options.store.blob(digest);
  }

  private remake(maker: TaskId, digest: Digest): Promise<void> {
    const known = this.remaking.get(digest);
    if (known) return known;
    const { plan, traces, remake } = this.options;
    const lost = Object.entries(traces.get(maker)?.outputs ?? {})
      .filter(([, output]) => output.digest === digest)
      .map(([name]) => name);
    const made = remake(plan.tasks.get(maker) as Task, lost).finally(() =>
      this.remaking.delete(digest),
    );
    this.remaking.set(digest, made);
    return made;
  }

  private whyLost(maker: TaskId, digest: Digest): string {
    const why = this.options.plan.tasks.get(maker)?.tools
      ? 'it is inexact: make again to go on from what it gave'
      : 'is it a pure function of its params and inputs?';
    const short = digest.slice(0, 12);
    return `${maker} was made again and gave other bytes than before (${short} is lost): ${why}`;
  }
}
