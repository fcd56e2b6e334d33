// control.ts — how a worker process hears the engine while its stage computes
import { readSync } from 'node:fs';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type ActionRequest, CONTROL_FLAGS, PIPES } from '../../engine/worker/protocol.ts';
import type { ControlThreadData } from './control-thread.ts';

/** What the engine may raise. */
export interface Control {
  /** Int32 of `CONTROL_FLAGS`. */
  readonly flags: Int32Array;
  /** Listens from now on. Planning does without: it saves no checkpoint. */
  listen(request: Pick<ActionRequest, 'isSupervised'>): void;
  /** Raises what the engine has raised by now. */
  look(): void;
}

/** A stage may ask in its innermost loop whether something is raised: the pipe is looked at no more often than this. */
const LOOK_EVERY_MS = 10;

/** To be called before any stage is loaded: what it takes from Node stays what it is. */
export function control(): Control {
  const memory = new SharedArrayBuffer(4 * CONTROL_FLAGS.count);
  const flags = new Int32Array(memory);
  const kill = process.kill.bind(process);
  const clock = performance.now.bind(performance);
  const Thread = Worker;
  const read = Buffer.alloc(64);
  let isListening = false;
  let pipe: Socket | undefined;
  let next = 0;

  const raise = (bytes: Uint8Array): void => {
    for (const flag of bytes) Atomics.store(flags, flag, 1);
  };
  // Nobody is there any more to hear what the stage gives. It leads a group of its own: what its stages started ends, too.
  const end = (): void => {
    try {
      kill(-process.pid, 'SIGKILL');
    } catch {
      kill(process.pid, 'SIGKILL');
    }
  };
  return {
    flags,
    listen({ isSupervised = false }) {
      if (isListening) return;
      isListening = true;
      if (!isSupervised) {
        // Without a supervisor, a stage that computes would not end with the engine. A thread takes a third of what the
        // whole process takes to start.
        const workerData: ControlThreadData = { descriptor: PIPES.control, flags: memory };
        const script = fileURLToPath(new URL('./control-thread.js', import.meta.url));
        new Thread(script, { workerData }).unref();
        return;
      }
      pipe = new Socket({ fd: PIPES.control, readable: true, writable: false });
      pipe.on('data', raise).on('error', end).on('close', end).unref();
    },
    look() {
      const now = clock();
      if (pipe === undefined || now < next) return;
      next = now + LOOK_EVERY_MS;
      try {
        // The socket has made the pipe one that does not block.
        const length = readSync(PIPES.control, read);
        if (length === 0) end();
        raise(read.subarray(0, length));
      } catch (error) {
        // Nothing is there to read.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      }
    },
  };
}
