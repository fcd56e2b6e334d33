// resolver.ts — which file an import means, by esbuild's own rules, with everything that was looked up on the way
import { basename, dirname, isAbsolute, join as joinPaths } from 'node:path';
import { isWithin, type LookupRecorder, type Recorded } from '../files/lookups.ts';
import {
  exportTarget,
  importTarget,
  type PackageJson,
  packageNameOf,
  readPackageJson,
  type Target,
} from './package-json.ts';
import { noteYarn, readTsConfig, type TsConfig } from './tsconfig.ts';

// esbuild resolves what is bundled; this file only says what that rests on, as esbuild does not. It follows
// internal/resolver/resolver.go of esbuild 0.28, function by function, for `platform: 'node'`. Whoever uses it compares
// each answer with esbuild's own, and trusts nothing where they differ.

/** How something is imported, in the words of esbuild's metafile. */
export type ImportKind =
  | 'entry-point'
  | 'import-statement'
  | 'require-call'
  | 'dynamic-import'
  | 'require-resolve'
  | 'import-rule'
  | 'composes-from'
  | 'url-token';

/** What an import means. */
export interface Resolved {
  /** Absolute and real. */
  readonly path: string;
  /** Taken in its place where the package is required elsewhere. */
  readonly other?: string | undefined;
  /** `?query` and `#hash` that are no part of the file's name. */
  readonly suffix: string;
}

/** Files of a module, or the module of the `require` beside it. */
interface Pair {
  readonly path: string;
  readonly other?: string | undefined;
}

interface FolderInfo {
  readonly path: string;
  readonly parent: FolderInfo | undefined;
  readonly packageJson: PackageJson | undefined;
  readonly tsConfig: TsConfig | undefined;
  readonly hasModules: boolean;
  readonly isInModules: boolean;
  /** Its real path, when there are links on the way. */
  readonly real: string | undefined;
}

const EXTENSIONS = ['.tsx', '.ts', '.jsx', '.js', '.css', '.json'];
/** In packages, where TypeScript lies beside what was made of it. */
const PACKAGE_EXTENSIONS = ['.jsx', '.js', '.tsx', '.ts', '.css', '.json'];
const CSS_EXTENSIONS = ['.css'];
const REWRITTEN: readonly (readonly [string, readonly string[]])[] = [
  ['.js', ['.ts', '.tsx']],
  ['.jsx', ['.ts', '.tsx']],
  ['.mjs', ['.mts']],
  ['.cjs', ['.cts']],
];

/** What esbuild takes for a module of Node's own, whatever this Node has. */
const BUILTIN = new Set(
  `_http_agent _http_client _http_common _http_incoming _http_outgoing _http_server _stream_duplex
  _stream_passthrough _stream_readable _stream_transform _stream_wrap _stream_writable _tls_common _tls_wrap assert
  assert/strict async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns
  dns/promises domain events fs fs/promises http http2 https inspector module net os path path/posix path/win32
  perf_hooks process punycode querystring readline repl stream stream/consumers stream/promises stream/web
  string_decoder sys timers timers/promises tls trace_events tty url util util/types v8 vm wasi worker_threads zlib`.split(
    /\s+/,
  ),
);

/** Without a slash at the end. */
const join = (...parts: readonly string[]): string =>
  joinPaths(...parts).replace(/(?<=[^/\\:])[/\\]$/, '');

const isOwnModule = (specifier: string): boolean =>
  BUILTIN.has(specifier) || specifier.startsWith('node:');
const isPackagePath = (specifier: string): boolean => !/^\/|^\.{1,2}\/|^\.{1,2}$/.test(specifier);
/** Whether a path lies in a package that was installed. */
export const isInPackage = (path: string): boolean => path.split(/[/\\]/).includes('node_modules');
const isCssKind = (kind: ImportKind): boolean =>
  kind === 'import-rule' || kind === 'composes-from' || kind === 'url-token';

/** Resolves imports. One resolver is for one moment: it reads each folder once. */
export class Resolver {
  private readonly recorder: LookupRecorder;
  /** The folder of the project, absolute and real. */
  private readonly root: string;
  private readonly infos = new Map<string, Recorded<FolderInfo | undefined>>();
  private readonly answers = new Map<string, Recorded<Resolved | undefined>>();

  constructor(recorder: LookupRecorder, root: string) {
    this.recorder = recorder;
    this.root = root;
  }

