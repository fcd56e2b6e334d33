// compiled-sources.ts — src/ and stages/ as JavaScript for one run of the tests: Node loads it as it is, where Vitest would transform and wrap each file
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transform } from 'esbuild';

/** What of Vite's plugins is used. */
interface CompiledSources {
  readonly name: string;
  readonly enforce: 'pre';
  resolveId(
    source: string,
    importer: string | undefined,
  ): Promise<{ id: string; external: true } | undefined>;
}

/** Modules that tests import. The page of `pipeline ui` has a build of its own. */
const FOLDERS = ['src', 'stages'];
const SOURCE = /\.ts$/;
const LEFT_OUT = /\.d\.ts$|^src\/(?:ui\/page|network\/kernels)\//;

/**
 * Every import of a module of ours means the compiled file, so that each is there once. Bindings of modules that Vitest
 * has wrapped are looked up at every use, which makes numbers slow.
 * @param repository its folder
 */
export function compiledSources(repository: string): CompiledSources {
  let compiler: Compiler | undefined;
  return {
    name: 'compiled-sources',
    enforce: 'pre',
    async resolveId(source, importer) {
      if (importer === undefined || !/^\.{1,2}\/.*\.ts$/.test(source)) return undefined;
      const path = relative(repository, join(dirname(importer), source));
      if (!isCompiled(path)) return undefined;
      compiler ??= new Compiler(repository);
      return { id: await compiler.placeOf(path), external: true };
    },
  };
}

const PREFIX = 'pipeline-compiled-';
/** The path of a compiled file: Node loads it, and not Vitest. */
export const COMPILED_SOURCES = new RegExp(`/${PREFIX}\\w+/`);

const isCompiled = (path: string): boolean =>
  SOURCE.test(path) &&
  !LEFT_OUT.test(path) &&
  FOLDERS.some((folder) => path.startsWith(`${folder}/`));

const placeIn = (folder: string, path: string): string =>
  join(folder, path.replace(SOURCE, '.mjs'));

/** Compiles modules when they are asked for, each once, into a folder that goes with this process. */
class Compiler {
  private readonly repository: string;
  private readonly folder = mkdtempSync(join(realpathSync(tmpdir()), PREFIX));
  /** What each compiled module imports of ours. */
  private readonly imports = new Map<string, Promise<readonly string[]>>();

  /** @param repository its folder */
  constructor(repository: string) {
    this.repository = repository;
    process.on('exit', () => rmSync(this.folder, { recursive: true, force: true }));
    symlinkSync(join(repository, 'node_modules'), join(this.folder, 'node_modules'));
  }

  /** @returns where a module lies, compiled like all that it imports */
  async placeOf(path: string): Promise<string> {
    const all = new Set<string>();
    for (let next = [path]; next.length > 0; ) {
      for (const one of next) all.add(one);
      const found = await Promise.all(next.map((one) => this.importsOf(one)));
      next = [...new Set(found.flat())].filter((one) => !all.has(one));
    }
    return placeIn(this.folder, path);
  }

  private importsOf(path: string): Promise<readonly string[]> {
    const known = this.imports.get(path) ?? this.compile(path);
    this.imports.set(path, known);
    return known;
  }

  /** It finds what it needs where its source lies, and its fellows beside it. */
  private async compile(path: string): Promise<readonly string[]> {
    const source = join(this.repository, path);
    const { code } = await transform(readFileSync(source, 'utf8'), {
      loader: 'ts',
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcefile: source,
      define: { 'import.meta.url': JSON.stringify(pathToFileURL(source).href) },
    });
    const imports: string[] = [];
    const text = code
      .replaceAll(/(\b(?:from|import) ?\(?")(\.{1,2}\/[^"\n]+)\.ts"/g, (_, before, name) => {
        imports.push(join(dirname(path), `${name}.ts`));
        return `${before}${name}.mjs"`;
      })
      .replaceAll(/\bimport (\w+) from "([^"]+\.wasm)"/g, (_, name, wasm) => {
        const base64 = readFileSync(join(dirname(source), wasm)).toString('base64');
        return `const ${name} = new Uint8Array(Buffer.from('${base64}', 'base64'))`;
      });
    const place = placeIn(this.folder, path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, text);
    return imports;
  }
}
