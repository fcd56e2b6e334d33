// zip-cache.ts — zip archives in mirrors and at addresses, each opened once however many members are wanted
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceFile } from '../stage.ts';
import { download, downloadBytes, NoRanges, type Pace, type Sink } from './download.ts';
import type { Archive } from './zip.ts';

/** Archives that are open. */
export interface ArchiveShelf {
  /** Opens the archive at a path or URL, from which a source file is wanted. */
  open(where: string, member: NonNullable<SourceFile['member']>): Promise<Archive>;
  /** Closes all, and removes what had to be downloaded whole. */
  close(): Promise<void>;
}

/** No archive exceeds this, whatever a stage declares: only servers that serve no parts cost so much. */
const ARCHIVE_BYTES_MAX = 2 ** 32;

/** Whether a place is an address, and not a path. */
export const isUrl = (place: string): boolean => /^https?:\/\//.test(place);

/** An empty shelf. */
export function archiveShelf(pace: Pace): ArchiveShelf {
  const archives = new Map<string, Promise<Archive>>();
  let folder: Promise<string> | undefined;
  const freshPath = async (): Promise<string> => {
    folder ??= mkdtemp(join(tmpdir(), 'pipeline-archive-'));
    return join(await folder, `${archives.size}.zip`);
  };
  return {
    open(where, { archive: name, archiveBytes }) {
      const known = archives.get(where);
      if (known) return known;
      const limit = Math.min(archiveBytes ?? ARCHIVE_BYTES_MAX, ARCHIVE_BYTES_MAX);
      const opened = isUrl(where)
        ? openAddress({ url: where, name, limit }, freshPath, pace)
        : openPath(where);
      archives.set(where, opened);
      // What could not be had is asked for again with the next member.
      opened.catch(() => archives.delete(where));
      return opened;
    },
    async close() {
      for (const opened of await Promise.allSettled(archives.values())) {
        if (opened.status === 'fulfilled') opened.value.close();
      }
      if (folder) await rm(await folder, { recursive: true, force: true });
    },
  };
}

async function openPath(path: string): Promise<Archive> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) throw new Error('no such file');
  await file.close();
  // Loaded only when there is an archive to open.
  const { openArchive } = await import('./zip.ts');
  return openArchive(path);
}

/** By parts, when the server serves them; else whole, into a file. */
async function openAddress(
  { url, name, limit }: { readonly url: string; readonly name: string; readonly limit: number },
  freshPath: () => Promise<string>,
  pace: Pace,
): Promise<Archive> {
  const { openArchive, openRemoteArchive } = await import('./zip.ts');
  try {
    const size = await sizeAt(url, name, pace);
    if (size > limit) throw new Error(`more than ${limit} bytes, which it must not have`);
    return await openRemoteArchive(size, async (start, end) => {
      const range = { start, end };
      return (await downloadBytes({ url, name, limit: end - start, range }, pace)).bytes;
    });
  } catch (error) {
    if (!(error instanceof NoRanges)) throw error;
  }
  const path = await freshPath();
  const sink = await fileSink(path);
  try {
    await download({ url, name, limit }, sink, pace);
  } finally {
    await sink.close();
  }
  return openArchive(path);
}

/** The size of what lies at an address, from the smallest part of it. @throws NoRanges */
async function sizeAt(url: string, name: string, pace: Pace): Promise<number> {
  const quiet = { ...pace, progress: () => undefined };
  const range = { start: 0, end: 1 };
  const { wholeSize } = await downloadBytes({ url, name, limit: 1, range }, quiet);
  if (wholeSize === undefined) throw new NoRanges('the server does not say how large the file is');
  return wholeSize;
}

async function fileSink(path: string): Promise<Sink & { close(): Promise<void> }> {
  const file = await open(path, 'w');
  let length = 0;
  return {
    get length() {
      return length;
    },
    async write(chunk) {
      for (let at = 0; at < chunk.length; ) {
        at += (await file.write(chunk, at, chunk.length - at, length + at)).bytesWritten;
      }
      length += chunk.length;
    },
    async reset() {
      await file.truncate(0);
      length = 0;
    },
    close: () => file.close(),
  };
}