  /** @returns undefined when it cannot be resolved, or stays outside of the bundle */
  resolve(folder: string, specifier: string, kind: ImportKind): Resolved | undefined {
    const key = [folder, kind, specifier].join('\0');
    return this.recorder.once(this.answers, key, () =>
      new Query(this.recorder, kind, this.info).resolve(folder, specifier),
    );
  }

  /** Looks whether Yarn resolves the packages of the project, by rules of its own. */
  noteYarn(): void {
    for (let at = this.info(this.root); at; at = at.parent) noteYarn(this.recorder, at.path);
  }

  private readonly info = (path: string): FolderInfo | undefined =>
    this.recorder.once(this.infos, path, () => this.folderInfo(path));

  private folderInfo(path: string): FolderInfo | undefined {
    const { recorder } = this;
    if (/\.zip([/\\]|$)|__virtual__|\$\$virtual/.test(path))
      recorder.doubt ??= `${path} is no folder`;
    const isTop = dirname(path) === path;
    const parent = isTop ? undefined : this.info(dirname(path));
    if (!isTop && parent === undefined) return undefined;
    const error = recorder.errorOf(path);
    if (error !== '' && error !== 'EACCES' && error !== 'EPERM') return undefined;
    const isModules = basename(path) === 'node_modules';
    const isInModules = isModules || parent?.isInModules === true;
    const packageJson = this.packageJsonIn(path);
    return {
      path,
      parent,
      packageJson,
      tsConfig: isInModules ? undefined : this.tsConfigIn(path, parent),
      hasModules: !isModules && recorder.entry(path, 'node_modules')?.kind === 'folder',
      isInModules,
      real: parent && this.realOf(path, parent),
    };
  }

  /** The way to the project itself is not looked at: everything is relative to the project. */
  private realOf(path: string, parent: FolderInfo): string | undefined {
    if (isWithin(path, this.root)) return undefined;
    const link = this.recorder.entry(parent.path, basename(path))?.link;
    if (link !== undefined) return link;
    return parent.real === undefined ? undefined : join(parent.real, basename(path));
  }

  private packageJsonIn(folder: string): PackageJson | undefined {
    if (this.recorder.entry(folder, 'package.json')?.kind !== 'file') return undefined;
    const path = join(folder, 'package.json');
    const text = this.recorder.read(path);
    const read = text === undefined ? undefined : readPackageJson(text);
    if (read === undefined) this.recorder.doubt ??= `${path} cannot be read`;
    return read;
  }

  private tsConfigIn(folder: string, parent: FolderInfo | undefined): TsConfig | undefined {
    const name = ['tsconfig.json', 'jsconfig.json'].find(
      (one) => this.recorder.entry(folder, one)?.kind === 'file',
    );
    if (name === undefined) return parent?.tsConfig;
    return readTsConfig(this.recorder, join(folder, name));
  }
}

/** One import. */
class Query {
  private readonly recorder: LookupRecorder;
  private readonly kind: ImportKind;
  private readonly info: (path: string) => FolderInfo | undefined;

  constructor(
    recorder: LookupRecorder,
    kind: ImportKind,
    info: (path: string) => FolderInfo | undefined,
  ) {
    this.recorder = recorder;
    this.kind = kind;
    this.info = info;
  }

