// fsck.ts — reads everything in a store and tells what is wrong with it
import { type Digest, digestOf, type Key, type TaskId } from '../../model/key.ts';
import type { ActionRecord } from '../../model/record.ts';
import { isOfItsParts } from '../../model/record-check.ts';
import { filesOfOutput } from '../folder-blobs.ts';
import { checkpointIn } from '../lmdb/record-forms.ts';
import type { Table, Tables, Upkeep } from '../store.ts';

/** Something wrong in a store. */
export type Defect =
  | {
      readonly kind: 'damaged blob';
      readonly digest: Digest;
      readonly made: readonly TaskId[];
      /** The folders that it is a file of. Absent where there are none. */
      readonly within?: readonly Digest[];
    }
  | {
      readonly kind: 'missing blob';
      readonly digest: Digest;
      readonly task: TaskId;
      readonly key: Key;
      readonly within?: readonly Digest[];
    }
  | { readonly kind: 'damaged checkpoint'; readonly key: Key }
  | { readonly kind: 'damaged trace'; readonly key: Key }
  | {
      readonly kind: 'damaged run' | 'damaged log' | 'damaged pin' | 'damaged latest key';
      readonly name: string;
    }
  /** The file as a whole: LMDB ends the process that reads it, or pages of it make no sense. */
  | { readonly kind: 'damaged store'; readonly file: string; readonly why: string };

/** Hears how far the check is, in blobs. */
export type OnChecked = (done: number, of: number) => void;

/** Reads everything in a store and tells what is wrong. Changes nothing. */
export async function checkStore(
  { tables, files }: Upkeep,
  onChecked: OnChecked,
): Promise<readonly Defect[]> {
  const defects: Defect[] = [];
  const makers = new Map<string, TaskId[]>();
  /** How many bytes the records say that a blob has. */
  const told: { readonly key: Key; readonly digest: Digest; readonly bytes: number }[] = [];
  /** The folders that a blob is a file of. */
  const folders = new Map<Digest, Set<Digest>>();
  const expect = ({ key, task, origin }: ActionRecord, digest: Digest, bytes: number): void => {
    makers.set(digest, [...new Set([...(makers.get(digest) ?? []), task])]);
    told.push({ key, digest, bytes });
    if (tables.blobs.doesExist(digest) || files.sizeOf(digest) !== undefined) return;
    // What others made is fetched when it is wanted.
    if (origin !== undefined && !origin.lost) return;
    const within = [...(folders.get(digest) ?? [])];
    defects.push({ kind: 'missing blob', digest, task, key, ...(within.length > 0 && { within }) });
  };
  for (const key of tables.traces.getKeys()) {
    const trace = tables.traces.get(key);
    if (trace === undefined || !isOfItsParts(trace)) {
      defects.push({ kind: 'damaged trace', key: key as Key });
      continue;
    }
    for (const { digest, bytes } of Object.values(trace.outputs)) {
      expect(trace, digest, bytes);
    }
    for (const output of Object.values(trace.outputs)) {
      const within = filesOfOutput({ tables, files }, output);
      for (const file of within) {
        folders.set(file.digest, (folders.get(file.digest) ?? new Set()).add(output.digest));
        expect(trace, file.digest, file.bytes);
      }
    }
  }
  const sizes = new Map<string, number>();
  const small = [...tables.blobs.getKeys()];
  const large = [...files.list()];
  let checked = 0;
  const check = (digest: Digest, bytes: number, isWhole: boolean): void => {
    if (isWhole) sizes.set(digest, bytes);
    else {
      const within = [...(folders.get(digest) ?? [])];
      const made = makers.get(digest) ?? [];
      defects.push({ kind: 'damaged blob', digest, made, ...(within.length > 0 && { within }) });
    }
    checked += 1;
    onChecked(checked, small.length + large.length);
  };
  for (const digest of small) {
    const bytes = tables.blobs.get(digest);
    const isWhole = bytes !== undefined && digestOf(bytes) === digest;
    check(digest as Digest, bytes?.length ?? 0, isWhole);
  }
  for (const { digest, bytes } of large) check(digest, bytes, await files.verify(digest));
  const lying = told.filter(({ digest, bytes }) => (sizes.get(digest) ?? bytes) !== bytes);
  for (const key of new Set(lying.map((one) => one.key))) {
    defects.push({ kind: 'damaged trace', key });
  }
  for (const key of tables.partials.getKeys()) {
    const kept = tables.partials.get(key);
    if (kept && checkpointIn(kept) !== undefined) continue;
    defects.push({ kind: 'damaged checkpoint', key: key as Key });
  }
  return [...defects, ...damagedNotes(tables)];
}

/** Records that nothing is made from. */
function damagedNotes({ runs, logs, pins, latest }: Tables): readonly Defect[] {
  const damagedIn = (
    table: Table<unknown>,
    kind: 'damaged run' | 'damaged log' | 'damaged pin' | 'damaged latest key',
  ): readonly Defect[] =>
    [...table.getKeys()].flatMap((name) =>
      table.get(name) === undefined ? [{ kind, name } as const] : [],
    );
  return [
    ...damagedIn(runs, 'damaged run'),
    ...damagedIn(logs, 'damaged log'),
    ...damagedIn(pins, 'damaged pin'),
    ...damagedIn(latest, 'damaged latest key'),
  ];
}

/** Drops what is wrong, so that a make puts it right. */
export function repairStore({ tables, files, write }: Upkeep, defects: readonly Defect[]): void {
  /** A folder that lacks a file is as good as none: its task makes it again when it is needed. */
  const dropFolders = (within: readonly Digest[] = []): void => {
    for (const digest of within) {
      tables.blobs.removeSync(digest);
      files.drop(digest);
    }
  };
  write(() => {
    for (const defect of defects) {
      if ('within' in defect) dropFolders(defect.within);
      if (defect.kind === 'damaged blob') {
        tables.blobs.removeSync(defect.digest);
        files.drop(defect.digest);
      } else if (defect.kind === 'damaged checkpoint') tables.partials.removeSync(defect.key);
      else if (defect.kind === 'damaged trace') tables.traces.removeSync(defect.key);
      else if (defect.kind === 'damaged run') tables.runs.removeSync(defect.name);
      else if (defect.kind === 'damaged log') tables.logs.removeSync(defect.name);
      else if (defect.kind === 'damaged pin') tables.pins.removeSync(defect.name);
      else if (defect.kind === 'damaged latest key') tables.latest.removeSync(defect.name);
      // A trace with a missing blob stays: the next make says what was lost, and makes that again.
    }
  });
}
