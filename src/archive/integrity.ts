// integrity.ts — whether an archive holds together: everything that can be told without running anything of it
import { canonicalJson, type Digest, digestOf, keyOf, taskId } from '../pipeline/key.ts';
import { checkBag, type OnRead, PAYLOAD } from './bag.ts';
import { checkCitations } from './cited.ts';
import { type Findings, type Say, Unreadable } from './finding.ts';
import { contentOf, type Opened } from './opened.ts';
import { shownFiles } from './shown.ts';
import {
  type ArchivedTrace,
  absenceOf,
  FORM_BYTES_MAX,
  inputsOf,
  type LeftOut,
  PLACES,
  partsOf,
  readLeftOut,
  readSources,
  readStudy,
  readTraces,
  type Source,
  type Study,
  type StudyTask,
  studyDigest,
} from './study.ts';

/** An archive whose forms could be read. */
export interface Contents {
  readonly opened: Opened;
  readonly study: Study;
  readonly digest: Digest;
  readonly traces: ReadonlyMap<string, ArchivedTrace>;
  readonly sources: readonly Source[];
  readonly leftOut: ReadonlyMap<string, LeftOut>;
  /** Digest of its verify.mjs; undefined when it has none. */
  readonly checker: Digest | undefined;
  /** The bytes of a blob, verified; undefined when it is not in the archive. */
  blob(digest: string): Promise<Uint8Array | undefined>;
}

/** A blob has no more bytes than this: it is held in memory whole. */
const BLOB_BYTES_MAX = 2 ** 31 - 1;
const LIST_BYTES_MAX = 64 * 2 ** 20;

