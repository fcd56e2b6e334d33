// located.ts — values that remember where a person wrote them, so that every error can point
import { labelFrom } from '../../label.ts';
import type { Place } from '../model/event.ts';
import type { Json } from '../model/key.ts';

/** A value as a person wrote it, with the place of every part of it. */
export interface Located {
  readonly value: Json;
  readonly place: Place;
  /** Place of the name, when the value is a field of a map. */
  readonly named?: Place | undefined;
  /** The parts of a map; absent for anything else. */
  readonly fields?: ReadonlyMap<string, Located> | undefined;
  /** The parts of a list; absent for anything else. */
  readonly items?: readonly Located[] | undefined;
  /** Whether it is a number that was written as a float, such as `1.0` or `1e3`, whatever its value. */
  readonly isFloat?: true | undefined;
  /** A path into the task's own point, whose value differs from task to task: filled in by `fillAxes`. */
  readonly axis?: readonly string[] | undefined;
}

/** Something that was read, and where it is written. */
export interface Placed<T> {
  readonly value: T;
  readonly place: Place;
}

/** More parts than this are an alias bomb, not a pipeline. */
export const PARTS_MAX = 300_000;

/** Makes a map of its parts. */
export function locatedMap(
  fields: ReadonlyMap<string, Located>,
  at: Omit<Located, 'value'>,
): Located {
  const value = Object.fromEntries([...fields].map(([name, field]) => [name, field.value]));
  return { value, place: at.place, named: at.named, fields };
}

/** Makes a list of its parts. */
export function locatedList(items: readonly Located[], at: Omit<Located, 'value'>): Located {
  return { value: items.map((item) => item.value), place: at.place, named: at.named, items };
}

/** The part at a path, or the deepest part above it that exists: where a caret goes. */
export function partAt(located: Located, path: readonly (string | number | symbol)[]): Located {
  let part = located;
  for (const step of path) {
    const next = part.fields?.get(String(step)) ?? part.items?.[Number(step)];
    if (next === undefined) return part;
    part = next;
  }
  return part;
}

/** Lays an overlay on a value: maps merge, anything else is replaced. */
export function overlay(base: Located, over: Located): Located {
  if (base.fields === undefined || over.fields === undefined) return { ...over, named: over.named };
  const fields = new Map(base.fields);
  for (const [name, field] of over.fields) {
    const below = fields.get(name);
    fields.set(name, below ? overlay(below, field) : field);
  }
  return locatedMap(fields, base);
}

/** How many values a value holds, itself included. */
export function countParts({ fields, items }: Located): number {
  let count = 1;
  for (const part of fields?.values() ?? items ?? []) count += countParts(part);
  return count;
}

/** The label of a value on an axis: its own text, a map's `name`, or one derived from a map's fields. */
export function labelOf(located: Located): string | undefined {
  const { value, fields } = located;
  if (fields === undefined) {
    const scalar = ['string', 'number', 'boolean'].includes(typeof value);
    return scalar ? String(value) : undefined;
  }
  const name = fields.get('name')?.value;
  if (name !== undefined) return typeof name === 'string' ? name : undefined;
  return labelFrom([...fields].map(([field, part]) => [field, part.value] as const));
}
