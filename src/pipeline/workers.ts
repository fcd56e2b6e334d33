// workers.ts — the near side: one thread per slot, and what to do when one dies
import { Worker } from 'node:worker_threads';
import type { Named } from './key.ts';
import { type Assignment, FLAGS, type WorkerMessage } from './worker.ts';

/** How an assignment ended. */
export type WorkerResult =
  | { readonly end: 'done'; readonly outputs: Named<Uint8Array> }
  | { readonly end: 'stopped' }
  | {
      readonly end: 'failed';
      readonly message: string;
      readonly stack?: string | undefined;
      /** What the params ask for cannot be done. */
      readonly infeasible?: boolean;
    };

/** What to do with the sentences that a worker says before the last. */
export interface WorkerEars {
  progress(done: number, of: number, note: string): void;
  log(line: string): void;
  checkpoint(bytes: Uint8Array): void;
}

/** A fixed number of threads. Each is started when first needed and used again. */
export interface Workers {
  /** Runs an assignment on a free thread; the caller sees to it that one is free. */
  run(
    work: Omit<Assignment, 'ask' | 'flags'>,
    ears: WorkerEars,
    isolate: boolean,
  ): Promise<WorkerResult>;
  /** Asks every running stage to save a checkpoint soon. */
  checkpointNow(): void;
  /** Asks every running stage to stop at its next checkpoint, and ends those that do not within `grace_ms`. */
  stop(grace_ms: number): void;
  close(): Promise<void>;
}

/** An assignment under way. `finish` with `reusable` false ends its thread. */
interface Running {
  readonly flags: Int32Array;
  finish(result: WorkerResult, reusable: boolean): void;
}

/** @param file path of the worker's script (`worker.ts`, bundled) */
export function createWorkers(file: string): Workers {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  const running = new Map<Worker, Running>();

  /** A thread may die at any time, also between assignments, of what a stage left behind. */
  const start = (): Worker => {
    const worker = new Worker(file, { execArgv: ['--enable-source-maps'] });
    all.add(worker);
    const died = (message: string, stack?: string): void => {
      const index = idle.indexOf(worker);
      if (index >= 0) idle.splice(index, 1);
      running.get(worker)?.finish({ end: 'failed', message, stack }, false);
    };
    worker.on('error', (error: Error) => died(`the worker died: ${error.message}`, error.stack));
    worker.once('exit', (code) => {
      all.delete(worker);
      died(
        `the worker ended with exit code ${code} before the stage did: does it exit the process?`,
      );
    });
    return worker;
  };

  return {
    run(work, ears, isolate) {
      const worker = (isolate ? undefined : idle.pop()) ?? start();
      const flags = new SharedArrayBuffer(4 * FLAGS.count);
      return new Promise((resolve) => {
        const finish = (result: WorkerResult, reusable: boolean): void => {
          running.delete(worker);
          worker.removeAllListeners('message');
          if (reusable && !isolate) idle.push(worker);
          else void worker.terminate();
          resolve(result);
        };
        running.set(worker, { flags: new Int32Array(flags), finish });
        worker.on('message', (message: WorkerMessage) => {
          if (message.say === 'done') finish({ end: 'done', outputs: message.outputs }, true);
          else if (message.say === 'stopped') finish({ end: 'stopped' }, true);
          else if (message.say === 'failed') {
            const { message: words, stack, infeasible = false } = message;
            finish({ end: 'failed', message: words, stack, infeasible }, true);
          } else hear(message, ears);
        });
        worker.postMessage({ ...work, ask: 'run', flags } satisfies Assignment);
      });
    },
    checkpointNow() {
      for (const { flags } of running.values()) Atomics.store(flags, FLAGS.checkpointDue, 1);
    },
    stop(grace_ms) {
      for (const { flags } of running.values()) Atomics.store(flags, FLAGS.stop, 1);
      const late = setTimeout(() => {
        for (const { finish } of [...running.values()]) finish({ end: 'stopped' }, false);
      }, grace_ms);
      late.unref();
    },
    async close() {
      await Promise.all([...all].map((worker) => worker.terminate()));
    },
  };
}

function hear(message: WorkerMessage, ears: WorkerEars): void {
  if (message.say === 'progress') ears.progress(message.done, message.of, message.note);
  else if (message.say === 'log') ears.log(message.line);
  else if (message.say === 'checkpoint') ears.checkpoint(message.bytes);
}