  resolve(folder: string, specifier: string): Resolved | undefined {
    if (/^(https?:)?\/\/|^data:/.test(specifier) || isOwnModule(specifier)) return undefined;
    if (specifier.includes('*')) return undefined;
    const source = this.info(folder);
    if (source === undefined) return undefined;
    let suffix = '';
    let found = this.withLinks(folder, source, specifier);
    if (found === undefined) {
      const end = specifier.search(/[?#]/);
      if (end < 1) return undefined;
      suffix = specifier.slice(end);
      found = this.withLinks(folder, source, specifier.slice(0, end));
    }
    if (found === undefined) return undefined;
    const other = found.other === undefined ? undefined : this.real(found.other);
    return { path: this.real(found.path), other, suffix };
  }

  /** Where a file really is, and what applies to it there. */
  private real(path: string): string {
    const folder = this.info(dirname(path));
    if (folder === undefined) return path;
    const entry = this.recorder.entry(folder.path, basename(path));
    const real = entry?.link ?? (folder.real && join(folder.real, basename(path)));
    if (real !== undefined) this.info(dirname(real));
    return real ?? path;
  }

  private withLinks(folder: string, source: FolderInfo, specifier: string): Pair | undefined {
    if (specifier.startsWith('/') || isAbsolute(specifier)) {
      return this.byPaths(source, specifier) ?? this.fileOrFolder(specifier);
    }
    const isPackage = isPackagePath(specifier);
    if (!isPackage || isCssKind(this.kind)) {
      const path = join(folder, specifier);
      this.info(dirname(path));
      const isFolder = /(^|\/)\.{0,2}$/.test(specifier);
      const found = isFolder ? this.asFolder(path) : this.fileOrFolder(path);
      if (found || !isPackage) return found;
    }
    return this.inPackages(specifier, source, { isRemapped: false });
  }

  // ---- files and folders ----

  private get extensions(): (path: string) => readonly string[] {
    return (path) => {
      if (this.kind === 'import-rule' || this.kind === 'composes-from') return CSS_EXTENSIONS;
      return isInPackage(path) ? PACKAGE_EXTENSIONS : EXTENSIONS;
    };
  }

  private fileOrFolder(path: string): Pair | undefined {
    const file = this.asFile(path, this.extensions(path));
    return file === undefined ? this.asFolder(path) : { path: file };
  }

  private asFile(path: string, extensions: readonly string[]): string | undefined {
    const [folder, base] = [dirname(path), basename(path)];
    if (this.recorder.errorOf(folder) !== '') return undefined;
    const rewritten = REWRITTEN.find(([end]) => base.endsWith(end));
    const names = [
      base,
      ...extensions.map((extension) => base + extension),
      ...(rewritten?.[1] ?? []).map((end) => base.slice(0, base.lastIndexOf('.')) + end),
    ];
    const name = names.find((one) => this.recorder.entry(folder, one)?.kind === 'file');
    return name && join(folder, name);
  }

  private asFolder(path: string): Pair | undefined {
    const folder = this.info(path);
    if (folder === undefined) return undefined;
    return this.byMainField(folder, path) ?? this.asIndex(folder.path, this.extensions(path));
  }

  private asIndex(folder: string, extensions: readonly string[]): Pair | undefined {
    const names = extensions.map((extension) => `index${extension}`);
    const name = names.find((one) => this.recorder.entry(folder, one)?.kind === 'file');
    return name === undefined ? undefined : { path: join(folder, name) };
  }

  private byMainField(folder: FolderInfo, path: string): Pair | undefined {
    if (folder.packageJson === undefined) return undefined;
    const { main, module } = folder.packageJson;
    const extensions = this.extensions(path);
    const load = (field: string): Pair | undefined => {
      const place = join(path, field);
      const file = this.asFile(place, extensions);
      if (file !== undefined) return { path: file };
      const inside = this.info(place);
      return inside && this.asIndex(inside.path, extensions);
    };
    const asMain = main === undefined ? undefined : load(main);
    if (asMain) return asMain;
    const asModule = module === undefined ? undefined : load(module);
    if (asModule === undefined) return undefined;
    const instead = main === undefined ? this.asIndex(folder.path, extensions) : undefined;
    if (instead === undefined) return asModule;
    return this.kind === 'require-call' ? instead : { ...asModule, other: instead.path };
  }

  // ---- tsconfig.json ----

  private byPaths({ tsConfig, isInModules }: FolderInfo, specifier: string): Pair | undefined {
    const paths = isInModules ? undefined : tsConfig?.paths;
    if (paths === undefined) return undefined;
    const base = tsConfig?.baseUrl ?? paths.base;
    const load = (substitutions: readonly string[], matched: string): Pair | undefined => {
      for (const substitution of substitutions) {
        const text = substitution.replace('*', () => matched);
        if (/\.d\.ts$/i.test(text)) continue;
        const path = isAbsolute(text) ? text : join(base, text);
        const found = this.fileOrFolder(path);
        if (found) return found;
      }
      return undefined;
    };
    const exact = paths.patterns.get(specifier);
    if (exact) return load(exact, '*');
    const best = bestPattern([...paths.patterns.keys()], specifier);
    if (best === undefined) return undefined;
    const [before = '', after = ''] = best.split('*');
    const matched = specifier.slice(before.length, specifier.length - after.length);
    return load(paths.patterns.get(best) ?? [], matched);
  }

  // ---- packages ----

  private inPackages(
    specifier: string,
    from: FolderInfo,
    { isRemapped }: { readonly isRemapped: boolean },
  ): Pair | undefined {
    const byPaths = this.byPaths(from, specifier);
    if (byPaths) return byPaths;
    const baseUrl = from.isInModules ? undefined : from.tsConfig?.baseUrl;
    if (baseUrl !== undefined) {
      const found = this.fileOrFolder(join(baseUrl, specifier));
      if (found) return found;
    }
    let own: FolderInfo | undefined = from;
    while (own && own.packageJson === undefined) own = own.parent;
    const { imports, exports, name } = own?.packageJson ?? {};
    if (own && imports && specifier.startsWith('#') && !isRemapped) {
      return this.byImports(specifier, imports, own);
    }
    const parsed = packageNameOf(specifier);
    if (own && exports && parsed && name === parsed.name) {
      return this.byExports(exports, parsed.subpath, own.path);
    }
    // A package without a name is what a specifier means that names none.
    if (own && exports && !parsed && (name ?? '') === '')
      this.recorder.doubt ??= `${specifier} is no name`;
    for (let at: FolderInfo | undefined = from; at; at = at.parent) {
      if (!at.hasModules) continue;
      const found = this.inModules(join(at.path, 'node_modules'), specifier, parsed);
      if (found !== 'not here') return found;
    }
    return undefined;
  }

  private inModules(
    modules: string,
    specifier: string,
    parsed: ReturnType<typeof packageNameOf>,
  ): Pair | undefined | 'not here' {
    if (parsed) {
      const folder = join(modules, parsed.name);
      const exports = this.info(folder)?.packageJson?.exports;
      if (exports) return this.byExports(exports, parsed.subpath, folder);
    }
    return this.fileOrFolder(join(modules, specifier)) ?? 'not here';
  }

  private byExports(
    exports: NonNullable<PackageJson['exports']>,
    subpath: string,
    folder: string,
  ): Pair | undefined {
    return this.atTarget(exportTarget(exports, subpath, this.conditions('import')), folder);
  }

  private byImports(
    specifier: string,
    imports: NonNullable<PackageJson['imports']>,
    own: FolderInfo,
  ): Pair | undefined {
    const target = importTarget(imports, specifier, this.conditions('default'));
    if (target.kind !== 'package') return this.atTarget(target, own.path);
    if (isOwnModule(target.specifier)) return undefined;
    return this.inPackages(target.specifier, own, { isRemapped: true });
  }

  private conditions(forEntries: string): ReadonlySet<string> {
    const { kind } = this;
    const isImport = kind === 'import-statement' || kind === 'dynamic-import';
    const isRequire = kind === 'require-call' || kind === 'require-resolve';
    const entry = kind === 'entry-point' ? forEntries : 'default';
    // esbuild adds `module` where nobody sets conditions.
    return new Set([
      'default',
      'node',
      'module',
      isImport ? 'import' : isRequire ? 'require' : entry,
    ]);
  }

  private atTarget(target: Target, folder: string): Pair | undefined {
    if (target.kind !== 'exact' && target.kind !== 'inexact') return undefined;
    const path = join(folder, target.path);
    if (target.kind === 'inexact') return this.fileOrFolder(path);
    const place = this.info(dirname(path));
    if (place === undefined) return undefined;
    const base = basename(path);
    const rewritten = REWRITTEN.find(([end]) => base.endsWith(end))?.[1] ?? [];
    const others = rewritten.map((end) => base.slice(0, base.lastIndexOf('.')) + end);
    for (const name of [base, ...others]) {
      // Whatever stands there decides, even if it leads nowhere.
      if (!this.recorder.has(place.path, name)) continue;
      const isFile = this.recorder.entry(place.path, name)?.kind === 'file';
      return isFile ? { path: join(place.path, name) } : undefined;
    }
    return undefined;
  }
}

/** The pattern with the longest beginning that fits, and of those the one with the longest end. */
function bestPattern(patterns: readonly string[], specifier: string): string | undefined {
  const fitting = patterns.flatMap((pattern) => {
    const star = pattern.indexOf('*');
    if (star < 0) return [];
    const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
    const fits = specifier.startsWith(before) && specifier.endsWith(after);
    return fits ? [{ pattern, before: before.length, after: after.length }] : [];
  });
  fitting.sort((a, b) => b.before - a.before || b.after - a.after);
  return fitting[0]?.pattern;
}
