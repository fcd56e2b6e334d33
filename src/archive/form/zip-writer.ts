// zip-writer.ts — a zip file whose bytes depend on nothing but what is put in: no times, one deflate for every Node
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Deflate, deflateSync } from 'fflate';

/** Puts files into a zip. Names are to come sorted: they stay in the order in which they are added. */
export interface ZipWriter {
  add(name: string, bytes: Uint8Array): Promise<void>;
  /** Adds a file that comes piece by piece, and gives its size. */
  addStream(name: string, content: AsyncIterable<Uint8Array>): Promise<number>;
  /** Writes the directory, and gives the size of the whole. */
  end(): Promise<number>;
  /** Closes the file, whatever it holds. */
  close(): Promise<void>;
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

/** Begins a zip file; the path must not exist. */
export async function createZip(path: string): Promise<ZipWriter> {
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
  return {
    async add(name, bytes) {
      if (bytes.length >= UINT32) throw new RangeError(`${name} has 4 GiB or more`);
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
      await write(localHeader(entry));
      await write(body);
    },
    async addStream(name, content) {
      const start = offset;
      const entry = { name: Buffer.from(name), method: STORED, crc: 0, size: 0, offset: start };
      // Its numbers are known when it has been written.
      await write(localHeader({ ...entry, packed: 0 }));
      const body = offset;
      let deflater: Deflater | undefined;
      for await (const chunk of content) {
        if (entry.size === 0 && isWorthPacking(chunk)) deflater = new Deflater();
        entry.crc = crc32(chunk, entry.crc);
        entry.size += chunk.length;
        for (const packed of deflater?.push(chunk) ?? [chunk]) await write(packed);
        if (entry.size >= UINT32) throw new RangeError(`${name} has 4 GiB or more`);
      }
      for (const packed of deflater?.end() ?? []) await write(packed);
      const method = deflater ? DEFLATED : STORED;
      const written: Written = { ...entry, method, packed: offset - body };
      await writeAt(localHeader(written), start);
      entries.push(written);
      return entry.size;
    },
    async end() {
      const start = offset;
      for (let at = 0; at < entries.length; at += 1000) {
        await write(Buffer.concat(entries.slice(at, at + 1000).map(directoryHeader)));
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

/** What both headers of an entry say. */
function common({ method, crc, packed, size }: Written): Buffer {
  const fields = Buffer.alloc(22);
  fields.writeUInt16LE(45, 0);
  fields.writeUInt16LE(UTF8, 2);
  fields.writeUInt16LE(method, 4);
  fields.writeUInt16LE(0, 6);
  fields.writeUInt16LE(DATE, 8);
  fields.writeUInt32LE(crc, 10);
  fields.writeUInt32LE(packed, 14);
  fields.writeUInt32LE(size, 18);
  return fields;
}

function localHeader(entry: Written): Buffer {
  const lengths = Buffer.alloc(4);
  lengths.writeUInt16LE(entry.name.length, 0);
  return Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common(entry), lengths, entry.name]);
}

function directoryHeader(entry: Written): Buffer {
  const far = entry.offset >= UINT32;
  const extra = Buffer.alloc(far ? 12 : 0);
  if (far) {
    extra.writeUInt16LE(1, 0);
    extra.writeUInt16LE(8, 2);
    extra.writeBigUInt64LE(BigInt(entry.offset), 4);
  }
  const madeBy = Buffer.alloc(2);
  madeBy.writeUInt16LE(MADE_BY, 0);
  const rest = Buffer.alloc(18);
  rest.writeUInt16LE(entry.name.length, 0);
  rest.writeUInt16LE(extra.length, 2);
  // Comment, disk and internal attributes stay 0.
  rest.writeUInt32LE(MODE * 0x10000, 10);
  rest.writeUInt32LE(far ? UINT32 : entry.offset, 14);
  const mark = Buffer.from('PK\x01\x02', 'latin1');
  return Buffer.concat([mark, madeBy, common(entry), rest, entry.name, extra]);
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
