// unit-leases.ts — units of resources that makes on one machine or store take from each other's sight
import { isSystemError } from '../files/system-error.ts';
import { briefKey, debug } from '../model/debug-log.ts';
import { canonicalJson, digestOf, type Key, type TaskId } from '../model/key.ts';
import {
  type Identity,
  instanceOf,
  type LeaseHolder,
  livenessFor,
} from '../model/process-identity.ts';
import { LEASE_ALIVE_MS, LEASE_MS } from '../model/record.ts';
import { LEASE_RENEW_MS } from '../store/leases.ts';
import { type LeaseStore, StoreError } from '../store/store.ts';
import type { UnitLeases } from './unit-stock.ts';

/** A table of leases that is opened when it is first needed. */
export interface LeaseFolder extends LeaseStore {
  close(): Promise<void>;
}

/** What leases of units are made of. */
export interface UnitLeaseOptions {
  /** The table in which the units of a resource are taken; undefined where there is none to be had. */
  readonly tableOf: (resource: string) => LeaseFolder | undefined;
  /** Names this make. */
  readonly owner: string;
  readonly identity: Identity;
  readonly clock: () => number;
}

/** How long a lease lasts without renewal, by what can be seen of its holder: as with actions. */
const DURATION_MS = { dead: 0, alive: LEASE_ALIVE_MS, unknown: LEASE_MS } as const;

/** Leases of units. A make that is killed has given its own back. */
export interface OpenUnitLeases extends UnitLeases {
  /** Gives back all that this make has. */
  close(): Promise<void>;
}

/** Opens leases of units. A table that cannot be used costs the sight of other makes, and no result. */
export function openUnitLeases(options: UnitLeaseOptions): OpenUnitLeases {
  const { tableOf, owner, identity, clock } = options;
  const { host, pid } = identity;
  const life = instanceOf(pid);
  const liveness = livenessFor(identity);
  const durationOf = (holder: LeaseHolder): number => DURATION_MS[liveness(holder)];
  const used = new Set<LeaseFolder>();
  let renewing: NodeJS.Timeout | undefined;
  const renew = (): void => {
    for (const table of used) quietly(() => table.renew(owner, clock()));
  };
  return {
    take(resource, unit) {
      const table = tableOf(resource);
      if (table === undefined) return undefined;
      const holder = {
        ...{ host, pid, ...(life && { life }) },
        task: `${resource} ${unit}` as TaskId,
      };
      const key = keyOfUnit(resource, unit);
      const other = quietly(() => table.acquire(key, owner, clock(), holder, durationOf));
      debug?.('lease', `${resource} ${unit} ${briefKey(key)} ${other ? 'held' : 'taken'}`);
      if (other !== undefined) return formatHolder(other.holder, host);
      used.add(table);
      renewing ??= setInterval(renew, LEASE_RENEW_MS).unref();
      return undefined;
    },
    release(resource, unit) {
      quietly(() => tableOf(resource)?.release([keyOfUnit(resource, unit)], owner));
    },
    async close() {
      clearInterval(renewing);
      for (const table of used) {
        quietly(() => table.leave(owner, clock()));
        await table.close();
      }
    },
  };
}

const keyOfUnit = (resource: string, unit: string): Key =>
  digestOf(canonicalJson(['unit', resource, unit])) as string as Key;

function formatHolder(holder: LeaseHolder | undefined, host: string): string {
  if (holder === undefined) return 'another make';
  const where = holder.host === host ? '' : ` on ${holder.host}`;
  return `another make (process ${holder.pid}${where})`;
}

/** A table that cannot be written (a full disk) keeps nobody from working. */
function quietly<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof StoreError || isSystemError(error))) throw error;
    return undefined;
  }
}
