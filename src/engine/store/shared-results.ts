// shared-results.ts — the seam between a run and results that others made: found, fetched, published
import type { Digest, Key } from '../model/key.ts';
import type { ActionRecord } from '../model/record.ts';

/** A blob that is wanted, and how many bytes it must have. */
export interface WantedBlob {
  readonly digest: Digest;
  readonly bytes: number;
  /** Of an output: with one that is a folder come its files. */
  readonly kind?: string;
}

/**
 * Results of others. Nothing comes out of it that was not verified, and whatever comes lies in the store then. It says
 * itself what goes wrong, and that is no error of the run.
 */
export interface SharedResults {
  /**
   * The record of an action, if somebody who is trusted made it. Its blobs may be elsewhere still. Waits for a short while
   * only: what comes later is in the store then. @throws StoreError where a remote is required and does not answer
   */
  find(key: Key): Promise<ActionRecord | undefined>;
  /** Fetches what the store lacks of some blobs. What cannot be had stays absent. */
  fetch(blobs: readonly WantedBlob[]): Promise<void>;
  /** Takes a result of this run, which lies in the store, to publish it. */
  made(record: ActionRecord): void;
}

/** How a run uses a remote. `require`: it fails where others go on without. */
export const REMOTE_MODES = ['off', 'read', 'write', 'read-write', 'require'] as const;
export type RemoteMode = (typeof REMOTE_MODES)[number];
