// integrity.ts — whether an archive holds together: everything that can be told without running anything of it
import { posix } from 'node:path';
import { bundleDigest } from '../../engine/bundler/bundle-digest.ts';
import { FOLDER } from '../../engine/model/folder-manifest.ts';
import { type Digest, digestOf } from '../../engine/model/key.ts';
import { checkBag, type OnRead, PAYLOAD } from '../form/bag.ts';
import { type Contents, isCommandCode, LIST_BYTES_MAX, readContents } from '../form/contents.ts';
import { type Findings, type Say, Unreadable } from '../form/finding.ts';
import { formOf, isBomb, type Opened } from '../form/opened.ts';
import { shownFiles } from '../form/shown.ts';
import { PAPERS, PLACES, type Study, type StudyTask } from '../form/study.ts';
import { checkCitations } from './cited.ts';
import { checkNames, checkTask } from './lineage.ts';

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
    checkStrangers(contents, digests, say);
    checkBlobs(contents, digests, say);
    await checkArtifacts(contents, known, digests, say);
    await checkClaims(contents, known, digests, say);
    return contents;
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

function checkCode(study: Study, digests: ReadonlyMap<string, Digest>, say: Say): void {
  for (const code of new Set(Object.values(study.stages))) {
    if (isCommandCode(code)) continue;
    const name = `${PAYLOAD}${PLACES.bundles}${code}.mjs`;
    const digest = digests.get(name);
    if (digest === undefined) say(name, 'is missing: a stage ran it');
    else if (bundleDigest(digest) !== code) say(name, 'is not the code that was run');
  }
}

/** Files that no list of the archive leads to: they would travel under its good name. */
function checkStrangers(
  { study, sources }: Contents,
  digests: ReadonlyMap<string, Digest>,
  say: Say,
): void {
  const known = new Set([
    ...Object.values(PLACES),
    ...PAPERS,
    ...Object.values(study.stages).map((code) => `${PLACES.bundles}${code}.mjs`),
    ...sources.map(({ sha256 }) => PLACES.data + sha256),
  ]);
  for (const name of digests.keys()) {
    const place = name.slice(PAYLOAD.length);
    // These are held against the outputs of tasks.
    if (place.startsWith(PLACES.blobs) || place.startsWith(PLACES.artifacts)) continue;
    if (name.startsWith(PAYLOAD) && !known.has(place)) say(name, 'is not part of the study');
  }
}

/** Every output is there or listed as left out; every blob is an output, or a file of one, under its own digest. */
function checkBlobs(contents: Contents, digests: ReadonlyMap<string, Digest>, say: Say): void {
  const wanted = checkOutputs(contents, say);
  for (const { inputs } of contents.study.tasks) {
    for (const input of Object.values(inputs)) {
      if ('files' in input) for (const [, digest] of input.files) wanted.add(digest);
    }
  }
  for (const [name, actual] of digests) {
    if (!name.startsWith(BLOBS)) continue;
    const digest = name.slice(BLOBS.length);
    if (actual !== digest) say(name, `holds other bytes than its name says (SHA-256 ${actual})`);
    if (!wanted.has(digest)) say(name, 'is not an output of any task');
  }
  checkSources(contents, digests, say);
}

/** Checks that each output is there. Gives the digests of all outputs, and of the files in those that are folders. */
function checkOutputs(contents: Contents, say: Say): Set<string> {
  const wanted = new Set<string>();
  for (const { task, outputs } of contents.study.tasks) {
    for (const [output, { digest, bytes, kind }] of Object.entries(outputs)) {
      checkBlob({ what: `${task}:${output}`, digest, bytes }, contents, say);
      wanted.add(digest);
      for (const file of kind === FOLDER ? (contents.folders.get(digest) ?? []) : []) {
        // Many tasks may have one folder.
        if (wanted.has(file.digest)) continue;
        checkBlob({ ...file, what: `${task}:${output}/${file.path}` }, contents, say);
        wanted.add(file.digest);
      }
    }
  }
  return wanted;
}

const BLOBS = `${PAYLOAD}${PLACES.blobs}`;

function checkBlob(
  blob: { readonly what: string; readonly digest: string; readonly bytes: number },
  { leftOut, opened }: Contents,
  say: Say,
): void {
  const { what, digest, bytes } = blob;
  const file = opened.files.get(BLOBS + digest);
  if (file === undefined && !leftOut.has(digest)) {
    say(`${BLOBS}${digest}`, `is missing, and not listed as left out: ${what}`);
  } else if (file !== undefined && file.bytes !== bytes) {
    say(`${BLOBS}${digest}`, `has ${file.bytes} bytes, and ${what.split(':')[0]} says ${bytes}`);
  }
}

/** Files from outside that are said to be in the archive are, and are what they are called. */
function checkSources({ sources }: Contents, digests: ReadonlyMap<string, Digest>, say: Say): void {
  for (const { name, sha256, included } of sources) {
    const file = `${PAYLOAD}${PLACES.data}${sha256}`;
    const actual = digests.get(file);
    if (included && actual === undefined) say(file, `is missing: ${name}`);
    if (actual !== undefined && actual !== sha256) say(file, `is not ${name} (SHA-256 ${actual})`);
  }
}

/** The files for people are the outputs that they are said to be. */
async function checkArtifacts(
  { study, text, opened, folders }: Contents,
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
    if (made.kind === FOLDER) {
      for (const file of folders.get(made.digest) ?? []) {
        check(posix.join(folder + path, file.path), file.digest, `${what}/${file.path}`);
      }
      continue;
    }
    if (made.kind !== 'files') {
      check(folder + path, made.digest, what);
      continue;
    }
    const bytes = await text(made.digest);
    if (bytes === undefined) {
      const file = opened.files.get(BLOBS + made.digest);
      if (file && isBomb(file))
        say(BLOBS + made.digest, 'is not a folder that pipeline would have packed');
      continue;
    }
    try {
      for (const [name, content] of shownFiles(folder + path, made.kind, bytes)) {
        check(name, digestOf(content), what);
      }
    } catch (error) {
      say(`${PAYLOAD}${PLACES.blobs}${made.digest}`, `is no folder: ${(error as Error).message}`);
    }
  }
  for (const name of digests.keys()) {
    if (name.startsWith(folder) && !paths.has(name)) say(name, 'is not an output of any task');
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
    const bytes = await formOf(contents.opened, name, LIST_BYTES_MAX, say);
    await checkCitations(bytes, name, contents, known, say);
  }
}
