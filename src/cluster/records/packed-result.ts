// packed-result.ts — packs a result for a log of the depot, and verifies it before a store takes it back
import { setTimeout as pause } from 'node:timers/promises';
import { isSystemError } from '../../engine/files/system-error.ts';
import { FOLDER } from '../../engine/model/folder-manifest.ts';
import { type Digest, digestOf } from '../../engine/model/key.ts';
import type { ActionRecord, KeptOutput } from '../../engine/model/record.ts';
import { asActionRecord, isOfItsParts } from '../../engine/model/record-check.ts';
import { folderFrom } from '../../engine/store/folder-blobs.ts';
import type { BlobStore, Commit } from '../../engine/store/store.ts';
import type { Depot } from '../depot.ts';
import type { Noted, RecordNote } from './record-log.ts';

/** Contents up to this size stand in the log, as long as a result has no more of them than `NOTE_BYTES_MAX` in all. */
const INLINE_BYTES_MAX = 65_536;
const NOTE_BYTES_MAX = 4 * 2 ** 20;
/** A depot that is full or gone is tried again after this time, and ever later. */
const [RETRY_MS, RETRY_MOST_MS] = [1000, 30_000];

/** Where contents come from, and where they go. */
export interface PackingParts {
  readonly depot: Depot;
  readonly blobs: Pick<BlobStore, 'get' | 'missing' | 'stream' | 'putStream'>;
}

/** Packs results one by one. */
class Packing {
  readonly inline = new Map<Digest, Uint8Array>();
  readonly further = new Map<Digest, number>();
  private room = NOTE_BYTES_MAX;
  private readonly parts: PackingParts;

  constructor(parts: PackingParts) {
    this.parts = parts;
  }

  /** False where the store has lost it. */
  async place({ digest, bytes, content }: KeptOutput): Promise<boolean> {
    if (this.inline.has(digest) || this.further.has(digest)) return true;
    const { depot, blobs } = this.parts;
    if (bytes <= INLINE_BYTES_MAX && bytes <= this.room) {
      const small = content ?? (await blobs.get(digest));
      if (small === undefined) return false;
      this.inline.set(digest, small);
      this.room -= bytes;
      return true;
    }
    if (content) await depot.put(content);
    else if (!(await depot.take({ digest, bytes }, blobs))) return false;
    this.further.set(digest, bytes);
    return true;
  }
}

/**
 * A result as a log has it; its large contents lie in the depot when this resolves. Undefined where the store has lost a
 * content.
 */
export async function packResult(
  { record, outputs }: Commit,
  parts: PackingParts,
): Promise<Noted | undefined> {
  const packing = new Packing(parts);
  const given = new Map(outputs.map((output) => [output.digest, output]));
  for (const { digest, bytes, kind } of Object.values(record.outputs)) {
    const output = given.get(digest) ?? { digest, bytes };
    const list = kind === FOLDER ? (output.content ?? (await parts.blobs.get(digest))) : undefined;
    if (kind === FOLDER) {
      const files = list && folderFrom(list);
      if (files === undefined) return undefined;
      for (const file of files) {
        if (!(await packing.place({ digest: file.digest, bytes: file.bytes }))) return undefined;
      }
    }
    if (!(await packing.place(list ? { ...output, content: list } : output))) return undefined;
  }
  const text = Buffer.from(JSON.stringify(record));
  const note: RecordNote = {
    say: 'record',
    key: record.key,
    recordBytes: text.length,
    inline: [...packing.inline].map(([digest, { length: bytes }]) => ({ digest, bytes })),
    further: [...packing.further].map(([digest, bytes]) => ({ digest, bytes })),
  };
  return { note, body: Buffer.concat([text, ...packing.inline.values()]) };
}

/** The same where a depot that is full or gone for a while is waited for. */
export async function packPatiently(
  commit: Commit,
  parts: PackingParts,
  trouble: (error: Error) => void,
): Promise<Noted | undefined> {
  for (let wait = RETRY_MS; ; wait = Math.min(wait * 2, RETRY_MOST_MS)) {
    try {
      return await packResult(commit, parts);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      trouble(error);
      await pause(wait);
    }
  }
}

/** A result out of a log. All other blobs of it are in the store. */
export interface UnpackedResult {
  readonly record: ActionRecord;
  /** The contents that stood in the log. */
  readonly contents: readonly KeptOutput[];
}

/**
 * Brings a result into a store, but for its record and what stood in the log. Undefined where anything is not what it
 * should be, or cannot be had: then it is as if there were none.
 */
export async function unpackResult(
  { note, body }: { readonly note: RecordNote; readonly body: Uint8Array },
  { depot, blobs }: PackingParts,
): Promise<UnpackedResult | undefined> {
  const record = recordIn(note, body);
  const contents = record && contentsIn(note, body);
  if (record === undefined || contents === undefined) return undefined;
  const further = new Map(note.further.map((blob) => [blob.digest, blob.bytes]));
  const bring = async (digest: Digest, bytes: number): Promise<boolean> =>
    contents.get(digest)?.length === bytes ||
    (further.get(digest) === bytes && (await depot.give({ digest, bytes }, blobs)));
  for (const { digest, bytes, kind } of Object.values(record.outputs)) {
    if (!(await bring(digest, bytes))) return undefined;
    if (kind !== FOLDER) continue;
    const list = contents.get(digest) ?? (await blobs.get(digest));
    const files = list && folderFrom(list);
    if (files === undefined) return undefined;
    for (const file of files) if (!(await bring(file.digest, file.bytes))) return undefined;
  }
  const small = [...contents].map(([digest, content]) => ({
    digest,
    bytes: content.length,
    content,
  }));
  return { record, contents: small };
}

/** The record, if it has the form of one, stands at its key, and its parts give that key. */
function recordIn({ key, recordBytes }: RecordNote, body: Uint8Array): ActionRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.subarray(0, recordBytes)).toString('utf8'));
  } catch {
    return undefined;
  }
  const record = asActionRecord(value, key);
  return record && isOfItsParts(record) ? record : undefined;
}

/** The contents that stand in the log; undefined where one is not what its digest says. */
function contentsIn(
  { recordBytes, inline }: RecordNote,
  body: Uint8Array,
): ReadonlyMap<Digest, Uint8Array> | undefined {
  const contents = new Map<Digest, Uint8Array>();
  let at = recordBytes;
  for (const { digest, bytes } of inline) {
    const content = Uint8Array.from(body.subarray(at, at + bytes));
    at += bytes;
    if (content.length !== bytes || digestOf(content) !== digest) return undefined;
    contents.set(digest, content);
  }
  return contents;
}
