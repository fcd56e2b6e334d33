// lease-table.ts — leases in a file of their own, which is never flushed
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Key } from '../../model/key.ts';
import { bootId, type LeaseHolder, type ProcessIdentity } from '../../model/process-identity.ts';
import { LEASE_ALIVE_MS, LEASE_MS, type Lease } from '../../model/record.ts';
import type { LeaseStore } from '../store.ts';
import { lmdbFault } from './lmdb-fault.ts';
import { type LmdbRoot, openAlone, openRoot, transact } from './lmdb-root.ts';
import { type ActionRow, LEASE_FORMS, type OwnerRow } from './record-forms.ts';
import { type OnDamage, type RecordForm, type RecordTable, recordTable } from './record-table.ts';

/** Leases, and what maintenance looks at. */
export interface LeaseTable extends LeaseStore {
  /** By action, expired ones included. */
  all(): ReadonlyMap<Key, Lease>;
  close(): Promise<void>;
}

interface Tables {
  readonly root: LmdbRoot;
  readonly owners: RecordTable<OwnerRow>;
  readonly actions: RecordTable<ActionRow>;
}

/** A row is renewed when it is used and older than this. */
const STALE_MS = 500;

/**
 * Leases lie in a file of their own that is never flushed: they end with their processes, and so with the machine. What
 * a machine that lost its power left of such a file cannot be trusted, so each of its boots has another.
 * @param onAcquired called after an action was taken
 */
export function openLeaseTable(
  folder: string,
  onAcquired: () => void,
  onDamage: OnDamage,
): LeaseTable {
  const boot = bootId();
  const name = boot === undefined ? 'leases.lmdb' : `leases-${boot.slice(0, 8)}.lmdb`;
  let opened: Tables | undefined;
  const openNow = (): Tables => {
    dropOthers(folder, boot);
    dropDamaged(join(folder, name), onDamage);
    return openAlone(folder, name, () => {
      const root = openRoot(folder, name, { noSync: boot !== undefined });
      const table = <V>(of: string, form: RecordForm<V>): RecordTable<V> => {
        const texts = root.openDB<string, string>({ name: of, encoding: 'string' });
        return recordTable(texts, folder, form, onDamage);
      };
      const owners = table('owners', LEASE_FORMS.owners);
      return { root, owners, actions: table('actions', LEASE_FORMS.actions) };
    });
  };
  /** @param bytes below zero for a write that takes something away: a full disk does not hinder it */
  const write = <T>(action: (tables: Tables) => T, bytes = 0): T => {
    // Commands that only read never get here, and make no file.
    opened ??= openNow();
    const tables = opened;
    return transact(tables.root, folder, () => action(tables), bytes);
  };
  return {
    acquire(key, owner, now, holder, durationOf = () => LEASE_MS) {
      const other = write(({ owners, actions }) => {
        const row = actions.get(key);
        const held = row && row.owner !== owner ? leaseOf(row, owners.get(row.owner)) : undefined;
        if (held) {
          const duration = held.holder ? durationOf(held.holder) : LEASE_MS;
          if (now - held.renewed < duration) return held;
        }
        const own = owners.get(owner);
        if (own === undefined || now - own.renewed > STALE_MS) {
          owners.putSync(owner, { renewed: now, ...(holder && { process: processOf(holder) }) });
        }
        actions.putSync(key, { owner, ...(holder && { task: holder.task }) });
        return undefined;
      });
      if (other === undefined) onAcquired();
      return other;
    },
    renew: (owner, now) =>
      write(({ owners }) => {
        const row = owners.get(owner);
        if (row) owners.putSync(owner, { ...row, renewed: now });
      }),
    release: (keys, owner) =>
      write(({ actions }) => {
        for (const key of keys) if (actions.get(key)?.owner === owner) actions.removeSync(key);
      }, -1),
    leave(owner, now) {
      // Most runs take nothing.
      if (opened === undefined) return;
      write(({ owners, actions }) => {
        owners.removeSync(owner);
        // A row that is damaged goes, too.
        for (const key of [...owners.getKeys()]) {
          const row = owners.get(key);
          if (!row || now - row.renewed > LEASE_ALIVE_MS) owners.removeSync(key);
        }
        for (const key of [...actions.getKeys()]) {
          const row = actions.get(key);
          if (!row || !owners.doesExist(row.owner)) actions.removeSync(key);
        }
      }, -1);
    },
    all() {
      if (opened === undefined && !existsSync(join(folder, name))) return new Map();
      opened ??= openNow();
      const { owners, actions } = opened;
      const leases = new Map<Key, Lease>();
      for (const key of actions.getKeys()) {
        const row = actions.get(key);
        const lease = row && leaseOf(row, owners.get(row.owner));
        if (lease) leases.set(key as Key, lease);
      }
      return leases;
    },
    close: async () => opened?.root.close(),
  };
}

/** Undefined when its owner has given back all that it had. */
const leaseOf = (
  { owner, task }: ActionRow,
  { renewed, process: self }: Partial<OwnerRow> = {},
): Lease | undefined =>
  renewed === undefined
    ? undefined
    : { owner, renewed, ...(self && task && { holder: { ...self, task } }) };

const processOf = ({ task: _, ...self }: LeaseHolder): ProcessIdentity => self;

/** A file that is damaged is made again: leases that are lost cost work that is done twice, and no result. */
function dropDamaged(path: string, onDamage: OnDamage): void {
  if (lmdbFault(path) === undefined) return;
  onDamage(basename(path), 'lease');
  rmSync(path, { force: true, recursive: true });
  rmSync(`${path}-lock`, { force: true, recursive: true });
}

/** Files of other boots; those that earlier versions left were called claims. */
function dropOthers(folder: string, boot: string | undefined): void {
  const own = boot === undefined ? '.lmdb' : `-${boot.slice(0, 8)}.lmdb`;
  for (const name of readdirSync(folder)) {
    const rest = /^(?:claims|leases)(.*\.lmdb.*)$/.exec(name)?.[1];
    if (rest !== undefined && !rest.startsWith(own)) {
      rmSync(join(folder, name), { force: true, recursive: true });
    }
  }
}
