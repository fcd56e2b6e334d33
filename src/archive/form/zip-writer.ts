// zip-writer.ts — a zip file whose bytes depend on nothing but what is put in: no times, one deflate for every Node
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { deflateSync } from 'fflate';

/** Puts files into a zip. Names are to come sorted: they stay in the order in which they are added. */
export interface ZipWriter {
  add(name: string, bytes: Uint8Array): Promise<void>;
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
  const write = async (bytes: Uint8Array): Promise<void> => {
    await file.writeFile(bytes);
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
  const probe = bytes.subarray(0, PROBE_BYTES);
  if (deflateSync(probe, { level: 6 }).length > probe.length * WORTH) return bytes;
  const packed = deflateSync(bytes, { level: 6 });
  return packed.length < bytes.length ? packed : bytes;
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
