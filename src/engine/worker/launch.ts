// launch.ts — the near side of one worker process: its start, its pipes, its last words
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { formatSystem } from '../files/system-error.ts';
import type { Failure } from '../model/failure.ts';
import type { Digest } from '../model/key.ts';
import { withoutAuthorities } from '../process/authorities.ts';
import { frameOf, frameReader, type Payload } from '../process/frame.ts';
import { lineReader } from '../process/lines.ts';
import { causeOf, watchOutOfMemory } from '../process/out-of-memory.ts';
import { killProgram } from '../process/processes.ts';
import {
  isSupervising,
  newNonce,
  ownEnvironment,
  supervise,
  unsupervise,
} from '../process/supervisor.ts';
import type { Flow } from './payloads.ts';
import { MESSAGE_BYTES_MAX, PIPES, type WorkerMessage, type WorkerRequest } from './protocol.ts';

/** How a worker process is started: a program, then its arguments. */
export type WorkerCommand = readonly [program: string, ...words: string[]];

/** What a process may do beside what it is asked. */
export interface WorkerRights {
  /** Whether it may reach servers whose certificates are of extra authorities. */
  readonly connects: boolean;
}

/** One worker process. */
export interface WorkerProcess {
  /** Undefined where it could not be started. */
  readonly pid: number | undefined;
  ask(request: WorkerRequest): void;
  /** Raises one of `CONTROL_FLAGS`, whatever the stage is doing. */
  signal(flag: number): void;
  /** Ends it at once. */
  kill(): void;
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>;
}

/** What becomes of it. */
export interface WorkerProcessCallbacks {
  /** @returns what takes the bytes that follow a payload message @throws when that may not come */
  said(message: WorkerMessage, flow: Flow): Payload | undefined;
  /** Native code printed something, past the stage's own streams. */
  printed(line: string): void;
  /** It ended without a word. */
  died(failure: Failure): void;
}

/** So many of the last lines of a process are kept: V8 prints much after it tells why it gives up. */
const LAST_LINES_KEPT = 64;
/** What a dead process had printed may be held back by a child of its own, for no longer than this. */
const CLOSE_GRACE_MS = 500;

const DAMAGED: Failure = {
  cause: 'stage',
  message: `what the worker says cannot be read: does the stage write to file descriptor ${PIPES.answers}?`,
};

/**
 * Starts a worker process, in a session of its own. It ends by itself when this one does, however that ends, and what its
 * stages started ends with it.
 */
export function startWorker(
  [program, ...words]: WorkerCommand,
  callbacks: WorkerProcessCallbacks,
  { connects }: WorkerRights,
): WorkerProcess {
  const stdio = ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'] as const;
  const nonce = newNonce();
  const environment = ownEnvironment(nonce);
  const child = spawn(program, words, {
    stdio: [...stdio],
    env: connects ? environment : withoutAuthorities(environment),
    detached: true,
  });
  const mark = child.pid === undefined ? undefined : supervise(child.pid, nonce);
  const pipes: readonly unknown[] | undefined = child.stdio;
  // Where no file can be opened any more, there is not even a pipe.
  if (pipes === undefined) return neverStarted(child, callbacks);
  const requests = pipes[PIPES.requests] as Writable;
  const control = pipes[PIPES.control] as Writable;
  // A pipe to a process that has just died breaks: that it died is told by other means.
  for (const pipe of [requests, control]) pipe.on('error', () => undefined);
  let isDamaged = false;
  const damaged = (): void => {
    isDamaged = true;
    child.kill('SIGKILL');
  };
  const answers = pipes[PIPES.answers] as Readable;
  const flow: Flow = { pause: () => answers.pause(), resume: () => answers.resume() };
  const read = frameReader<WorkerMessage>({
    hear: (message) => callbacks.said(message, flow),
    broken: damaged,
    bytesMax: MESSAGE_BYTES_MAX,
  });
  answers.on('data', read).on('error', () => undefined);
  const killedForMemory = watchOutOfMemory();
  const lastLines = collectLines(child, callbacks.printed);
  const gone = new Promise<void>((resolve) => {
    let isOver = false;
    const end = (failure: Failure): void => {
      if (isOver) return;
      isOver = true;
      callbacks.died(failure);
      resolve();
    };
    child.once('error', (error) => end(refusalOf(error)));
    child.once('exit', (code, signal) => {
      if (mark) void killProgram(mark).then(() => unsupervise(mark));
      const told = (): void => {
        const ended = { argv: null, code, signal, last: lastLines() };
        end(isDamaged ? DAMAGED : { cause: causeOf(ended, killedForMemory), process: ended });
        // A process that it left behind may hold the other ends: that must not keep this one alive.
        for (const pipe of child.stdio) pipe?.destroy();
      };
      const late = setTimeout(told, CLOSE_GRACE_MS);
      child.once('close', () => {
        clearTimeout(late);
        told();
      });
    });
  });
  const given = new Set<Digest>();
  return {
    pid: child.pid,
    ask(request) {
      const { bundle } = request;
      const isKnown = given.has(bundle.digest);
      given.add(bundle.digest);
      // Only the first time: the process keeps what it was given.
      const told = isKnown ? { ...request, bundle: { ...bundle, bytes: undefined } } : request;
      const isSupervised = isSupervising();
      requests.write(frameOf(told.ask === 'run' ? { ...told, isSupervised } : told));
    },
    signal: (flag) => void control.write(Uint8Array.of(flag)),
    kill: () => void child.kill('SIGKILL'),
    gone,
  };
}

const refusalOf = (error: Error): Failure => ({
  cause: 'infrastructure',
  message: `the worker could not be started: ${formatSystem(error)}`,
});

/** A process that the system refused, as one that is gone. */
function neverStarted(child: ChildProcess, { died }: WorkerProcessCallbacks): WorkerProcess {
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      died(refusalOf(error));
      resolve();
    });
  });
  const nothing = (): void => undefined;
  return { pid: undefined, ask: nothing, signal: nothing, kill: nothing, gone };
}

/** Passes on, line by line, what the process prints, and keeps the end of it. */
function collectLines(
  child: ChildProcess,
  printed: (line: string) => void,
): () => readonly string[] {
  const tail: string[] = [];
  const readers = [child.stdout, child.stderr].map((stream) => {
    const reader = lineReader({
      line(line) {
        if (line.trim() === '') return;
        tail.push(line);
        if (tail.length > LAST_LINES_KEPT) tail.shift();
        printed(line);
      },
    });
    stream?.on('data', (chunk: Buffer) => reader.push(chunk));
    return reader;
  });
  return () => {
    for (const reader of readers) reader.flush();
    return tail;
  };
}
