// bundle.ts — stage modules and everything they import, by esbuild
import { readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BuildResult, Plugin, PluginBuild } from 'esbuild';
import type { Diagnostic, Place } from './event.ts';
import { canonicalJson, type Digest, digestOf } from './key.ts';
import { ownPackages } from './own-packages.ts';

/** What esbuild made of one module. */
export interface Bundled {
  readonly code: Uint8Array;
  readonly map: Uint8Array;
  /** What it was made from, relative to the root; a name with a colon is a plugin's. */
  readonly inputs: readonly string[];
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

/** Of all that decides what a bundle is, beside its sources. */
export const optionsDigest = (): Digest => digestOf(canonicalJson(BUNDLE_OPTIONS));

/**
 * Bundles modules, paths relative to the root, each by itself. What they share is read once.
 * @returns by module what was made of it, or what esbuild threw
 */
export async function bundleModules(
  root: string,
  runs: readonly string[],
): Promise<ReadonlyMap<string, Bundled | Error>> {
  const bundles = new Map<string, Bundled | Error>();
  try {
    const all = await built(root, runs, [ownPackages]);
    for (const [n, run] of runs.entries()) {
      const { absent, ...bundled } = bundledIn(all, n);
      if (absent.length === 0) bundles.set(run, bundled);
      else bundles.set(run, await bundledAlone(root, run, keptAbsent(absent)));
    }
  } catch {
    // One that cannot be bundled spoils all: each tells by itself what is wrong with it.
  }
  const rest = runs.filter((run) => !bundles.has(run));
  await Promise.all(
    rest.map(async (run) => {
      try {
        bundles.set(run, await bundledAlone(root, run, absentPackages));
      } catch (error) {
        bundles.set(run, error as Error);
      }
    }),
  );
  return bundles;
}

async function bundledAlone(root: string, run: string, plugin: Plugin): Promise<Bundled> {
  return bundledIn(await built(root, [run], [ownPackages, plugin]), 0);
}

type Built = BuildResult<{ metafile: true; write: false }>;

async function built(root: string, runs: readonly string[], plugins: Plugin[]): Promise<Built> {
  const esbuild = await import('esbuild');
  return esbuild.build({
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
    logOverride: { 'unsupported-require-call': 'error', 'unsupported-dynamic-import': 'error' },
  });
}

/** Everything that the output of one entry may hold, and which packages are not there. */
function bundledIn(
  { outputFiles, metafile }: Built,
  n: number,
): Bundled & { readonly absent: readonly string[] } {
  const name = `stage-${n}.mjs`;
  const code = outputFiles.find(({ path }) => basename(path) === name);
  const map = outputFiles.find(({ path }) => basename(path) === `${name}.map`);
  const { entryPoint, imports } = metafile.outputs[name] ?? {};
  if (!code || !map || !entryPoint || !imports) throw new Error('esbuild wrote no bundle');
  const inputs = new Set([entryPoint]);
  for (const path of inputs) {
    for (const next of metafile.inputs[path]?.imports ?? []) {
      if (!next.external) inputs.add(next.path);
    }
  }
  return {
    code: code.contents,
    map: map.contents,
    inputs: [...inputs].filter((path) => Object.hasOwn(metafile.inputs, path)),
    // esbuild leaves out what it does not find where the failure is caught.
    absent: imports.flatMap(({ path, external }) => (external && !isBuiltin(path) ? path : [])),
  };
}

/**
 * A package that a dependency would load if it were there (`await import('canvas')`) must not be loaded when it
 * appears later: it would run without being in the bundle, and so in no key. It stays absent in the bundle.
 */
const keptAbsent = (packages: readonly string[]): Plugin => ({
  name: 'kept-absent',
  setup(build) {
    const words = packages.map((name) => name.replace(/[^\w/@-]/g, '\\$&'));
    build.onResolve({ filter: new RegExp(`^(${words.join('|')})$`) }, ({ path }) => ({
      path,
      namespace: 'absent',
    }));
    throwWhenLoaded(build);
  },
});

/** The same, of every package that is not there. Asked at each import, which takes longer than to bundle. */
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
    throwWhenLoaded(build);
  },
};

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
