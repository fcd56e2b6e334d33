// debug-log.ts — PIPELINE_LOG=debug: what the engine does, step by step, on stderr

/** What a line is about. */
type Topic = 'plan' | 'key' | 'cache' | 'attempt' | 'lease';

function write(topic: Topic, line: string): void {
  const seconds = (performance.now() / 1000).toFixed(3);
  process.stderr.write(`debug ${seconds.padStart(8)}s ${topic.padEnd(7)} ${line}\n`);
}

/**
 * Writes a line; undefined unless it was asked for, so that `debug?.(...)` costs nothing. Lines hold names, keys and digests,
 * never values of params or of the environment. Times count from the start of the process.
 */
export const debug = process.env.PIPELINE_LOG === 'debug' ? write : undefined;

/** A key, as lines show it. */
export const briefKey = (key: string): string => key.slice(0, 12);
