// lmdb-walk.ts — walks the pages of an LMDB file without LMDB: what they hold, and what in them makes no sense
import { fstatSync, readSync } from 'node:fs';
import { FLAGS, type Meta, NO_PAGE, PAGE_HEADER, TABLE_ROOT } from './lmdb-file.ts';

/** A page that LMDB might not survive, or that lost what it held. */
export interface PageFault {
  readonly page: number;
  readonly what: string;
  /** Whether the file ends before the page. */
  readonly isBeyond?: boolean;
}

/** Hears of each entry. @param value undefined where its pages make no sense */
export type OnEntry = (table: string, key: Buffer, value: () => Buffer | undefined) => void;

/** What a walk found. */
export interface Walk {
  readonly faults: readonly PageFault[];
  /** Pages that are in use or listed as free. */
  readonly seen: ReadonlySet<number>;
  /** Whether everything was walked. */
  readonly isWhole: boolean;
}

/** How far to walk, and who hears of it. */
export interface WalkOptions {
  /** As much as is walked of a large file; everything by default. */
  readonly pagesMax?: number;
  /** Pages of this transaction and of earlier ones were walked before: they are not walked again, nor what they lead to. */
  readonly since?: bigint | undefined;
  readonly onEntry?: OnEntry;
}

/** A tree is never so deep: whoever gets here follows a circle. */
const DEPTH_MAX = 32;
const OVERFLOW = 4;
/** Longest key that LMDB takes here. */
const KEY_BYTES_MAX = 4096;
/** A table's description in a leaf: flags, depth, page counts, entries. */
const TABLE = { flags: 4, depth: 6, branch: 8, leaf: 16, overflow: 24, entries: 32 } as const;
const TABLE_BYTES = 48;
const OVERFLOW_BYTES = 24;

/** Walks everything that a description of the file leads to: its tables, and its list of free pages. */
export function walkFile(file: number, meta: Meta, options: WalkOptions = {}): Walk {
  const walker = new Walker(file, meta, options);
  walker.tables();
  walker.freePages();
  return walker;
}

/** Entries of leaf pages to which no tree leads any more, the newest pages first. */
export function walkOrphans(
  file: number,
  meta: Meta,
  seen: ReadonlySet<number>,
  onEntry: OnEntry,
): void {
  const walker = new Walker(file, meta, { onEntry });
  walker.orphans(seen);
}

/** What a tree holds. */
interface Counts {
  branch: number;
  leaf: number;
  overflow: number;
  entries: number;
}

/** The tree that is walked. */
interface Tree {
  /** Undefined for the tree of tables; null for the list of free pages. */
  readonly table: string | undefined | null;
  readonly counts: Counts;
}

/** Bounds of the keys of a page: the first inclusive, the second exclusive. */
interface Bounds {
  readonly low?: Buffer;
  readonly high?: Buffer;
}

interface Node {
  readonly key: Buffer;
  readonly data: number;
  readonly flags: number;
  readonly size: number;
  readonly child: number;
}

class Walker implements Walk {
  readonly faults: PageFault[] = [];
  readonly seen = new Set<number>();
  isWhole = true;
  private readonly file: number;
  private readonly meta: Meta;
  private readonly size: number;
  private readonly onEntry: OnEntry | undefined;
  private readonly since: bigint;
  private left: number;

  constructor(file: number, meta: Meta, { pagesMax, since, onEntry }: WalkOptions) {
    this.file = file;
    this.meta = meta;
    this.size = fstatSync(file).size;
    this.onEntry = onEntry;
    this.since = since ?? -1n;
    this.left = pagesMax ?? Number.POSITIVE_INFINITY;
  }

  tables(): void {
    this.tree(this.meta.root, { table: undefined, counts: none() });
  }

  /** The list of free pages: one that is in use, too, would be overwritten by the next transaction. */
  freePages(): void {
    if (this.isWhole) this.tree(this.meta.freeRoot, { table: null, counts: none() });
  }

  orphans(seen: ReadonlySet<number>): void {
    const { pageSize } = this.meta;
    const leaves: (readonly [page: number, transaction: bigint])[] = [];
    const header = Buffer.alloc(PAGE_HEADER);
    for (let page = 2; (page + 1) * pageSize <= this.size; page++) {
      if (seen.has(page)) continue;
      readSync(this.file, header, 0, PAGE_HEADER, page * pageSize);
      const isLeaf = header.readUInt16LE(18) === FLAGS.page.leaf;
      if (isLeaf && header.readBigUInt64LE(0) === BigInt(page)) {
        leaves.push([page, header.readBigUInt64LE(8)]);
      }
    }
    leaves.sort(([, a], [, b]) => (a > b ? -1 : a < b ? 1 : 0));
    for (const [page] of leaves) {
      this.leaf(page, this.read(page), { table: '', counts: none() }, {});
    }
  }

  private fault(page: number, what: string, isBeyond = false): void {
    this.faults.push({ page, what, ...(isBeyond && { isBeyond }) });
  }

  private tree(root: bigint, tree: Tree): void {
    if (root !== NO_PAGE) this.page(root, tree, {}, 0);
  }

