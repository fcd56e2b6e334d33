// journal-follow.ts — reads the journal of a run while it grows: a file, without the store that it belongs to
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { RunStart } from '../model/record.ts';
import { isJournalHead, type JournalEntry, journalFile } from './journal.ts';

/** The first line of a journal. One that comes later says that all that came before is told anew. */
export interface JournalHead {
  readonly run: RunStart;
}

/** How often to look for more. Watching a file tells nothing on a network file system. */
const LOOK_MS = 200;
const CHUNK_BYTES = 65_536;

/**
 * Gives what stands in the journal of a run, and then what is added, line by line. It ends when the journal has gone, as
 * the record of the run is in the store by then, and when `signal` is aborted; at once where there is no such run. A run
 * whose process was killed leaves its journal: `stateTeller` tells whether it goes on.
 */
export async function* followJournal(
  cache: string,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<JournalHead | JournalEntry> {
  const path = journalFile(cache, id);
  let file = await opened(path);
  try {
    let rest = Buffer.alloc(0);
    let at = 0;
    let isGone = false;
    while (file !== undefined && !signal.aborted) {
      const more = await readOn(file, at);
      at += more.length;
      rest = Buffer.concat([rest, more]);
      const end = rest.lastIndexOf('\n');
      yield* entriesIn(rest.toString('utf8', 0, Math.max(0, end)), id);
      rest = rest.subarray(end + 1);
      if (more.length > 0) continue;
      const change = await changeOf(file, path);
      // What was written last may have been written since we read.
      if (change === 'gone' && isGone) return;
      isGone = change === 'gone';
      if (change === 'replaced') {
        await file.close();
        file = await opened(path);
        [at, rest] = [0, Buffer.alloc(0)];
      } else if (!isGone) await pause(signal);
    }
  } finally {
    await file?.close();
  }
}

async function opened(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readOn(file: FileHandle, at: number): Promise<Buffer> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, at);
  return chunk.subarray(0, bytesRead);
}

/** Whether the file is still what the path names. */
async function changeOf(file: FileHandle, path: string): Promise<'none' | 'gone' | 'replaced'> {
  const there = await stat(path).catch(() => undefined);
  if (there === undefined) return 'gone';
  return there.ino === (await file.stat()).ino ? 'none' : 'replaced';
}

function* entriesIn(text: string, id: string): Generator<JournalHead | JournalEntry> {
  for (const line of text.split('\n')) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      continue; // Cut off by a full disk.
    }
    if (typeof value !== 'object' || value === null) continue;
    if (!('form' in value)) yield value as JournalEntry;
    else if (isJournalHead(value, id)) yield { run: value.run };
  }
}

const pause = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, LOOK_MS);
    signal.addEventListener('abort', end);
  });
