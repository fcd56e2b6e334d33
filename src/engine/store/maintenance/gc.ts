// gc.ts — what may go: blobs and traces that nothing reaches, bundles, drafts of files
import { readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest, Key } from '../../model/key.ts';
import { type Identity, livenessFor } from '../../model/process-identity.ts';
import { type ActionRecord, LEASE_MS, type Lease, type RunRecord } from '../../model/record.ts';
import { attemptsIn, removeTree } from '../../process/scratch-folder.ts';
import { largeBlobs } from '../blob-files.ts';
import { filesOfOutput } from '../folder-blobs.ts';
import { beginCompaction } from '../lmdb/compaction.ts';
import { type Store, StoreError, type Upkeep } from '../store.ts';

/** What must stay. */
export interface Roots {
  /** Traces of the pipeline as it is now. */
  readonly traces: ReadonlySet<Key>;
  /** Actions of the pipeline as it is now that are not made yet: their checkpoints stay. */
  readonly unmade: ReadonlySet<Key>;
  /** Whether some actions of the pipeline cannot be known yet: then every checkpoint stays. */
  readonly unknown: boolean;
  /** Bundles of the pipeline as it is now. */
  readonly bundles: ReadonlySet<Digest>;
}

/** What is to go from the store. */
export interface Garbage {
  readonly blobs: readonly Digest[];
  readonly traces: readonly Key[];
  readonly partials: readonly Key[];
  /** Actions whose programs left a checkpoint folder. */
  readonly folders: readonly Key[];
  readonly runs: readonly string[];
  readonly logs: readonly string[];
  /** Of the blobs and checkpoints. */
  readonly bytes: number;
}

/** The runs that stay: the newest, those that are pinned, and those that may go on. */
export function keptRuns(store: Store, { tables }: Upkeep, newest: number): readonly RunRecord[] {
  return store.history
    .runs()
    .filter(
      ({ id, state }, index) =>
        index < newest || tables.pins.doesExist(id) || state === 'running' || state === 'unknown',
    );
}

/** Leases whose holder renewed them in time, and is not known to be gone. */
export function liveLeases(upkeep: Upkeep, now: number, identity: Identity): readonly Lease[] {
  const liveness = livenessFor(identity);
  return [...upkeep.leases().values()].filter(
    ({ renewed, holder }) => now - renewed < LEASE_MS && !(holder && liveness(holder) === 'dead'),
  );
}

/** Finds what neither the pipeline nor the kept runs reach. Deletes nothing. */
export function findGarbage(upkeep: Upkeep, roots: Roots, runs: readonly RunRecord[]): Garbage {
  const { tables } = upkeep;
  const keys = new Set<string>(roots.traces);
  const unmade = new Set<string>(roots.unmade);
  for (const run of runs) {
    for (const key of Object.values(run.tasks)) keys.add(key);
    for (const key of Object.values(run.begun ?? {})) unmade.add(key);
  }
  for (const key of upkeep.leases().keys()) unmade.add(key);
  // What a run noted that was cut off may lack its last results: they say themselves whose they are.
  const cut = new Set(
    runs.flatMap(({ id, state = 'finished' }) => (state === 'finished' ? [] : [id])),
  );
  // So is what a run made whose record is damaged: nobody knows what else it reached.
  const unreadable = [...tables.runs.getKeys()].filter((id) => tables.runs.get(id) === undefined);
  for (const id of unreadable) cut.add(id);
  const blobs = new Set<string>();
  const sizes = new Map<string, number>();
  const traces: Key[] = [];
  for (const key of tables.traces.getKeys()) {
    const trace = tables.traces.get(key);
    if (trace === undefined) {
      // Damaged, or gone since its key was read.
      traces.push(key as Key);
      continue;
    }
    for (const { digest, bytes } of Object.values(trace.outputs)) sizes.set(digest, bytes);
    if (!keys.has(key) && !cut.has(trace.made.run)) traces.push(key as Key);
    else for (const digest of reachedBy(trace, upkeep)) blobs.add(digest);
  }
  const ids = new Set([...runs.map(({ id }) => id), ...unreadable]);
  const lostBlobs = new Set([...tables.blobs.getKeys()].filter((digest) => !blobs.has(digest)));
  for (const { digest, bytes } of upkeep.files.list()) {
    sizes.set(digest, bytes);
    if (!blobs.has(digest)) lostBlobs.add(digest);
  }
  const lostPartials = [...tables.partials.getKeys()].filter(
    (key) => !roots.unknown && !unmade.has(key),
  );
  const folders = upkeep.checkpoints.list().filter(({ key }) => !roots.unknown && !unmade.has(key));
  const sizeOf = (digest: string): number =>
    sizes.get(digest) ?? tables.blobs.get(digest)?.length ?? 0;
  const partialSize = (key: string): number => tables.partials.get(key)?.length ?? 0;
  return {
    blobs: [...lostBlobs] as Digest[],
    traces,
    partials: lostPartials as Key[],
    folders: folders.map(({ key }) => key),
    runs: [...tables.runs.getKeys()].filter((id) => !ids.has(id)),
    logs: [...tables.logs.getKeys()].filter((key) => !ids.has(key.split('/', 1).join())),
    bytes:
      [...lostBlobs].reduce((sum, digest) => sum + sizeOf(digest), 0) +
      lostPartials.reduce((sum, key) => sum + partialSize(key), 0) +
      folders.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function reachedBy({ outputs, parts }: ActionRecord, upkeep: Upkeep): readonly Digest[] {
  const made = Object.values(outputs).map(({ digest }) => digest);
  const within = Object.values(outputs).flatMap((output) => filesOfOutput(upkeep, output));
  return [...made, ...within.map(({ digest }) => digest), ...Object.values(parts.source ?? {})];
}

/** Deletes garbage: in one transaction, and then the files of large blobs, which nothing names any more. */
export function dropGarbage(upkeep: Upkeep, garbage: Garbage): void {
  const { tables, files, checkpoints, write } = upkeep;
  const traces = new Set<string>(garbage.traces);
  // `why` compares with the latest trace: without it, there is nothing to compare with.
  const latest = [...tables.latest.getKeys()].filter((task) =>
    traces.has(tables.latest.get(task) ?? ''),
  );
  write(() => {
    for (const digest of garbage.blobs) tables.blobs.removeSync(digest);
    for (const key of garbage.traces) tables.traces.removeSync(key);
    for (const key of garbage.partials) tables.partials.removeSync(key);
    for (const task of latest) tables.latest.removeSync(task);
    for (const id of garbage.runs) {
      tables.runs.removeSync(id);
      tables.pins.removeSync(id);
    }
    for (const key of garbage.logs) tables.logs.removeSync(key);
  });
  for (const digest of garbage.blobs) files.drop(digest);
  checkpoints.dropNow(garbage.folders);
}

/** A file in the cache folder that may go, or a folder with all that is in it. */
export interface StrayFile {
  readonly path: string;
  readonly bytes: number;
  /** A file that goes when this has gone. */
  readonly mark?: string;
}

/** A draft that was not renamed within this time is of a process that died. */
const DRAFT_SETTLES_MS = 3_600_000;

/** Bundles of no use any more, drafts of files whose writer died, scratch folders that commands left. */
export async function strayFiles(
  cache: string,
  bundles: ReadonlySet<Digest>,
  identity: Identity,
  now: number,
): Promise<readonly StrayFile[]> {
  const found: StrayFile[] = [];
  const look = async (folder: string, goes: (name: string, age_ms: number) => boolean) => {
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name);
      const file = await stat(path).catch(() => undefined);
      if (file?.isFile() && goes(name, now - file.mtimeMs)) found.push({ path, bytes: file.size });
    }
  };
  const isDraft = (name: string, age_ms: number): boolean =>
    name.endsWith('.tmp') && age_ms > DRAFT_SETTLES_MS;
  await look(cache, isDraft);
  await look(join(largeBlobs(cache), 'tmp'), isDraft);
  await look(join(cache, 'bundles'), (name, age_ms) => {
    const digest = /^([0-9a-f]{64})\.(?:mjs|mjs\.map|json|answers\.json|log)$/.exec(name)?.[1];
    return digest === undefined ? isDraft(name, age_ms) : !bundles.has(digest as Digest);
  });
  found.push(...(await strayAttempts(join(cache, 'scratch'), identity, now)));
  return found;
}

