// pack.ts — a gathered study → one file whose bytes depend on nothing else
import { createHash, randomUUID } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { FOLDER } from '../../engine/model/folder-manifest.ts';
import {
  byCodeUnit,
  canonicalJson,
  type Digest,
  digestOf,
  type Named,
} from '../../engine/model/key.ts';
import { codeBytesOf } from '../../engine/python/source-facts.ts';
import { LARGE_BLOB_BYTES } from '../../engine/store/blob-files.ts';
import { chunksOf } from '../../engine/store/blob-io.ts';
import { LostBlob, type Store } from '../../engine/store/store.ts';
import { crateText } from '../crate/crate.ts';
import { PAYLOAD, type Payload, tagFiles } from '../form/bag.ts';
import { nameFault } from '../form/opened.ts';
import { shownFiles } from '../form/shown.ts';
import { PLACES, studyDigest, studyText } from '../form/study.ts';
import { createZip, SizeChanged, type ZipWriter } from '../form/zip-writer.ts';
import { type Gathered, type PackedFile, tracesText } from './gather.ts';
import { readmeText } from './readme.ts';
import { type Hold, holdsIn, holdsInStream, type Surroundings } from './release-checks.ts';

/** What an archive holds beside the study. */
export interface Beside {
  /** The text of pipeline.yaml. */
  readonly pipeline: string;
  /** Presets, overrides and targets, as they were. */
  readonly invocation: {
    readonly presets: readonly string[];
    readonly sets: readonly string[];
    readonly targets: readonly string[];
  };
  /** Path of each stage's module in the project. */
  readonly modules: Named<string>;
  /** The code of the bundles, by its digest. */
  readonly bundles: ReadonlyMap<string, Uint8Array>;
  /** LICENSE, CITATION.cff: those that there are. */
  readonly papers: Named<Uint8Array>;
  readonly packages: Named<string>;
  readonly audits: readonly unknown[];
  readonly checker: Uint8Array;
  readonly title: string;
  readonly authors: readonly string[];
  readonly version: string;
}

/** A file that is going to be packed. */
interface Packed {
  /** Below the payload. */
  readonly path: string;
  readonly size: number;
  /** Of the blob that it is, if it is one. */
  readonly digest?: Digest;
  bytes(): Promise<Uint8Array>;
  /** A large one comes piece by piece, and is verified when it has come. */
  readonly large?: {
    readonly digest: Digest;
    readonly what: string;
    stream(): AsyncIterable<Uint8Array>;
  };
}

/** An archive before it is written. */
export interface Package {
  readonly digest: Digest;
  /** Name of the folder in it, and of the file when nobody names it. */
  readonly name: string;
  readonly files: readonly Packed[];
  /** What should be looked at before it leaves. */
  readonly holds: readonly Hold[];
}

/** A blob that was there a moment ago is gone, or a file has changed. */
export class Vanished extends Error {
  override readonly name = 'Vanished';
}

/** Puts an archive together, and looks at all of its texts. */
export async function prepare(
  gathered: Gathered,
  beside: Beside,
  store: Store,
  around: Surroundings,
  fileBytesMax: number,
): Promise<Package> {
  const digest = studyDigest(gathered.study);
  const files = new Map<string, Packed>();
  const put = (path: string, content: Uint8Array | string): void => {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    files.set(path, { path, size: bytes.length, bytes: async () => bytes });
  };
  await addTexts(gathered, beside, digest, put);
  await addBlobs(gathered, store, files);
  const sizes = new Map([...files].map(([path, { size }]) => [path, size]));
  const { study, traces, sources } = gathered;
  const { modules, title, authors, version } = beside;
  const facts = {
    study,
    digest,
    traces,
    sources,
    files: sorted(sizes),
    modules,
    title,
    authors,
    version,
  };
  put(PLACES.crate, crateText(facts));
  const all = [...files.values()].sort((a, b) => byCodeUnit(a.path, b.path));
  const holds = await holdsOf(all, gathered, around, fileBytesMax);
  return { digest, name: `study-${digest.slice(0, 12)}`, files: all, holds };
}

const sorted = <T>(map: ReadonlyMap<string, T>): Map<string, T> =>
  new Map([...map].sort(([a], [b]) => byCodeUnit(a, b)));

