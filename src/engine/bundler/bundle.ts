// bundle.ts — stage modules and everything they import, by esbuild
import { readFile } from 'node:fs/promises';
import { createRequire, isBuiltin } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BuildResult, Plugin, PluginBuild } from 'esbuild';
import { allOf, type Lookup, LookupRecorder } from '../files/lookups.ts';
import { stampOf } from '../files/stamp.ts';
import type { Diagnostic, Place } from '../model/event.ts';
import { type Digest, digestOf } from '../model/key.ts';
import { ownPackages } from './built-in-packages.ts';
import { type BundleInputs, InputFinder, type ProjectLookups } from './bundle-inputs.ts';
import { usingEsbuild } from './esbuild-service.ts';
import { isInPackage, Resolver } from './resolver.ts';

/** What esbuild made of one module. */
export interface Bundled extends BundleInputs {
  readonly code: Uint8Array;
  readonly map: Uint8Array;
  /** Why the inputs may not be all that the bundle rests on; undefined when they surely are. */
  readonly doubt: string | undefined;
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
  sourcesContent: false,
  loader: { '.wasm': 'binary' },
  charset: 'utf8',
} as const;

/**
 * Of all that decides what a bundle is, beside its sources: the options, and which esbuild there is.
 * @param esbuild the program of esbuild, where the environment names one (`ESBUILD_BINARY_PATH`)
 */
export function optionsDigest(esbuild?: string): Digest {
  const own = createRequire(import.meta.url);
  const description = own.resolve('esbuild/package.json');
  const name = `@esbuild/${platform()}-${arch()}/bin/esbuild`;
  const program = [esbuild, resolvedFrom(description, name)].find((path) => path !== undefined);
  const stamps = [description, program].map((path) => (path === undefined ? null : stampOf(path)));
  return digestOf(JSON.stringify([RULES, BUNDLE_OPTIONS, stamps]));
}

/** Changed with what this program makes of its own of the imports that it is asked for. */
const RULES = 'bundle-rules/2';

function resolvedFrom(file: string, name: string): string | undefined {
  try {
    return createRequire(file).resolve(name);
  } catch {
    return undefined;
  }
}

/**
 * Bundles modules, paths relative to the root, each by itself. What they share is read once.
 * @param root folder of the project, real
 * @param onWait called when esbuild has been given its work, and this process waits for it
 * @returns by module what was made of it, or what esbuild threw
 */
export async function bundleModules(
  root: string,
  runs: readonly string[],
  onWait?: () => void,
): Promise<ReadonlyMap<string, Bundled | Error>> {
  const bundles = new Map<string, Bundled | Error>();
  const shared = newProject(root);
  const together = await bundledTogether(shared, runs, onWait).catch(
    () => new Map<string, never>(),
  );
  // What could not be used of a build together casts no doubt on others.
  const project = together.size > 0 ? shared : newProject(root);
  await Promise.all(
    runs.map(async (run) => {
      const found = together.get(run);
      const isWhole = found !== undefined && found.absent.length === 0;
      bundles.set(run, isWhole ? found : await bundledAlone(project, run, found));
    }),
  );
  return bundles;
}

function newProject(root: string): ProjectLookups {
  const recorder = new LookupRecorder(root);
  return { root, recorder, resolver: new Resolver(recorder, root) };
}

/**
 * Those modules of which it makes no difference that they were bundled with others.
 * @throws when one of them cannot be bundled, which spoils all: each tells by itself what is wrong with it
 */
async function bundledTogether(
  project: ProjectLookups,
  runs: readonly string[],
  onWait: (() => void) | undefined,
): Promise<ReadonlyMap<string, Bundled & Absent>> {
  const all = await built(project.root, runs, [ownPackages, keptAbsent(OFTEN_ABSENT)], onWait);
  const inputs = new InputFinder(all.metafile, project);
  const found = runs.map((run, n) => [run, bundledIn(all, inputs, project, run, n)] as const);
  // Whoever requires a package decides for all others in the same build which of its files they import.
  return inputs.hasAlternatives ? new Map() : new Map(found);
}

/** @param known what came of the module when it was bundled with others, where that is known */
async function bundledAlone(
  project: ProjectLookups,
  run: string,
  known: Absent | undefined,
): Promise<Bundled | Error> {
  const bundled = async (...plugins: Plugin[]): Promise<Bundled & Absent> => {
    const one = await built(project.root, [run], [ownPackages, ...plugins]);
    return bundledIn(one, new InputFinder(one.metafile, project), project, run, 0);
  };
  const whole = async (): Promise<Bundled> => {
    const plain = await bundled().catch(() => bundled(absentPackages));
    if (plain.absent.length === 0) return plain;
    return bundled(keptAbsent(plain.absent));
  };
  try {
    return known ? await bundled(keptAbsent(known.absent)) : await whole();
  } catch (error) {
    return error as Error;
  }
}

interface Absent {
  /** Packages that are not there, and are only imported where that is caught. */
  readonly absent: readonly string[];
}

type Built = BuildResult<{ metafile: true; write: false }>;

/** Mistakes in sources come with places. Anything else is a process of esbuild that could not run. */
function refused(error: NodeJS.ErrnoException & { readonly errors?: unknown }): never {
  if (Array.isArray(error.errors)) throw error;
  const { code = 'EAGAIN' } = error;
  throw Object.assign(new Error(error.message), { code, syscall: 'spawn esbuild' });
}

