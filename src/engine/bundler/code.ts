// code.ts — a stage's code: one bundle of the module and everything it imports, and its digest
import { realpathSync, rmSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileStat, writeAtomically } from '../files/files.ts';
import type { Lookup } from '../files/lookups.ts';
import { makeFolder } from '../files/make-folder.ts';
import { readRegularFile } from '../files/regular-file.ts';
import { isStable, type Stamp } from '../files/stamp.ts';
import { settleFile } from '../files/store-access.ts';
import { type Diagnostic, failure, type Place, type Result, success } from '../model/event.ts';
import { type Digest, digestOf } from '../model/key.ts';
import { isOwnModule } from './built-in-packages.ts';
import {
  type Bundled,
  bundleModules,
  bundleProblems,
  lookupsOfMissing,
  optionsDigest,
} from './bundle.ts';
import { bundleDigest, verifiedCode, withMapLine } from './bundle-digest.ts';
import {
  type BundleRecord,
  contentsDigest,
  FileDigests,
  Looks,
  readIndex,
  writeIndex,
} from './bundle-index.ts';
import { UnbundledSearch } from './unbundled.ts';

/** A stage's module, bundled. What runs are these very bytes, whatever becomes of the file. */
export interface StageCode {
  readonly digest: Digest;
  /** Where the bundle lies, absolute: its source map lies beside it. */
  readonly file: string;
  /** The bundle, as it was verified. */
  readonly bytes: Uint8Array;
}

/** A module to bundle, and where pipeline.yaml names it. */
export interface ModuleRequest {
  readonly run: string;
  readonly place: Place;
}

/** What bundles were made from, as it was then. Paths are absolute. */
export interface Sources {
  readonly files: ReadonlyMap<string, Stamp | null>;
  /** What was looked up, by folder: names, and what was found. */
  readonly lookups: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Whether this is surely all: otherwise nothing may be concluded from it. */
  readonly isWhole: boolean;
}

/** Bundled stages, and what they were made from. */
export interface Bundles {
  /** By the path of their module, as pipeline.yaml names it. */
  readonly codes: ReadonlyMap<string, StageCode>;
  readonly sources: Sources;
}

/** How stages are bundled. */
export interface BundleTerms {
  readonly clock: () => number;
  /** The program of esbuild, where the environment names one (`ESBUILD_BINARY_PATH`). */
  readonly esbuild?: string | undefined;
  /** Hears how many modules are bundled anew, before that begins. */
  readonly onStale?: ((count: number) => void) | undefined;
  /** Called when esbuild has been given its work, and this process waits for it. */
  readonly onWait?: (() => void) | undefined;
}

/**
 * Bundles stage modules, taking from the cache what is surely unchanged.
 * @param folder of pipeline.yaml @param cache folder for bundles
 */
export async function bundleStages(
  folder: string,
  cache: string,
  requests: readonly ModuleRequest[],
  { clock, esbuild, onStale, onWait }: BundleTerms,
): Promise<Result<Bundles>> {
  const root = realpathSync(folder);
  const remembered = await readIndex(indexFile(cache));
  const distinct = new Map(requests.map((request) => [request.run, request]));
  const options = optionsDigest(esbuild);
  const renewal = new Renewal(root, clock());
  const records = new Map<string, BundleRecord>();
  const contents = new Map<Digest, Uint8Array>();
  await Promise.all(
    [...distinct.keys()].map(async (run) => {
      const before = remembered.get(run);
      const record = before?.options === options ? renewal.of(before) : undefined;
      if (record === undefined) return;
      const { digest } = record;
      const bytes = contents.get(digest) ?? (await verifiedBundle(cache, digest));
      if (bytes === undefined) return;
      contents.set(digest, bytes);
      records.set(run, record);
    }),
  );
  const isRenewed = [...records].some(([run, record]) => remembered.get(run) !== record);
  const stale = [...distinct.values()].filter(({ run }) => !records.has(run));
  if (stale.length > 0) onStale?.(stale.length);
  const bundled = await bundle(root, cache, stale, { since: clock(), options, onWait });
  for (const [run, lookups] of bundled.wanted) {
    records.set(run, { ...(remembered.get(run) ?? NO_RECORD), doubt: BROKEN, lookups });
  }
  for (const [run, record] of bundled.records) records.set(run, record);
  for (const [digest, bytes] of bundled.contents) contents.set(digest, bytes);
  if (stale.length > 0 || isRenewed) await keepIndex(cache, new Map([...remembered, ...records]));
  if (bundled.problems.length > 0) return failure(...bundled.problems);
  // As pipeline.yaml names them, whatever was read first.
  const inOrder = [...distinct.keys()].flatMap((run) => {
    const record = records.get(run);
    return record ? [[run, record] as const] : [];
  });
  const codes = inOrder.map(([run, { digest }]): [string, StageCode] => {
    const bytes = contents.get(digest);
    if (bytes === undefined) throw new Error(`bug: there is no bundle ${digest}`);
    return [run, { digest, file: bundleFile(cache, digest), bytes }];
  });
  return success({
    codes: new Map(codes),
    sources: sourcesOf(
      root,
      inOrder.map(([, one]) => one),
    ),
  });
}

