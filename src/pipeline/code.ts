// code.ts — a stage's code: one bundle of the module and everything it imports, and its digest
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Bundled, bundleModules, bundleProblems, optionsDigest } from './bundle.ts';
import { type Diagnostic, failure, type Place, type Result, success } from './event.ts';
import { fileStat, writeAtomically } from './files.ts';
import { canonicalJson, type Digest, digestOf } from './key.ts';
import type { Sources } from './memo.ts';
import { isSettled, namesIn, type Stamp, sameStamp, stampOf } from './stamp.ts';

/** A stage's module, bundled. The worker runs the very bundle that was hashed. */
export interface StageCode {
  readonly digest: Digest;
  /** Where the bundle lies, absolute. */
  readonly file: string;
}

/** A module to bundle, and where pipeline.yaml names it. */
export interface ModuleRequest {
  readonly run: string;
  readonly place: Place;
}

/** What was bundled before, and what its files and their folders looked like then. */
interface BundleRecord {
  readonly digest: Digest;
  /** Of the bundle's file, which is verified before it runs. */
  readonly file: Digest;
  /** Of the options with which it was bundled. */
  readonly options: Digest;
  /** Milliseconds since 1970 when bundling began: a file that was touched since may not be what was bundled. */
  readonly since: number;
  readonly stamps: { readonly [path: string]: Stamp | null };
  /** Names of the files beside the inputs: a new one may take the place of an input. */
  readonly folders: { readonly [path: string]: Digest | null };
}

/** Bundled stages, and what they were made from. */
export interface Bundles {
  /** By the path of their module, as pipeline.yaml names it. */
  readonly codes: ReadonlyMap<string, StageCode>;
  readonly sources: Sources;
}

/** Files beside the sources that change what a bundle holds. */
const CONFIGURATION = ['package.json', 'package-lock.json', 'tsconfig.json'];

/**
 * Bundles stage modules, taking from the cache what is surely unchanged.
 * @param root folder of pipeline.yaml @param cache folder for bundles
 */
export async function bundleStages(
  root: string,
  cache: string,
  requests: readonly ModuleRequest[],
  clock: () => number,
): Promise<Result<Bundles>> {
  const index = indexFile(cache);
  const remembered = await readIndex(index);
  const distinct = new Map(requests.map((request) => [request.run, request]));
  const looks = new Looks(root);
  const records: Record<string, BundleRecord> = {};
  const stale: ModuleRequest[] = [];
  await Promise.all(
    [...distinct.values()].map(async (request) => {
      const { run } = request;
      const before = Object.hasOwn(remembered, run) ? remembered[run] : undefined;
      if (before && (await recordHolds(cache, before, looks))) records[run] = before;
      else stale.push(request);
    }),
  );
  if (stale.length > 0) {
    const fresh = await bundle(root, cache, stale, clock());
    for (const [run, record] of fresh.records) records[run] = record;
    await writeAtomically(index, JSON.stringify({ ...remembered, ...records }));
    if (fresh.problems.length > 0) return failure(...fresh.problems);
  }
  // As pipeline.yaml names them, whatever was read first.
  const inOrder = [...distinct.keys()].map((run) => [run, records[run]] as const);
  const codes = inOrder.map(
    ([run, { digest }]) => [run, { digest, file: bundleFile(cache, digest) }] as const,
  );
  return success({
    codes: new Map(codes),
    sources: sourcesOf(
      root,
      inOrder.map(([, one]) => one),
    ),
  });
}

/** Bundles modules and keeps what they were made of. */
async function bundle(
  root: string,
  cache: string,
  requests: readonly ModuleRequest[],
  since: number,
): Promise<{
  readonly records: ReadonlyMap<string, BundleRecord>;
  readonly problems: readonly Diagnostic[];
}> {
  const records = new Map<string, BundleRecord>();
  const problems: Diagnostic[] = [];
  const there: ModuleRequest[] = [];
  for (const request of requests) {
    const { run, place } = request;
    const hint = 'paths are relative to the folder of pipeline.yaml';
    if (await fileStat(join(root, run))) there.push(request);
    else problems.push({ message: `there is no file ${run}`, place, hint });
  }
  const bundles = await bundleModules(
    root,
    there.map(({ run }) => run),
  );
  const looks = new Looks(root);
  const digests = new SourceDigests(root);
  for (const { run, place } of there) {
    const bundled = bundles.get(run);
    if (bundled === undefined || bundled instanceof Error) {
      problems.push(...(await bundleProblems(bundled, root, run, place)));
      continue;
    }
    const kept = await keep(cache, bundled, digests);
    const looked = lookAt(root, bundled.inputs, looks);
    records.set(run, { ...kept, options: optionsDigest(), since, ...looked });
  }
  return { records, problems };
}

