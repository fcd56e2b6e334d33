// lmdb-reader.ts — reads tables of an LMDB file page by page, without LMDB: it takes no lock and writes nothing
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { StoreError } from '../store.ts';
import { FLAGS, type Meta, NO_PAGE, newestMeta, PAGE_HEADER, TABLE_ROOT } from './lmdb-file.ts';

/** One table of the file. Every value is one that was committed. */
export interface PageTable {
  get(key: string): Buffer | undefined;
  has(key: string): boolean;
  /** In the order of their bytes. */
  keys(): Iterable<string>;
  /** Bytes of the pages in use. */
  bytes(): number;
}

/** An LMDB file, open for reading. */
export interface PageFile {
  /** @param proves whether a value proves itself (a blob has its digest): it may then be read beside any writer */
  table(name: string, proves?: (value: Buffer, key: string) => boolean): PageTable;
  close(): void;
}

/** A table's description in a leaf: page counts, and the root. */
const TABLE = { branch: 8, leaf: 16, overflow: 24 } as const;
/** A tree is never so deep: whoever gets here follows a circle. */
const DEPTH_MAX = 64;
/** Pages that are kept of one state of the file. */
const PAGES_KEPT = 20_000;
/** Keys that are read as of one state. */
const KEYS_AT_ONCE = 500;
/** How often something is read again that was replaced meanwhile, and how long to pause from the tenth time on. */
const TRIES = 3000;
const PAUSE_ms = 1;

/** Pages that make no sense: they were replaced while they were read, or the file is damaged. */
class BadPage extends Error {}

/**
 * Opens a file for reading beside whoever writes it.
 *
 * LMDB never changes a page in place, and a writer never takes a page that belongs to the last committed state: a
 * reader may begin with that state at any time. So whatever was read between two looks at the description of the file
 * that tell the same transaction is of that state, and whole. Where they differ, it is read again.
 */
export function openPages(path: string): PageFile {
  const reader = new Reader(path);
  return {
    table: (name, proves = () => false) => tableOf(reader, name, proves),
    close: () => reader.close(),
  };
}

function tableOf(
  reader: Reader,
  name: string,
  proves: (value: Buffer, key: string) => boolean,
): PageTable {
  const chunkAfter = (after: Buffer | undefined): readonly Buffer[] =>
    reader.stable((state) => {
      const keys: Buffer[] = [];
      const root = state.root(name);
      if (root !== undefined) state.collect(root, after, keys, KEYS_AT_ONCE);
      return keys;
    });
  return {
    get: (key) =>
      reader.stable(
        (state) => {
          const node = state.find(name, key);
          return node && state.valueOf(node);
        },
        (value) => value !== undefined && proves(value, key),
      ),
    has: (key) => reader.stable((state) => state.find(name, key) !== undefined),
    *keys() {
      let chunk = chunkAfter(undefined);
      while (chunk.length > 0) {
        for (const key of chunk) yield key.toString('utf8');
        chunk = chunkAfter(chunk.at(-1));
      }
    },
    bytes: () => reader.stable((state) => state.bytesOf(name)),
  };
}

class Reader {
  private readonly path: string;
  private readonly file: number;
  private state: State | undefined;

  constructor(path: string) {
    this.path = path;
    this.file = openSync(path, 'r');
  }

  close(): void {
    closeSync(this.file);
  }

  /** Does work on one state of the file; again, as long as it changes meanwhile and the result is not accepted as it is. */
  stable<T>(work: (state: State) => T, accept: (result: T) => boolean = () => false): T {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      // The state of the last look is tried first: whether it was the newest one is seen afterwards.
      const state = this.state ?? new State(this.file, this.meta());
      this.state = state;
      let meta: Meta;
      try {
        const result = work(state);
        if (accept(result)) return result;
        meta = this.meta();
        if (meta.transaction === state.meta.transaction) return result;
      } catch (error) {
        if (!(error instanceof BadPage || error instanceof RangeError)) throw error;
        meta = this.meta();
        if (meta.transaction === state.meta.transaction) throw this.damaged();
      }
      this.state = new State(this.file, meta);
      if (attempt >= 10) pause();
    }
    throw new StoreError(`${this.path} changes all the time: look again in a moment`);
  }

  /** The description of the file, read twice alike: it may be written while it is read. */
  private meta(): Meta {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const [first, second] = [newestMeta(this.file), newestMeta(this.file)];
      if (first && second && first.transaction === second.transaction && first.root === second.root)
        return first;
      if (attempt >= 10) pause();
      if (attempt >= 50 && first === undefined) break;
    }
    throw this.damaged();
  }

  private damaged(): StoreError {
    const what = 'is damaged, or was cut short: ask whoever can write it to run `pipeline fsck`';
    return new StoreError(`${this.path} ${what}`);
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_ms);
}

/** An entry of a page. */
interface PageNode {
  readonly page: Buffer;
  readonly key: Buffer;
  /** Where its data begin in the page. */
  readonly data: number;
  readonly flags: number;
  /** Of a leaf: how long the value is. */
  readonly size: number;
  /** Of a branch: the page below. */
  readonly child: bigint;
}

/** One committed state of the file. */
class State {
  readonly meta: Meta;
  private readonly file: number;
  private readonly pages = new Map<bigint, Buffer>();
  private readonly roots = new Map<string, bigint | undefined>();