async function built(
  root: string,
  runs: readonly string[],
  plugins: Plugin[],
  onWait?: () => void,
): Promise<Built> {
  const all = await usingEsbuild((esbuild) => {
    const building = esbuild.build({
      ...BUNDLE_OPTIONS,
      absWorkingDir: root,
      // Side by side at the root, to which maps are relative.
      entryPoints: runs.map((run, n) => ({ in: run, out: `stage-${n}` })),
      outdir: root,
      outExtension: { '.js': '.mjs' },
      // The map lies in the cache: its sources are to be found from the root. It is not hashed.
      sourceRoot: `${pathToFileURL(root)}/`,
      // CommonJS packages may require Node's own modules.
      banner: {
        js: "import{createRequire as __cr}from'node:module';var require=__cr(import.meta.url);",
      },
      plugins,
      metafile: true,
      write: false,
      logLevel: 'silent',
      logOverride: Object.fromEntries(UNBUNDLED.map((id) => [id, 'warning' as const])),
    });
    onWait?.();
    return building;
  }).catch(refused);
  const errors = all.warnings.filter(({ id, location }) => {
    return UNBUNDLED.includes(id) && !isInPackage(location?.file ?? '');
  });
  if (errors.length > 0) throw Object.assign(new Error('code that no bundle holds'), { errors });
  return all;
}

/** Messages about code that stays outside: an error in a project, and refused by the worker when a package runs it. */
const UNBUNDLED: readonly string[] = ['unsupported-require-call', 'unsupported-dynamic-import'];

/** Everything that the output of one entry may hold, and which packages are not there. */
function bundledIn(
  { outputFiles, metafile }: Built,
  inputs: InputFinder,
  { recorder }: ProjectLookups,
  run: string,
  n: number,
): Bundled & Absent {
  const name = `stage-${n}.mjs`;
  const code = outputFiles.find(({ path }) => basename(path) === name);
  const map = outputFiles.find(({ path }) => basename(path) === `${name}.map`);
  const { entryPoint, imports } = metafile.outputs[name] ?? {};
  if (!code || !map || !entryPoint || !imports) throw new Error('esbuild wrote no bundle');
  return {
    code: code.contents,
    map: map.contents,
    ...inputs.inputsOf(run, entryPoint),
    doubt: recorder.doubt,
    // esbuild leaves out what it does not find where the failure is caught.
    absent: imports.flatMap(({ path, external }) => (external && !isBuiltin(path) ? path : [])),
  };
}

/**
 * What well-known packages would load if it were there: Vega measures text with it. A stage that needs another package of
 * this kind is bundled a second time, to the same end.
 */
const OFTEN_ABSENT: readonly string[] = ['canvas'];

/**
 * A package that a dependency would load if it were there (`await import('canvas')`) must not be loaded when it
 * appears later: it would run without being in the bundle, and so in no key. It stays absent in the bundle.
 */
const keptAbsent = (packages: readonly string[]): Plugin => ({
  name: 'kept-absent',
  setup(build) {
    const words = packages.map((name) => name.replace(/[^\w/@-]/g, '\\$&'));
    resolveOrAbsent(build, new RegExp(`^(${words.join('|')})$`));
  },
});

/** The same, of every package that is not there. Asked at each import, which takes longer than to bundle. */
const absentPackages: Plugin = {
  name: 'absent-packages',
  setup: (build) => resolveOrAbsent(build, /.*/),
};

/** A package may be there for one module and not for another. */
function resolveOrAbsent(build: PluginBuild, filter: RegExp): void {
  const seen = {};
  build.onResolve({ filter }, async ({ path, kind, importer, resolveDir, pluginData }) => {
    const optional = kind === 'dynamic-import' || kind === 'require-call';
    if (!optional || pluginData === seen || isBuiltin(path)) return undefined;
    const found = await build.resolve(path, { kind, importer, resolveDir, pluginData: seen });
    return found.errors.length > 0 ? { path, namespace: 'absent' } : found;
  });
  throwWhenLoaded(build);
}

function throwWhenLoaded(build: PluginBuild): void {
  build.onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => ({
    contents: `throw new Error(${JSON.stringify(`package ${path} is not in this bundle`)})`,
  }));
}

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

/** Where esbuild looked for what it did not find: whatever appears there may mend the bundle. */
export function lookupsOfMissing(error: unknown, root: string): readonly Lookup[] {
  const recorder = new LookupRecorder(root);
  const resolver = new Resolver(recorder, root);
  const { errors = [] } = error as { readonly errors?: readonly BuildMessage[] };
  const recorded = recorder.record(() => {
    for (const { text, location } of errors) {
      const specifier = /^Could not resolve "(.*)"/.exec(text)?.[1];
      if (specifier === undefined || location === null) continue;
      const folder = dirname(resolve(root, location.file));
      for (const kind of ['import-statement', 'require-call'] as const) {
        resolver.resolve(folder, specifier, kind);
      }
    }
  });
  return [...allOf([recorded]).lookups];
}

/** esbuild's messages as diagnostics: they point into the stage's own source, where there is one. */
export async function bundleProblems(
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