/** Records of bundles that are used as they are. */
class Renewal {
  private readonly looks: Looks;
  private readonly digests = new FileDigests();
  /** Files as they are after their content was read. */
  private readonly stamped: Looks;
  private readonly root: string;
  private readonly since: number;

  /** @param since now */
  constructor(root: string, since: number) {
    this.looks = new Looks(root);
    this.stamped = new Looks(root);
    this.root = root;
    this.since = since;
  }

  /**
   * A record that holds: as it is, or with the stamps of now where files were touched or written anew and hold what they
   * held. Undefined where it does not hold.
   */
  of(record: BundleRecord): BundleRecord | undefined {
    const { root, since, stamped } = this;
    if (this.looks.hold(record)) return record;
    if (record.contents === undefined || !this.looks.leadAlike(record)) return undefined;
    if (contentsDigest(root, record.files, this.digests) !== record.contents) return undefined;
    const files = record.files.map(([path]) => stamped.file(path));
    return files.every(([, stamp]) => stamp !== null) ? { ...record, since, files } : undefined;
  }
}

/** Keeps the index for the next command. */
const keepIndex = (cache: string, records: ReadonlyMap<string, BundleRecord>): Promise<void> =>
  writeIndex(indexFile(cache), records);

/** Why a record is not used: it is of a module that cannot be bundled, and says what to watch. */
const BROKEN = 'it cannot be bundled';
const NONE = '' as Digest;
const NO_RECORD = { digest: NONE, options: NONE, since: 0, files: [] };

/** A bundle of the cache; undefined when it is not there, or is not what its name says. */
async function verifiedBundle(cache: string, digest: Digest): Promise<Uint8Array | undefined> {
  try {
    const file = bundleFile(cache, digest);
    const map = statSync(`${file}.map`, { throwIfNoEntry: false });
    // Node reads it when the bundle is loaded, and would wait for a pipe.
    if (map?.isFile() === false) return undefined;
    const bytes = readRegularFile(file);
    return verifiedCode(bytes, digest) && bytes;
  } catch {
    return undefined;
  }
}

/** Bundles modules and keeps what they were made of. */
async function bundle(
  root: string,
  cache: string,
  requests: readonly ModuleRequest[],
  {
    since,
    options,
    onWait,
  }: { readonly since: number; readonly options: Digest } & Pick<BundleTerms, 'onWait'>,
): Promise<{
  readonly records: ReadonlyMap<string, BundleRecord>;
  readonly problems: readonly Diagnostic[];
  /** Of modules that cannot be bundled: what was looked up, and not found. */
  readonly wanted: ReadonlyMap<string, readonly Lookup[]>;
  readonly contents: ReadonlyMap<Digest, Uint8Array>;
}> {
  const records = new Map<string, BundleRecord>();
  const contents = new Map<Digest, Uint8Array>();
  const wanted = new Map<string, readonly Lookup[]>();
  const problems: Diagnostic[] = [];
  const there: ModuleRequest[] = [];
  for (const request of requests) {
    const { run, place } = request;
    const hint = 'paths are relative to the folder of pipeline.yaml';
    if (isOwnModule(run) || (await fileStat(join(root, run)))) there.push(request);
    else problems.push({ message: `there is no file ${run}`, place, hint });
  }
  if (there.length === 0) return { records, problems, wanted, contents };
  const bundles = await bundleModules(
    root,
    there.map(({ run }) => run),
    onWait,
  );
  const digests = new FileDigests();
  const inputs = inputsIn(root, since, digests);
  const search = new UnbundledSearch(root);
  for (const { run, place } of there) {
    const bundled = bundles.get(run);
    if (bundled === undefined || bundled instanceof Error) {
      problems.push(...(await bundleProblems(bundled, root, run, place)));
      wanted.set(run, lookupsOfMissing(bundled, root));
      continue;
    }
    const unbundled = await search.in(bundled.modules);
    problems.push(...unbundled.found);
    if (!unbundled.isClean) continue;
    const { digest, bytes } = await keep(root, cache, bundled, digests);
    contents.set(digest, bytes);
    const { doubt = null } = bundled;
    records.set(run, { digest, options, since, doubt, ...inputs(bundled) });
  }
  return { records, problems, wanted, contents };
}

