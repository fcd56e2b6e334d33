// pipes.ts — the pipes of a process that was started, if it has any
import type { ChildProcess } from 'node:child_process';

/**
 * Whether a process has the pipes that it was to be started with. Where no file can be opened any more, Node makes none,
 * which its types do not say, and tells the error later.
 */
export const hasPipes = ({ stdio }: ChildProcess): boolean =>
  (stdio as readonly unknown[] | undefined) !== undefined;
