// code.ts — a stage's code: one bundle of the module and everything it imports, and its digest
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';
import { type Diagnostic, failure, type Place, type Result, success } from './event.ts';
import { fileStat, writeAtomically } from './files.ts';
import { canonicalJson, type Digest, digestOf } from './key.ts';
import type { Sources } from './memo.ts';
import { ownPackages } from './own-packages.ts';
import type { StageDeclaration } from './stage.ts';
import { isSettled, namesIn, type Stamp, sameStamp, stampOf } from './stamp.ts';

/** A stage's module, bundled. The worker runs the very bundle that was hashed. */
export interface StageCode {
  readonly digest: Digest;
  /** Where the bundle lies, absolute. */
  readonly file: string;
}

/** A stage's code and what it declares. */
export interface StageModule {
  readonly code: StageCode;
  readonly declaration: StageDeclaration;
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

/** Options that decide what a bundle is. */
const BUNDLE_OPTIONS = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minifyWhitespace: true,
  minifyIdentifiers: true,
  minifySyntax: true,
  legalComments: 'none',
  treeShaking: true,
  sourcemap: 'external',
  sourcesContent: true,
  loader: { '.wasm': 'binary' },
  charset: 'utf8',
} as const;

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
  const records: Record<string, BundleRecord> = {};
  const codes = new Map<string, StageCode>();
  let fresh = false;
  const looks = new Looks(root);
  const found = await Promise.all(
    [...distinct.values()].map(async (request): Promise<readonly Diagnostic[]> => {
      const { run } = request;
      const before = Object.hasOwn(remembered, run) ? remembered[run] : undefined;
      const holds = before && (await recordHolds(cache, before, looks));
      const bundled = holds ? success(before) : await bundle(root, cache, request, clock());
      if (!bundled.ok) return bundled.diagnostics;
      const record = bundled.value;
      fresh ||= !holds;
      records[run] = record;
      codes.set(run, { digest: record.digest, file: bundleFile(cache, record.digest) });
      return [];
    }),
  );
  const problems = found.flat();
  if (fresh) await writeAtomically(index, JSON.stringify({ ...remembered, ...records }));
  if (problems.length > 0) return failure(...problems);
  return success({ codes, sources: sourcesOf(root, Object.values(records)) });
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

/** Keeps for `why` what a bundle was made from: its map knows only what is left of that after tree shaking. */
async function keepSources(
  root: string,
  cache: string,
  digest: Digest,
  inputs: readonly string[],
): Promise<void> {
  const digests = await Promise.all(
    inputs.filter(isFile).map(async (path) => {
      const bytes = await readFile(resolve(root, path)).catch(() => '');
      return [path, digestOf(bytes)] as const;
    }),
  );
  await writeFile(sourcesFile(cache, digest), JSON.stringify(Object.fromEntries(digests)));
}

/** Whether an input of a bundle is a file: a name with a colon is a plugin's. */
const isFile = (path: string): boolean => !path.includes(':');

const optionsDigest = (): Digest => digestOf(canonicalJson(BUNDLE_OPTIONS));

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

async function bundle(
  root: string,
  cache: string,
  { run, place }: ModuleRequest,
  since: number,
): Promise<Result<BundleRecord>> {
  if (!(await fileStat(join(root, run)))) {
    const hint = 'paths are relative to the folder of pipeline.yaml';
    return failure({ message: `there is no file ${run}`, place, hint });
  }
  const esbuild = await import('esbuild');
  try {
    const result = await esbuild.build({
      ...BUNDLE_OPTIONS,
      absWorkingDir: root,
      entryPoints: [run],
      outfile: 'stage.mjs',
      // The map lies in the cache: its sources are to be found from the root. It is not hashed.
      sourceRoot: `${pathToFileURL(root)}/`,
      // CommonJS packages may require Node's own modules.
      banner: {
        js: "import{createRequire as __cr}from'node:module';var require=__cr(import.meta.url);",
      },
      plugins: [ownPackages, absentPackages],
      metafile: true,
      write: false,
      logLevel: 'silent',
      logOverride: { 'unsupported-require-call': 'error', 'unsupported-dynamic-import': 'error' },
    });
    const code = result.outputFiles.find(({ path }) => path.endsWith('.mjs'));
    const map = result.outputFiles.find(({ path }) => path.endsWith('.map'));
    if (code === undefined || map === undefined) throw new Error('esbuild wrote no bundle');
    // The empty map belongs to the form: nothing is left out of a bundle. What cannot be bundled is a tool.
    const digest = digestOf(canonicalJson(['bundle/1', digestOf(code.contents), {}]));
    const file = bundleFile(cache, digest);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.map`, map.contents);
    const text = `${code.text}//# sourceMappingURL=${digest}.mjs.map\n`;
    await writeAtomically(file, text);
    const inputs = Object.keys(result.metafile.inputs);
    await keepSources(root, cache, digest, inputs);
    const looked = lookAt(root, inputs);
    const options = optionsDigest();
    return success({ digest, file: digestOf(text), options, since, ...looked });
  } catch (error) {
    return failure(...(await bundleProblems(error, root, run, place)));
  }
}

