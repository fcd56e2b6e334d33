// worker-pool.ts — one process per slot, used again and again, and what to do when one dies

import type { Digest, Named } from '../model/key.ts';
import { startWorker, type WorkerCommand, type WorkerProcess } from './launch.ts';
import { type ActionRequest, CONTROL_FLAGS, type WorkerMessage } from './protocol.ts';

/** How a request ended. */
export type WorkerResult =
  | { readonly end: 'done'; readonly outputs: Named<Uint8Array> }
  | { readonly end: 'stopped' }
  /** It did not begin: the store lacks blobs that it reads. */
  | { readonly end: 'lost'; readonly digests: readonly Digest[] }
  | {
      readonly end: 'failed';
      readonly message: string;
      readonly stack?: string | undefined;
      /** What the params ask for cannot be done. */
      readonly infeasible?: boolean;
    };

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
  /** It is ended after this time. */
  readonly timeout_ms: number | null;
  /** Aborted when its result is wanted no more: it stops at its next checkpoint, or is ended `grace_ms` later. */
  readonly obsolete?: { readonly signal: AbortSignal; readonly grace_ms: number };
}

/** A fixed number of processes. Each is started when first needed and used again. */
export interface Workers {
  /** Runs a request in a free process; the caller sees to it that there are no more than slots. */
  run(
    work: Omit<ActionRequest, 'ask'>,
    callbacks: WorkerCallbacks,
    terms: WorkerTerms,
  ): Promise<WorkerResult>;
  /** Asks every running stage to save a checkpoint soon. */
  checkpointNow(): void;
  /** Asks every running stage to stop at its next checkpoint, and ends those that do not within `grace_ms`. */
  stop(grace_ms: number): void;
  /** Ends every process. */
  close(): Promise<void>;
}

/** One process, and what it is doing. */
interface PooledWorker {
  readonly child: WorkerProcess;
  hear(message: WorkerMessage): void;
  printed(line: string): void;
  /** Whether it has taken up what it was asked. */
  begun: boolean;
  /** Ends what it is doing; with `reusable` false, ends the process too. Absent between assignments. */
  finish?: ((result: WorkerResult, reusable: boolean) => void) | undefined;
}

/** @param command starts a worker process (`src/cli/processes/worker.ts`, bundled) */
export function createWorkers(command: WorkerCommand): Workers {
  const idle: PooledWorker[] = [];
  const all = new Set<PooledWorker>();
  let stopped = false;

  /** A process may die at any time, also between assignments, of what a stage left behind. */
  const start = (): PooledWorker => {
    const worker: PooledWorker = {
      begun: false,
      hear: () => undefined,
      printed: () => undefined,
      child: startWorker(command, {
        said: (message) => worker.hear(message),
        printed: (line) => worker.printed(line),
        died(message) {
          all.delete(worker);
          const index = idle.indexOf(worker);
          if (index >= 0) idle.splice(index, 1);
          worker.finish?.(stopped ? { end: 'stopped' } : { end: 'failed', message }, false);
        },
      }),
    };
    all.add(worker);
    return worker;
  };

  const assign = (
    worker: PooledWorker,
    work: Omit<ActionRequest, 'ask'>,
    callbacks: WorkerCallbacks,
    { isolate, timeout_ms, obsolete }: WorkerTerms,
  ): Promise<WorkerResult> =>
    new Promise((resolve) => {
      const late = (): void => {
        const message = lateWords(timeout_ms ?? 0);
        worker.begun = true;
        worker.finish?.({ end: 'failed', message }, false);
      };
      const timer = timeout_ms === null ? undefined : setTimeout(late, timeout_ms);
      let grace: NodeJS.Timeout | undefined;
      const leave = (): void => {
        worker.child.signal(CONTROL_FLAGS.stop);
        grace = setTimeout(() => {
          worker.begun = true;
          worker.finish?.({ end: 'stopped' }, false);
        }, obsolete?.grace_ms);
      };
      worker.begun = false;
      worker.finish = (result, reusable) => {
        clearTimeout(timer);
        clearTimeout(grace);
        obsolete?.signal.removeEventListener('abort', leave);
        Object.assign(worker, { finish: undefined, hear: () => undefined });
        // A flag that was raised stays up: who was asked to stop is not asked anything else.
        const asked = stopped || obsolete?.signal.aborted === true;
        if (reusable && !isolate && !asked) idle.push(worker);
        else worker.child.kill();
        resolve(result);
      };
      worker.printed = callbacks.log;
      worker.hear = (message) => {
        if (message.say === 'begun') worker.begun = true;
        const result = endOf(message);
        if (result) worker.finish?.(result, message.say !== 'died');
        else passOn(message, callbacks);
      };
      obsolete?.signal.addEventListener('abort', leave, { once: true });
      worker.child.ask({ ...work, ask: 'run' });
      if (obsolete?.signal.aborted) leave();
    });

  return {
    async run(work, callbacks, terms) {
      for (;;) {
        if (stopped) return { end: 'stopped' };
        const used = terms.isolate ? undefined : idle.pop();
        const worker = used ?? start();
        const result = await assign(worker, work, callbacks, terms);
        // What an earlier task left behind killed it: that is not this one's fault.
        const innocent = used !== undefined && result.end === 'failed' && !worker.begun;
        if (!innocent) return result;
      }
    },
    checkpointNow() {
      for (const worker of all) if (worker.finish) worker.child.signal(CONTROL_FLAGS.checkpointDue);
    },
    stop(grace_ms) {
      stopped = true;
      for (const worker of all) worker.child.signal(CONTROL_FLAGS.stop);
      const late = setTimeout(() => {
        for (const { finish } of [...all]) finish?.({ end: 'stopped' }, false);
      }, grace_ms);
      late.unref();
    },
    async close() {
      for (const { child } of all) child.kill();
      await Promise.all([...all].map(({ child }) => child.gone));
    },
  };
}

/** Says of a task that it was ended for the time it took. */
export const lateWords = (timeout_ms: number): string =>
  `it took longer than its timeout of ${timeout_ms / 1000} s, and was ended`;

/** What the last message on a request says of its end; undefined for one that is not the last. */
function endOf(message: WorkerMessage): WorkerResult | undefined {
  switch (message.say) {
    case 'done':
      return { end: 'done', outputs: message.outputs };
    case 'stopped':
      return { end: 'stopped' };
    case 'lost':
      return { end: 'lost', digests: message.digests };
    case 'failed': {
      const { message: words, stack, infeasible = false } = message;
      return { end: 'failed', message: words, stack, infeasible };
    }
    case 'died':
      return {
        end: 'failed',
        message: `the worker died: ${message.message}`,
        stack: message.stack,
      };
    default:
      return undefined;
  }
}

function passOn(message: WorkerMessage, callbacks: WorkerCallbacks): void {
  if (message.say === 'progress') callbacks.progress(message.done, message.of, message.note);
  else if (message.say === 'log') callbacks.log(message.line);
  else if (message.say === 'checkpoint') callbacks.checkpoint(message.bytes);
}
