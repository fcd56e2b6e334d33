// collect.ts — what may go from a remote that can be listed: old entries, and blobs that none names
import { type Digest, isDigest } from '../engine/model/key.ts';
import type { EntryName, RemoteCache } from './remote-cache.ts';

export interface CollectOptions {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Entries that were written longer ago go. */
  readonly days: number;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}

/** What went, or would go. */
export interface Collected {
  readonly entries: number;
  readonly blobs: number;
  readonly bytes: number;
}

const DAY_MS = 86_400_000;
/** Blobs are written before the entry that names them: young ones stay. */
const SETTLES_MS = DAY_MS;

/** @throws RemoteError */
export async function collectRemote(
  remote: RemoteCache,
  { now, days, dryRun, signal }: CollectOptions,
): Promise<Collected> {
  const { listing } = remote;
  if (listing === undefined) throw new Error('bug: it cannot be listed');
  const named = new Set<string>();
  const old: EntryName[] = [];
  let bytes = 0;
  // First all, and then deleting: a listing may not like to be changed meanwhile.
  for await (const entry of listing.entries(signal)) {
    if (now - entry.written > days * DAY_MS) {
      old.push(entry.name);
      bytes += entry.bytes;
      continue;
    }
    for (const digest of digestsIn(await remote.readEntry(entry.name, signal))) named.add(digest);
  }
  const loose: Digest[] = [];
  for await (const blob of listing.blobs(signal)) {
    if (named.has(blob.name) || now - blob.written < SETTLES_MS) continue;
    loose.push(blob.name);
    bytes += blob.bytes;
  }
  // Entries before blobs: a record without its blobs would cost whoever finds it.
  for (const name of dryRun ? [] : old) await listing.dropEntry(name, signal);
  for (const digest of dryRun ? [] : loose) await listing.dropBlob(digest, signal);
  return { entries: old.length, blobs: loose.length, bytes };
}

/** Everything in an entry that looks like the name of a blob: too much is kept rather than too little. */
function digestsIn(content: Uint8Array | undefined): readonly string[] {
  if (content === undefined) return [];
  return (
    Buffer.from(content)
      .toString()
      .match(/[0-9a-f]{64}/g) ?? []
  ).filter(isDigest);
}
