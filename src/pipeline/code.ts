// code.ts — a stage's code: one bundle of the module and everything it imports, and its digest
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';
import { type Diagnostic, failure, type Place, type Result, success } from './event.ts';
import { fileStat, type Stamp, stampHolds, writeAtomically } from './files.ts';
import { canonicalJson, type Digest, digestOf } from './key.ts';
import { ownPackages } from './own-packages.ts';
import type { StageDeclaration } from './stage.ts';

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
  readonly stamps: { readonly [path: string]: Stamp | null };
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
): Promise<Result<ReadonlyMap<string, StageCode>>> {
  const index = join(cache, 'bundles', 'index.json');
  const remembered = await readIndex(index);
  const distinct = new Map(requests.map((request) => [request.run, request]));
  const records: Record<string, BundleRecord> = {};
  const codes = new Map<string, StageCode>();
  let fresh = false;
  const found = await Promise.all(
    [...distinct.values()].map(async (request): Promise<readonly Diagnostic[]> => {
      const { run } = request;
      const before = Object.hasOwn(remembered, run) ? remembered[run] : undefined;
      const holds = before && (await recordHolds(root, cache, before, clock()));
      const bundled = holds ? success(before) : await bundle(root, cache, request);
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
  return problems.length > 0 ? failure(...problems) : success(codes);
}

const bundleFile = (cache: string, digest: Digest): string =>
  resolve(cache, 'bundles', `${digest}.mjs`);

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

async function recordHolds(
  root: string,
  cache: string,
  record: BundleRecord,
  clock: number,
): Promise<boolean> {
  const file = await readFile(bundleFile(cache, record.digest)).catch(() => undefined);
  if (file === undefined || digestOf(file) !== record.file) return false;
  if (record.options !== optionsDigest()) return false;
  const paths = Object.entries(record.stamps ?? {});
  const held = await Promise.all(
    paths.map(async ([path, stamp]) => {
      const now = (await fileStat(join(root, path))) ?? null;
      if (stamp === null || now === null) return stamp === now;
      return stampHolds(stamp, now, clock);
    }),
  );
  return held.every(Boolean);
}

async function bundle(
  root: string,
  cache: string,
  { run, place }: ModuleRequest,
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
    const stamps = await stampsOf(root, Object.keys(result.metafile.inputs));
    return success({ digest, file: digestOf(text), options: optionsDigest(), stamps });
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

/** Stamps of the inputs, and of the files that decide how they are read; null for one that is absent. */
async function stampsOf(
  root: string,
  inputs: readonly string[],
): Promise<{ [path: string]: Stamp | null }> {
  const paths = [...new Set([...inputs, ...CONFIGURATION])].filter((path) => !path.includes(':'));
  const stamps = await Promise.all(
    paths.map(async (path) => {
      const stamp = (await fileStat(resolve(root, path))) ?? null;
      return [relative(root, resolve(root, path)), stamp] as const;
    }),
  );
  return Object.fromEntries(stamps);
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
