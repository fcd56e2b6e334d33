// bundle-index.ts — what was bundled before, and everything that it rests on, in one file of the cache
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readShortcut } from '../files/bounded-file.ts';
import { writeAtomically } from '../files/files.ts';
import { readSealedJson, sealedJson } from '../files/hint.ts';
import { Folders, type Lookup } from '../files/lookups.ts';
import { isStable, type Stamp, sameStamp, stampOf } from '../files/stamp.ts';
import { type Digest, digestOf } from '../model/key.ts';

/** What was bundled before. Paths are relative to the folder of the project. */
export interface BundleRecord {
  readonly digest: Digest;
  /** Of the options with which it was bundled, and of esbuild. */
  readonly options: Digest;
  /** Milliseconds since 1970 when bundling began: a file that was touched since may not be what was bundled. */
  readonly since: number;
  /** Why it may rest on more than is listed here, so that it is never used again; null when it does not. */
  readonly doubt: string | null;
  /** Modules, and configuration files that decided something. */
  readonly files: readonly FileStamp[];
  readonly lookups: readonly Lookup[];
  /** Of what `files` held when it was bundled, as `contentsDigest` tells it. Absent where that is not certain. */
  readonly contents?: Digest;
}

export type FileStamp = readonly [path: string, stamp: Stamp | null];

/** An index as it is written: what records share stands once, and they refer to it by bits. */
interface StoredIndex {
  readonly form: typeof FORM;
  readonly files: readonly FileStamp[];
  readonly lookups: readonly (readonly [folder: string, name: string, found: string])[];
  readonly records: readonly (readonly [run: string, record: StoredRecord])[];
}

interface StoredRecord extends Omit<BundleRecord, 'files' | 'lookups'> {
  /** Base64: bit n is set when the record rests on the nth. */
  readonly files: string;
  readonly lookups: string;
}

/** An index of another form is as good as none, and so is one that others wrote: it says which code a module stands for. */
const FORM = 'bundles/2';
const SEAL = 'bundles';

/** @returns records by module; none when there is no index, or a damaged one: then everything is bundled anew */
export async function readIndex(path: string): Promise<ReadonlyMap<string, BundleRecord>> {
  try {
    const read = readSealedJson(SEAL, readShortcut(path)) as StoredIndex | undefined;
    if (read?.form !== FORM) return new Map();
    const lookups = read.lookups.map(([folder, name, found]) => ({ folder, name, found }));
    return new Map(
      read.records.map(([run, record]) => [
        run,
        {
          ...record,
          files: chosen(read.files, record.files),
          lookups: chosen(lookups, record.lookups),
        },
      ]),
    );
  } catch {
    return new Map();
  }
}

export async function writeIndex(
  path: string,
  records: ReadonlyMap<string, BundleRecord>,
): Promise<void> {
  const files = new Table<FileStamp>();
  const lookups = new Table<Lookup>();
  const numbered = [...records].map(([run, record]) => {
    const fileIds = record.files.map((file) => files.idOf(file, JSON.stringify));
    const lookupIds = record.lookups.map((one) => lookups.idOf(one, lookupKey));
    return [run, record, fileIds, lookupIds] as const;
  });
  const stored: StoredIndex = {
    form: FORM,
    files: files.all,
    lookups: lookups.all.map(({ folder, name, found }) => [folder, name, found]),
    records: numbered.map(([run, record, fileIds, lookupIds]) => [
      run,
      { ...record, files: bits(fileIds), lookups: bits(lookupIds) },
    ]),
  };
  await writeAtomically(path, sealedJson(SEAL, JSON.stringify(stored)));
}

const lookupKey = ({ folder, name, found }: Lookup): string => [folder, name, found].join('\0');

/** Distinct things, numbered. */
class Table<T extends object> {
  readonly all: T[] = [];
  private readonly byKey = new Map<string, number>();
  private readonly byValue = new Map<T, number>();

  idOf(value: T, keyOf: (value: T) => string): number {
    let id = this.byValue.get(value);
    if (id !== undefined) return id;
    const key = keyOf(value);
    id = this.byKey.get(key) ?? this.all.push(value) - 1;
    this.byKey.set(key, id);
    this.byValue.set(value, id);
    return id;
  }
}

function bits(ids: readonly number[]): string {
  const bytes = Buffer.alloc((ids.reduce((most, id) => Math.max(most, id), 0) >> 3) + 1);
  for (const id of ids) bytes[id >> 3] = (bytes[id >> 3] ?? 0) | (1 << (id & 7));
  return bytes.toString('base64');
}

function chosen<T>(all: readonly T[], base64: string): readonly T[] {
  const bytes = Buffer.from(base64, 'base64');
  return all.filter((_, id) => ((bytes[id >> 3] ?? 0) & (1 << (id & 7))) !== 0);
}

/** Digests of files, each read once. */
export class FileDigests {
  private readonly known = new Map<string, Digest>();

  /** At once: for a thousand small files, waiting takes longer than reading. */
  of(path: string): Digest {
    const digest = this.known.get(path) ?? digestOf(contentOf(path));
    this.known.set(path, digest);
    return digest;
  }
}

function contentOf(path: string): Uint8Array | string {
  try {
    return readFileSync(path);
  } catch {
    return '';
  }
}

/** A digest of what files hold, by their paths within the project, whatever their order: an index has another one. */
export function contentsDigest(
  root: string,
  files: readonly FileStamp[],
  digests: FileDigests,
): Digest {
  const held = files.map(([path]) => JSON.stringify([path, digests.of(resolve(root, path))]));
  return digestOf(held.sort().join('\n'));
}

/** What files and folders are like now, each asked once: stages share most of what they import. */
export class Looks {
  private readonly files = new Map<string, FileStamp>();
  private readonly lookups = new Map<Lookup, boolean>();
  private readonly folders = new Folders();
  private readonly root: string;

  /** @param root folder of the project, real */
  constructor(root: string) {
    this.root = root;
  }

  file(path: string): FileStamp {
    const known = this.files.get(path);
    if (known !== undefined) return known;
    const file: FileStamp = [path, stampOf(resolve(this.root, path))];
    this.files.set(path, file);
    return file;
  }

  /** Whether everything that a record rests on is as it was. */
  hold(record: BundleRecord): boolean {
    return record.files.every((file) => this.isUntouched(file, record)) && this.leadAlike(record);
  }

  private isUntouched([path, stamp]: FileStamp, { since }: BundleRecord): boolean {
    return stamp !== null && isStable(stamp, since) && sameStamp(stamp, this.file(path)[1]);
  }

  /** Whether its imports lead to the files that they led to. */
  leadAlike({ lookups, doubt }: BundleRecord): boolean {
    return doubt === null && lookups.every((lookup) => this.holds(lookup));
  }

  private holds(lookup: Lookup): boolean {
    const known = this.lookups.get(lookup);
    if (known !== undefined) return known;
    const { folder, name, found } = lookup;
    const holds = this.folders.found(resolve(this.root, folder), name) === found;
    this.lookups.set(lookup, holds);
    return holds;
  }
}
