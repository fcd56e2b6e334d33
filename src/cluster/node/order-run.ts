// order-run.ts — one order on a node: its inputs are brought, it runs, and its outputs are durable before it is told
import { setTimeout as pause } from 'node:timers/promises';
import type { ActionSpec, Executor, Hooks, SizedBlob } from '../../engine/executors/executor.ts';
import { isSystemError, systemSentence } from '../../engine/files/system-error.ts';
import { type ActionResult, failed, StopReason } from '../../engine/model/action-result.ts';
import { FOLDER } from '../../engine/model/folder-manifest.ts';
import type { Digest, Named } from '../../engine/model/key.ts';
import type { KeptOutput } from '../../engine/model/record.ts';
import { folderFrom } from '../../engine/store/folder-blobs.ts';
import type { BoxWriter } from '../box.ts';
import type { Depot } from '../depot.ts';
import type { Ended } from '../messages.ts';
import type { Order } from '../order.ts';
import { LostBlobs, type NodeMachine } from './node-machine.ts';
import type { Reports } from './reports.ts';

/** What an order runs with. */
export interface OrderRunParts {
  readonly machine: NodeMachine;
  readonly executor: Executor;
  readonly depot: Depot;
  readonly reports: Reports;
  readonly outbox: BoxWriter;
  readonly units: Named<readonly string[]>;
}

/** Contents up to this size stand in the frame, and take no file of the depot. */
const INLINE_BYTES_MAX = 65_536;
const FRAME_BYTES_MAX = 32 * 2 ** 20;
/** What took less than this may run again without loss. */
const SHORT_S = 0.1;
/** A depot that is full is tried again. */
const [RETRY_MS, RETRY_MOST_MS] = [2000, 30_000];

/** One order that runs. */
export class OrderRun {
  readonly order: Order;
  readonly units: Named<readonly string[]>;
  /** Resolves when another may run in its place. */
  readonly finished: Promise<void>;
  /** Resolves when its end is in the outbox, durably. */
  readonly ended: Promise<void>;
  private readonly stopping = new AbortController();
  private readonly parts: OrderRunParts;
  private hasSaved = false;
  private began = performance.now();
  private saving: Promise<void> = Promise.resolve();
  private finish: () => void = () => undefined;

  constructor(order: Order, parts: OrderRunParts) {
    this.order = order;
    this.units = parts.units;
    this.parts = parts;
    this.finished = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.ended = this.run().finally(this.finish);
  }

  stop(grace_ms: number): void {
    this.stopping.abort(new StopReason(grace_ms));
  }

  private async run(): Promise<void> {
    const { reports, outbox } = this.parts;
    const { id, action } = this.order;
    let inline: readonly KeptOutput[] = [];
    let end: Ended['end'];
    try {
      const tried = await this.attempt();
      if ('status' in tried) end = tried;
      else {
        const result = tried.result;
        if (result.status === 'done') ({ end, inline } = await this.publish(result));
        else if (result.status === 'stopped') {
          await this.saving;
          end = { status: 'stopped', saved: this.isSaved() };
        } else end = result;
      }
    } catch (error) {
      // Whoever is to stop does not wait until the depot has room again.
      const isStopped = this.stopping.signal.aborted && isSystemError(error);
      end = isStopped ? { status: 'stopped', saved: this.isSaved() } : endOfError(error);
    }
    const seconds = (performance.now() - this.began) / 1000;
    const body = Buffer.concat(inline.map(({ content }) => content ?? new Uint8Array(0)));
    // A short one does not wait for the disk: should the worker be killed, it costs little to run again.
    if (seconds < SHORT_S && body.length <= INLINE_BYTES_MAX) this.finish();
    if (end.status === 'done') reports.done(id);
    else reports.flush();
    await outbox.write(
      { say: 'ended', order: id, key: action.key, seconds, end } satisfies Ended,
      body,
    );
  }

  private isSaved(): boolean {
    const { saves } = this.parts.depot;
    return this.hasSaved || saves.has(this.order.action.key);
  }

  private async attempt(): Promise<Ended['end'] | { readonly result: ActionResult }> {
    const { machine, executor } = this.parts;
    const { signal } = this.stopping;
    if (signal.aborted) return { status: 'stopped', saved: this.isSaved() };
    const message = await machine.mismatch(this.order);
    if (message !== undefined) return { status: 'mismatch', message };
    await machine.stage(this.order);
    const { notes, stop, memory_bytes, ...rest } = this.order.action;
    const action: ActionSpec = { ...rest, notes, stop, memory_bytes, units: this.units };
    const result = await executor.execute(action, this.hooks(), signal);
    return { result: withoutFolder(result) };
  }

