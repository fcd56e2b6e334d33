// fsck.ts — reads everything in a store and tells what is wrong with it
import { type Digest, digestOf, type Key, keyOf, type TaskId } from '../../model/key.ts';
import type { ActionRecord } from '../../model/record.ts';
import type { Tables, Upkeep } from '../store.ts';

/** Something wrong in a store. */
export type Defect =
  | { readonly kind: 'damaged blob'; readonly digest: Digest; readonly made: readonly TaskId[] }
  | {
      readonly kind: 'missing blob';
      readonly digest: Digest;
      readonly task: TaskId;
      readonly key: Key;
    }
  | { readonly kind: 'damaged checkpoint'; readonly key: Key }
  | { readonly kind: 'damaged trace'; readonly key: Key };

/** Hears how far the check is, in blobs. */
export type OnChecked = (done: number, of: number) => void;

/** Reads everything in a store and tells what is wrong. Changes nothing. */
export async function checkStore(
  { tables, files }: Upkeep,
  onChecked: OnChecked,
): Promise<readonly Defect[]> {
  const defects: Defect[] = [];
  const makers = new Map<string, TaskId[]>();
  for (const key of tables.traces.getKeys()) {
    const trace = readTrace(tables, key);
    if (trace === undefined) {
      defects.push({ kind: 'damaged trace', key: key as Key });
      continue;
    }
    for (const { digest } of Object.values(trace.outputs)) {
      makers.set(digest, [...(makers.get(digest) ?? []), trace.task]);
      if (tables.blobs.doesExist(digest) || files.sizeOf(digest) !== undefined) continue;
      defects.push({ kind: 'missing blob', digest, task: trace.task, key: key as Key });
    }
  }
  const small = [...tables.blobs.getKeys()];
  const large = [...files.list()];
  let checked = 0;
  const check = (digest: Digest, isWhole: boolean): void => {
    if (!isWhole) {
      defects.push({ kind: 'damaged blob', digest, made: makers.get(digest) ?? [] });
    }
    checked += 1;
    onChecked(checked, small.length + large.length);
  };
  for (const digest of small) {
    const bytes = tables.blobs.get(digest);
    check(digest as Digest, bytes !== undefined && digestOf(bytes) === digest);
  }
  for (const { digest } of large) check(digest, await files.verify(digest));
  for (const key of tables.partials.getKeys()) {
    const kept = Buffer.from(tables.partials.get(key) ?? []);
    if (digestOf(kept.subarray(64)) === kept.toString('latin1', 0, 64)) continue;
    defects.push({ kind: 'damaged checkpoint', key: key as Key });
  }
  return defects;
}

/** A trace that can be read and whose parts give its key. */
function readTrace({ traces }: Tables, key: string): ActionRecord | undefined {
  try {
    const trace = traces.get(key);
    return trace && keyOf(trace.parts) === key ? trace : undefined;
  } catch {
    return undefined;
  }
}

/** Drops what is wrong, so that a make puts it right. */
export function repairStore({ tables, files, write }: Upkeep, defects: readonly Defect[]): void {
  write(() => {
    for (const defect of defects) {
      if (defect.kind === 'damaged blob') {
        tables.blobs.removeSync(defect.digest);
        files.drop(defect.digest);
      } else if (defect.kind === 'damaged checkpoint') tables.partials.removeSync(defect.key);
      else if (defect.kind === 'damaged trace') tables.traces.removeSync(defect.key);
      // A trace with a missing blob stays: the next make says what was lost, and makes that again.
    }
  });
}
