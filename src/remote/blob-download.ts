// blob-download.ts — a blob as it comes from a remote: bounded, and resumed where a connection breaks
import { type RemoteCache, RemoteError, type SizedBlob } from './remote-cache.ts';

/** A download that breaks off is resumed so often without having got any further. */
const RESUMES_MAX = 3;
/** In all it may take this long, and a second for so many bytes. */
const LIMIT_MS = 4000;
const BYTES_PER_SECOND = 20_000;

/**
 * Gives a blob piece by piece. Its length is checked here; its digest by whoever keeps it.
 * @throws RemoteError when it is absent, too long, too short, or cannot be had
 */
export async function* downloaded(
  remote: RemoteCache,
  blob: SizedBlob,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const until = performance.now() + LIMIT_MS + (1000 * blob.bytes) / BYTES_PER_SECOND;
  let got = 0;
  let resumes = 0;
  for (;;) {
    const before = got;
    try {
      const answer = await remote.readBlob(blob, got, signal);
      if (answer === undefined) throw new RemoteError('nonsense', 'it is gone');
      let skipped = got - answer.from;
      for await (const piece of answer.content) {
        const part = piece.subarray(Math.min(skipped, piece.length));
        skipped -= piece.length - part.length;
        got += part.length;
        if (performance.now() > until) throw new RemoteError('timeout', 'it comes too slowly');
        if (got > blob.bytes) throw new RemoteError('nonsense', 'it is longer than it should be');
        if (part.length > 0) yield part;
      }
      if (got === blob.bytes) return;
      throw new RemoteError('unreachable', 'it ended too early');
    } catch (error) {
      const mayPass = error instanceof RemoteError && error.isPassing && !signal.aborted;
      resumes = got > before ? 0 : resumes + 1;
      const most = mayPass && error.fault === 'timeout' ? 1 : RESUMES_MAX;
      if (!mayPass || resumes >= most || performance.now() > until) throw error;
    }
  }
}

/** A blob as a whole, for what is small. Its digest is not checked. */
export async function downloadedWhole(
  remote: RemoteCache,
  blob: SizedBlob,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of downloaded(remote, blob, signal)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
