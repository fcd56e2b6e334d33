// remote-terms.ts — the terms on which a run uses a remote: mode, trust, what it tells
import type { Key } from '../engine/model/key.ts';
import type { Trust } from '../engine/signing/public-key.ts';
import type { Signer } from '../engine/signing/signature.ts';
import type { RemoteMode } from '../engine/store/shared-results.ts';
import type { Store } from '../engine/store/store.ts';
import type { RemoteCache } from './remote-cache.ts';

/** Whether results of others are used. */
export const doesRead = (mode: RemoteMode): boolean =>
  mode === 'read' || mode === 'read-write' || mode === 'require';
/** Whether own results are published. A remote that is required is written where there is a key. */
export const doesWrite = (mode: RemoteMode): boolean =>
  mode === 'write' || mode === 'read-write' || mode === 'require';

/** What is said about a remote. */
export interface RemoteListener {
  /** Something that a person should know. */
  warn(message: string): void;
  /** Why something was not used or not published: told with `-v`. */
  note(message: string): void;
}

/** What using a remote takes. */
export interface RemoteTerms {
  readonly remote: RemoteCache;
  /** Whose results these are among those that the remote holds: part of the names of entries. */
  readonly space: string;
  readonly mode: RemoteMode;
  readonly trust: Trust;
  /** Null: nothing can be published. */
  readonly signer: Signer | null;
  readonly store: Store;
  readonly listener: RemoteListener;
  /** Milliseconds, from any beginning, that no setting of a clock changes. */
  readonly clock: () => number;
}

/** A result as notes name it. */
export const briefly = (task: string, key: Key): string => `${task} (${key.slice(0, 12)})`;
