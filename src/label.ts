// label.ts — how a map is called that has no name

/**
 * A label made of a map's fields: texts first, then numbers and flags, each by the name of their field, so that the
 * order in which they were written does not matter: `lognormal-cv1`. Undefined where a field is none of these.
 */
export function labelFrom(
  fields: Iterable<readonly [name: string, value: unknown]>,
): string | undefined {
  const inOrder = [...fields].sort(
    ([a, x], [b, y]) => rank(x) - rank(y) || (a < b ? -1 : a > b ? 1 : 0),
  );
  const words = inOrder.map(([field, value]) => wordOf(field, value));
  return words.includes(undefined) || words.length === 0 ? undefined : words.join('-');
}

const rank = (value: unknown): number => (typeof value === 'string' ? 0 : 1);

function wordOf(field: string, value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return `${field}${value}`;
  if (typeof value === 'boolean') return value ? field : `no-${field}`;
  return undefined;
}
