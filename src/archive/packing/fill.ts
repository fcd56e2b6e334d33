// fill.ts — an archive that holds together → a store that knows what it knows
import { FOLDER } from '../../engine/model/folder-manifest.ts';
import type { Digest, Key, Named, TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, KeptOutput, Maker, Output } from '../../engine/model/record.ts';
import { LARGE_BLOB_BYTES } from '../../engine/store/blob-files.ts';
import { type BlobStore, type Commit, keptOutput, type Store } from '../../engine/store/store.ts';
import type { OnRead } from '../form/bag.ts';
import { PAYLOAD } from '../form/bag.ts';
import type { Contents } from '../form/contents.ts';
import { contentOf } from '../form/opened.ts';
import { type ArchivedTrace, PLACES } from '../form/study.ts';

/** What was put into a store. */
export interface Filled {
  /** Traces that the archive has, and how many of them the store had not. */
  readonly traces: number;
  readonly added: number;
  readonly blobs: number;
  readonly files: number;
  /** Tasks some of whose outputs are neither in the archive nor in the store: they run again when those are needed. */
  readonly incomplete: readonly string[];
}

/** Traces are committed together, up to so many and to so many bytes: each commit waits for the disk. */
const COMMITS_MAX = 500;
const HELD_BYTES_MAX = 64 * 2 ** 20;
/** So are files of a folder. */
const FILES_MAX = 1000;

/** The host of what somebody else made somewhere. */
const ELSEWHERE = 'an archive';

/** Puts traces, blobs and source files into a store. What it has already stays as it is. */
export async function fillStore(
  contents: Contents,
  store: Store,
  progress: OnRead,
): Promise<Filled> {
  let [traces, added, blobs, held] = [0, 0, 0, 0];
  const { actions } = store;
  const incomplete: string[] = [];
  let commits: Commit[] = [];
  const flush = async (): Promise<void> => {
    if (commits.length > 0) await actions.put(commits);
    [commits, held] = [[], 0];
  };
  for (const trace of contents.traces.values()) {
    // What failed there may do well here.
    if (trace.failed !== undefined) continue;
    traces += 1;
    const { kept, inFolders, whole } = await takeOutputs(contents, trace, store.blobs);
    if (!whole) incomplete.push(trace.task);
    const known = (await actions.get(trace.key as Key)) !== undefined;
    if (!known) added += 1;
    if (kept.length > 0 || !known) {
      commits.push({ record: traceOf(trace), outputs: kept });
      held += kept.reduce((sum, { content }) => sum + (content?.length ?? 0), 0);
      if (commits.length >= COMMITS_MAX || held > HELD_BYTES_MAX) await flush();
    }
    blobs += kept.length + inFolders;
    progress(traces, contents.traces.size);
  }
  await flush();
  await actions.setLatest(latestIn(contents));
  const files = await fillSources(contents, store.blobs);
  return { traces, added, blobs, files, incomplete };
}

/** What the store lacks of the outputs of a task. Files of folders are put into it at once. */
async function takeOutputs(contents: Contents, trace: ArchivedTrace, blobs: BlobStore) {
  const kept: KeptOutput[] = [];
  let [inFolders, whole] = [0, true];
  const outputs = Object.values(trace.outputs).map(({ digest }) => digest as Digest);
  for (const digest of await blobs.missing(outputs)) {
    const output = await outputIn(contents, digest, blobs);
    if (output) kept.push(output);
    else whole = false;
  }
  for (const { digest, kind } of Object.values(trace.outputs)) {
    if (kind !== FOLDER) continue;
    const filled = await fillFolder(contents, digest as Digest, blobs);
    inFolders += filled.kept;
    whole &&= filled.whole;
  }
  return { kept, inFolders, whole };
}

/** The keys of the tasks of the study that were done. */
const latestIn = ({ study }: Contents): ReadonlyMap<TaskId, Key> =>
  new Map(
    study.tasks.flatMap(({ task, key, failed, skipped }) =>
      key && failed === undefined && skipped === undefined
        ? [[task as TaskId, key as Key] as const]
        : [],
    ),
  );

/** Puts declared files into a store. Gives how many it lacked. */
async function fillSources(contents: Contents, blobs: BlobStore): Promise<number> {
  let files = 0;
  for (const { sha256, included } of contents.sources) {
    const name = `${PAYLOAD}${PLACES.data}${sha256}`;
    if (!included || !contents.opened.files.has(name)) continue;
    if ((await blobs.missing([sha256 as Digest])).length === 0) continue;
    if (await keepFile(contents, name, sha256 as Digest, blobs)) files += 1;
  }
  return files;
}

/** Puts the files of a folder into a store: large ones at once, small ones together. */
async function fillFolder(
  contents: Contents,
  digest: Digest,
  blobs: BlobStore,
): Promise<{ readonly kept: number; readonly whole: boolean }> {
  const files = contents.folders.get(digest);
  const missing = await blobs.missing(new Set(files?.map((file) => file.digest)));
  let [kept, whole, held] = [0, files !== undefined, 0];
  let batch: KeptOutput[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await blobs.putAll(batch);
    [batch, held] = [[], 0];
  };
  for (const file of missing) {
    const output = await outputIn(contents, file, blobs);
    if (output === undefined) {
      whole = false;
      continue;
    }
    kept += 1;
    if (output.content) batch.push(output);
    held += output.content?.length ?? 0;
    if (batch.length >= FILES_MAX || held > HELD_BYTES_MAX) await flush();
  }
  await flush();
  return { kept, whole };
}

/** A blob of the archive; a large one is in the store when this resolves. Undefined when the archive lacks it. */
async function outputIn(
  contents: Contents,
  digest: Digest,
  blobs: BlobStore,
): Promise<KeptOutput | undefined> {
  const file = contents.opened.files.get(`${PAYLOAD}${PLACES.blobs}${digest}`);
  if (file === undefined) return undefined;
  if (file.bytes < LARGE_BLOB_BYTES) {
    const bytes = await contents.blob(digest);
    return bytes && keptOutput(bytes);
  }
  const kept = await blobs.putStream(await file.stream());
  return kept.digest === digest ? kept : undefined;
}

/** Keeps a file from outside, if it is what its digest says. */
async function keepFile(
  { opened }: Contents,
  name: string,
  digest: Digest,
  blobs: BlobStore,
): Promise<boolean> {
  const file = opened.files.get(name);
  if (file !== undefined && file.bytes >= LARGE_BLOB_BYTES) {
    return (await blobs.putStream(await file.stream())).digest === digest;
  }
  await blobs.put(await contentOf(opened, name, LARGE_BLOB_BYTES, () => undefined));
  return true;
}

function traceOf({
  key,
  task,
  parts,
  outputs,
  cost,
  made,
  tolerance,
  infeasible,
}: ArchivedTrace): ActionRecord {
  // The form was checked when the archive was read; the engine has types of their own for digests.
  const maker: Maker = { ...(made as unknown as Omit<Maker, 'host'>), host: ELSEWHERE };
  return {
    key: key as Key,
    task: task as TaskId,
    // As `made`: checked, and typed as texts.
    parts: parts as unknown as ActionRecord['parts'],
    // As `made`.
    outputs: outputs as unknown as Named<Output>,
    cost,
    made: maker,
    ...(tolerance !== undefined && { tolerance }),
    ...(infeasible !== undefined && { infeasible }),
  };
}