  /** Takes a range of pages. False when one cannot be there, or was come upon before. */
  private take(first: bigint, count: number): boolean {
    const number = Number(first);
    const last = number + count - 1;
    if (first < 2n || last >= this.meta.pages) {
      this.fault(number, 'is named, and cannot be');
      return false;
    }
    if ((last + 1) * this.meta.pageSize > this.size) {
      this.fault(last, 'is beyond the end of the file', true);
      return false;
    }
    for (let page = number; page <= last; page++) {
      if (this.seen.has(page)) {
        this.fault(page, 'is named twice');
        return false;
      }
      this.seen.add(page);
    }
    return true;
  }

  private read(page: number): Buffer {
    const { pageSize } = this.meta;
    const bytes = Buffer.alloc(pageSize);
    readSync(this.file, bytes, 0, pageSize, page * pageSize);
    return bytes;
  }

  private page(number: bigint, tree: Tree, bounds: Bounds, depth: number): void {
    if (this.left <= 0) {
      this.isWhole = false;
      return;
    }
    this.left -= 1;
    if (depth >= DEPTH_MAX) {
      this.fault(Number(number), 'is too deep');
      return;
    }
    if (!this.take(number, 1)) return;
    const page = Number(number);
    const bytes = this.read(page);
    if (bytes.readBigUInt64LE(0) === number && bytes.readBigUInt64LE(8) <= this.since) {
      this.isWhole = false;
      return;
    }
    const flags = bytes.readUInt16LE(18);
    const isBranch = flags === FLAGS.page.branch;
    if (bytes.readBigUInt64LE(0) !== number) this.fault(page, 'has the number of another');
    else if (!isBranch && flags !== FLAGS.page.leaf) this.fault(page, 'is of no kind');
    else if (bytes.readBigUInt64LE(8) > this.meta.transaction) {
      this.fault(page, 'is of a transaction that never was');
    }
    if (isBranch) this.branch(page, bytes, tree, bounds, depth);
    else this.leaf(page, bytes, tree, bounds);
  }

  private branch(page: number, bytes: Buffer, tree: Tree, bounds: Bounds, depth: number): void {
    tree.counts.branch += 1;
    const nodes = this.nodes(page, bytes, 'branch');
    if (nodes.length < 2 && tree.table !== null) this.fault(page, 'has too few branches');
    for (const [n, node] of nodes.entries()) {
      const low = n === 0 ? bounds.low : node?.key;
      const high = nodes[n + 1]?.key ?? (n === nodes.length - 1 ? bounds.high : undefined);
      if (n > 1 && node && nodes[n - 1] && !this.isBefore(tree, nodes[n - 1]?.key, node.key)) {
        this.fault(page, 'is out of order');
      }
      if (node) {
        const inner = { ...(low && { low }), ...(high && { high }) };
        this.page(BigInt(node.child), tree, inner, depth + 1);
      }
    }
  }

  private leaf(page: number, bytes: Buffer, tree: Tree, { low, high }: Bounds): void {
    tree.counts.leaf += 1;
    const nodes = this.nodes(page, bytes, 'leaf');
    if (nodes.length === 0) this.fault(page, 'is empty');
    let before: Buffer | undefined;
    for (const node of nodes) {
      if (node === undefined) continue;
      tree.counts.entries += 1;
      const isInOrder =
        (before === undefined || this.isBefore(tree, before, node.key)) &&
        (low === undefined || !this.isBefore(tree, node.key, low)) &&
        (high === undefined || this.isBefore(tree, node.key, high));
      if (!isInOrder) this.fault(page, 'is out of order');
      before = node.key;
      this.entry(page, bytes, node, tree);
    }
  }

  private isBefore({ table }: Tree, a: Buffer | undefined, b: Buffer): boolean {
    if (a === undefined) return true;
    if (table !== null || a.length !== 8 || b.length !== 8) return Buffer.compare(a, b) < 0;
    return a.readBigUInt64LE(0) < b.readBigUInt64LE(0);
  }

  /** The nodes of a page; undefined for one that makes no sense. */
  private nodes(page: number, bytes: Buffer, kind: 'branch' | 'leaf'): (Node | undefined)[] {
    const [lower, upper] = [bytes.readUInt16LE(20), bytes.readUInt16LE(22)];
    const room = bytes.length - PAGE_HEADER;
    if (lower % 2 !== 0 || lower > upper || upper > room) {
      this.fault(page, 'has bounds that make no sense');
      // What lies in it may be whole all the same.
      if (lower > room) return [];
    }
    const found: (Node | undefined)[] = [];
    let used = 0;
    for (let at = 0; at + 1 < lower; at += 2) {
      const node = nodeAt(bytes, bytes.readUInt16LE(PAGE_HEADER + at), upper, kind);
      if (node === undefined) this.fault(page, 'has an entry that makes no sense');
      else used += node.length;
      found.push(node);
    }
    if (used !== room - upper && !found.includes(undefined)) {
      this.fault(page, 'has entries that do not fill it');
    }
    return found;
  }