/** Checks an archive, saying everything that is wrong. Undefined when its forms cannot be read. */
export async function checkIntegrity(
  opened: Opened,
  findings: Findings,
  progress: OnRead,
): Promise<Contents | undefined> {
  const { say } = findings;
  try {
    const digests = await checkBag(opened, say, progress);
    const contents = await readContents(opened, digests, say);
    const known = new Map<string, StudyTask>();
    for (const [index, task] of contents.study.tasks.entries()) {
      checkTask(task, `${PAYLOAD}${PLACES.study}: tasks[${index}]`, contents, known, say);
      known.set(task.task, task);
    }
    checkNames(contents, known, say);
    checkCode(contents.study, digests, say);
    checkBlobs(contents, digests, say);
    await checkArtifacts(contents, known, digests, say);
    await checkClaims(contents, known, digests, say);
    return contents;
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

async function readContents(
  opened: Opened,
  digests: ReadonlyMap<string, Digest>,
  sayAt: Say,
): Promise<Contents> {
  const say: Say = (place, message) => sayAt(`${PAYLOAD}${place}`, message);
  const bytes = (place: string, most: number): Promise<Uint8Array> =>
    contentOf(opened, `${PAYLOAD}${place}`, most, sayAt);
  const study = readStudy(await bytes(PLACES.study, FORM_BYTES_MAX.study), say);
  const leftOut = readLeftOut(await bytes(PLACES.leftOut, LIST_BYTES_MAX), say);
  return {
    opened,
    study,
    digest: studyDigest(study),
    traces: readTraces(await bytes(PLACES.traces, FORM_BYTES_MAX.traces), say),
    sources: readSources(await bytes(PLACES.sources, LIST_BYTES_MAX), say),
    leftOut: new Map(leftOut.map((one) => [one.digest, one])),
    checker: digests.get(PAYLOAD + PLACES.checker),
    async blob(digest) {
      const name = `${PAYLOAD}${PLACES.blobs}${digest}`;
      if (!opened.files.has(name)) return undefined;
      const content = await contentOf(opened, name, BLOB_BYTES_MAX, sayAt);
      return digestOf(content) === digest ? content : undefined;
    },
  };
}

/** A task against its trace, and its trace's key against its parts. */
function checkTask(
  task: StudyTask,
  place: string,
  { study, traces }: Contents,
  known: ReadonlyMap<string, StudyTask>,
  say: Say,
): void {
  if (known.has(task.task)) say(place, `is a second ${task.task}`);
  if (taskId(task.stage, Object.values(task.at)) !== task.task) {
    say(place, `${task.task} does not stand at its labels`);
  }
  if (!Object.hasOwn(study.stages, task.stage)) say(place, `has no stage ${task.stage}`);
  const absence = absenceOf(task);
  if (absence && Object.keys(task.outputs).length > 0) {
    say(place, `${task.task} ${ABSENT[absence.kind]}, and has outputs`);
  }
  if (task.key === null) {
    if (absence === undefined || absence.kind === 'failed') say(place, `${task.task} has no key`);
    else if (absence.kind === 'skipped' && !isCutOff(task, known))
      say(place, `${task.task} was skipped, and nothing that it needs failed`);
    return;
  }
  const trace = traces.get(task.key);
  if (trace === undefined) {
    say(place, `${task.task} has no trace of its key ${task.key.slice(0, 12)}`);
    return;
  }
  const differs = (what: string, a: unknown, b: unknown): void => {
    if (canonicalJson(a) !== canonicalJson(b)) {
      say(place, `${task.task}: its ${what} are not those of its trace`);
    }
  };
  const { parts } = trace;
  differs('params', task.params, parts.params);
  differs('outputs', task.outputs, trace.outputs);
  differs('reasons', task.infeasible ?? null, trace.infeasible ?? null);
  // One that was skipped for another of the same key has the trace of that one.
  const failed = task.skipped === undefined ? task.failed : trace.failed;
  differs('failures', failed ?? null, trace.failed ?? null);
  if (task.skipped !== undefined && trace.failed === undefined)
    say(place, `${task.task} was skipped, and its action did not fail`);
  differs('tolerances', task.tolerance ?? null, trace.tolerance ?? null);
  if (parts.code !== study.stages[task.stage]) say(place, `${task.task} ran other code`);
  const inputs = inputsOf(task, (id) => known.get(id));
  if (typeof inputs === 'string') say(place, `${task.task}: ${inputs}`);
  else differs('inputs', inputs, parts.inputs);
  if (absence === undefined) {
    const kinds = Object.entries(task.outputs).map(([name, { kind }]) => [name, kind]);
    differs('kinds of outputs', Object.fromEntries(kinds), parts.outputs);
  }
}

const ABSENT = {
  infeasible: 'cannot be done',
  failed: 'failed',
  skipped: 'was skipped',
} as const;

/** Whether a task needs one that failed or was skipped. */
const isCutOff = ({ inputs }: StudyTask, known: ReadonlyMap<string, StudyTask>): boolean =>
  Object.values(inputs).some(
    (input) =>
      'links' in input &&
      input.links.some(([id]) => {
        const kind = absenceOf(known.get(id) ?? ({} as StudyTask))?.kind;
        return kind === 'failed' || kind === 'skipped';
      }),
  );

/** Keys of traces, and the names that a study speaks of. */
function checkNames(
  { study, traces, sources }: Contents,
  known: ReadonlyMap<string, StudyTask>,
  say: Say,
): void {
  const used = new Set(study.tasks.map(({ key }) => key));
  const files = new Set(sources.map(({ sha256 }) => sha256));
  let line = 0;
  for (const [key, trace] of traces) {
    line += 1;
    const place = `${PAYLOAD}${PLACES.traces}:${line}`;
    const actual = keyOf(partsOf(trace));
    if (actual !== key) say(place, `the key of ${trace.task} is not that of its parts (${actual})`);
    if (!used.has(key)) say(place, `is a trace of ${trace.task} that no task has`);
    for (const [name, digest] of Object.entries(trace.parts.source ?? {})) {
      if (!files.has(digest))
        say(place, `${trace.task} was made from ${name}, which is not listed`);
    }
  }
  const place = `${PAYLOAD}${PLACES.study}`;
  for (const id of study.targets)
    if (!known.has(id)) say(place, `has a target ${id} and no such task`);
  const cited = study.claims ? [...study.artifacts, study.claims] : study.artifacts;
  for (const { task, output } of cited) {
    const made = known.get(task);
    if (!made || !Object.hasOwn(made.outputs, output))
      say(place, `speaks of ${task}:${output}, which is not there`);
  }
}

/** The digest of a bundle, as keys have it: as the engine takes it. */
export const codeDigest = (bundle: Digest): Digest =>
  digestOf(canonicalJson(['bundle/1', bundle, {}]));

/** The code of commands: they have no bundle, and are not run again. */
export const COMMAND_CODE = digestOf(canonicalJson(['command/1']));

function checkCode(study: Study, digests: ReadonlyMap<string, Digest>, say: Say): void {
  for (const code of new Set(Object.values(study.stages))) {
    if (code === COMMAND_CODE) continue;
    const name = `${PAYLOAD}${PLACES.bundles}${code}.mjs`;
    const digest = digests.get(name);
    if (digest === undefined) say(name, 'is missing: a stage ran it');
    else if (codeDigest(digest) !== code) say(name, 'is not the code that was run');
  }
}

/** Every output is there or listed as left out; every blob is an output, under its own digest. */
function checkBlobs(
  { study, leftOut, opened, sources }: Contents,
  digests: ReadonlyMap<string, Digest>,
  say: Say,
): void {
  const folder = `${PAYLOAD}${PLACES.blobs}`;
  const wanted = new Map<string, number | undefined>();
  for (const { task, outputs, inputs } of study.tasks) {
    for (const [output, { digest, bytes }] of Object.entries(outputs)) {
      wanted.set(digest, bytes);
      const file = opened.files.get(folder + digest);
      if (file === undefined && !leftOut.has(digest)) {
        say(`${folder}${digest}`, `is missing, and not listed as left out: ${task}:${output}`);
      } else if (file !== undefined && file.bytes !== bytes) {
        say(`${folder}${digest}`, `has ${file.bytes} bytes, and ${task} says ${bytes}`);
      }
    }
    for (const input of Object.values(inputs)) {
      if ('files' in input) for (const [, digest] of input.files) wanted.set(digest, undefined);
    }
  }
  for (const [name, actual] of digests) {
    if (!name.startsWith(folder)) continue;
    const digest = name.slice(folder.length);
    if (actual !== digest) say(name, `holds other bytes than its name says (SHA-256 ${actual})`);
    if (!wanted.has(digest)) say(name, 'is an output of no task');
  }
  for (const { name, sha256, included } of sources) {
    const file = `${PAYLOAD}${PLACES.data}${sha256}`;
    const actual = digests.get(file);
    if (included && actual === undefined) say(file, `is missing: ${name}`);
    if (actual !== undefined && actual !== sha256) say(file, `is not ${name} (SHA-256 ${actual})`);
  }
}

/** The files for people are the outputs that they are said to be. */
async function checkArtifacts(
  { study, blob }: Contents,
  known: ReadonlyMap<string, StudyTask>,
  digests: ReadonlyMap<string, Digest>,
  say: Say,
): Promise<void> {
  const folder = `${PAYLOAD}${PLACES.artifacts}`;
  const paths = new Set<string>();
  const check = (name: string, digest: string, what: string): void => {
    paths.add(name);
    const actual = digests.get(name);
    if (actual === undefined) say(name, `is missing: it is ${what}`);
    else if (actual !== digest) say(name, `is not ${what}`);
  };
  for (const { task, output, path } of study.artifacts) {
    const made = known.get(task)?.outputs[output];
    if (made === undefined) continue;
    const what = `${task}:${output}`;
    if (made.kind !== 'files') {
      check(folder + path, made.digest, what);
      continue;
    }
    const bytes = await blob(made.digest);
    if (bytes === undefined) continue;
    try {
      for (const [name, content] of shownFiles(folder + path, made.kind, bytes)) {
        check(name, digestOf(content), what);
      }
    } catch (error) {
      say(`${PAYLOAD}${PLACES.blobs}${made.digest}`, `is no folder: ${(error as Error).message}`);
    }
  }
  for (const name of digests.keys()) {
    if (name.startsWith(folder) && !paths.has(name)) say(name, 'is an output of no task');
  }
}

async function checkClaims(
  contents: Contents,
  known: ReadonlyMap<string, StudyTask>,
  digests: ReadonlyMap<string, Digest>,
  say: Say,
): Promise<void> {
  const { claims } = contents.study;
  if (claims === null) return;
  const name = `${PAYLOAD}${PLACES.claims}`;
  const made = known.get(claims.task)?.outputs[claims.output]?.digest;
  const actual = digests.get(name);
  if (actual === undefined) say(name, `is missing: it is ${claims.task}:${claims.output}`);
  else if (actual !== made) say(name, `is not ${claims.task}:${claims.output}`);
  else {
    const bytes = await contentOf(contents.opened, name, LIST_BYTES_MAX, say);
    await checkCitations(bytes, name, contents, known, say);
  }
}
