// salvage.ts — everything in a damaged file of LMDB that proves itself: blobs, checkpoints and records of every kind
import { closeSync, fstatSync, openSync } from 'node:fs';
import { digestOf, isDigest } from '../../model/key.ts';
import { isOfItsParts } from '../../model/record-check.ts';
import { STORE_FORMAT } from '../store-format.ts';
import { areMetasSound, newestMeta, plausibleMetas } from './lmdb-file.ts';
import { type OnEntry, walkFile, walkOrphans } from './lmdb-walk.ts';
import { checkpointIn, FORMS } from './record-forms.ts';
import { type RecordForm, recordIn } from './record-table.ts';

/** The tables of a store, by the names that they have in the file. */
export const TABLE_NAMES = [
  'meta',
  'blobs',
  'partial',
  'traces',
  'latest',
  'runs',
  'logs',
  'pins',
] as const;
export type TableName = (typeof TABLE_NAMES)[number];

/** Something that was saved: bytes for blobs and checkpoints, the text of JSON for the others. */
export interface Salvaged {
  readonly table: TableName;
  readonly key: string;
  readonly value: Buffer;
}

/** Where something belongs that proves itself by what it is, wherever it is found. */
const PROVEN = ['blobs', 'partial', 'traces', 'runs', 'logs'] as const;

/** Whether a value can stand in a table under a key. */
export function standsIn(table: TableName, key: string, value: Buffer): boolean {
  if (table === 'blobs') return digestOf(value) === key;
  if (table === 'partial') return isDigest(key) && checkpointIn(value) !== undefined;
  const text = value.toString('utf8');
  if (table === 'traces') {
    const record = recordIn(text, key, FORMS.traces);
    return record !== undefined && isOfItsParts(record);
  }
  if (table === 'meta') return recordIn(text, key, FORMS.meta) === STORE_FORMAT;
  const form: RecordForm<unknown> = FORMS[table];
  return recordIn(text, key, form) !== undefined;
}

/** Tables whose keys are digests or keys. */
const HASHED: readonly string[] = ['blobs', 'partial', 'traces'];

/**
 * What in the pages of a store makes no sense; undefined when nothing does. Whether values are whole is not asked, but for
 * the format of the store.
 */
export function pagesFault(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const meta = newestMeta(file);
    const { size } = fstatSync(file);
    if (size === 0) return undefined;
    if (meta === undefined || !areMetasSound(file, size)) return 'its beginning makes no sense';
    const wrong: string[] = [];
    let format = true;
    let proven = 0;
    const walk = walkFile(file, meta, {
      onEntry(table, rawKey, read) {
        const key = rawKey.toString('utf8');
        const isKnown = TABLE_NAMES.some((name) => name === table);
        const isKey = HASHED.includes(table) ? isDigest(key) : Buffer.from(key).equals(rawKey);
        if (!isKnown || !isKey) wrong.push(`${table} has an entry that makes no sense`);
        const value = table === 'meta' || table === 'traces' ? read() : undefined;
        if (value === undefined) return;
        if (table === 'meta' && !standsIn('meta', key, value)) format = false;
        if (table === 'traces' && standsIn('traces', key, value)) proven += 1;
      },
    });
    const [first] = walk.faults;
    if (first) return `page ${first.page} ${first.what}`;
    // A store of another format holds nothing that is a record of this one.
    if (!format && proven > 0) wrong.push('it does not tell its format');
    return wrong[0];
  } finally {
    closeSync(file);
  }
}

/**
 * Reads a file that LMDB might not survive, as far as its pages make sense, and gives each entry that proves itself, once.
 * Where trees are broken, pages to which none leads any more are looked through as well.
 */
export function salvage(path: string, save: (saved: Salvaged) => void): void {
  const file = openSync(path, 'r');
  try {
    const saved = new Set<string>();
    const onEntry: OnEntry = (found, rawKey, read) => {
      const key = rawKey.toString('utf8');
      const own = TABLE_NAMES.filter((name) => name === found);
      const value = read();
      if (value === undefined) return;
      for (const table of [...own, ...PROVEN]) {
        if (!standsIn(table, key, value)) continue;
        if (!saved.has(`${table} ${key}`)) save({ table, key, value });
        saved.add(`${table} ${key}`);
        return;
      }
    };
    const seen = new Set<number>();
    for (const meta of plausibleMetas(file, fstatSync(file).size)) {
      const walk = walkFile(file, meta, { onEntry });
      if (walk.faults.length === 0) return;
      for (const page of walk.seen) seen.add(page);
    }
    // Without any description, the size of pages is a guess.
    const [meta = GUESS] = plausibleMetas(file, fstatSync(file).size);
    walkOrphans(file, { ...meta, transaction: 2n ** 48n, pages: 2 ** 40 }, seen, onEntry);
  } finally {
    closeSync(file);
  }
}

const GUESS = { pageSize: 4096, root: 0n, freeRoot: 0n, pages: 0, transaction: 0n };
