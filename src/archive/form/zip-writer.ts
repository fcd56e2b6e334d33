// zip-writer.ts — a zip file whose bytes depend on nothing but what is put in: no times, one deflate for every Node
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Deflate, deflateSync } from 'fflate';

/** A file whose content comes piece by piece. */
export interface StreamedFile {
  readonly name: string;
  /** How many bytes will come: it decides the form of the header, which is written before them. */
  readonly size: number;
  /** Gives the content. It is asked for a second time when packing made it larger. */
  content(): AsyncIterable<Uint8Array>;
}

/** Puts files into a zip. Names are to come sorted: they stay in the order in which they are added. */
export interface ZipWriter {
  add(name: string, bytes: Uint8Array): Promise<void>;
  /**
   * Adds a file that comes piece by piece.
   * @throws SizeChanged when it has another size than was said
   */
  addStream(file: StreamedFile): Promise<void>;
  /** Writes the directory, and gives the size of the whole. */
  end(): Promise<number>;
  /** Closes the file, whatever it holds. */
  close(): Promise<void>;
}

/** A file that has another size than it was said to have. */
export class SizeChanged extends Error {
  override readonly name = 'SizeChanged';
}

interface Written {
  readonly name: Buffer;
  readonly method: number;
  readonly crc: number;
  readonly size: number;
  readonly packed: number;
  readonly offset: number;
}

const STORED = 0;
const DEFLATED = 8;
/** 1 January 1980, 0:00, as DOS has it: the first day of zip. */
const DATE = 0x21;
const UTF8 = 0x0800;
/** Made on Unix, version 4.5: with ZIP64. */
const MADE_BY = (3 << 8) | 45;
/** A plain file that all may read. */
const MODE = 0o100644;
const UINT32 = 0xffffffff;
const UINT16 = 0xffff;
/** A file that is not made smaller by a tenth here is stored. */
const PROBE_BYTES = 65_536;
const WORTH = 0.9;

/**
 * Begins a zip file; the path must not exist.
 * @param wide numbers from this one on are written in ZIP64: the first that 32 bits do not hold, unless a test has another
 */
export async function createZip(path: string, wide = UINT32): Promise<ZipWriter> {
  const file = await open(path, 'wx');
  const entries: Written[] = [];
  let offset = 0;
  const writeAt = async (bytes: Uint8Array, position: number): Promise<void> => {
    for (let at = 0; at < bytes.length; ) {
      const left = bytes.length - at;
      at += (await file.write(bytes, at, left, position + at)).bytesWritten;
    }
  };
  const write = async (bytes: Uint8Array): Promise<void> => {
    await writeAt(bytes, offset);
    offset += bytes.length;
  };
  /** Writes a streamed file at the offset, packed if its beginning promises that this is worth while. */
  const stream = async (given: StreamedFile, mayPack: boolean): Promise<Written> => {
    const entry = { name: Buffer.from(given.name), method: STORED, crc: 0, size: 0, offset };
    // Its numbers are known when it has been written; the header has room for them.
    await write(localHeader({ ...entry, size: given.size, packed: 0 }, wide));
    const body = offset;
    let deflater: Deflater | undefined;
    for await (const chunk of given.content()) {
      if (entry.size === 0 && mayPack && isWorthPacking(chunk)) deflater = new Deflater();
      entry.crc = crc32(chunk, entry.crc);
      entry.size += chunk.length;
      if (entry.size > given.size) break;
      for (const packed of deflater?.push(chunk) ?? [chunk]) await write(packed);
    }
    if (entry.size !== given.size) {
      throw new SizeChanged(`${given.name} has ${entry.size} bytes, and had ${given.size}`);
    }
    for (const packed of deflater?.end() ?? []) await write(packed);
    return { ...entry, method: deflater ? DEFLATED : STORED, packed: offset - body };
  };
  return {
    async add(name, bytes) {
      const body = pack(bytes);
      const entry: Written = {
        name: Buffer.from(name),
        method: body === bytes ? STORED : DEFLATED,
        crc: crc32(bytes),
        size: bytes.length,
        packed: body.length,
        offset,
      };
      entries.push(entry);
      await write(localHeader(entry, wide));
      await write(body);
    },
    async addStream(given) {
      const start = offset;
      let written = await stream(given, true);
      // Packing can make a file larger, so that its header has no room for how large.
      if (written.packed >= wide && written.size < wide) {
        await file.truncate(start);
        offset = start;
        written = await stream(given, false);
      }
      await writeAt(localHeader(written, wide), start);
      entries.push(written);
    },
    async end() {
      const start = offset;
      for (let at = 0; at < entries.length; at += 1000) {
        const group = entries.slice(at, at + 1000);
        await write(Buffer.concat(group.map((entry) => directoryHeader(entry, wide))));
      }
      await write(directoryEnd(entries.length, start, offset - start));
      await file.sync();
      return offset;
    },
    close: () => file.close(),
  };
}