  private entry(page: number, bytes: Buffer, node: Node, tree: Tree): void {
    const isTable = (node.flags & FLAGS.node.table) !== 0;
    if (node.flags > FLAGS.node.table || isTable !== (tree.table === undefined)) {
      this.fault(page, 'has an entry of no kind');
    }
    if (tree.table === undefined) {
      if (isTable) this.table(page, bytes, node);
      return;
    }
    const value = this.valueOf(page, bytes, node, tree);
    if (tree.table === null) this.free(page, value());
    else this.onEntry?.(tree.table, node.key, value);
  }

  private valueOf(
    page: number,
    bytes: Buffer,
    { data, flags, size }: Node,
    { counts }: Tree,
  ): () => Buffer | undefined {
    if (!(flags & FLAGS.node.big)) return () => bytes.subarray(data, data + size);
    const { pageSize } = this.meta;
    const first = bytes.readBigUInt64LE(data);
    const count = Number(bytes.readBigUInt64LE(data + 16));
    const header = Buffer.alloc(PAGE_HEADER);
    const needed = Math.ceil((PAGE_HEADER + size) / pageSize);
    if (count < needed || count > this.meta.pages) {
      this.fault(page, 'has a value that makes no sense');
      return () => undefined;
    }
    if (!this.take(first, count)) return () => undefined;
    counts.overflow += count;
    readSync(this.file, header, 0, PAGE_HEADER, Number(first) * pageSize);
    const isSound =
      header.readBigUInt64LE(0) === first &&
      header.readUInt16LE(18) === OVERFLOW &&
      header.readUInt32LE(20) === count &&
      header.readBigUInt64LE(8) <= this.meta.transaction &&
      bytes.readBigUInt64LE(data + 8) <= this.meta.transaction;
    if (!isSound) this.fault(Number(first), 'is not the value that it is named as');
    return () => {
      const value = Buffer.allocUnsafe(size);
      const start = Number(first) * pageSize + PAGE_HEADER;
      return readSync(this.file, value, 0, size, start) === size ? value : undefined;
    };
  }

  private table(page: number, bytes: Buffer, { key, data, size }: Node): void {
    if (size !== TABLE_BYTES) {
      this.fault(page, 'describes a table that makes no sense');
      return;
    }
    const counts = none();
    const table = key.toString('latin1').replace(/\0$/, '');
    const root = bytes.readBigUInt64LE(data + TABLE_ROOT);
    if (root !== NO_PAGE) this.page(root, { table, counts }, {}, 0);
    if (!this.isWhole) return;
    const isSound =
      bytes.readUInt16LE(data + TABLE.flags) === 0 &&
      (['branch', 'leaf', 'overflow', 'entries'] as const).every(
        (what) => bytes.readBigUInt64LE(data + TABLE[what]) === BigInt(counts[what]),
      );
    if (!isSound) this.fault(page, `does not tell what is in the table ${table}`);
  }

  /** A list of free pages: their count, and then the pages, or how many come from the next on (below zero), or a gap (0). */
  private free(page: number, list: Buffer | undefined): void {
    if (list === undefined) return;
    const count = list.length >= 8 ? Number(list.readBigUInt64LE(0)) : -1;
    if (count < 0 || (count + 1) * 8 > list.length) {
      this.fault(page, 'has a list of free pages that makes no sense');
      return;
    }
    let run = 1;
    for (let n = 1; n <= count; n++) {
      const item = list.readBigInt64LE(n * 8);
      if (item < 0n) run = Number(-item);
      else if (item > 0n) {
        if (run > this.meta.pages || !this.takeFree(Number(item), run)) {
          this.fault(page, 'has a list of free pages that makes no sense');
          return;
        }
        run = 1;
      }
    }
  }

  /** The file may end before a page that is free. */
  private takeFree(first: number, count: number): boolean {
    if (first < 2 || first + count > this.meta.pages) return false;
    for (let page = first; page < first + count; page++) {
      if (this.seen.has(page)) return false;
      this.seen.add(page);
    }
    return true;
  }
}

const none = (): Counts => ({ branch: 0, leaf: 0, overflow: 0, entries: 0 });

/** A node of a page, and how many bytes it takes up; undefined when it is not within the page. */
function nodeAt(
  bytes: Buffer,
  offset: number,
  upper: number,
  kind: 'branch' | 'leaf',
): (Node & { readonly length: number }) | undefined {
  const at = offset + PAGE_HEADER;
  if (offset < upper || at + 8 > bytes.length) return undefined;
  const size = bytes.readUInt32LE(at);
  const flags = bytes.readUInt16LE(at + 4);
  const keyBytes = bytes.readUInt16LE(at + 6);
  const data = at + 8 + keyBytes;
  const isBig = (flags & FLAGS.node.big) !== 0;
  const dataBytes = kind === 'branch' ? 0 : isBig ? OVERFLOW_BYTES : size;
  if (keyBytes > KEY_BYTES_MAX || data + dataBytes > bytes.length) return undefined;
  const length = (8 + keyBytes + dataBytes + 1) & ~1;
  const key = Buffer.from(bytes.subarray(at + 8, data));
  return { key, data, flags, size, child: size + flags * 2 ** 32, length };
}
