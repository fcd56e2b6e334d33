// rebuild.ts — a new store from what is whole in a damaged one, which is put aside
import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest, Key } from '../../model/key.ts';
import type { ActionRecord, RunRecord, TaskLog } from '../../model/record.ts';
import { openStore } from '../lmdb/lmdb-store.ts';
import { type Salvaged, salvage, type TableName } from '../lmdb/salvage.ts';
import type { Tables, Upkeep } from '../store.ts';
import { STORE_FILE } from '../store-state.ts';

/** How much was saved, by table. */
export type Saved = { readonly [table in TableName]?: number };

/** Bytes that are written in one transaction. */
const BATCH_BYTES = 16 * 2 ** 20;

/** Makes a store in an empty folder from what is whole in a file. @throws StoreError where there is no room for it */
export async function rebuildStore(damaged: string, into: string): Promise<Saved> {
  const counts: { [table in TableName]?: number } = {};
  const store = openStore(into, () => undefined);
  const { upkeep } = store;
  try {
    if (upkeep === undefined) return counts;
    let batch: Salvaged[] = [];
    let bytes = 0;
    const flush = (): void => {
      upkeep.write(() => {
        for (const saved of batch) keep(upkeep, saved);
      });
      [batch, bytes] = [[], 0];
    };
    salvage(damaged, (saved) => {
      counts[saved.table] = (counts[saved.table] ?? 0) + 1;
      batch.push(saved);
      bytes += saved.value.length + saved.key.length;
      if (bytes >= BATCH_BYTES) flush();
    });
    flush();
    return counts;
  } finally {
    await store.close();
  }
}

function keep({ tables }: Upkeep, { table, key, value }: Salvaged): void {
  if (table === 'meta') return; // The new store has its own.
  if (table === 'blobs') tables.blobs.putSync(key, value);
  else if (table === 'partial') tables.partials.putSync(key, value);
  else putRecord(tables, table, key, JSON.parse(value.toString('utf8')));
}

/** `salvage` has checked that the value is of the table's form. */
function putRecord(
  tables: Tables,
  table: Exclude<TableName, 'meta' | 'blobs' | 'partial'>,
  key: string,
  value: unknown,
): void {
  if (table === 'traces') tables.traces.putSync(key, value as ActionRecord);
  else if (table === 'latest') tables.latest.putSync(key, value as Key & Digest);
  else if (table === 'runs') tables.runs.putSync(key, value as RunRecord);
  else if (table === 'logs') tables.logs.putSync(key, value as TaskLog);
  else tables.pins.putSync(key, value as string);
}

/** Makes a folder `damaged-N` for what is put aside. */
export function newAside(cache: string): string {
  for (let number = 1; ; number++) {
    const folder = join(cache, `damaged-${number}`);
    if (existsSync(folder)) continue;
    mkdirSync(folder);
    return folder;
  }
}

/**
 * Puts a store in the place of a damaged one, which goes into another folder. Whenever this process ends, one of the two
 * is in the place. @param made folder of the new store
 */
export function replaceStore(cache: string, made: string, aside: string): void {
  const file = join(cache, STORE_FILE);
  if (isThere(file)) {
    // Who might use the damaged one may use the new one, and nobody else.
    const found = lstatSync(file);
    if (found.isFile()) chmodSync(join(made, STORE_FILE), found.mode & 0o7777);
    try {
      linkSync(file, join(aside, STORE_FILE));
    } catch {
      // A folder, or a file system without hard links.
      renameSync(file, join(aside, STORE_FILE));
    }
  }
  renameSync(join(made, STORE_FILE), file);
  putAside(`${file}-lock`, aside);
}

/** Moves what lies at a path into a folder, if anything does. */
export function putAside(path: string, aside: string): void {
  if (isThere(path)) renameSync(path, join(aside, path.slice(path.lastIndexOf('/') + 1)));
}

/** Links that lead nowhere are there, too. */
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** Takes away a folder in which a store was made. */
export const dropFolder = (folder: string): void =>
  rmSync(folder, { recursive: true, force: true });
