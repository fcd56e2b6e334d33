// control-thread.ts — a thread beside the stage in a worker process: it hears the engine while the stage computes
import { Socket } from 'node:net';
import { workerData } from 'node:worker_threads';

/** What the thread is given. */
export interface ControlThreadData {
  /** The pipe from the engine: each byte is the number of a flag to raise. Its end is the end of the engine. */
  readonly descriptor: number;
  readonly flags: SharedArrayBuffer;
}

const { descriptor, flags: memory } = workerData as ControlThreadData;
const flags = new Int32Array(memory);
// Whatever the stage is doing: nobody is there any more to hear of it. No other signal ends a busy process at once.
function end(): void {
  try {
    // It leads a group of its own: what its stages started ends, too.
    process.kill(-process.pid, 'SIGKILL');
  } catch {
    process.kill(process.pid, 'SIGKILL');
  }
}

new Socket({ fd: descriptor, readable: true, writable: false })
  .on('data', (raised: Buffer) => {
    for (const flag of raised) Atomics.store(flags, flag, 1);
  })
  .on('error', end)
  .on('close', end);
