// gather.ts — a plan that is made → the study that it was, and what each of its blobs is
import { posix } from 'node:path';
import { kindByName } from '../../engine/config/codecs.ts';
import { FOLDER, type FolderFile } from '../../engine/model/folder-manifest.ts';
import { byCodeUnit, canonicalJson, type Digest, type TaskId } from '../../engine/model/key.ts';
import type { ActionRecord, Output } from '../../engine/model/record.ts';
import type { Plan, Task } from '../../engine/planning/plan.ts';
import type { SourceFile } from '../../engine/stage.ts';
import { folderIn } from '../../engine/store/folder-blobs.ts';
import type { Store } from '../../engine/store/store.ts';
import {
  type ArchivedTrace,
  absenceOf,
  type LeftOut,
  type Source,
  type Study,
  type StudyTask,
} from '../form/study.ts';
import type { Failure, FinalOutcome } from './final-outcomes.ts';

/** What of a study goes into its archive. */
export interface Wanted {
  /** Leave out large blobs that are neither masks nor final models. */
  readonly light: boolean;
  /** Put in files from outside, and what was read from them. */
  readonly withData: boolean;
}

/** A file of the project that goes in. */
export interface PackedFile {
  readonly path: string;
  /** Whether only the Python code in it goes in. */
  readonly isCode: boolean;
}

/** A study with everything around it that an archive tells. */
export interface Gathered {
  readonly study: Study;
  readonly traces: ReadonlyMap<string, ArchivedTrace>;
  /** Blobs that go in, with their kinds: `file` for files of the project. */
  readonly blobs: ReadonlyMap<
    Digest,
    { readonly bytes: number; readonly kind: string; readonly of: string }
  >;
  readonly leftOut: readonly LeftOut[];
  /** The files of outputs that are folders, by the digests of their lists. */
  readonly folders: Folders;
  readonly sources: readonly Source[];
  /** Files of the project that tasks read, by the digest that keys have: of some, the code in them goes in. */
  readonly projectFiles: ReadonlyMap<Digest, PackedFile>;
}

/** Blobs of any kind up to this size go into a light archive, too. */
const SMALL_BYTES = 65_536;
/** What a light archive keeps whatever its size, by the name of the output. */
const KEPT_IN_LIGHT = new Set(['metrics', 'mask', 'model', 'checkpoint', 'claims']);
/** What tasks read from files from outside and gave on may be those files in another form, beyond this size. */
const DERIVED_BYTES = 65_536;

type Ends = ReadonlyMap<TaskId, FinalOutcome>;
type Folders = ReadonlyMap<Digest, readonly FolderFile[]>;

/** Gathers a study. Of every task it must be known what became of it. */
export async function gather(
  plan: Plan,
  ends: Ends,
  targets: readonly TaskId[],
  store: Store,
  wanted: Wanted,
): Promise<Gathered> {
  const all = [...plan.tasks.values()];
  const tasks = all.map((task) => studyTask(task, endOf(task, ends)));
  const project = projectFilesOf(all);
  const sources = await sourcesOf(all, store, wanted);
  const folders = await foldersOf(all, ends, store);
  const { blobs, leftOut } = outputBlobs(all, ends, { wanted, folders, given: project.blobs });
  return {
    study: await studyOf(plan, tasks, targets, store),
    traces: tracesOf(all, ends),
    blobs,
    folders,
    leftOut: [...leftOut.values()].sort((a, b) => byCodeUnit(a.digest, b.digest)),
    sources: [...sources.values()].sort((a, b) => byCodeUnit(a.name, b.name)),
    projectFiles: project.paths,
  };
}

const endOf = ({ id }: Task, ends: Ends): FinalOutcome => ends.get(id) as FinalOutcome;

function tracesOf(tasks: readonly Task[], ends: Ends): ReadonlyMap<string, ArchivedTrace> {
  const traces = new Map<string, ArchivedTrace>();
  for (const task of tasks) {
    const end = endOf(task, ends);
    const trace = traceIn(end);
    if (trace) traces.set(trace.key, { ...archived(trace), ...wordsOf(task) });
    else if ('failure' in end && end.failure) {
      traces.set(end.failure.trace.key, { ...failedTrace(end.failure), ...wordsOf(task) });
    }
  }
  return traces;
}

/** Files of the project that tasks read: as blobs, and where they lie. */
function projectFilesOf(tasks: readonly Task[]): {
  readonly blobs: Gathered['blobs'];
  readonly paths: ReadonlyMap<Digest, PackedFile>;
} {
  const files = tasks.flatMap(({ inputs }) =>
    Object.values(inputs).flatMap(({ files: found }) => found ?? []),
  );
  return {
    blobs: new Map(
      files.map(({ digest, name, stamp, codeBytes }) => [
        digest,
        { bytes: codeBytes ?? stamp.size, kind: 'file', of: name },
      ]),
    ),
    paths: new Map(
      files.map(({ digest, path, codeBytes }) => [
        digest,
        { path, isCode: codeBytes !== undefined },
      ]),
    ),
  };
}

