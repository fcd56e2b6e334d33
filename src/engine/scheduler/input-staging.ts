// input-staging.ts — what an action reads: the blobs of its inputs, and the files that it declares
import { entryOf } from '../../present.ts';
import type { ActionInput, ActionInputItem } from '../executors/executor.ts';
import { type FetchOptions, fetchFiles } from '../fetch/fetch.ts';
import type { Digest, Named, TaskId } from '../model/key.ts';
import type { Binding, Task } from '../planning/plan.ts';
import { namedFiles } from '../planning/project-files.ts';
import type { MissingOutput } from '../rebuilder/missing-output.ts';
import type { RunContext } from './run-context.ts';
import type { RunState } from './run-state.ts';

/** The inputs of a task, or those blobs among them that the store has lost. */
export type StagedInputs =
  | { readonly inputs: Named<ActionInput> }
  | { readonly lost: readonly Digest[] };

/** A download that receives nothing for this long is cancelled and retried, after pauses that double. */
const FETCH_PACE = { retryAfter_ms: 1000, stall_ms: 30_000 };
/** The bytes of blobs up to this size come with the action. */
const CONTENT_BYTES_MAX = 16_384;

/** Finds what actions read. */
export class InputStaging {
  private readonly context: RunContext;
  private readonly state: RunState;
  private readonly mirrors: readonly string[];

  constructor(context: RunContext, state: RunState, mirrors: readonly string[]) {
    this.context = context;
    this.state = state;
    this.mirrors = mirrors;
  }

  /** The inputs of a task. Small blobs are read and verified; large ones are only known to exist. */
  async inputs(task: Task): Promise<StagedInputs> {
    const inputs: Record<string, ActionInput> = {};
    const lost: Digest[] = [];
    for (const [port, binding] of Object.entries(task.inputs)) {
      const { arity, files } = binding;
      inputs[port] = files
        ? { projectFiles: namedFiles(files) }
        : { arity, items: await this.itemsOf(binding, lost) };
    }
    return lost.length > 0 ? { lost } : { inputs };
  }

  /** Fetches inputs that are missing here from the remote. To be called while no slot is held. */
  async fetch({ inputs }: Task): Promise<void> {
    const { shared } = this.context;
    if (shared === undefined) return;
    const links = Object.values(inputs).flatMap((binding) => binding.links);
    await shared.fetch(
      links.flatMap(({ task, output }) => {
        const record = this.state.traces.get(task);
        return record?.origin ? [entryOf(record.outputs, output)] : [];
      }),
    );
  }

  /** @param lost is given the blobs that the store lacks */
  private async itemsOf({ links }: Binding, lost: Digest[]): Promise<readonly ActionInputItem[]> {
    const { blobs } = this.context.store;
    const items: ActionInputItem[] = [];
    const large: Digest[] = [];
    for (const { task, at, output } of links) {
      const record = this.state.traces.get(task);
      if (record === undefined) {
        const { kind, message } = this.state.missing.get(task) as MissingOutput;
        items.push({ task, at, missing: { kind, message } });
        continue;
      }
      const { digest, bytes } = entryOf(record.outputs, output);
      const isSmall = bytes <= CONTENT_BYTES_MAX;
      const content = isSmall ? await blobs.get(digest) : undefined;
      if (!isSmall) large.push(digest);
      else if (content === undefined) lost.push(digest);
      items.push({ task, at, blob: { digest, bytes }, ...(content && { content }) });
    }
    lost.push(...(await blobs.missing(large)));
    return items;
  }

  /** Fetches declared files of a task into the store. @throws FetchError */
  async files(
    { id, files }: Task,
    progress: FetchOptions['progress'],
    signal: AbortSignal,
  ): Promise<Named<Digest>> {
    if (files === null) return {};
    const { store, listener } = this.context;
    const warn = (message: string): void => listener({ event: 'warning', message, task: id });
    const { mirrors } = this;
    return fetchFiles(files, {
      blobs: store.blobs,
      mirrors,
      signal,
      progress,
      warn,
      ...FETCH_PACE,
    });
  }

  /** The tasks that made some blobs which a task reads. */
  makersOf(task: Task, digests: readonly Digest[]): ReadonlyMap<TaskId, Digest> {
    const wanted = new Set(digests);
    const makers = new Map<TaskId, Digest>();
    for (const { links } of Object.values(task.inputs)) {
      for (const { task: id, output } of links) {
        const digest = this.state.traces.get(id)?.outputs[output]?.digest;
        if (digest !== undefined && wanted.delete(digest)) makers.set(id, digest);
      }
    }
    return makers;
  }
}
