// zip.ts — members of zip archives, on disk or at an address, without unpacking the rest
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { closest } from 'fastest-levenshtein';
import {
  type Entry,
  fromRandomAccessReaderPromise,
  openPromise,
  RandomAccessReader,
  type ZipFile,
} from 'yauzl';

/** An archive whose list of members has been read. */
export interface Archive {
  /**
   * The content of a member, piece by piece; its CRC is checked at the end.
   * @throws Error when there is none of this name (naming those that are there), it is larger than
   * `limit` bytes, or it is damaged.
   */
  member(path: string, limit: number): AsyncIterable<Uint8Array>;
  close(): void;
}

/** Gives the bytes start .. end - 1 of an archive. */
export type ReadRange = (start: number, end: number) => Promise<Buffer>;

/** Opens an archive on disk. @throws Error when it is none, or cut short. */
export async function openArchive(path: string): Promise<Archive> {
  return archiveOf(await withMessage(openPromise(path, OPTIONS)));
}

/** Opens an archive of `size` bytes of which parts can be had. @throws Error when it is none, or cut short. */
export async function openRemoteArchive(size: number, read: ReadRange): Promise<Archive> {
  const reader = new RangeReader(size, read);
  return archiveOf(await withMessage(fromRandomAccessReaderPromise(reader, size, OPTIONS)));
}

const OPTIONS = { lazyEntries: true, autoClose: false } as const;
/** No archive of data has more members. */
const MEMBERS_MAX = 100_000;
/** Their names, comments and extra fields together: 640 bytes a member. */
const DIRECTORY_BYTES_MAX = 64 * 2 ** 20;
/** Members that a message names. */
const NAMED_MAX = 12;

async function archiveOf(zip: ZipFile): Promise<Archive> {
  // What goes wrong is told by what was asked for; without a listener it would end the process, too.
  zip.on('error', () => undefined);
  const entries = new Map<string, Entry>();
  try {
    if (zip.entryCount > MEMBERS_MAX) throw new Error(`${zip.entryCount} members are too many`);
    await withMessage(readEntries(zip, entries));
  } catch (error) {
    zip.close();
    throw error;
  }
  return {
    member(path, limit) {
      const entry = entries.get(path);
      if (entry === undefined) throw new Error(missing(path, [...entries.keys()]));
      return content(zip, entry, limit);
    },
    close: () => zip.close(),
  };
}

async function readEntries(zip: ZipFile, entries: Map<string, Entry>): Promise<void> {
  let bytes = 0;
  for await (const entry of zip.eachEntry()) {
    bytes += entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength;
    if (bytes > DIRECTORY_BYTES_MAX) throw new Error('its list of members is too long');
    entries.set(entry.fileName, entry);
  }
}

function missing(path: string, there: readonly string[]): string {
  const files = there.filter((name) => !name.endsWith('/'));
  const more = files.length > NAMED_MAX ? ` and ${files.length - NAMED_MAX} more` : '';
  const named = `${files.slice(0, NAMED_MAX).join(', ')}${more}`;
  if (files.length === 0) return `the archive has no member ${path}: it is empty`;
  return `the archive has no member ${path}; nearest: ${closest(path, files)}; it has: ${named}`;
}

async function* content(zip: ZipFile, entry: Entry, limit: number): AsyncGenerator<Uint8Array> {
  const { fileName, uncompressedSize, compressedSize } = entry;
  // Sizes are claims: yauzl stops a member that goes beyond the first one, and deflate adds little to the second.
  if (uncompressedSize > limit || compressedSize > limit + limit / 1000 + 1024) {
    throw new Error(`the member ${fileName} has more than ${limit} bytes, which it must not have`);
  }
  let crc = 0;
  try {
    for await (const chunk of await zip.openReadStreamPromise(entry)) {
      crc = crc32(chunk as Buffer, crc);
      yield chunk as Buffer;
    }
  } catch (error) {
    throw inWords(error);
  }
  if (crc !== entry.crc32) {
    throw new Error(`the member ${fileName} is damaged: its CRC does not fit`);
  }
}

/** What yauzl says, in words for who has a file and not a parser. */
async function withMessage<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw inWords(error);
  }
}

function inWords(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const cut = /central directory|Offset|not reach|fd-slicer|unexpected EOF/i.test(error.message);
  if (!cut) return error;
  return new Error(`not a whole zip archive: it may have been cut short (${error.message})`, {
    cause: error,
  });
}

/** Small reads (headers, the list of members) share blocks of this size. */
const BLOCK = 65_536;
/** So many of them are kept: yauzl reads a list from its beginning to its end. */
const BLOCKS_MAX = 8;
/** A member comes in parts of this size, each of which is in memory while it is read. */
const PART_BYTES = 4 * 2 ** 20;

/** What yauzl reads from, over ranges. */
class RangeReader extends RandomAccessReader {
  private readonly size: number;
  private readonly range: ReadRange;
  private readonly blocks = new Map<number, Promise<Buffer>>();

  constructor(size: number, range: ReadRange) {
    super();
    this.size = size;
    this.range = range;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const { range } = this;
    async function* parts() {
      for (let at = start; at < end; at += PART_BYTES) {
        yield await range(at, Math.min(at + PART_BYTES, end));
      }
    }
    return Readable.from(parts(), { objectMode: false, highWaterMark: 1 });
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.copy(buffer, offset, length, position).then(
      () => callback(null),
      (error: Error) => callback(error),
    );
  }

  private async copy(buffer: Buffer, offset: number, length: number, position: number) {
    for (let at = position; at < position + length; ) {
      const block = Math.floor(at / BLOCK);
      const bytes = await this.block(block);
      const from = at - block * BLOCK;
      const count = Math.min(bytes.length - from, position + length - at);
      if (count <= 0) throw new Error('unexpected EOF');
      bytes.copy(buffer, offset + at - position, from, from + count);
      at += count;
    }
  }

  private block(index: number): Promise<Buffer> {
    const known = this.blocks.get(index);
    if (known) return known;
    const start = index * BLOCK;
    const bytes = this.range(start, Math.min(start + BLOCK, this.size));
    this.blocks.set(index, bytes);
    const [oldest] = this.blocks.keys();
    if (this.blocks.size > BLOCKS_MAX && oldest !== undefined) this.blocks.delete(oldest);
    bytes.catch(() => this.blocks.delete(index));
    return bytes;
  }
}