  private hooks(): Hooks {
    const { reports, depot } = this.parts;
    const { id, action, resumes } = this.order;
    const { key } = action;
    const { saves } = depot;
    return {
      begun: () => {
        this.began = performance.now();
        reports.begun(id);
      },
      progress: (done, of, note) => reports.progress(id, done, of, note),
      log: (line) => reports.line(id, line),
      warn: (message) => reports.warning(id, message),
      metrics: (step, values) => reports.metrics(id, step, values),
      loadCheckpoint: async () => (resumes ? saves.read(key) : undefined),
      checkpointFolder: () => saves.folders.open(key),
      dropCheckpoint: () => saves.drop(key),
      saveCheckpoint: (bytes) => {
        // One after another: the last that is written is the newest.
        this.saving = this.saving.then(async () => {
          await saves.write(key, bytes).then(
            () => {
              this.hasSaved = true;
            },
            (error: Error) => reports.warning(id, `a checkpoint was not kept: ${wordsOf(error)}`),
          );
        });
        return this.saving;
      },
    };
  }

  /** Brings outputs to where the head finds them: small ones in the frame, others in the depot. */
  private async publish(
    result: Extract<ActionResult, { status: 'done' }>,
  ): Promise<{ readonly end: Ended['end']; readonly inline: readonly KeptOutput[] }> {
    const inline = new Map<Digest, KeptOutput>();
    let room = FRAME_BYTES_MAX;
    const place = async (blob: KeptOutput): Promise<boolean> => {
      const { digest, bytes } = blob;
      if (inline.has(digest)) return true;
      const isSmall = bytes <= INLINE_BYTES_MAX && bytes <= room;
      const content = blob.content ?? (isSmall ? await this.contentOf(digest) : undefined);
      if (isSmall && content) {
        inline.set(digest, { digest, bytes, content });
        room -= bytes;
        return true;
      }
      await this.untilKept(blob, content);
      return false;
    };
    const outputs: Record<string, SizedBlob> = {};
    const further: SizedBlob[] = [];
    for (const [name, output] of Object.entries(result.outputs)) {
      const { digest, bytes } = output;
      outputs[name] = { digest, bytes };
      if (this.order.action.parts.outputs[name] === FOLDER) {
        const content = output.content ?? (await this.contentOf(digest));
        for (const file of (content && folderFrom(content)) ?? []) {
          if (!(await place(file))) further.push({ digest: file.digest, bytes: file.bytes });
        }
      }
      await place(output);
    }
    const kept = [...inline.values()];
    const named = kept.map(({ digest, bytes }) => ({ digest, bytes }));
    const { peak_bytes } = result;
    const peak = peak_bytes === undefined ? {} : { peak_bytes };
    return { end: { status: 'done', outputs, inline: named, further, ...peak }, inline: kept };
  }

  private contentOf(digest: Digest): Promise<Uint8Array | undefined> {
    return this.parts.machine.store.blobs.get(digest);
  }

  /** A full or stale depot is waited for: what was computed is not thrown away. */
  private async untilKept(blob: SizedBlob, content: Uint8Array | undefined): Promise<void> {
    const { depot, machine, outbox } = this.parts;
    for (let wait = RETRY_MS; ; wait = Math.min(wait * 2, RETRY_MOST_MS)) {
      try {
        if (content) await depot.put(content);
        else if (!(await depot.take(blob, machine.store.blobs))) throw new LostBlobs([blob.digest]);
        return;
      } catch (error) {
        if (!isSystemError(error) || this.stopping.signal.aborted) throw error;
        void outbox.write({ say: 'trouble', message: wordsOf(error) });
        await pause(wait);
      }
    }
  }
}

/** The folder of a failed attempt lies on a node, and goes with its worker. */
function withoutFolder(result: ActionResult): ActionResult {
  if (result.status !== 'failed') return result;
  const { keptFolder: _, ...failure } = result.failure;
  return failed(failure);
}

function endOfError(error: unknown): Ended['end'] {
  if (error instanceof LostBlobs) return { status: 'lost-inputs', digests: error.digests };
  const message = error instanceof Error ? wordsOf(error) : String(error);
  return { status: 'failed', failure: { cause: 'infrastructure', message } };
}

const wordsOf = (error: Error): string =>
  isSystemError(error) ? systemSentence(error) : error.message;