/**
 * A package that a dependency would load if it were there (`await import('canvas')`) must not be loaded when it
 * appears later: it would run without being in the bundle, and so in no key. It stays absent in the bundle.
 */
const absentPackages: Plugin = {
  name: 'absent-packages',
  setup(build) {
    const seen = {};
    build.onResolve(
      { filter: /^[^./]/ },
      async ({ path, kind, importer, resolveDir, pluginData }) => {
        const optional = kind === 'dynamic-import' || kind === 'require-call';
        if (!optional || pluginData === seen || isBuiltin(path)) return undefined;
        const found = await build.resolve(path, { kind, importer, resolveDir, pluginData: seen });
        return found.errors.length > 0 ? { path, namespace: 'absent' } : found;
      },
    );
    build.onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`package ${path} is not in this bundle`)})`,
    }));
  },
};

interface BuildMessage {
  readonly text: string;
  readonly location: {
    readonly file: string;
    readonly line: number;
    /** In bytes of UTF-8. */
    readonly column: number;
    readonly length: number;
    readonly lineText: string;
  } | null;
}

/** esbuild's messages as diagnostics: they point into the stage's own source, where there is one. */
async function bundleProblems(
  error: unknown,
  root: string,
  run: string,
  place: Place,
): Promise<readonly Diagnostic[]> {
  const messages = (error as { errors?: readonly BuildMessage[] }).errors;
  if (messages === undefined) throw error;
  return Promise.all(
    messages.map(async ({ text, location }) => {
      const message = `stage module ${run} cannot be bundled: ${text}`;
      const source =
        location && (await readFile(resolve(root, location.file), 'utf8').catch(() => null));
      if (location === null || source === null) return { message, place };
      const before = source.split('\n').slice(0, location.line - 1);
      const column = Buffer.from(location.lineText).toString('utf8', 0, location.column).length;
      const start = before.reduce((sum, line) => sum + line.length + 1, 0) + column;
      const end = start + Math.max(1, location.length);
      return { message, place: { file: location.file, text: source, start, end } };
    }),
  );
}

/** Stamps of the inputs, and of the files that decide how they are read; and what stands beside the inputs. */
function lookAt(root: string, inputs: readonly string[]): Pick<BundleRecord, 'stamps' | 'folders'> {
  const looks = new Looks(root);
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

/** Loads what a bundled stage declares. A module that throws or exports no stage is a diagnostic. */
export async function loadStage(
  code: StageCode,
  { run, place }: ModuleRequest,
): Promise<Result<StageModule>> {
  let exported: { readonly default?: unknown };
  try {
    exported = await import(pathToFileURL(code.file).href);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return failure({ message: `stage module ${run} throws when it is loaded: ${text}`, place });
  }
  const declaration = exported.default;
  if (!isDeclaration(declaration)) {
    const hint =
      'export default defineStage({ params: z.object({ … }), inputs: { … }, outputs: { NAME: json() }, run })';
    return failure({ message: `${run} does not export a stage`, place, hint });
  }
  return success({ code, declaration });
}

function isDeclaration(value: unknown): value is StageDeclaration {
  if (typeof value !== 'object' || value === null) return false;
  const { params, inputs, outputs, run } = value as Record<string, unknown>;
  const { shape, safeParse } = (params ?? {}) as Record<string, unknown>;
  const isSchema = typeof shape === 'object' && typeof safeParse === 'function';
  const ports = [inputs, outputs].flatMap((part) => (part ? Object.values(part) : [undefined]));
  return isSchema && ports.every(isPort) && typeof run === 'function';
}

/** Whether something is a codec, or a port with one. */
function isPort(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const codec = 'codec' in value ? value.codec : value;
  return typeof codec === 'object' && codec !== null && 'encode' in codec;
}
