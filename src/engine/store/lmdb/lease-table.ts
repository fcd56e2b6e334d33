// lease-table.ts — leases in a file of their own, which is never flushed
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Key } from '../../model/key.ts';
import { bootId } from '../../model/process-identity.ts';
import type { Lease } from '../../model/record.ts';
import { type LmdbRoot, type LmdbTable, openAlone, openRoot, transact } from './lmdb-root.ts';

/** The file of leases, opened when it is needed. */
export interface LeaseTable {
  /** Expired ones included. */
  all(): ReadonlyMap<Key, Lease>;
  write<T>(action: (table: LmdbTable<Lease>) => T): T;
  /** A write that takes something away: a full disk does not hinder it. */
  remove<T>(action: (table: LmdbTable<Lease>) => T): T;
  close(): Promise<void>;
}

/**
 * Leases lie in a file of their own that is never flushed: they end with their processes, and so with the machine. What
 * a machine that lost its power left of such a file cannot be trusted, so each of its boots has another.
 */
export function openLeaseTable(folder: string): LeaseTable {
  const boot = bootId();
  const name = boot === undefined ? 'claims.lmdb' : `claims-${boot.slice(0, 8)}.lmdb`;
  let opened: { root: LmdbRoot; table: LmdbTable<Lease> } | undefined;
  const openNow = (): { root: LmdbRoot; table: LmdbTable<Lease> } => {
    for (const other of readdirSync(folder)) {
      if (/^claims.*\.lmdb/.test(other) && !other.startsWith(name)) rmSync(join(folder, other));
    }
    return openAlone(folder, name, () => {
      const root = openRoot(folder, name, { noSync: boot !== undefined });
      return { root, table: root.openDB<Lease, string>({ name: 'claims', encoding: 'json' }) };
    });
  };
  const write = <T>(action: (table: LmdbTable<Lease>) => T, bytes?: number): T => {
    // Commands that only read never get here, and make no file.
    opened ??= openNow();
    const { root, table } = opened;
    return transact(root, folder, () => action(table), bytes);
  };
  return {
    all() {
      if (opened === undefined && !existsSync(join(folder, name))) return new Map();
      opened ??= openNow();
      const { table } = opened;
      return new Map([...table.getRange()].map(({ key, value }) => [key as Key, value] as const));
    },
    write: (action) => write(action),
    remove: (action) => write(action, -1),
    close: async () => opened?.root.close(),
  };
}
