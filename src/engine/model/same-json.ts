// same-json.ts — whether two JSON values have the same canonical text, without writing either
import type { Json, Named } from './key.ts';

/** Whether two values of JSON are equal. The order of names does not count, and -0 is 0. */
export function isSameJson(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (isList(a) || isList(b)) return isList(a) && isList(b) && areSameLists(a, b);
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  for (const name of names) {
    if (!Object.hasOwn(b, name) || !isSameJson(member(a, name), member(b, name))) return false;
  }
  return true;
}

function areSameLists(a: readonly Json[], b: readonly Json[]): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) {
    if (!isSameJson(a[at] ?? null, b[at] ?? null)) return false;
  }
  return true;
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
const member = (fields: Named<Json>, name: string): Json => fields[name] ?? null;
