// far-blobs.ts — a store whose blobs are fetched from the remote when they are wanted and lie there still
import { NO_REMOTE } from '../../engine/config/remote.ts';
import type { Digest } from '../../engine/model/key.ts';
import type { Output } from '../../engine/model/record.ts';
import type { BlobStore, Store } from '../../engine/store/store.ts';
import type { RemoteResults } from '../../remote/remote-results.ts';
import type { Places } from '../session/places.ts';
import { stderrColors as c, writeStderr } from '../session/printing.ts';
import { openTerms, remoteSettingsFor } from './remote-session.ts';

/** A store whose blobs may lie elsewhere still. */
export interface FarStore extends Store {
  /** Fetches what is lacking of some blobs at once: sooner than one after another. */
  fetchAhead(digests: readonly Digest[]): Promise<void>;
}

/**
 * The same store for a command that shows or takes away what was made. The remote is asked for what records of others name and
 * the store lacks, and for nothing else.
 */
export function withRemoteBlobs(store: Store, { root, cache }: Places): FarStore {
  const { blobs } = store;
  let outputs: Promise<ReadonlyMap<Digest, Output>> | undefined;
  let remote: Promise<RemoteResults | undefined> | undefined;
  const open = async (): Promise<RemoteResults | undefined> => {
    const settings = remoteSettingsFor({});
    if (settings.url.value === null || settings.mode.value === 'off') return undefined;
    const listener = {
      warn: (message: string) => writeStderr(`${c.yellow('warning')}: ${message}`),
      note: () => undefined,
    };
    const mode = { ...settings.mode, value: 'read' as const };
    const request = { flags: {}, root, cache, config: NO_REMOTE, store, listener };
    const { terms, RemoteResults } = await openTerms(request, { ...settings, mode });
    return new RemoteResults(terms, undefined);
  };
  const fetchAhead = async (digests: readonly Digest[]): Promise<void> => {
    const lacking = await blobs.missing(digests);
    if (lacking.length === 0) return;
    outputs ??= outputsOfOthers(store);
    const known = await outputs;
    const theirs = lacking.flatMap((digest) => known.get(digest) ?? []);
    if (theirs.length === 0) return;
    remote ??= open();
    await (await remote)?.fetch(theirs);
  };
  const ensure = (digest: Digest): Promise<void> => fetchAhead([digest]);
  const far: BlobStore = {
    ...blobs,
    async get(digest) {
      await ensure(digest);
      return blobs.get(digest);
    },
    async verify(digest) {
      await ensure(digest);
      return blobs.verify(digest);
    },
    async *stream(digest) {
      await ensure(digest);
      yield* blobs.stream(digest);
    },
    async copyTo(digest, path) {
      await ensure(digest);
      return blobs.copyTo(digest, path);
    },
  };
  const close = async (): Promise<void> => {
    await (await remote)?.close(0);
    await store.close();
  };
  return Object.create(store, {
    blobs: { value: far, enumerable: true },
    close: { value: close, enumerable: true },
    fetchAhead: { value: fetchAhead },
  }) as FarStore;
}

/** Every output that others made. */
async function outputsOfOthers(store: Store): Promise<ReadonlyMap<Digest, Output>> {
  const found = new Map<Digest, Output>();
  for (const { origin, outputs } of await store.actions.all()) {
    if (origin === undefined) continue;
    for (const output of Object.values(outputs)) found.set(output.digest, output);
  }
  return found;
}
