// present.ts — elements and entries that must exist: reading one that does not is a bug, and throws

/** The element at an index. @throws RangeError when there is none */
export function elementAt<T>(items: ArrayLike<T>, index: number): T {
  const item = items[index];
  if (item !== undefined || index in items) return item as T;
  throw new RangeError(`there is no element ${index}: there are ${items.length}`);
}

/** The value of a name that the record has itself. @throws RangeError when it has not */
export function entryOf<T>(record: { readonly [name: string]: T }, name: string): T {
  if (Object.hasOwn(record, name)) return record[name] as T;
  throw new RangeError(`there is no entry \`${name}\``);
}