/** By fflate and not by zlib, which Node builds in versions that pack differently. */
function pack(bytes: Uint8Array): Uint8Array {
  if (!isWorthPacking(bytes)) return bytes;
  const packed = deflateSync(bytes, { level: 6 });
  return packed.length < bytes.length ? packed : bytes;
}

function isWorthPacking(bytes: Uint8Array): boolean {
  const probe = bytes.subarray(0, PROBE_BYTES);
  return deflateSync(probe, { level: 6 }).length <= probe.length * WORTH;
}

/** The same, piece by piece. */
class Deflater {
  private readonly deflate = new Deflate({ level: 6 });
  private packed: Uint8Array[] = [];

  constructor() {
    this.deflate.ondata = (packed) => void this.packed.push(packed);
  }

  push(bytes: Uint8Array): readonly Uint8Array[] {
    this.deflate.push(bytes);
    return this.taken();
  }

  end(): readonly Uint8Array[] {
    this.deflate.push(new Uint8Array(0), true);
    return this.taken();
  }

  private taken(): readonly Uint8Array[] {
    const { packed } = this;
    this.packed = [];
    return packed;
  }
}

/** What both headers of an entry say, with the sizes that they have room for. */
function common({ method, crc }: Written, sizes: { packed: number; size: number }): Buffer {
  const fields = Buffer.alloc(22);
  fields.writeUInt16LE(45, 0);
  fields.writeUInt16LE(UTF8, 2);
  fields.writeUInt16LE(method, 4);
  fields.writeUInt16LE(0, 6);
  fields.writeUInt16LE(DATE, 8);
  fields.writeUInt32LE(crc, 10);
  fields.writeUInt32LE(sizes.packed, 14);
  fields.writeUInt32LE(sizes.size, 18);
  return fields;
}

/** The ZIP64 extra field; empty without numbers. */
function zip64(numbers: readonly number[]): Buffer {
  const extra = Buffer.alloc(numbers.length > 0 ? 4 + 8 * numbers.length : 0);
  if (numbers.length === 0) return extra;
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(8 * numbers.length, 2);
  for (const [index, number] of numbers.entries()) {
    extra.writeBigUInt64LE(BigInt(number), 4 + 8 * index);
  }
  return extra;
}

function localHeader(entry: Written, wide: number): Buffer {
  // A local header tells both sizes in ZIP64, or none.
  const isLarge = entry.size >= wide;
  const extra = zip64(isLarge ? [entry.size, entry.packed] : []);
  const lengths = Buffer.alloc(4);
  lengths.writeUInt16LE(entry.name.length, 0);
  lengths.writeUInt16LE(extra.length, 2);
  const mark = Buffer.from('PK\x03\x04', 'latin1');
  const sizes = isLarge ? { size: UINT32, packed: UINT32 } : entry;
  return Buffer.concat([mark, common(entry, sizes), lengths, entry.name, extra]);
}

function directoryHeader(entry: Written, wide: number): Buffer {
  const { size, packed, offset } = entry;
  const extra = zip64([size, packed, offset].filter((number) => number >= wide));
  const narrow = (number: number): number => (number >= wide ? UINT32 : number);
  const madeBy = Buffer.alloc(2);
  madeBy.writeUInt16LE(MADE_BY, 0);
  const rest = Buffer.alloc(18);
  rest.writeUInt16LE(entry.name.length, 0);
  rest.writeUInt16LE(extra.length, 2);
  // Comment, disk and internal attributes stay 0.
  rest.writeUInt32LE(MODE * 0x10000, 10);
  rest.writeUInt32LE(narrow(offset), 14);
  const mark = Buffer.from('PK\x01\x02', 'latin1');
  const sizes = { size: narrow(size), packed: narrow(packed) };
  return Buffer.concat([mark, madeBy, common(entry, sizes), rest, entry.name, extra]);
}

/** The end of the directory, in ZIP64 where its numbers need it. */
function directoryEnd(count: number, start: number, bytes: number): Buffer {
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(Math.min(count, UINT16), 8);
  end.writeUInt16LE(Math.min(count, UINT16), 10);
  end.writeUInt32LE(Math.min(bytes, UINT32), 12);
  end.writeUInt32LE(Math.min(start, UINT32), 16);
  if (count < UINT16 && start < UINT32 && bytes < UINT32) return end;
  const far = Buffer.alloc(56);
  far.write('PK\x06\x06', 0, 'latin1');
  far.writeBigUInt64LE(44n, 4);
  far.writeUInt16LE(MADE_BY, 12);
  far.writeUInt16LE(45, 14);
  far.writeBigUInt64LE(BigInt(count), 24);
  far.writeBigUInt64LE(BigInt(count), 32);
  far.writeBigUInt64LE(BigInt(bytes), 40);
  far.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 0, 'latin1');
  locator.writeBigUInt64LE(BigInt(start + bytes), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([far, locator, end]);
}