/** Files from outside, by digest. */
async function sourcesOf(
  tasks: readonly Task[],
  store: Store,
  { withData }: Wanted,
): Promise<ReadonlyMap<string, Source>> {
  const files = tasks.flatMap((task) => task.files ?? []);
  const missing = new Set<string>(
    await store.blobs.missing([...new Set(files.map(({ sha256 }) => sha256 as Digest))]),
  );
  return new Map(
    files.map((file) => [file.sha256, sourceOf(file, withData && !missing.has(file.sha256))]),
  );
}

/** The lists of outputs that are folders. One that is lost is told when its blob is packed. */
async function foldersOf(tasks: readonly Task[], ends: Ends, store: Store): Promise<Folders> {
  const folders = new Map<Digest, readonly FolderFile[]>();
  for (const task of tasks) {
    for (const { digest, kind } of Object.values(traceIn(endOf(task, ends))?.outputs ?? {})) {
      if (kind !== FOLDER || folders.has(digest)) continue;
      folders.set(digest, (await folderIn(store.blobs, digest)) ?? []);
    }
  }
  return folders;
}

/** What an output brings into an archive: its blob, and those of its files where it is a folder. */
function blobsOf(name: string, output: Output, folders: Folders): readonly OutputBlob[] {
  const files = output.kind === FOLDER ? (folders.get(output.digest) ?? []) : [];
  return [
    { ...output, name },
    ...files.map(({ path, digest, bytes }) => {
      return { digest, bytes, kind: kindByName(path), name: `${name}/${path}` };
    }),
  ];
}

/** A blob of an output: `name` is that of the output, or of a file in it. */
type OutputBlob = Output & { readonly name: string };

/** Outputs that go in, beside the blobs that are given, and those that do not. What is shown as an artifact always goes in. */
function outputBlobs(
  tasks: readonly Task[],
  ends: Ends,
  options: {
    readonly wanted: Wanted;
    readonly folders: Folders;
    readonly given: Gathered['blobs'];
  },
): Pick<Gathered, 'blobs'> & { readonly leftOut: ReadonlyMap<Digest, LeftOut> } {
  const { wanted, folders, given } = options;
  const blobs = new Map(given);
  const leftOut = new Map<Digest, LeftOut>();
  const outputsOf = (task: Task) => traceIn(endOf(task, ends))?.outputs ?? {};
  const shown = new Set(
    tasks.flatMap((task) =>
      Object.keys(task.artifacts).flatMap((name) => {
        const made = outputsOf(task)[name];
        return made ? blobsOf(name, made, folders).map(({ digest }) => digest) : [];
      }),
    ),
  );
  for (const task of tasks) {
    const all = Object.entries(outputsOf(task)).flatMap(([name, made]) =>
      blobsOf(name, made, folders),
    );
    for (const { name, digest, bytes, kind } of all) {
      if (blobs.has(digest)) continue;
      const why = shown.has(digest) ? undefined : whyLeftOut(task, name, { bytes, kind }, wanted);
      if (why === undefined) {
        blobs.set(digest, { bytes, kind, of: `${task.id}:${name}` });
        leftOut.delete(digest);
      } else leftOut.set(digest, { digest, bytes, why });
    }
  }
  return { blobs, leftOut };
}

async function studyOf(
  plan: Plan,
  tasks: readonly StudyTask[],
  targets: readonly TaskId[],
  store: Store,
): Promise<Study> {
  const isMade = new Set(
    tasks.filter((one) => absenceOf(one) === undefined).map(({ task }) => task),
  );
  const artifacts = [...plan.tasks.values()]
    .filter(({ id }) => isMade.has(id))
    .flatMap(({ id, artifacts: paths }) =>
      Object.entries(paths).map(([output, path]) => ({
        task: id as string,
        output,
        path: posix.join(path, '.'),
      })),
    );
  const stages = [...new Set(tasks.map(({ stage }) => stage))].map((stage) => [
    stage,
    plan.stages.get(stage)?.code.digest as string,
  ]);
  return {
    form: 'study/1',
    stages: Object.fromEntries(stages),
    tasks: [...tasks],
    targets: [...targets],
    artifacts,
    claims: await claimsOf(tasks, store),
  };
}

const traceIn = (end: FinalOutcome): ActionRecord | undefined =>
  end.outcome === 'made' || end.outcome === 'infeasible' ? end.trace : undefined;

