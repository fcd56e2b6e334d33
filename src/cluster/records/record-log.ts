// record-log.ts — the log of a head in the depot: records of results and runs, in frames that only this head appends
import { closeSync, openSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../engine/files/make-folder.ts';
import type { Digest, Key } from '../../engine/model/key.ts';
import { isDigest } from '../../engine/model/key.ts';
import type { RunRecord, TaskLog } from '../../engine/model/record.ts';
import { BoxReader, BoxWriter } from '../box.ts';
import { type Frame, FrameReader } from '../frames.ts';
import type { DepotLayout } from '../layout.ts';

/** A blob, and how many bytes it must have. */
interface SizedBlob {
  readonly digest: Digest;
  readonly bytes: number;
}

/** A result in a log. Its body is the record in JSON, and the contents of the blobs that are `inline`, in this order. */
export interface RecordNote {
  readonly say: 'record';
  readonly key: Key;
  readonly recordBytes: number;
  readonly inline: readonly SizedBlob[];
  /** Blobs that lie in the depot. */
  readonly further: readonly SizedBlob[];
}

/** A run that is over, and what its tasks said: the body, in JSON. */
export interface RunNote {
  readonly say: 'run';
  readonly id: string;
}

/** What the body of a `RunNote` is. */
export interface LoggedRun {
  readonly run: RunRecord;
  readonly logs: readonly TaskLog[];
}

/** A note with its body. */
export interface Noted {
  readonly note: RecordNote | RunNote;
  readonly body: Uint8Array;
}

/** The id of a head, with an `h` for what it made itself. */
const LOG_NAME = /^[0-9a-f]{16}h?$/;

/** The logs of a project, by the ids of the heads that wrote them. */
export function recordLogsIn(layout: DepotLayout, project: string): readonly string[] {
  try {
    return readdirSync(layout.recordsOf(project))
      .filter((name) => LOG_NAME.test(name))
      .sort();
  } catch {
    return []; // Most projects have none.
  }
}

/** Writes a log. Its file is made with the first note. */
export class RecordLogWriter {
  private box: BoxWriter | undefined;
  private readonly path: string;
  private readonly trouble: (error: Error) => void;
  private last: Promise<unknown> = Promise.resolve();

  constructor(layout: DepotLayout, project: string, id: string, trouble: (error: Error) => void) {
    this.path = join(layout.recordsOf(project), id);
    this.trouble = trouble;
  }

  /** Resolves when all is durable. A depot that is full or gone for a while is waited for. */
  async write(notes: readonly Noted[]): Promise<void> {
    if (notes.length === 0) return;
    this.box ??= this.open();
    const { box } = this;
    const written = Promise.all(notes.map(({ note, body }) => box.write(note, body)));
    this.last = Promise.all([this.last, written]);
    await written;
  }

  /** Resolves when all that was given is durable. */
  async flushed(): Promise<void> {
    await this.last;
  }

  close(): void {
    this.box?.close();
  }

  private open(): BoxWriter {
    const { path, trouble } = this;
    makeFolder(join(path, '..'));
    closeSync(openSync(path, 'wx', 0o600));
    return new BoxWriter(path, { offset: 0, isDurable: true, sent: () => undefined, trouble });
  }
}

/** Where a note stands. */
interface NotePlace {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** What stands in the logs of a project. */
export interface LoggedNotes {
  readonly records: ReadonlyMap<Key, NotePlace>;
  readonly runs: ReadonlyMap<string, NotePlace>;
  /** What must lie in the depot for them. */
  readonly further: ReadonlySet<Digest>;
}

/**
 * Reads the logs of a project, but for their contents. Of a record that stands in several the last counts.
 * @param counts whether a log is read, by its path
 */
export async function readRecordLogs(
  layout: DepotLayout,
  project: string,
  counts: (path: string) => boolean = () => true,
): Promise<LoggedNotes> {
  const records = new Map<Key, NotePlace>();
  const runs = new Map<string, NotePlace>();
  const further = new Set<Digest>();
  for (const name of recordLogsIn(layout, project)) {
    const path = join(layout.recordsOf(project), name);
    if (!counts(path)) continue;
    let start = 0;
    const reader: BoxReader = new BoxReader(path, ({ header }) => {
      const place = { path, start, end: reader.frames.position };
      start = place.end;
      const note = readNote(header);
      if (note?.say === 'record') {
        records.set(note.key, place);
        for (const { digest } of note.further) further.add(digest);
      } else if (note) runs.set(note.id, place);
    });
    // One that is damaged counts up to there; one that is removed just now has nothing.
    await reader.look().catch(() => false);
  }
  return { records, runs, further };
}

/** Reads a note again, verified; undefined where it is not there any more. */
export async function readNoteAt({ path, start, end }: NotePlace): Promise<Noted | undefined> {
  let bytes: Buffer;
  try {
    const file = await open(path, 'r');
    try {
      bytes = Buffer.alloc(end - start);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
      bytes = bytes.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
  const [frame] = new FrameReader().push(bytes) as Iterable<Frame>;
  const note = frame && readNote(frame.header);
  return frame && note && { note, body: frame.body };
}

const RUN_ID = /^[\w-]{1,64}$/;

function readNote(header: unknown): RecordNote | RunNote | undefined {
  const note = header as { readonly [name: string]: unknown } | null | undefined;
  if (typeof note !== 'object' || note === null) return undefined;
  const { say, id, key, recordBytes } = note;
  if (say === 'run') {
    return typeof id === 'string' && RUN_ID.test(id) ? { say, id } : undefined;
  }
  const [inline, further] = [sizedBlobs(note.inline), sizedBlobs(note.further)];
  if (say !== 'record' || typeof key !== 'string' || !isDigest(key)) return undefined;
  if (!isSize(recordBytes) || inline === undefined || further === undefined) return undefined;
  return { say, key: key as string as Key, recordBytes, inline, further };
}

const isSize = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** Undefined where one is none: then the result is not whole. */
function sizedBlobs(value: unknown): readonly SizedBlob[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const blobs: SizedBlob[] = [];
  for (const one of value as readonly Partial<SizedBlob>[]) {
    const { digest, bytes } = one ?? {};
    if (typeof digest !== 'string' || !isDigest(digest) || !isSize(bytes)) return undefined;
    blobs.push({ digest, bytes });
  }
  return blobs;
}
