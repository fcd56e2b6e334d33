// worker-pool.ts — one process per slot, used again and again, and what to do when one dies

import { type ActionResult, failed, graceOf } from '../model/action-result.ts';
import type { Failure } from '../model/failure.ts';
import type { Named } from '../model/key.ts';
import type { KeptOutput } from '../model/record.ts';
import type { Payload } from '../process/frame.ts';
import { type BlobStore, keptOutput } from '../store/store.ts';
import {
  startWorker,
  type WorkerCommand,
  type WorkerProcess,
  type WorkerProcessCallbacks,
} from './launch.ts';
import { type Flow, Payloads } from './payloads.ts';
import { type ActionRequest, CONTROL_FLAGS, type WorkerMessage } from './protocol.ts';
import { type TaskMemory, taskMemoryOf } from './task-memory.ts';

/** What to do with the sentences that a worker says before the last. */
export interface WorkerCallbacks {
  progress(done: number, of: number, note: string): void;
  log(line: string): void;
  checkpoint(bytes: Uint8Array): void;
}

/** How a request is to be run. */
export interface WorkerTerms {
  /** In a process of its own. */
  readonly isolate: boolean;
  /** The names of its outputs. */
  readonly outputs: readonly string[];
  /** It is ended after this time. */
  readonly timeout_ms: number | null;
  /** Aborted: it stops at its next checkpoint, or is ended when the grace of the `StopReason` is over. */
  readonly signal: AbortSignal;
}

/** A fixed number of processes. Each is started when first needed and used again. */
export interface Workers {
  /** Runs a request in a free process; the caller sees to it that there are no more than slots. */
  run(
    work: Omit<ActionRequest, 'ask'>,
    callbacks: WorkerCallbacks,
    terms: WorkerTerms,
  ): Promise<ActionResult>;
  /** Asks every running stage to save a checkpoint soon. */
  checkpointNow(): void;
  /** Ends every process. */
  close(): Promise<void>;
}

/** One process, and what it is doing. */
interface PooledWorker {
  readonly child: WorkerProcess;
  readonly memory: TaskMemory;
  hear(message: WorkerMessage, flow: Flow): Payload | undefined;
  printed(line: string): void;
  /** Whether it has taken up what it was asked. */
  begun: boolean;
  /** Ends what it is doing; with `reusable` false, ends the process too. Absent between assignments. */
  finish?: ((result: ActionResult, reusable: boolean) => void) | undefined;
}

/**
 * @param command starts a worker process (`src/cli/processes/worker.ts`, bundled)
 * @param blobs take large outputs as they come
 */
