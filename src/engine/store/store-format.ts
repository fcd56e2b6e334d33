// store-format.ts — the form of a store, and the way from earlier ones to it
import { StoreError } from './store.ts';

/** The form of everything in the store. A store of another form is refused, never guessed at. */
export const STORE_FORMAT = 1;

interface MetaTable {
  get(name: string): number | undefined;
  putSync(name: string, value: number): unknown;
}

/** Brings what an earlier version wrote into the next form. */
export type Upgrade = () => void;

/** By the format that each starts from: a store is taken from form to form, in one transaction. None is needed yet. */
const UPGRADES: ReadonlyMap<number, Upgrade> = new Map();

/**
 * Makes sure that a store has the form that this version reads: a new one is given it, an earlier one is brought to it.
 * @throws StoreError when it was written by a newer version, or there is no way to it
 */
export function checkFormat(
  meta: MetaTable,
  folder: string,
  current = STORE_FORMAT,
  upgrades = UPGRADES,
): void {
  const format = meta.get('format');
  if (format === current) return;
  let reached = format ?? current;
  while (reached < current && upgrades.has(reached)) {
    upgrades.get(reached)?.();
    reached += 1;
  }
  if (reached !== current) {
    throw otherFormat(folder, { format, reached, current });
  }
  meta.putSync('format', current);
}

/**
 * Makes sure that a store which cannot be written has the form that this version reads. One without any is being made.
 * @throws StoreError when it has another
 */
export function requireFormat(
  meta: Pick<MetaTable, 'get'>,
  folder: string,
  current = STORE_FORMAT,
): void {
  const format = meta.get('format');
  if (format === undefined || format === current) return;
  if (format > current) throw otherFormat(folder, { format, reached: format, current });
  throw new StoreError(
    `the store in ${folder} was written by an earlier version of pipeline (format ${format}; this version reads ` +
      `${current}), and you lack the permission to bring it up to date: whoever may write it runs \`pipeline status\` once`,
  );
}

function otherFormat(
  folder: string,
  is: { readonly format: number | undefined; readonly reached: number; readonly current: number },
): StoreError {
  const writer = is.reached > is.current ? 'a newer' : 'another';
  return new StoreError(
    `the store in ${folder} was written by ${writer} version of pipeline (format ${is.format}; this version ` +
      `reads ${is.current}): update pipeline, or name another folder with --cache`,
  );
}
