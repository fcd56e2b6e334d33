// worker.ts — the process of a worker: its pipes, its last words, and nothing of what it computes
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { answerQuestion } from '../../engine/modules/stage-questions.ts';
import { frameOf, frameReader } from '../../engine/process/frame.ts';
import { installGuard } from '../../engine/worker/guard.ts';
import { PIPES, type WorkerMessage, type WorkerRequest } from '../../engine/worker/protocol.ts';
import { createWorker, ownFrames } from '../../engine/worker/worker.ts';
import { control } from './control.ts';
import { type ReadsWatch, watchReads } from './read-detector.ts';
import { type ModuleSeparation, separateModules } from './shared-process.ts';

// Whether and when a worker stops is the engine's to say, whoever signals a whole group of processes.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

// Node opens its debugger to whoever sends this signal, and code that we run could: with a listener it does not.
process.on('SIGUSR1', () => undefined);

const { flags, listen, look } = control();

installGuard(process);

/** Blocks until the engine has taken everything: what a busy stage said must not die with it. */
function say(message: WorkerMessage): void {
  const frame = frameOf(message);
  for (let at = 0; at < frame.length; ) at += writeSync(PIPES.answers, frame, at);
}

const requests = new Socket({ fd: PIPES.requests, readable: true, writable: false });

// A stage that ends its parent, or the whole group, would end the run without a word.
const { kill, ppid } = process;
process.kill = (pid: number, signal?: string | number): true => {
  if (signal !== 0 && (pid === 0 || Math.abs(pid) === ppid)) {
    throw new Error('a stage may not end the pipeline that runs it');
  }
  return kill.call(process, pid, signal);
};

/** What a stage module is being asked, if anything: then its end is told as its own doing. */
let asked: 'load' | 'answer' | undefined;
let watch: ReadsWatch | undefined;
let separation: ModuleSeparation | undefined;
const { hear, print } = createWorker({ say, flags, look }, (question, sayOn) =>
  answerQuestion(question, sayOn, {
    begin() {
      asked = 'load';
      watch ??= watchReads();
      watch.enter(question.bundle.digest);
      // From now on nothing but the module keeps this process alive.
      requests.unref();
    },
    loaded() {
      asked = 'answer';
      requests.ref();
    },
    reads: () => watch?.reads() ?? { environment: [], other: [] },
    enter(bundle) {
      watch ??= watchReads();
      separation ??= separateModules();
      separation.enter(bundle);
    },
    leave(bundle) {
      requests.ref();
      return separation?.leave(bundle);
    },
  }).finally(() => {
    asked = undefined;
    requests.ref();
  }),
);

// Nothing is left to do, and the module is still not loaded: it waits for what will never happen.
process.on('beforeExit', () => {
  if (asked !== 'load') return;
  asked = undefined;
  say({ say: 'unsettled' });
  process.exit(1);
});

process.on('exit', (code) => {
  if (asked !== undefined) say({ say: 'failed', message: `it exits the process (code ${code})` });
});

type Written = (error?: Error | null) => void;
const printed = (chunk: Uint8Array | string, encoding?: unknown, done?: unknown): boolean => {
  const isText = typeof chunk === 'string';
  print(isText ? Buffer.from(chunk, encodingOf(encoding)) : chunk);
  const callback = typeof encoding === 'function' ? encoding : done;
  if (typeof callback === 'function') queueMicrotask(callback as Written);
  return true;
};
const encodingOf = (given: unknown): BufferEncoding =>
  typeof given === 'string' && Buffer.isEncoding(given) ? given : 'utf8';
process.stdout.write = printed;
process.stderr.write = printed;

process.on('uncaughtException', (error: unknown) => {
  const known = error instanceof Error;
  const message = known ? error.message : String(error);
  say({ say: 'died', message, stack: known ? ownFrames(error.stack) : undefined });
  process.exit(1);
});

const hearRequest = (request: WorkerRequest): void => {
  if (request.ask === 'run') listen(request);
  hear(request);
};
requests.on('data', frameReader<WorkerRequest>(hearRequest)).on('close', () => process.exit(0));