/** Scratch folders of makes that are dead, at once; those of failures, and what has no mark, after a while. */
async function strayAttempts(
  scratch: string,
  identity: Identity,
  now: number,
): Promise<readonly StrayFile[]> {
  const found: StrayFile[] = [];
  const add = async (path: string, mark?: string): Promise<void> => {
    found.push({ path, bytes: await bytesBelow(path), ...(mark && { mark }) });
  };
  const known = await attemptsIn(scratch, identity);
  for (const { folder, mark, state, at_ms } of known) {
    // A failed command's folder is kept for its user to look at: not for ever.
    const isOld = state === 'failed' && now - at_ms > DRAFT_SETTLES_MS;
    if (state === 'dead' || isOld) await add(folder, mark);
  }
  // Earlier versions left folders without marks.
  const marked = new Set(known.flatMap(({ folder, mark }) => [folder, mark]));
  for (const name of await readdir(scratch).catch(() => [])) {
    const path = join(scratch, name);
    const left = marked.has(path) ? undefined : await stat(path).catch(() => undefined);
    if (left !== undefined && now - left.mtimeMs > DRAFT_SETTLES_MS) await add(path);
  }
  return found;
}

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = entries.map(async (entry) => {
    if (!entry.isFile()) return 0;
    return (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Deletes stray files; one that is gone already is no error. Gives words for those that cannot be deleted. */
export async function dropFiles(files: readonly StrayFile[]): Promise<readonly string[]> {
  const obstacles: string[] = [];
  for (const { path, mark } of files) {
    try {
      await removeTree(path);
      if (mark !== undefined) await rm(mark, { force: true });
    } catch (error) {
      obstacles.push(error instanceof Error ? error.message : String(error));
    }
  }
  return obstacles;
}

/**
 * Rewrites the store without its free pages and closes it. False, and nothing is done, when somebody else has it open:
 * what they wrote would be lost.
 */
export async function compact(store: Store, upkeep: Upkeep, now: number): Promise<boolean> {
  const release = beginCompaction(upkeep.file, now);
  if (release === undefined) return false;
  const draft = `${upkeep.file}.compact.tmp`;
  try {
    await rm(draft, { force: true });
    if (upkeep.shared()) return false;
    await upkeep.copyCompact(draft);
    await store.close();
    await rename(draft, upkeep.file);
    return true;
  } catch (error) {
    await unlink(draft).catch(() => undefined);
    const text = error instanceof Error ? error.message : String(error);
    throw new StoreError(`the store cannot be compacted (${text}); it is as it was`);
  } finally {
    release();
  }
}