export function createWorkers(
  command: WorkerCommand,
  blobs: Pick<BlobStore, 'putStream'>,
): Workers {
  const idle: PooledWorker[] = [];
  const all = new Set<PooledWorker>();

  /** A process may die at any time, also between assignments, of what a stage left behind. */
  const start = (): PooledWorker => {
    const callbacks: WorkerProcessCallbacks = {
      said: (message, flow) => worker.hear(message, flow),
      printed: (line) => worker.printed(line),
      died(failure) {
        all.delete(worker);
        const index = idle.indexOf(worker);
        if (index >= 0) idle.splice(index, 1);
        worker.finish?.(failed(failure), false);
      },
    };
    // A stage may fetch.
    const child = startWorker(command, callbacks, { connects: true });
    const worker: PooledWorker = {
      begun: false,
      hear: () => undefined,
      printed: () => undefined,
      child,
      memory: taskMemoryOf(child.pid),
    };
    all.add(worker);
    return worker;
  };

  const assign = (
    worker: PooledWorker,
    work: Omit<ActionRequest, 'ask'>,
    callbacks: WorkerCallbacks,
    { isolate, outputs, timeout_ms, signal }: WorkerTerms,
  ): Promise<ActionResult> =>
    new Promise((resolve, reject) => {
      const payloads = new Payloads({ blobs, outputs, checkpoint: callbacks.checkpoint });
      /** Ends it in the middle of its work. */
      const cut = (result: ActionResult): void => {
        worker.begun = true;
        worker.finish?.(result, false);
      };
      const timer =
        timeout_ms === null
          ? undefined
          : setTimeout(() => cut(failed({ cause: 'timeout', timeout_ms })), timeout_ms);
      let grace: NodeJS.Timeout | undefined;
      const stop = (): void => {
        worker.child.signal(CONTROL_FLAGS.stop);
        grace = setTimeout(() => cut({ status: 'stopped' }), graceOf(signal));
      };
      const release = (reusable: boolean): void => {
        clearTimeout(timer);
        clearTimeout(grace);
        signal.removeEventListener('abort', stop);
        Object.assign(worker, { finish: undefined, hear: () => undefined });
        payloads.abort();
        // The stop flag is never lowered: do not reuse a process that was asked to stop.
        if (reusable && !isolate && !signal.aborted && all.has(worker)) idle.push(worker);
        else worker.child.kill();
      };
      worker.begun = false;
      worker.finish = (result, reusable) => {
        release(reusable);
        resolve(result);
      };
      /** It has given everything: nothing else can end it now. */
      const done = async (small: Named<Uint8Array>): Promise<void> => {
        worker.finish = undefined;
        const peak_bytes = worker.memory.peak_bytes();
        try {
          const outputs = { ...kept(small), ...(await payloads.kept()) };
          resolve({ status: 'done', outputs, ...(peak_bytes !== undefined && { peak_bytes }) });
        } catch (error) {
          reject(error);
        } finally {
          release(true);
        }
      };
      worker.printed = callbacks.log;
      worker.hear = (message, flow) => {
        if (message.say === 'payload') return payloads.begin(message, flow);
        if (message.say === 'begun') {
          worker.begun = true;
          worker.memory.begun();
        }
        const result = resultOf(message);
        if (message.say === 'done') void done(message.outputs);
        else if (result) worker.finish?.(result, message.say !== 'died');
        else passOn(message, callbacks);
        return undefined;
      };
      signal.addEventListener('abort', stop, { once: true });
      worker.memory.begin();
      worker.child.ask({ ...work, ask: 'run' });
      if (signal.aborted) stop();
    });

  return {
    async run(work, callbacks, terms) {
      for (;;) {
        if (terms.signal.aborted) return { status: 'stopped' };
        const used = terms.isolate ? undefined : idle.pop();
        const worker = used ?? start();
        const result = await assign(worker, work, callbacks, terms);
        if (result.status !== 'failed') return result;
        // What an earlier task left behind killed it: that is not this one's fault.
        if (used !== undefined && !worker.begun) continue;
        // A stage that dies while it is asked to stop was stopped.
        const hasDied = !all.has(worker);
        return terms.signal.aborted && hasDied ? { status: 'stopped' } : result;
      }
    },
    checkpointNow() {
      for (const worker of all) if (worker.finish) worker.child.signal(CONTROL_FLAGS.checkpointDue);
    },
    async close() {
      for (const { child } of all) child.kill();
      await Promise.all([...all].map(({ child }) => child.gone));
    },
  };
}

/** What the last message on a request says of its end; undefined for one that is not the last. */
function resultOf(message: WorkerMessage): ActionResult | undefined {
  switch (message.say) {
    case 'stopped':
      return { status: 'stopped' };
    case 'lost':
      return { status: 'lost-inputs', digests: message.digests };
    case 'failed':
      return failed(failureOf(message));
    case 'died': {
      const { message: words, stack } = message;
      return failed({ cause: 'stage', message: `the worker died: ${words}`, stack });
    }
    default:
      return undefined;
  }
}

const kept = (outputs: Named<Uint8Array>): Named<KeptOutput> =>
  Object.fromEntries(Object.entries(outputs).map(([name, bytes]) => [name, keptOutput(bytes)]));

function failureOf(told: Extract<WorkerMessage, { say: 'failed' }>): Failure {
  const { cause = 'stage', message, stack, infeasible = false } = told;
  return { cause, message, stack, infeasible };
}

function passOn(message: WorkerMessage, callbacks: WorkerCallbacks): void {
  if (message.say === 'progress') callbacks.progress(message.done, message.of, message.note);
  else if (message.say === 'log') callbacks.log(message.line);
  else if (message.say === 'checkpoint') callbacks.checkpoint(message.bytes);
}
