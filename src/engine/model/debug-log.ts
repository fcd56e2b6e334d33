// debug-log.ts — what the engine does, step by step, for whoever debugs it

/** What a line is about. */
export type DebugTopic = 'plan' | 'key' | 'cache' | 'attempt' | 'lease' | 'remote';

type DebugLog = (topic: DebugTopic, line: string) => void;

/**
 * Takes a line; undefined unless somebody listens, so that `debug?.(...)` costs nothing. Lines hold names, keys and digests,
 * never values of params or of the environment.
 */
export let debug: DebugLog | undefined;

/** Whom to tell, from now on. */
export function debugTo(log: DebugLog): void {
  debug = log;
}

/** A key, as lines show it. */
export const briefKey = (key: string): string => key.slice(0, 12);