/**
 * Tells what bundles rest on, with paths relative to the project.
 * @param since when bundling began
 */
function inputsIn(
  root: string,
  since: number,
  digests: FileDigests,
): (bundled: Bundled) => Pick<BundleRecord, 'files' | 'lookups' | 'contents'> {
  const looks = new Looks(root);
  return ({ modules, configuration, lookups }) => {
    const paths = [...new Set([...modules, ...configuration])];
    // Read before they are stamped: what is stable by its stamp held the same when esbuild read it.
    for (const path of paths) digests.of(path);
    const files = paths.map((path) => looks.file(relative(root, path)));
    const isSure = files.every(([, stamp]) => stamp !== null && isStable(stamp, since));
    const contents = isSure && { contents: contentsDigest(root, files, digests) };
    return { files, lookups: [...lookups], ...contents };
  };
}

/** Writes a bundle, its map, and what it was made from. */
async function keep(
  root: string,
  cache: string,
  { code, map, modules }: Bundled,
  digests: FileDigests,
): Promise<Pick<StageCode, 'digest' | 'bytes'>> {
  const digest = bundleDigest(digestOf(code));
  const file = bundleFile(cache, digest);
  makeFolder(dirname(file));
  await writeBeside(`${file}.map`, map);
  const bytes = withMapLine(code, digest);
  await writeAtomically(file, bytes);
  // For `why`: the map knows only what tree shaking left of them.
  const sources = [...modules].map((path) => [relative(root, path), digests.of(path)] as const);
  await writeBeside(sourcesFile(cache, digest), JSON.stringify(Object.fromEntries(sources)));
  return { digest, bytes };
}

/** Writes a file that nothing rests on, in the place of whatever lies there. */
async function writeBeside(path: string, content: Uint8Array | string): Promise<void> {
  rmSync(path, { recursive: true, force: true });
  await writeFile(path, content);
  settleFile(path);
}

function sourcesOf(root: string, records: readonly BundleRecord[]): Sources {
  // Records share most of what they rest on.
  const files = new Set(records.flatMap((record) => record.files));
  const lookups = new Map<string, Map<string, string>>();
  for (const { folder, name, found } of new Set(records.flatMap((record) => record.lookups))) {
    const names = lookups.get(folder) ?? new Map<string, string>();
    names.set(name, found);
    lookups.set(folder, names);
  }
  const isWhole = records.every(({ doubt, files: all }) => {
    return doubt === null && all.every(([, stamp]) => stamp !== null);
  });
  return {
    files: new Map([...files].map(([path, stamp]) => [resolve(root, path), stamp])),
    lookups: new Map([...lookups].map(([folder, names]) => [resolve(root, folder), names])),
    isWhole,
  };
}

/** What modules were bundled from when they were bundled last, as far as that is known. */
export async function rememberedSources(
  root: string,
  cache: string,
  runs: readonly string[],
): Promise<Sources> {
  const remembered = await readIndex(indexFile(cache));
  return sourcesOf(
    realpathSync(root),
    runs.flatMap((run) => remembered.get(run) ?? []),
  );
}

const indexFile = (cache: string): string => join(cache, 'bundles', 'index.json');

const bundleFile = (cache: string, digest: Digest): string =>
  resolve(cache, 'bundles', `${digest}.mjs`);

/** Digests of what a bundle was made from, by path; undefined when the cache does not know it (any more). */
export async function sourcesInBundle(
  cache: string,
  digest: Digest,
): Promise<ReadonlyMap<string, Digest> | undefined> {
  try {
    const text = await readFile(sourcesFile(cache, digest), 'utf8');
    return new Map(Object.entries(JSON.parse(text) as { [path: string]: Digest }));
  } catch {
    return undefined;
  }
}

const sourcesFile = (cache: string, digest: Digest): string =>
  resolve(cache, 'bundles', `${digest}.json`);
