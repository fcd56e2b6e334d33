// depot-patience.ts — retries a depot that is full or unreachable for a moment, then reports why
import { setTimeout as pause } from 'node:timers/promises';
import { isSystemError, systemHint, systemSentence } from '../../engine/files/system-error.ts';
import { DepotError } from '../layout.ts';

/** What may pass by itself: somebody frees space, a network file system comes back. */
const PASSING: ReadonlySet<string> = new Set([
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'ESTALE',
  'ETIMEDOUT',
  'ENOTCONN',
  'EAGAIN',
  'EHOSTDOWN',
]);
/** Pauses before it is tried again: less than half a minute in all. */
const PAUSES_MS = [1000, 2000, 4000, 8000];

/** A depot that is used, and who hears of its troubles. */
export interface PatienceParts {
  readonly folder: string;
  trouble(error: Error): void;
  readonly pauses_ms?: readonly number[];
}

/** Runs steps that use a depot. */
export class DepotPatience {
  private readonly parts: PatienceParts;

  constructor(parts: PatienceParts) {
    this.parts = parts;
  }

  /** Tries a step again while what hinders it may pass. @throws DepotError in words, with what to do */
  async during<T>(step: () => Promise<T>, isOver: () => boolean): Promise<T> {
    const pauses = [...(this.parts.pauses_ms ?? PAUSES_MS)];
    for (;;) {
      try {
        return await step();
      } catch (error) {
        if (!isSystemError(error)) throw error;
        const wait = pauses.shift();
        if (!PASSING.has(error.code ?? '') || wait === undefined || isOver()) {
          throw new DepotError(formatDepotTrouble(this.parts.folder, error), systemHint(error));
        }
        this.parts.trouble(error);
        await pause(wait);
      }
    }
  }
}

/** What is wrong with a depot: `the depot /x cannot be used: a file cannot be written: the disk is full`. */
export const formatDepotTrouble = (folder: string, error: NodeJS.ErrnoException): string =>
  error.path === undefined || error.path.startsWith(folder)
    ? `the depot ${folder} cannot be used: ${systemSentence(error)}`
    : systemSentence(error);
