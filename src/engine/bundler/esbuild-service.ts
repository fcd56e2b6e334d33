// esbuild-service.ts — starts and ends esbuild's process, with its garbage collection turned off
import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** What of esbuild is called. */
export type Esbuild = Pick<typeof import('esbuild'), 'build' | 'transform'>;

/** The variable that tells a program written in Go when to collect garbage. */
const GARBAGE_VARIABLE = 'GOGC';

/** The process ends after this time without calls. */
const IDLE_MS = 1000;

let users = 0;
let end: NodeJS.Timeout | undefined;
/** Why esbuild's process could not be started the last time: it says so once, and fails all calls until it starts again. */
let refusal: NodeJS.ErrnoException | undefined;

/**
 * Runs something that calls esbuild. Its process ends after a second without calls: it holds hundreds of megabytes, and a make may
 * train for hours.
 * @throws what esbuild throws; where its process cannot be started, the system's error
 */
export async function usingEsbuild<T>(work: (esbuild: Esbuild) => Promise<T>): Promise<T> {
  const { build, transform, stop } = await import('esbuild');
  users += 1;
  clearTimeout(end);
  try {
    return await work({
      build: watched(build),
      transform: watched(transform),
    });
  } catch (error) {
    // That a process could not be started is told a little after its pipes break.
    await new Promise((resolve) => setImmediate(resolve));
    const isOfSources = Array.isArray((error as { readonly errors?: unknown }).errors);
    throw isOfSources ? error : (refusal ?? error);
  } finally {
    users -= 1;
    if (users === 0) end = setTimeout(() => void stop(), IDLE_MS).unref();
  }
}

/**
 * esbuild starts its process within a call, with the environment of that moment. A process that ends soon need not collect
 * garbage (esbuild's own command line does not either), and that saves a third of its work. A user's own setting is kept. Whether it
 * could be started is listened to.
 */
function watched<F extends (...given: never[]) => unknown>(call: F): F {
  const called = (...given: Parameters<F>): unknown => {
    const isOwn = process.env[GARBAGE_VARIABLE] === undefined;
    if (isOwn) process.env[GARBAGE_VARIABLE] = 'off';
    subscribe('child_process', hearRefusal);
    try {
      return call(...given);
    } finally {
      unsubscribe('child_process', hearRefusal);
      if (isOwn) delete process.env[GARBAGE_VARIABLE];
    }
  };
  // The same function, with a variable set and a listener there while it is called.
  return called as F;
}

/** esbuild does not listen to its process: that it could not be started would end this one. */
function hearRefusal(message: unknown): void {
  const { process: child } = message as { readonly process: ChildProcess };
  refusal = undefined;
  child.once('error', (error: NodeJS.ErrnoException) => {
    refusal = error;
  });
}
