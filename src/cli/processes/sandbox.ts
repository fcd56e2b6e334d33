// sandbox.ts — the far side of a process that runs one action and ends
import { writeSync } from 'node:fs';
import { ANSWERS, type Answer } from '../../archive/rerun/sandboxed-run.ts';
import { messageOf } from '../../engine/process/frame.ts';
import { installGuard } from '../../engine/worker/guard.ts';
import {
  CONTROL_FLAGS,
  type WorkerMessage,
  type WorkerRequest,
} from '../../engine/worker/protocol.ts';
import { createWorker } from '../../engine/worker/worker.ts';
import { disarm } from './disarm.ts';

// Node opens its debugger to whoever sends this signal, and code that we run could: with a listener it does not.
process.on('SIGUSR1', () => undefined);

/** Never woken: to wait for a moment without a turn of the loop. */
const PAUSE = new Int32Array(new SharedArrayBuffer(4));

/** Runs the action that stands on stdin, and says on a pipe what it gave. */
export async function sandbox(): Promise<void> {
  installGuard(process);
  const frame = await given();
  const request = messageOf(frame) as WorkerRequest;
  const { hear, print } = createWorker({ say: answer, flags: new Int32Array(CONTROL_FLAGS.count) });
  // What a stage prints is nobody's business here.
  const swallow = (chunk: Uint8Array | string): boolean => {
    print(chunk);
    return true;
  };
  process.stdout.write = swallow;
  process.stderr.write = swallow;
  // Code that has no permission model around it is our own: it is compared with itself, and keeps what it has.
  if (process.permission) disarm(process);
  process.on('uncaughtException', (error: unknown) => {
    tell({ say: 'failed', message: error instanceof Error ? error.message : String(error) });
    process.exit(1);
  });
  hear(request);
}

/** All of stdin. Not read at once: a pipe that does not block may be empty for now. */
async function given(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function answer(message: WorkerMessage): void {
  if (message.say === 'done') {
    const outputs = Object.entries(message.outputs);
    tell({ say: 'done', outputs: outputs.map(([name, bytes]) => [name, bytes.length] as const) });
    for (const [, bytes] of outputs) write(bytes);
    process.exit(0);
  }
  if (message.say === 'failed') {
    const { message: words, infeasible = false } = message;
    tell({ say: 'failed', message: words, infeasible });
    process.exit(0);
  }
  if (message.say === 'died' || message.say === 'lost' || message.say === 'stopped') {
    tell({ say: 'failed', message: `the process could not go on (${message.say})` });
    process.exit(1);
  }
}

function tell(said: Answer): void {
  const text = Buffer.from(JSON.stringify(said));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  write(Buffer.concat([length, text]));
}

function write(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(ANSWERS, bytes, at);
    } catch (error) {
      // A pipe that does not block may be full for now.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(PAUSE, 0, 0, 1);
    }
  }
}
