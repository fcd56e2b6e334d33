// remote-cache.ts — the seam to a place where results are shared: bytes under two kinds of names, and nothing else
import type { Digest } from '../engine/model/key.ts';

declare const brand: unique symbol;
/** SHA-256 of what an entry is about: the name under which records are shared. */
export type EntryName = string & { readonly [brand]: 'EntryName' };

/** A blob, and how many bytes it must have. */
export interface SizedBlob {
  readonly digest: Digest;
  readonly bytes: number;
}

/** Something that lies in a remote. */
export interface Listed<Name extends string> {
  readonly name: Name;
  readonly bytes: number;
  /** Milliseconds since 1970, by the clock of the remote. */
  readonly written: number;
}

/**
 * A place where results are shared. It knows nothing of records, signatures or trust, and nothing that it says is
 * believed. What it cannot do it says with a `RemoteError`, and never waits longer than its time limits.
 */
export interface RemoteCache {
  /** For people: without passwords. */
  readonly name: string;
  /** The content of an entry; undefined when there is none. No more than `ENTRY_BYTES_MAX`. */
  readEntry(name: EntryName, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Writes an entry. `create`: only where there is none, as far as the protocol can tell. */
  writeEntry(
    name: EntryName,
    content: Uint8Array,
    how: 'create' | 'replace',
    signal: AbortSignal,
  ): Promise<'written' | 'exists'>;
  /** How many bytes a blob has; undefined when it is absent. */
  sizeOf(digest: Digest, signal: AbortSignal): Promise<number | undefined>;
  /**
   * Gives a blob piece by piece from an offset, at most `blob.bytes` in all; undefined when it is absent. `from` is where
   * the content begins: 0 where the remote cannot give a part.
   */
  readBlob(
    blob: SizedBlob,
    offset: number,
    signal: AbortSignal,
  ): Promise<{ readonly from: number; readonly content: AsyncIterable<Uint8Array> } | undefined>;
  /** Writes a blob. @param content gives its bytes, again for each attempt */
  writeBlob(
    blob: SizedBlob,
    content: () => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Where everything that lies there can be listed and deleted. */
  readonly listing?: RemoteListing;
  close(): void;
}

/** What protocols can do that list what there is. */
export interface RemoteListing {
  entries(signal: AbortSignal): AsyncIterable<Listed<EntryName>>;
  blobs(signal: AbortSignal): AsyncIterable<Listed<Digest>>;
  dropEntry(name: EntryName, signal: AbortSignal): Promise<void>;
  dropBlob(digest: Digest, signal: AbortSignal): Promise<void>;
}

/** No entry has more bytes. */
export const ENTRY_BYTES_MAX = 2 ** 20;

/** What went wrong with a remote. */
export type RemoteFault =
  /** No answer, or a connection that broke: may be better the next time. */
  | 'unreachable'
  | 'timeout'
  /** The server said that it has a problem (5xx, 429). */
  | 'server'
  /** Wrong password, no permission, a clock that is wrong: no attempt will be better. */
  | 'refused'
  /** An answer that makes no sense. */
  | 'nonsense'
  | 'full';

/** What helps where nothing more is known. */
const HINTS: { readonly [fault in RemoteFault]: string } = {
  unreachable: 'check the address, and whether the server runs',
  timeout: 'is the server or the network slow? `pipeline remote status` tells how fast it answers',
  server: 'the log of the server tells more',
  refused: 'check the address, and what you may do there',
  nonsense: 'check the address: is it that of a remote cache?',
  full: 'make room there',
};

/** A remote that did not do what it was asked for, in words for people. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly fault: RemoteFault;
  /** What to do. */
  readonly hint: string;

  constructor(fault: RemoteFault, message: string, hint = HINTS[fault]) {
    super(message);
    this.fault = fault;
    this.hint = hint;
  }

  /** Whether another attempt may do better. */
  get isPassing(): boolean {
    return this.fault === 'unreachable' || this.fault === 'timeout' || this.fault === 'server';
  }
}