function studyTask(task: Task, end: FinalOutcome): StudyTask {
  const inputs = Object.entries(task.inputs).map(([port, { arity, links, files }]) => [
    port,
    files
      ? { files: files.map(({ name, digest }) => [name, digest] as [string, string]) }
      : { arity, links: links.map(({ task: id, output }) => [id, output] as [string, string]) },
  ]);
  const trace = traceIn(end);
  const failure = 'failure' in end ? end.failure : undefined;
  return {
    task: task.id,
    stage: task.stage,
    at: { ...task.at },
    params: { ...task.params },
    inputs: Object.fromEntries(inputs),
    key: (trace ?? failure?.trace)?.key ?? null,
    outputs: outputsIn(trace),
    ...(trace?.tolerance !== undefined && { tolerance: trace.tolerance }),
    ...(end.outcome === 'infeasible' && { infeasible: end.message }),
    ...(end.outcome === 'failed' && { failed: end.failure.message }),
    ...(end.outcome === 'skipped' && { skipped: end.message }),
  };
}

/** A trace without the name of the machine. */
function archived({ made, ...trace }: ActionRecord): ArchivedTrace {
  const { host: _, ...rest } = made;
  // The form of archives has texts where the engine has types for keys and digests, and is checked when it is read.
  return { ...trace, made: rest } as unknown as ArchivedTrace;
}

/** The words of fingerprints: the names that they have in a key do not tell where a word ends. */
function wordsOf({ command }: Task): Pick<ArchivedTrace, 'fingerprints'> {
  const words = Object.entries(command?.fingerprintWords ?? {});
  if (words.length === 0) return {};
  return { fingerprints: Object.fromEntries(words.map(([name, list]) => [name, [...list]])) };
}

/** By code unit of their names: in a trace they stand as whoever wrote it down had them. */
function outputsIn(trace: ActionRecord | undefined): StudyTask['outputs'] {
  const outputs = Object.entries(trace?.outputs ?? {}).sort(([a], [b]) => byCodeUnit(a, b));
  return Object.fromEntries(
    outputs.map(([name, { digest, bytes, kind }]) => [name, { digest, bytes, kind }]),
  );
}

const failedTrace = ({ trace, message }: Failure): ArchivedTrace => ({
  ...archived(trace),
  failed: message,
});

function sourceOf(file: SourceFile, included: boolean): Source {
  const { name, urls, sha256, of, bytes } = file;
  const member = (file as { readonly member?: Source['member'] }).member;
  return {
    name,
    urls: [...urls],
    sha256,
    of,
    ...(bytes !== undefined && { bytes }),
    ...(member && { member }),
    included,
  };
}

/** Why an output does not go in; undefined when it does. */
function whyLeftOut(
  task: Task,
  name: string,
  { bytes, kind }: { readonly bytes: number; readonly kind: string },
  { light, withData }: Wanted,
): string | undefined {
  const isDerived = (task.files?.length ?? 0) > 0 && bytes > DERIVED_BYTES;
  if (isDerived && !withData) return 'holds files from outside in another form';
  // What a folder holds is told even where its files are left out.
  if (kind === FOLDER) return undefined;
  const output = name.split('/', 1).join();
  if (!light || bytes <= SMALL_BYTES || KEPT_IN_LIGHT.has(output)) return undefined;
  return kind === 'text' ? undefined : 'left out of a light archive';
}

/** The output of the form claims/1 or claims/2, when there is exactly one. */
async function claimsOf(tasks: readonly StudyTask[], store: Store): Promise<Study['claims']> {
  const found: { task: string; output: string }[] = [];
  for (const { task, outputs } of tasks) {
    const claims = Object.hasOwn(outputs, 'claims') ? outputs.claims : undefined;
    if (claims?.kind === 'json' && (await isClaims(claims.digest, store))) {
      found.push({ task, output: 'claims' });
    }
  }
  const [only] = found;
  return only !== undefined && found.length === 1 ? only : null;
}

async function isClaims(digest: string, { blobs }: Store): Promise<boolean> {
  const bytes = await blobs.get(digest as Digest);
  if (bytes === undefined) return false;
  const value = JSON.parse(new TextDecoder().decode(bytes)) as { readonly form?: unknown } | null;
  return value?.form === 'claims/1' || value?.form === 'claims/2';
}

/** The text of traces.jsonl: a trace a line, by key. */
export const tracesText = (traces: Gathered['traces']): string =>
  [...traces.values()]
    .sort((a, b) => byCodeUnit(a.key, b.key))
    .map((trace) => `${canonicalJson(trace)}\n`)
    .join('');
