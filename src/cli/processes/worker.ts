// worker.ts — the process of a worker: its pipes, its last words, and nothing of what it computes
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { crc32 } from 'node:zlib';
import { answerQuestion } from '../../engine/modules/stage-questions.ts';
import { restoreAuthorities } from '../../engine/process/authorities.ts';
import { frameOf, frameReader } from '../../engine/process/frame.ts';
import { installGuard } from '../../engine/worker/guard.ts';
import {
  INLINE_BYTES_MAX,
  isPlanning,
  type PayloadMessage,
  PIPES,
  PLANNING,
  type WorkerMessage,
  type WorkerRequest,
} from '../../engine/worker/protocol.ts';
import { createWorker, ownFrames, shortText } from '../../engine/worker/worker.ts';
import { control } from './control.ts';
import { type ReadsWatch, watchReads } from './read-detector.ts';
import { type ModuleSeparation, separateModules } from './shared-process.ts';

restoreAuthorities(process.env);
/** For what this process was started; no stage sees that in its arguments. */
const [purpose] = process.argv.splice(2);

// Whether and when a worker stops is the engine's to say, whoever signals a whole group of processes.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

// Node opens its debugger to whoever sends this signal, and code that we run could: with a listener it does not.
process.on('SIGUSR1', () => undefined);

const { flags, listen, look } = control();

installGuard(process);

/** Written at once: a pipe takes less, and a buffer may be larger than a system takes. */
const PIECE_BYTES = 2 ** 20;

/** Blocks until the engine has taken everything: what a busy stage said must not die with it. */
function write(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(PIPES.answers, bytes, at, Math.min(PIECE_BYTES, bytes.length - at));
  }
}

/** Sends what is large as it is, without a copy. */
function sendPayload(of: PayloadMessage['of'], name: string, bytes: Uint8Array): void {
  write(frameOf({ say: 'payload', of, name, bytes: bytes.length, crc: crc32(bytes) }));
  write(bytes);
}

function say(message: WorkerMessage): void {
  if (message.say === 'checkpoint' && message.bytes.length > INLINE_BYTES_MAX) {
    sendPayload('checkpoint', '', message.bytes);
    return;
  }
  if (message.say !== 'done') {
    write(frameOf(message));
    return;
  }
  const small: Record<string, Uint8Array> = {};
  for (const [name, bytes] of Object.entries(message.outputs)) {
    if (bytes.length > INLINE_BYTES_MAX) sendPayload('output', name, bytes);
    else small[name] = bytes;
  }
  write(frameOf({ say: 'done', outputs: small }));
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
  if (typeof chunk !== 'string') print(chunk);
  else for (const part of partsOf(chunk)) print(Buffer.from(part, encodingOf(encoding)));
  const callback = typeof encoding === 'function' ? encoding : done;
  if (typeof callback === 'function') queueMicrotask(callback as Written);
  return true;
};
/** A text in parts, as all of it at once may take twice the memory that the stage had. */
function* partsOf(text: string): Generator<string> {
  // Of a multiple of what hexadecimal and Base64 take at once.
  const most = 3 * 2 ** 18;
  for (let at = 0; at < text.length; ) {
    const last = text.charCodeAt(at + most - 1);
    // No character is cut in two.
    const end = at + most + (last >= 0xd800 && last < 0xdc00 ? 1 : 0);
    yield text.slice(at, end);
    at = end;
  }
}
const encodingOf = (given: unknown): BufferEncoding =>
  typeof given === 'string' && Buffer.isEncoding(given) ? given : 'utf8';
process.stdout.write = printed;
process.stderr.write = printed;

process.on('uncaughtException', (error: unknown) => {
  const known = error instanceof Error;
  const message = shortText(known ? error.message : String(error));
  const stack = known ? ownFrames(error.stack) : undefined;
  say({ say: 'died', message, stack: stack && shortText(stack) });
  process.exit(1);
});

const hearRequest = (request: WorkerRequest): undefined => {
  if (request.ask === 'run') listen(request);
  hear(request);
};
// While whoever asks still bundles the module: this takes as long as to start. Node has listeners of its own until then.
setImmediate(() => {
  if (isPlanning(purpose)) watch ??= watchReads();
  if (purpose === PLANNING.shared) separation ??= separateModules();
});

const read = frameReader<WorkerRequest>({ hear: hearRequest, broken: () => process.exit(1) });
requests.on('data', read).on('close', () => process.exit(0));
