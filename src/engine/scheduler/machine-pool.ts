// machine-pool.ts — the slots and resources of this machine, as the tasks of a make or a watch share them
import { join } from 'node:path';
import type { Pipeline } from '../config/config.ts';
import { GPU } from '../config/resources.ts';
import { makeFolder } from '../files/make-folder.ts';
import { machineFolder } from '../files/own-folder.ts';
import type { Diagnostic, Listener } from '../model/event.ts';
import type { TaskId } from '../model/key.ts';
import type { Identity } from '../model/process-identity.ts';
import type { Plan } from '../planning/plan.ts';
import { forecast } from '../rebuilder/forecast.ts';
import { openLeaseTable } from '../store/lmdb/lease-table.ts';
import type { Store } from '../store/store.ts';
import { type MachineResources, shortages } from './machine-resources.ts';
import { ResourcePool } from './resource-pool.ts';
import { type LeaseFolder, openUnitLeases } from './unit-leases.ts';

/** A pool, and what gives back what it has leased. */
export interface OpenPool {
  readonly pool: ResourcePool;
  close(): Promise<void>;
}

/** What a pool is made for. */
export interface PoolRequest {
  readonly here: MachineResources;
  readonly slots: number;
  /** Folder of the store. */
  readonly cache: string;
  /** Names this make. */
  readonly owner: string;
  readonly identity: Identity;
  readonly listener: Listener;
}

/**
 * Opens a pool. Units that are handed out are leased: accelerators across all makes of this user on this machine, all
 * else across those that share the store.
 */
export function openPool(request: PoolRequest): OpenPool {
  const { here, slots, cache, owner, identity, listener } = request;
  const { totals, units } = here;
  const tables = new Map<string, LeaseFolder>();
  const tableIn = (folder: string): LeaseFolder | undefined => {
    const known = tables.get(folder);
    if (known) return known;
    try {
      makeFolder(folder);
    } catch {
      return undefined;
    }
    // A damaged file of leases is made anew, and costs nothing else.
    const opened = openLeaseTable(
      folder,
      () => undefined,
      () => undefined,
    );
    tables.set(folder, opened);
    return opened;
  };
  const beside = join(cache, 'units');
  const leases = openUnitLeases({
    tableOf: (resource) =>
      tableIn(resource === GPU ? join(machineFolder() ?? beside, identity.host) : beside),
    ...{ owner, identity, clock: Date.now },
  });
  const told = new Set<string>();
  const waits = (resource: string, holder: string): void => {
    if (told.has(resource)) return;
    told.add(resource);
    const message = `tasks wait for ${resource}: ${holder} is using the rest of it`;
    listener({ event: 'warning', message });
  };
  const pool = new ResourcePool(slots, totals, { units, leases, waits });
  return { pool, close: leases.close };
}

/** What a plan is to run that this machine has not enough for. */
export async function lackingResources(
  { pipeline, plan, store }: { pipeline: Pipeline; plan: Plan; store: Store },
  here: MachineResources,
  environment: NodeJS.ProcessEnv,
  forced: ReadonlySet<TaskId> = new Set(),
): Promise<readonly Diagnostic[]> {
  const short = shortages(pipeline, here, environment);
  if (short.length === 0) return [];
  const forecasts = [...(await forecast(plan, store, forced)).values()];
  const running = forecasts.filter(({ status }) => status !== 'reuse' && status !== 'infeasible');
  const stages = new Set(running.map(({ task }) => plan.tasks.get(task)?.stage));
  return short.filter(({ stage }) => stages.has(stage));
}