async function addTexts(
  gathered: Gathered,
  beside: Beside,
  digest: Digest,
  put: (path: string, content: Uint8Array | string) => void,
): Promise<void> {
  put(PLACES.study, studyText(gathered.study));
  put(PLACES.traces, tracesText(gathered.traces));
  put(PLACES.sources, pretty(gathered.sources));
  put(PLACES.leftOut, pretty(gathered.leftOut));
  put(PLACES.environment, pretty({ made: makersOf(gathered), packages: beside.packages }));
  put(PLACES.invocation, pretty({ ...beside.invocation, modules: beside.modules }));
  if (beside.audits.length > 0) put(PLACES.audits, pretty(beside.audits));
  put('pipeline.yaml', beside.pipeline);
  put(PLACES.checker, beside.checker);
  for (const [name, bytes] of Object.entries(beside.papers)) put(name, bytes);
  for (const code of new Set(Object.values(gathered.study.stages))) {
    const bytes = beside.bundles.get(code);
    // Commands have no bundle: what they run is in their keys.
    if (bytes) put(`${PLACES.bundles}${code}.mjs`, bytes);
  }
  const facts = { ...beside, digest, checker: digestOf(beside.checker) };
  put('README.md', readmeText(gathered, facts));
}

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

/** On what the tasks were made, and how many on each. */
function makersOf({ traces }: Gathered): readonly unknown[] {
  const makers = new Map<string, { readonly made: object; tasks: number }>();
  for (const { made } of traces.values()) {
    const { versions, machine } = made as { versions: unknown; machine?: unknown };
    const told = { versions, ...(machine !== undefined && { machine }) };
    const name = canonicalJson(told);
    const known = makers.get(name) ?? { made: told, tasks: 0 };
    known.tasks += 1;
    makers.set(name, known);
  }
  return [...sorted(makers).values()].map(({ made, tasks }) => ({ ...made, tasks }));
}

/** What of a file of the project goes in. */
async function contentOf({ path, isCode }: PackedFile): Promise<Uint8Array> {
  const bytes = await readFile(path);
  return isCode ? codeBytesOf(bytes) : bytes;
}

async function addBlobs(
  gathered: Gathered,
  store: Store,
  files: Map<string, Packed>,
): Promise<void> {
  const stored = (digest: Digest, what: string) => async (): Promise<Uint8Array> => {
    const file = gathered.projectFiles.get(digest);
    const bytes = file === undefined ? await store.blobs.get(digest) : await contentOf(file);
    if (bytes === undefined || digestOf(bytes) !== digest)
      throw new Vanished(`${what} is lost: run make again`);
    return bytes;
  };
  const put = (path: string, digest: Digest, size: number, what: string): void => {
    const stream = async function* (): AsyncGenerator<Uint8Array> {
      const file = gathered.projectFiles.get(digest);
      try {
        yield* file === undefined ? store.blobs.stream(digest) : chunksOf(file.path);
      } catch (error) {
        throw error instanceof LostBlob ? new Vanished(`${what} is lost: run make again`) : error;
      }
    };
    const large = size < LARGE_BLOB_BYTES ? undefined : { digest, what, stream };
    files.set(path, { path, size, digest, bytes: stored(digest, what), ...(large && { large }) });
  };
  for (const [digest, { bytes, of }] of gathered.blobs)
    put(PLACES.blobs + digest, digest, bytes, of);
  const outputs = new Map(gathered.study.tasks.map(({ task, outputs: made }) => [task, made]));
  const { artifacts, claims } = gathered.study;
  for (const { task, output, path } of artifacts) {
    const made = outputs.get(task)?.[output];
    if (made === undefined) continue;
    const [what, digest] = [`${task}:${output}`, made.digest as Digest];
    const within = made.kind === FOLDER ? gathered.folders.get(digest) : undefined;
    for (const file of within ?? []) {
      const name = posix.join(PLACES.artifacts + path, file.path);
      put(name, file.digest, file.bytes, `${what}/${file.path}`);
    }
    if (within !== undefined) continue;
    if (made.kind !== 'files') {
      put(PLACES.artifacts + path, digest, made.bytes, what);
      continue;
    }
    const folder = await store.blobs.get(digest);
    if (folder === undefined) throw new Vanished(`${what} is lost: run make again`);
    for (const [name, bytes] of shownFiles(PLACES.artifacts + path, made.kind, folder)) {
      files.set(name, { path: name, size: bytes.length, bytes: async () => bytes });
    }
  }
  const judged = claims && outputs.get(claims.task)?.[claims.output];
  if (judged) put(PLACES.claims, judged.digest as Digest, judged.bytes, 'the claims');
  for (const { sha256, name, included } of gathered.sources) {
    if (!included) continue;
    const size = await sizeIn(store, sha256 as Digest);
    if (size !== undefined) put(PLACES.data + sha256, sha256 as Digest, size, name);
  }
}

