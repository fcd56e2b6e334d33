// resources.ts — named resources: how much a stage takes of each, how much there is, and what its program sees of it

import { didYouMean } from '../../hint.ts';
import { bytesIn, formatSize } from '../files/size.ts';
import type { Place } from '../model/event.ts';
import type { DiagnosticCollector } from './diagnostic-collector.ts';
import type { Located } from './located.ts';

/** So much of a resource, and where that was written. */
export interface Amount {
  /** Of a size, in bytes. */
  readonly amount: number;
  readonly place: Place;
  /** Where the resource is named. */
  readonly named: Place;
  /** It was written as a size, such as 4GiB. */
  readonly isSize?: true;
}

/** How much there is of a resource. */
export interface Total extends Amount {
  /** The names of its units, where they are listed. */
  readonly units?: readonly string[];
}

/** Memory: a size limits what a task may take, and there is as much as the machine has. */
export const MEMORY = 'memory';
/** Processors: a program may start so many threads, and there are as many as the machine has. */
export const CPUS = 'cpus';
/** Accelerators: their units are what CUDA calls visible devices. */
export const GPU = 'gpu';
/** The variable that tells a program which accelerators it may use. */
export const VISIBLE_DEVICES = 'CUDA_VISIBLE_DEVICES';

/** Where a variable names units that a task has: `{resources.gpu}`. */
export const UNITS = /\{resources\.([\w-]+)\}/g;

/** Whether the machine tells how much there is, where pipeline.yaml does not. */
export const isKnown = (name: string, { isSize }: Pick<Amount, 'isSize'>): boolean =>
  name === CPUS || (name === MEMORY && isSize === true);

/** How many threads a program may start that takes so many processors. */
export const threadsOf = (cpus: number): number => Math.max(1, Math.floor(cpus));

/** Reads what a stage takes of named resources. */
export function readAmounts(
  reader: DiagnosticCollector,
  located: Located | undefined,
  what: string,
): ReadonlyMap<string, Amount> {
  const amounts = new Map<string, Amount>();
  if (located === undefined) return amounts;
  for (const [name, field] of reader.map(located, what) ?? []) {
    const read = readAmount(reader, name, field, what);
    if (read) amounts.set(name, read);
  }
  return amounts;
}

/** Reads how much there is of named resources: an amount, or a list of units by name. */
export function readTotals(
  reader: DiagnosticCollector,
  located: Located | undefined,
): ReadonlyMap<string, Total> {
  const totals = new Map<string, Total>();
  if (located === undefined) return totals;
  for (const [name, field] of reader.map(located, '`resources`') ?? []) {
    const read = field.items
      ? readUnits(reader, name, field, field.items)
      : readAmount(reader, name, field, '`resources`');
    if (read) totals.set(name, read);
  }
  return totals;
}

function readAmount(
  reader: DiagnosticCollector,
  name: string,
  { value, place, named = place }: Located,
  what: string,
): Amount | undefined {
  if (typeof value === 'number' && value > 0) return { amount: value, place, named };
  const bytes = name === MEMORY && typeof value === 'string' ? bytesIn(value.trim()) : undefined;
  if (bytes !== undefined && bytes > 0) return { amount: bytes, place, named, isSize: true };
  const [kind, hint] =
    name === MEMORY && typeof value === 'string'
      ? ['a size or a number above 0', `${MEMORY}: 4GiB`]
      : ['a number above 0', undefined];
  reader.report(`${what}: \`${name}\` must be ${kind}`, place, hint);
  return undefined;
}

function readUnits(
  reader: DiagnosticCollector,
  name: string,
  { place, named = place }: Located,
  items: readonly Located[],
): Total | undefined {
  const units: string[] = [];
  for (const { value, place: at } of items) {
    const unit = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
    if (!/^[^\s,\0]+$/.test(unit)) {
      reader.report(`a unit of \`${name}\` must be a name without blanks and commas`, at);
    } else if (units.includes(unit)) reader.report(`unit \`${unit}\` is listed twice`, at);
    else units.push(unit);
  }
  if (items.length === 0) reader.report(`\`resources\`: \`${name}\` has no unit`, place);
  return units.length > 0 ? { amount: units.length, place, named, units } : undefined;
}

/** A stage, as far as its resources are looked at. */
interface Taking {
  readonly policy: { readonly resources: ReadonlyMap<string, Amount> };
  readonly command: { readonly shows: ReadonlyMap<string, number> } | null;
}

/** Says which stages ask for a resource that there is not, or for more of it than there is. */
export function checkResources(
  reader: DiagnosticCollector,
  stages: ReadonlyMap<string, Taking>,
  totals: ReadonlyMap<string, Total>,
): void {
  for (const [stage, { policy, command }] of stages) {
    for (const [name, taken] of policy.resources) {
      const total = totals.get(name);
      if (total !== undefined) checkAmount(reader, stage, name, taken, total);
      else if (!isKnown(name, taken)) {
        const hint =
          name === MEMORY
            ? 'a size is taken from what the machine has: memory: 2GiB'
            : (didYouMean(name, totals.keys()) ?? `set a total: resources: { ${name}: … }`);
        reader.report(`there is no resource \`${name}\``, taken.named, hint);
      }
      if (command?.shows.has(name) && handsOut(name) && !isUnits(taken.amount)) {
        const hint = 'a part of one unit (0.5) may be shared, and more than one are whole';
        reader.report(`\`${name}\` comes in units`, taken.place, hint);
      }
    }
  }
}

/** Whether tasks are told which units of a resource they have, and not how much of it. */
export const handsOut = (name: string): boolean => name !== MEMORY && name !== CPUS;

const isUnits = (amount: number): boolean => amount < 1 || Number.isInteger(amount);

function checkAmount(
  reader: DiagnosticCollector,
  stage: string,
  name: string,
  taken: Amount,
  total: Total,
): void {
  if (taken.isSize !== total.isSize) {
    const [size, plain] = taken.isSize ? [taken, total] : [total, taken];
    const message = `\`${name}\` is a size in one place (${formatSize(size.amount)}) and a number in another (${plain.amount})`;
    reader.report(message, taken.place, `write both as sizes: ${name}: ${plain.amount}GiB`);
  } else if (taken.amount > total.amount) {
    const [much, all] = [formatAmount(taken), formatAmount(total)];
    const message = `stage \`${stage}\` asks for ${much} of resource \`${name}\`, of which there is ${all}`;
    reader.report(message, taken.place, 'none of its tasks could ever run');
  }
}

/** An amount as a person would write it. */
export const formatAmount = ({ amount, isSize }: Pick<Amount, 'amount' | 'isSize'>): string =>
  isSize ? formatSize(amount) : String(amount);
