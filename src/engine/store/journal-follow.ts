// journal-follow.ts — reads the journal of a run while it grows: a file, without the store that it belongs to
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { TaskId } from '../model/key.ts';
import type { RunStart } from '../model/record.ts';
import { isJournalHead, type JournalEntry, journalFile } from './journal.ts';
import { type KeptLines, TaskLogs } from './task-logs.ts';

/** The first line of a journal. One that comes later says that all that came before is told anew. */
export interface JournalHead {
  readonly run: RunStart;
}

/** A first line of another form than this version reads. */
export interface ForeignHead {
  readonly form: string;
}

type Followed = JournalHead | ForeignHead | JournalEntry;

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
): AsyncGenerator<Followed> {
  const path = journalFile(cache, id);
  let file = await opened(path);
  try {
    let rest = Buffer.alloc(0);
    let at = 0;
    let isGone = false;
    while (file !== undefined && !signal.aborted) {
      const more = await readOn(file, at, CHUNK_BYTES);
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

/**
 * What a task has printed, as its journal has it. The file is read piece by piece, and only lines of this task are looked
 * into. Undefined when there is no such journal.
 */
export async function logInJournal(
  cache: string,
  id: string,
  task: TaskId,
): Promise<KeptLines | undefined> {
  const file = await opened(journalFile(cache, id));
  if (file === undefined) return undefined;
  const logs = new TaskLogs();
  const name = JSON.stringify(task);
  const beginnings = [`{"log":${name},`, `{"dropped":${name},`].map((text) => Buffer.from(text));
  try {
    let at = 0;
    let rest = Buffer.alloc(0);
    for (;;) {
      const more = await readOn(file, at, SCAN_BYTES);
      if (more.length === 0) return logs.of(task);
      at += more.length;
      rest = Buffer.concat([rest, more]);
      const end = rest.lastIndexOf('\n') + 1;
      const whole = rest.subarray(0, end);
      for (const beginning of beginnings) {
        for (const entry of entriesWith(whole, beginning)) {
          if ('log' in entry) logs.add(task, String(entry.line));
          else if ('dropped' in entry) logs.leaveOut(task, Number(entry.lines));
        }
      }
      rest = rest.subarray(end);
    }
  } finally {
    await file.close();
  }
}
const SCAN_BYTES = 2 ** 20;

function* entriesWith(lines: Buffer, beginning: Buffer): Generator<JournalEntry> {
  for (let at = lines.indexOf(beginning); at >= 0; at = lines.indexOf(beginning, at + 1)) {
    if (at > 0 && lines[at - 1] !== NEWLINE) continue;
    const end = lines.indexOf(NEWLINE, at);
    try {
      yield JSON.parse(lines.toString('utf8', at, end)) as JournalEntry;
    } catch {
      // Cut off by a full disk.
    }
  }
}
const NEWLINE = 10;

async function opened(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readOn(file: FileHandle, at: number, size: number): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(size);
  const { bytesRead } = await file.read(chunk, 0, size, at);
  return chunk.subarray(0, bytesRead);
}

/** Whether the file is still what the path names. */
async function changeOf(file: FileHandle, path: string): Promise<'none' | 'gone' | 'replaced'> {
  const there = await stat(path).catch(() => undefined);
  if (there === undefined) return 'gone';
  return there.ino === (await file.stat()).ino ? 'none' : 'replaced';
}

function* entriesIn(text: string, id: string): Generator<Followed> {
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
    else yield { form: String(value.form) };
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
