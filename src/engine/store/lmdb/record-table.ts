// record-table.ts — tables of a store as it is read: records are checked, and what LMDB throws is put into words
import { guards } from './lmdb-error.ts';
import type { LmdbTable } from './lmdb-root.ts';

/** The kinds of what a store holds, as they are told. */
export type DamageKind =
  | 'blob'
  | 'checkpoint'
  | 'action record'
  | 'run record'
  | 'log'
  | 'latest key'
  | 'pin'
  | 'lease'
  | 'format';

/** Hears of something that was read and is not what it must be: it counts as absent. */
export type OnDamage = (name: string, kind: DamageKind) => void;

/** What a table holds: its kind, and the value that a text of JSON is. Undefined where that is none for this key. */
export interface RecordForm<V> {
  readonly kind: DamageKind;
  check(value: unknown, key: string): V | undefined;
}

/** A table of records, kept as JSON. Whatever comes out has been checked. */
export interface RecordTable<V> {
  get(key: string): V | undefined;
  putSync(key: string, value: V): unknown;
  removeSync(key: string): boolean;
  doesExist(key: string): boolean;
  getKeys(): Iterable<string>;
  /** The records, in the order of their keys or the other way round. */
  values(options?: { readonly reverse?: boolean; readonly limit?: number }): Iterable<V>;
  getStats(): object;
}

/** What a text of JSON is in a table; undefined when it is no JSON or not of the form. */
export function recordIn<V>(text: string, key: string, form: RecordForm<V>): V | undefined {
  try {
    return form.check(JSON.parse(text), key);
  } catch {
    return undefined;
  }
}

/** @param folder of the store */
export function recordTable<V>(
  table: LmdbTable<string>,
  folder: string,
  form: RecordForm<V>,
  onDamage: OnDamage,
): RecordTable<V> {
  const { reading, walking } = guards(folder);
  const told = new Set<string>();
  const checked = (key: string, text: string): V | undefined => {
    const record = recordIn(text, key, form);
    if (record === undefined && !told.has(key)) {
      told.add(key);
      onDamage(key, form.kind);
    }
    return record;
  };
  return {
    get(key) {
      const text = reading(() => table.get(key));
      return text === undefined ? undefined : checked(key, text);
    },
    putSync: (key, value) => table.putSync(key, JSON.stringify(value)),
    removeSync: (key) => table.removeSync(key),
    doesExist: (key) => reading(() => table.doesExist(key)),
    getKeys: () => textsOf(walking(() => table.getKeys())),
    *values({ reverse = false, limit = Number.POSITIVE_INFINITY } = {}) {
      let left = limit;
      for (const { key, value: text } of walking(() => table.getRange({ reverse }))) {
        if (left <= 0) return;
        const record = typeof key === 'string' ? checked(key, text) : undefined;
        if (record === undefined) continue;
        left -= 1;
        yield record;
      }
    },
    getStats: () => table.getStats(),
  };
}

/** A damaged key may read as something that is no text. */
function* textsOf(keys: Iterable<unknown>): Generator<string> {
  for (const key of keys) if (typeof key === 'string') yield key;
}

/** A table of bytes, guarded as those of records are. */
export function bytesTable(table: LmdbTable<Buffer>, folder: string) {
  const { reading, walking } = guards(folder);
  return {
    get: (key: string): Buffer | undefined => reading(() => table.get(key)),
    putSync: (key: string, value: Uint8Array): unknown => table.putSync(key, asBuffer(value)),
    removeSync: (key: string): boolean => table.removeSync(key),
    doesExist: (key: string): boolean => reading(() => table.doesExist(key)),
    getKeys: (): Iterable<string> => textsOf(walking(() => table.getKeys())),
    getStats: (): object => table.getStats(),
  };
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
