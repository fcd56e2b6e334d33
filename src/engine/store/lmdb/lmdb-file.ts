// lmdb-file.ts — how a file of LMDB begins: its description, of which there are two, written in turn
import { readSync } from 'node:fs';

/** LMDB's own mark, after the header of its first two pages. */
const MAGIC = 0xbeefc0de;
const VERSION = 2;
/** Bytes before what a page holds: number, transaction, pad, flags, and the bounds of its free space. */
export const PAGE_HEADER = 24;
const META_BYTES = 160;
/** From the start of a meta page: page size, flags, roots of the free list and the main table, last page, transaction. */
const META = {
  pageFlags: 18,
  magic: 24,
  version: 28,
  pageSize: 48,
  flags: 52,
  freeRoot: 88,
  mainRoot: 136,
  lastPage: 144,
  transaction: 152,
} as const;
const META_PAGE = 8;
/** The flags that every file of ours has, and those that may be there as well. */
const FLAG_BITS = { always: 0x4008, allowed: 0x5808 } as const;
const PAGE_SIZES = [4096, 8192, 16384, 32768, 65536];
/** A file may be shorter than its count of pages, as the last ones may be free: not by more than this. */
const PAGES_BEYOND_MAX = 2 ** 20;

export const FLAGS = { page: { branch: 1, leaf: 2 }, node: { big: 1, table: 2 } } as const;
/** Where a table's description, as a leaf holds it, names its root. */
export const TABLE_ROOT = 40;
export const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** What an LMDB file says of itself. */
export interface Meta {
  readonly pageSize: number;
  readonly root: bigint;
  /** Root of the list of free pages. */
  readonly freeRoot: bigint;
  readonly pages: number;
  readonly transaction: bigint;
}

/** The description that counts: there are two, written in turn. Undefined when the file is not LMDB's. */
export function newestMeta(file: number): Meta | undefined {
  const first = metaAt(file, 0);
  if (first === undefined) return undefined;
  const second = metaAt(file, first.pageSize);
  return second && second.transaction > first.transaction ? second : first;
}

function metaAt(file: number, at: number): Meta | undefined {
  const bytes = bytesAt(file, at);
  return bytes?.readUInt32LE(META.magic) === MAGIC ? metaOf(bytes) : undefined;
}

function bytesAt(file: number, at: number): Buffer | undefined {
  const bytes = Buffer.alloc(META_BYTES);
  return readSync(file, bytes, 0, META_BYTES, at) < META_BYTES ? undefined : bytes;
}

const metaOf = (bytes: Buffer): Meta => ({
  pageSize: bytes.readUInt32LE(META.pageSize),
  root: bytes.readBigUInt64LE(META.mainRoot),
  freeRoot: bytes.readBigUInt64LE(META.freeRoot),
  pages: Number(bytes.readBigUInt64LE(META.lastPage)) + 1,
  transaction: bytes.readBigUInt64LE(META.transaction),
});

/** Whether a description can be one of a file of that size. */
function isPlausible(bytes: Buffer, meta: Meta, fileBytes: number): boolean {
  const { pageSize, pages, root, freeRoot, transaction } = meta;
  const isPage = (page: bigint): boolean => page === NO_PAGE || (page >= 2n && page < pages);
  const flags = bytes.readUInt16LE(META.flags);
  return (
    PAGE_SIZES.includes(pageSize) &&
    pages >= 2 &&
    pages <= fileBytes / pageSize + PAGES_BEYOND_MAX &&
    isPage(root) &&
    isPage(freeRoot) &&
    transaction < 2n ** 48n &&
    (flags & FLAG_BITS.always) === FLAG_BITS.always &&
    (flags & ~FLAG_BITS.allowed) === 0
  );
}

/** Whether both descriptions of a file are what LMDB expects them to be. */
export function areMetasSound(file: number, fileBytes: number): boolean {
  const first = soundMeta(file, 0, fileBytes);
  const second = first && soundMeta(file, first.pageSize, fileBytes);
  return second !== undefined && second.pageSize === first?.pageSize;
}

function soundMeta(file: number, at: number, fileBytes: number): Meta | undefined {
  const bytes = bytesAt(file, at);
  if (bytes === undefined) return undefined;
  const meta = metaOf(bytes);
  const isSound =
    bytes.readUInt32LE(META.magic) === MAGIC &&
    (bytes.readUInt32LE(META.version) & 0xffff) === VERSION &&
    bytes.readUInt16LE(META.pageFlags) === META_PAGE &&
    isPlausible(bytes, meta, fileBytes);
  return isSound ? meta : undefined;
}

/** Every description in a damaged file that can be one, the newest first: LMDB keeps a third within its first page. */
export function plausibleMetas(file: number, fileBytes: number): readonly Meta[] {
  const found = PAGE_SIZES.flatMap((size) =>
    [0, size / 2, size].flatMap((at) => {
      const bytes = bytesAt(file, at);
      const meta = bytes && metaOf(bytes);
      const fits = meta?.pageSize === size && bytes && isPlausible(bytes, meta, fileBytes);
      return fits ? [meta] : [];
    }),
  );
  return found.sort((a, b) => (a.transaction > b.transaction ? -1 : 1));
}
