// rerun-inputs.ts — what a task that is run again reads: from the archive, as another task made it again, or from outside

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActionInput, ActionInputItem } from '../../engine/executors/executor.ts';
import { fetchFiles } from '../../engine/fetch/fetch.ts';
import {
  type AbsentReason,
  type Coordinates,
  type Digest,
  digestOf,
  type Named,
  type TaskId,
} from '../../engine/model/key.ts';
import { type BlobFiles, openBlobFiles } from '../../engine/store/blob-files.ts';
import type { BlobSink } from '../../engine/store/store.ts';
import { elementAt } from '../../present.ts';
import { PAYLOAD } from '../form/bag.ts';
import type { Contents } from '../form/contents.ts';
import { contentOf } from '../form/opened.ts';
import { type ArchivedTrace, PLACES, type Source, type StudyTask } from '../form/study.ts';

/** Where contents come from. */
export interface RerunInputsOptions {
  readonly contents: Contents;
  readonly tasks: ReadonlyMap<string, StudyTask>;
  /** Folder for what tasks make again, and what is fetched. */
  readonly folder: string;
  readonly mirrors: readonly string[];
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
}

const FETCH_PACE = { retryAfter_ms: 1000, stall_ms: 30_000 };
const SOURCE_BYTES_MAX = 2 ** 31 - 1;

/** Contents by digest, each verified when it is read. */
export class RerunInputs {
  private readonly options: RerunInputsOptions;
  private readonly fetching = new Map<string, Promise<Uint8Array>>();

  /** Files from outside that were fetched, each once. */
  private readonly fetched: BlobFiles;

  constructor(options: RerunInputsOptions) {
    this.options = options;
    this.fetched = openBlobFiles(join(options.folder, 'fetched'));
  }

  /** Keeps what a task made again, unless the archive has it. */
  async keep(digest: string, bytes: Uint8Array): Promise<void> {
    const isHere = this.options.contents.opened.files.has(`${PAYLOAD}${PLACES.blobs}${digest}`);
    if (!isHere) await writeFile(this.place(digest), bytes);
  }

  private place(digest: string): string {
    return join(this.options.folder, digest);
  }

  /** The inputs of a task, with their bytes. @throws when one is neither in the archive nor made again */
  async inputs(task: StudyTask, trace: ArchivedTrace): Promise<Named<ActionInput>> {
    const inputs: Record<string, ActionInput> = {};
    for (const [port, input] of Object.entries(task.inputs)) {
      if ('files' in input) {
        const files = input.files.map(([name, digest]) => ({ name, digest: digest as Digest }));
        inputs[port] = { projectFiles: files };
        continue;
      }
      const items: ActionInputItem[] = [];
      const { arity, links } = input;
      const reasons = trace.parts.inputs[port];
      for (const [index, [id, output]] of links.entries()) {
        const upstream = this.options.tasks.get(id) as StudyTask;
        const whose = { task: id as TaskId, at: upstream.at as Coordinates };
        const made = upstream.outputs[output];
        if (made) {
          const content = await this.bytesOf(made.digest);
          const blob = { digest: made.digest as Digest, bytes: content.length };
          items.push({ ...whose, blob, content });
        } else {
          const [, , , missing] = elementAt(
            reasons as [string, Coordinates, null, AbsentReason][],
            index,
          );
          items.push({ ...whose, missing });
        }
      }
      inputs[port] = { arity, items };
    }
    return inputs;
  }

  /** The content of a blob, verified. @throws when it is neither in the archive nor made again */
  async bytesOf(digest: string): Promise<Uint8Array> {
    const kept = await this.options.contents.blob(digest);
    if (kept) return kept;
    const made = await readFile(this.place(digest)).catch(() => undefined);
    if (made && digestOf(made) === digest) return made;
    throw new Error(
      `what it reads is neither in the archive nor could it be made again (${digest.slice(0, 12)})`,
    );
  }

  /** A file from outside: from the archive, mirrors, or where it is published; always by digest. */
  async file(sha256: Digest, name: string): Promise<Uint8Array> {
    const source = this.options.contents.sources.find((one) => one.sha256 === sha256);
    if (source === undefined) throw new Error(`${name} is not listed in ${PLACES.sources}`);
    // Tasks that run beside each other fetch a file once.
    const bytes = this.fetching.get(sha256) ?? this.sourceBytes({ ...source, name });
    this.fetching.set(sha256, bytes);
    try {
      return await bytes;
    } finally {
      this.fetching.delete(sha256);
    }
  }

  private async sourceBytes(source: Source): Promise<Uint8Array> {
    const { contents } = this.options;
    const name = `${PAYLOAD}${PLACES.data}${source.sha256}`;
    if (contents.opened.files.has(name)) {
      const bytes = await contentOf(contents.opened, name, SOURCE_BYTES_MAX, () => undefined);
      if (digestOf(bytes) === source.sha256) return bytes;
    }
    return this.fetched.read(source.sha256 as Digest) ?? this.fetch(source);
  }

  private async fetch(source: Source): Promise<Uint8Array> {
    const { mirrors, warn, signal } = this.options;
    const blobs: BlobSink = {
      missing: async (digests) => [...digests].filter((digest) => !this.fetched.sizeOf(digest)),
      putStream: (content, expected) => this.fetched.keep(content, expected),
    };
    await fetchFiles([source], {
      blobs,
      mirrors,
      progress: () => undefined,
      warn,
      signal,
      ...FETCH_PACE,
    });
    const content = this.fetched.read(source.sha256 as Digest);
    if (content === undefined) throw new Error(`${source.name} cannot be had`);
    return content;
  }
}