/** The size of a blob, which is read for it piece by piece; undefined when the store has lost it. */
async function sizeIn({ blobs }: Store, digest: Digest): Promise<number | undefined> {
  let size = 0;
  try {
    for await (const chunk of blobs.stream(digest)) size += chunk.length;
  } catch (error) {
    if (error instanceof LostBlob) return undefined;
    throw error;
  }
  return size;
}

/** Looks at every text, and at all sizes. */
async function holdsOf(
  files: readonly Packed[],
  { blobs }: Gathered,
  around: Surroundings,
  fileBytesMax: number,
): Promise<readonly Hold[]> {
  const holds: Hold[] = [];
  const names = new Set(files.map(({ path }) => path));
  if (!names.has('LICENSE')) {
    const message =
      'there is no LICENSE beside pipeline.yaml: nobody would know what they may do with it';
    holds.push({ item: 'licence', message });
  }
  for (const { path, size, digest, bytes, large } of files) {
    const fault = nameFault(path);
    if (fault)
      holds.push({ item: `name:${path}`, message: `who verifies it would refuse ${fault}` });
    if (size > fileBytesMax) {
      holds.push({
        item: `size:${path}`,
        message: `it has ${size} bytes, more than ${fileBytesMax}`,
      });
    }
    const blob = digest && blobs.get(digest);
    // What a digest names is told by its task; the checker is our own, and the same in every archive.
    const isText = blob === undefined || !['tensors', 'bytes'].includes(blob.kind);
    if (!isText || path === PLACES.checker || path.startsWith(PLACES.data)) continue;
    const found = large
      ? await holdsInStream(path, large.stream(), around)
      : holdsIn(path, Buffer.from(await bytes()).toString(), around);
    holds.push(...found);
  }
  return holds;
}

/** @throws Vanished when its content is not what its digest says, or has another size */
async function addFile(
  zip: ZipWriter,
  folder: string,
  { path, size, bytes, large }: Packed,
): Promise<Payload> {
  const name = PAYLOAD + path;
  if (large === undefined) {
    const content = await bytes();
    await zip.add(folder + path, content);
    return { name, digest: digestOf(content), bytes: content.length };
  }
  let hash = createHash('sha256');
  const content = async function* (): AsyncGenerator<Uint8Array> {
    hash = createHash('sha256');
    for await (const chunk of large.stream()) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const lost = (): Vanished => new Vanished(`${large.what} is lost: run make again`);
  await zip.addStream({ name: folder + path, size, content }).catch((error: unknown) => {
    throw error instanceof SizeChanged ? lost() : error;
  });
  const digest = hash.digest('hex') as Digest;
  if (digest !== large.digest) throw lost();
  return { name, digest, bytes: size };
}

/** Writes an archive, whole or not at all, and gives its size. */
export async function writePackage(
  { name, files, digest }: Package,
  path: string,
  progress: (done: number, of: number) => void,
  sign?: (manifest: string) => string,
): Promise<number> {
  const draft = join(dirname(path), `.${randomUUID()}.tmp`);
  const zip = await createZip(draft);
  try {
    const payload: Payload[] = [];
    const description = `study ${digest}`;
    const sizes = files.map(({ path: file, size }) => ({
      name: PAYLOAD + file,
      bytes: size,
      digest,
    }));
    // The first two tag files tell sizes alone, and stand before the payload.
    const early = tagFiles(sizes, description);
    for (const file of ['bag-info.txt', 'bagit.txt']) {
      await zip.add(`${name}/${file}`, Buffer.from(early.get(file) as string));
    }
    let done = 0;
    for (const file of files) {
      payload.push(await addFile(zip, `${name}/${PAYLOAD}`, file));
      done += 1;
      progress(done, files.length);
    }
    const late = tagFiles(payload, description, sign);
    for (const [file, text] of late) {
      if (!early.has(file) || file.endsWith('manifest-sha256.txt')) {
        await zip.add(`${name}/${file}`, Buffer.from(text));
      }
    }
    const size = await zip.end();
    await zip.close();
    await rename(draft, path);
    return size;
  } catch (error) {
    await zip.close().catch(() => undefined);
    await rm(draft, { force: true });
    throw error;
  }
}