/** Writes a bundle, its map, and what it was made from. */
async function keep(
  cache: string,
  { code, map, inputs }: Bundled,
  digests: SourceDigests,
): Promise<Pick<BundleRecord, 'digest' | 'file'>> {
  // The empty map belongs to the form: nothing is left out of a bundle. What cannot be bundled is a tool.
  const digest = digestOf(canonicalJson(['bundle/1', digestOf(code), {}]));
  const file = bundleFile(cache, digest);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.map`, map);
  const text = `${Buffer.from(code).toString()}//# sourceMappingURL=${digest}.mjs.map\n`;
  await writeAtomically(file, text);
  // For `why`: the map knows only what tree shaking left of them.
  const sources = await Promise.all(
    inputs.filter(isFile).map(async (path) => [path, await digests.of(path)] as const),
  );
  await writeFile(sourcesFile(cache, digest), JSON.stringify(Object.fromEntries(sources)));
  return { digest, file: digestOf(text) };
}

/** Digests of sources, each read once. */
class SourceDigests {
  private readonly known = new Map<string, Promise<Digest>>();
  private readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  of(path: string): Promise<Digest> {
    const read = async (): Promise<Digest> =>
      digestOf(await readFile(resolve(this.root, path)).catch(() => ''));
    const digest = this.known.get(path) ?? read();
    this.known.set(path, digest);
    return digest;
  }
}

/** What files and folders look like now, each asked once: stages share most of what they import. */
class Looks {
  private readonly stamps = new Map<string, Stamp | null>();
  private readonly names = new Map<string, Digest | null>();
  private readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  stamp(path: string): Stamp | null {
    const known = this.stamps.get(path);
    if (known !== undefined) return known;
    const stamp = stampOf(resolve(this.root, path));
    this.stamps.set(path, stamp);
    return stamp;
  }

  namesIn(path: string): Digest | null {
    const known = this.names.get(path);
    if (known !== undefined) return known;
    const names = namesIn(resolve(this.root, path));
    this.names.set(path, names);
    return names;
  }
}

function sourcesOf(root: string, records: readonly BundleRecord[]): Sources {
  const files = new Map<string, Stamp | null>();
  const folders = new Map<string, Digest | null>();
  for (const record of records) {
    for (const [path, stamp] of Object.entries(record.stamps)) {
      files.set(resolve(root, path), stamp);
    }
    for (const [path, names] of Object.entries(record.folders ?? {})) {
      folders.set(resolve(root, path), names);
    }
  }
  return { files, folders };
}

/** What modules were bundled from when they were bundled last, as far as that is known. */
export async function rememberedSources(
  root: string,
  cache: string,
  runs: readonly string[],
): Promise<Sources> {
  const remembered = await readIndex(indexFile(cache));
  const records = runs.flatMap((run) => (Object.hasOwn(remembered, run) ? [remembered[run]] : []));
  return sourcesOf(root, records);
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

/** Whether an input of a bundle is a file: a name with a colon is a plugin's. */
const isFile = (path: string): boolean => !path.includes(':');

async function readIndex(index: string): Promise<{ [run: string]: BundleRecord }> {
  try {
    const read: unknown = JSON.parse(await readFile(index, 'utf8'));
    return typeof read === 'object' && read !== null
      ? (read as { [run: string]: BundleRecord })
      : {};
  } catch {
    return {}; // Absent or damaged: everything is bundled anew, which costs time and nothing else.
  }
}

async function recordHolds(cache: string, record: BundleRecord, looks: Looks): Promise<boolean> {
  const file = await readFile(bundleFile(cache, record.digest)).catch(() => undefined);
  if (file === undefined || digestOf(file) !== record.file) return false;
  if (record.options !== optionsDigest()) return false;
  const { stamps, folders, since } = record;
  // A record of an earlier version of pipeline has no folders.
  if (folders === undefined) return false;
  const unchanged = Object.entries(stamps).every(([path, stamp]) => {
    return sameStamp(stamp, looks.stamp(path)) && (stamp === null || isSettled(stamp, since));
  });
  return (
    unchanged && Object.entries(folders).every(([path, names]) => looks.namesIn(path) === names)
  );
}

/** Stamps of the inputs, and of the files that decide how they are read; and what stands beside the inputs. */
function lookAt(
  root: string,
  inputs: readonly string[],
  looks: Looks,
): Pick<BundleRecord, 'stamps' | 'folders'> {
  const files = inputs.filter(isFile);
  const paths = [...new Set([...files, ...CONFIGURATION])];
  const folders = new Set([...files.map((path) => dirname(path)), ...packageFolders(root)]);
  return {
    stamps: Object.fromEntries(paths.map((path) => [path, looks.stamp(path)])),
    folders: Object.fromEntries([...folders].map((path) => [path, looks.namesIn(path)])),
  };
}

/** Where packages lie: esbuild tells where links lead (`npm link`), and not that there were any. */
function packageFolders(root: string): readonly string[] {
  const folder = 'node_modules';
  if (!existsSync(join(root, folder))) return [folder];
  const scopes = readdirSync(join(root, folder)).filter((name) => name.startsWith('@'));
  return [folder, ...scopes.map((scope) => `${folder}/${scope}`)];
}
