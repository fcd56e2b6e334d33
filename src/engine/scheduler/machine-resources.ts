// machine-resources.ts — how much there is of named resources on this machine, and which units
import type { Pipeline } from '../config/config.ts';
import type { Policy } from '../config/policy.ts';
import {
  CPUS,
  formatAmount,
  GPU,
  handsOut,
  MEMORY,
  type Total,
  VISIBLE_DEVICES,
} from '../config/resources.ts';
import type { Diagnostic } from '../model/event.ts';
import { type Hardware, hardware, visibleDevices } from '../process/devices.ts';

/** What tasks may take on this machine. */
export interface MachineResources {
  /** How much there is in all. */
  readonly totals: ReadonlyMap<string, number>;
  /** Units that tasks see, by resource. */
  readonly units: ReadonlyMap<string, readonly string[]>;
}

/** The resources of a pipeline on this machine: as declared, else what the machine has. */
export function resourcesHere(
  { resources, stages }: Pick<Pipeline, 'resources' | 'stages'>,
  environment: NodeJS.ProcessEnv,
  { cpus, memory_bytes }: Hardware = hardware(),
): MachineResources {
  const totals = new Map([...resources].map(([name, { amount }]) => [name, amount]));
  if (!totals.has(CPUS)) totals.set(CPUS, cpus);
  if (!totals.has(MEMORY)) totals.set(MEMORY, memory_bytes);
  const units = new Map<string, readonly string[]>();
  for (const { command } of stages.values()) {
    for (const name of command?.shows.keys() ?? []) {
      const total = resources.get(name);
      if (!handsOut(name) || total === undefined || units.has(name)) continue;
      const named = unitsOf(name, total, environment);
      units.set(name, named);
      totals.set(name, named.length);
    }
  }
  return { totals, units };
}

/** The units of a resource: those that are listed, else the devices that are visible here, else numbers from 0 on. */
function unitsOf(name: string, total: Total, environment: NodeJS.ProcessEnv): readonly string[] {
  if (total.units) return total.units;
  const visible = name === GPU ? visibleDevices(environment) : undefined;
  const count = Math.floor(total.amount);
  return visible?.slice(0, count) ?? Array.from({ length: count }, (_, unit) => String(unit));
}

/** Says which of some stages take more than there is on this machine. */
export function shortages(
  { stages, resources }: Pick<Pipeline, 'resources' | 'stages'>,
  { totals, units }: MachineResources,
  environment: NodeJS.ProcessEnv,
): readonly Diagnostic[] {
  return [...stages.values()].flatMap(({ name: stage, policy }) =>
    [...policy.resources].flatMap(([name, taken]): readonly Diagnostic[] => {
      const all = totals.get(name) ?? 0;
      if (taken.amount <= all) return [];
      const much = formatAmount(taken);
      const there = formatAmount({ ...taken, amount: all });
      const { place } = taken;
      const visible = name === GPU && units.has(GPU) ? environment[VISIBLE_DEVICES] : undefined;
      if (visible !== undefined) {
        const message = `stage \`${stage}\` asks for ${much} of resource \`${name}\`, and ${VISIBLE_DEVICES}=${visible} leaves ${there}`;
        return [{ message, place, stage, hint: `unset ${VISIBLE_DEVICES}, or name more devices` }];
      }
      const message = `stage \`${stage}\` asks for ${much} of \`${name}\`, and this machine has ${there}`;
      const hint = resources.has(name)
        ? 'none of its tasks could ever run'
        : `ask for less, or set a total: resources: { ${name}: … }`;
      return [{ message, place, stage, hint }];
    }),
  );
}

/** The policies of a pipeline's stages, by name. */
export const policiesOf = ({ stages }: Pick<Pipeline, 'stages'>): ReadonlyMap<string, Policy> =>
  new Map([...stages].map(([name, { policy }]) => [name, policy]));
