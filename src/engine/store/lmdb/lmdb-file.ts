// lmdb-file.ts — whether a file can be opened as LMDB: it takes the whole process down when it is damaged, so look before
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';

/** LMDB's own mark, after the header of its first two pages. */
const MAGIC = 0xbeefc0de;
/** Bytes before what a page holds: number, transaction, pad, flags, and the bounds of its free space. */
export const PAGE_HEADER = 24;
const META_BYTES = 160;
/** From the start of a meta page: page size, root of the main table, last page, transaction. */
const META = { magic: 24, pageSize: 48, mainRoot: 136, lastPage: 144, transaction: 152 } as const;
export const FLAGS = { page: { branch: 1, leaf: 2 }, node: { big: 1, table: 2 } } as const;
/** Where a table's description, as a leaf holds it, names its root. */
export const TABLE_ROOT = 40;
export const NO_PAGE = 0xffff_ffff_ffff_ffffn;
/** A writer may change pages while we read them: then look again, so often. */
const TRIES = 5;

/** What keeps a file from being opened; undefined when nothing does, or when there is no file. */
export function lmdbFault(path: string): 'foreign' | 'truncated' | undefined {
  if (!existsSync(path)) return undefined;
  const file = openSync(path, 'r');
  try {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const meta = newestMeta(file);
      // In this order: what a description refers to was written before it.
      const size = fstatSync(file).size;
      if (meta === undefined) {
        if (size === 0) return undefined;
        if (attempt === TRIES) return 'foreign';
      } else {
        if (!endsEarly(file, meta, size)) return undefined;
        if (newestMeta(file)?.transaction === meta.transaction) return 'truncated';
      }
    }
    // Somebody writes one transaction after the other, and so survives what the file is.
    return undefined;
  } finally {
    closeSync(file);
  }
}

/** What an LMDB file says of itself. */
export interface Meta {
  readonly pageSize: number;
  readonly root: bigint;
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
  const bytes = Buffer.alloc(META_BYTES);
  const length = readSync(file, bytes, 0, META_BYTES, at);
  if (length < META_BYTES || bytes.readUInt32LE(META.magic) !== MAGIC) return undefined;
  return {
    pageSize: bytes.readUInt32LE(META.pageSize),
    root: bytes.readBigUInt64LE(META.mainRoot),
    pages: Number(bytes.readBigUInt64LE(META.lastPage)) + 1,
    transaction: bytes.readBigUInt64LE(META.transaction),
  };
}

/**
 * Whether the file ends before something that it refers to: reading there would be a bus error. A sound file may
 * be shorter than its count of pages, when the last ones are free, so a short one is walked from its root.
 */
function endsEarly(file: number, { pageSize, root, pages }: Meta, size: number): boolean {
  if (size >= pages * pageSize) return false;
  const there = BigInt(Math.floor(size / pageSize));
  const open = [root];
  const seen = new Set<bigint>();
  for (let page = open.pop(); page !== undefined; page = open.pop()) {
    if (page === NO_PAGE || seen.has(page)) continue;
    if (page >= there) return true;
    seen.add(page);
    const bytes = Buffer.alloc(pageSize);
    readSync(file, bytes, 0, pageSize, Number(page) * pageSize);
    const next = pagesBelow(bytes);
    if (next === undefined || next.some(({ last }) => last >= there)) return true;
    open.push(...next.flatMap(({ first, tree }) => (tree ? [first] : [])));
  }
  return false;
}

interface PageRange {
  readonly first: bigint;
  readonly last: bigint;
  /** Whether it is a page of a tree, and not of a long value. */
  readonly tree: boolean;
}

/** The pages that a page of a tree refers to; undefined when it makes no sense. */
function pagesBelow(page: Buffer): readonly PageRange[] | undefined {
  try {
    return referredTo(page);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function referredTo(page: Buffer): readonly PageRange[] {
  const flags = page.readUInt16LE(18);
  const nodes = page.readUInt16LE(20) >> 1;
  const found: PageRange[] = [];
  const add = (first: bigint, count: bigint, tree: boolean): void => {
    if (first !== NO_PAGE) found.push({ first, last: first + count - 1n, tree });
  };
  for (let node = 0; node < nodes; node++) {
    const at = page.readUInt16LE(PAGE_HEADER + 2 * node) + PAGE_HEADER;
    const low = page.readUInt32LE(at);
    const kind = page.readUInt16LE(at + 4);
    if (flags & FLAGS.page.branch) add(BigInt(low) + (BigInt(kind) << 32n), 1n, true);
    else if (flags & FLAGS.page.leaf) {
      const data = at + 8 + page.readUInt16LE(at + 6);
      if (kind & FLAGS.node.big) {
        add(page.readBigUInt64LE(data), page.readBigUInt64LE(data + 16), false);
      } else if (kind & FLAGS.node.table) add(page.readBigUInt64LE(data + TABLE_ROOT), 1n, true);
    }
  }
  return found;
}