  constructor(file: number, meta: Meta) {
    this.file = file;
    this.meta = meta;
  }

  /** Root of a table; undefined when it is empty or missing. */
  root(name: string): bigint | undefined {
    if (this.roots.has(name)) return this.roots.get(name);
    const node = this.table(name);
    const found = node?.page.readBigUInt64LE(node.data + TABLE_ROOT);
    const root = found === NO_PAGE ? undefined : found;
    this.roots.set(name, root);
    return root;
  }

  private table(name: string): PageNode | undefined {
    if (this.meta.root === NO_PAGE) return undefined;
    // LMDB ends the names of tables with a zero.
    return this.search(this.meta.root, Buffer.from(`${name}\0`, 'utf8'));
  }

  bytesOf(name: string): number {
    const node = this.table(name);
    if (node === undefined) return 0;
    const pages = Object.values(TABLE).reduce(
      (sum, at) => sum + node.page.readBigUInt64LE(node.data + at),
      0n,
    );
    return Number(pages) * this.meta.pageSize;
  }

  find(name: string, key: string): PageNode | undefined {
    const root = this.root(name);
    return root === undefined ? undefined : this.search(root, Buffer.from(key, 'utf8'));
  }

  private search(root: bigint, key: Buffer): PageNode | undefined {
    let at = root;
    for (let depth = 0; depth < DEPTH_MAX; depth++) {
      const page = this.page(at);
      const nodes = countOf(page);
      if (isLeaf(page)) {
        const index = lastNotAfter(page, key, 0);
        const node = index < 0 ? undefined : nodeAt(page, index);
        return node?.key.equals(key) ? node : undefined;
      }
      if (nodes === 0) throw new BadPage();
      // The first key of a branch is left out: it is below all others.
      at = nodeAt(page, Math.max(0, lastNotAfter(page, key, 1))).child;
    }
    throw new BadPage();
  }

  /** Adds up to `limit` keys that come after one. */
  collect(at: bigint, after: Buffer | undefined, keys: Buffer[], limit: number, depth = 0): void {
    if (depth > DEPTH_MAX) throw new BadPage();
    const page = this.page(at);
    const leaf = isLeaf(page);
    const before = after === undefined ? -1 : lastNotAfter(page, after, leaf ? 0 : 1);
    for (let n = leaf ? before + 1 : Math.max(0, before); n < countOf(page); n++) {
      if (keys.length >= limit) return;
      const node = nodeAt(page, n);
      if (leaf) keys.push(Buffer.from(node.key));
      else this.collect(node.child, after, keys, limit, depth + 1);
    }
  }

  /** The value of a leaf's entry: in the page, or on pages of its own. */
  valueOf({ page, data, flags, size }: PageNode): Buffer {
    if (!(flags & FLAGS.node.big)) return Buffer.from(within(page, data, size));
    const first = page.readBigUInt64LE(data);
    const start = Number(first) * this.meta.pageSize + PAGE_HEADER;
    if (first > BigInt(this.meta.pages) || start + size > fstatSync(this.file).size) {
      throw new BadPage();
    }
    return readFully(this.file, start, size);
  }

  private page(number: bigint): Buffer {
    const known = this.pages.get(number);
    if (known) return known;
    if (number >= BigInt(this.meta.pages)) throw new BadPage();
    const { pageSize } = this.meta;
    const page = readFully(this.file, Number(number) * pageSize, pageSize);
    // A page says which one it is, and what it is.
    const flags = page.readUInt16LE(18);
    const isTree = (flags & (FLAGS.page.branch | FLAGS.page.leaf)) !== 0;
    if (page.readBigUInt64LE(0) !== number || !isTree) throw new BadPage();
    if (this.pages.size >= PAGES_KEPT) this.pages.clear();
    this.pages.set(number, page);
    return page;
  }
}

function readFully(file: number, start: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  let done = 0;
  while (done < size) {
    const read = readSync(file, bytes, done, size - done, start + done);
    if (read === 0) throw new BadPage();
    done += read;
  }
  return bytes;
}

const isLeaf = (page: Buffer): boolean => (page.readUInt16LE(18) & FLAGS.page.leaf) !== 0;
const countOf = (page: Buffer): number => page.readUInt16LE(20) >> 1;

function nodeAt(page: Buffer, index: number): PageNode {
  const at = page.readUInt16LE(PAGE_HEADER + 2 * index) + PAGE_HEADER;
  const size = page.readUInt32LE(at);
  const flags = page.readUInt16LE(at + 4);
  const keyBytes = page.readUInt16LE(at + 6);
  const key = within(page, at + 8, keyBytes);
  const child = BigInt(size) + (BigInt(flags) << 32n);
  return { page, key, data: at + 8 + keyBytes, flags, size, child };
}

function within(page: Buffer, start: number, size: number): Buffer {
  if (start + size > page.length) throw new BadPage();
  return page.subarray(start, start + size);
}

/** The last entry whose key does not come after the one given; -1 when all do. @param from the first entry with a key */
function lastNotAfter(page: Buffer, key: Buffer, from: number): number {
  let [low, high] = [from, countOf(page)];
  while (low < high) {
    const middle = (low + high) >> 1;
    const at = page.readUInt16LE(PAGE_HEADER + 2 * middle) + PAGE_HEADER + 8;
    const end = at + page.readUInt16LE(at - 2);
    if (page.compare(key, 0, key.length, at, end) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
