// resolver.ts — which file an import means, by esbuild's own rules, with everything that was looked up on the way
import { basename, dirname, isAbsolute } from 'node:path';
import type { LookupRecorder, Recorded } from '../files/lookups.ts';
import { type FolderInfo, FolderInfos, join } from './folder-info.ts';
import { isNodeModule } from './node-modules.ts';
import {
  exportTarget,
  importTarget,
  type PackageJson,
  packageNameOf,
  type Target,
} from './package-json.ts';
import { matchPaths, noteYarn } from './tsconfig.ts';

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
  private readonly folders: FolderInfos;
  private readonly answers = new Map<string, Recorded<Resolved | undefined>>();

  constructor(recorder: LookupRecorder, root: string) {
    this.recorder = recorder;
    this.root = root;
    this.folders = new FolderInfos(recorder, root);
  }

  /** @returns undefined when it cannot be resolved, or stays outside of the bundle */
  resolve(folder: string, specifier: string, kind: ImportKind): Resolved | undefined {
    const key = [folder, kind, specifier].join('\0');
    return this.recorder.once(this.answers, key, () =>
      new Query(this.recorder, kind, this.folders).resolve(folder, specifier),
    );
  }

  /** Looks whether Yarn resolves the packages of the project, by rules of its own. */
  noteYarn(): void {
    for (let at = this.folders.at(this.root); at; at = at.parent) noteYarn(this.recorder, at.path);
  }
}

/** One import. */
class Query {
  private readonly recorder: LookupRecorder;
  private readonly kind: ImportKind;
  private readonly folders: FolderInfos;

  constructor(recorder: LookupRecorder, kind: ImportKind, folders: FolderInfos) {
    this.recorder = recorder;
    this.kind = kind;
    this.folders = folders;
  }

  resolve(folder: string, specifier: string): Resolved | undefined {
    if (/^(https?:)?\/\/|^data:/.test(specifier) || isNodeModule(specifier)) return undefined;
    if (specifier.includes('*')) return undefined;
    const source = this.folders.at(folder);
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
    const folder = this.folders.at(dirname(path));
    if (folder === undefined) return path;
    const entry = this.recorder.entry(folder.path, basename(path));
    const real = entry?.link ?? (folder.real && join(folder.real, basename(path)));
    if (real !== undefined) this.folders.at(dirname(real));
    return real ?? path;
  }

  private withLinks(folder: string, source: FolderInfo, specifier: string): Pair | undefined {
    if (specifier.startsWith('/') || isAbsolute(specifier)) {
      return this.byPaths(source, specifier) ?? this.fileOrFolder(specifier);
    }
    const isPackage = isPackagePath(specifier);
    if (!isPackage || isCssKind(this.kind)) {
      const path = join(folder, specifier);
      this.folders.at(dirname(path));
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
    const folder = this.folders.at(path);
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
      const inside = this.folders.at(place);
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
    const match = matchPaths(paths, specifier);
    if (match === undefined) return undefined;
    const base = tsConfig?.baseUrl ?? paths.base;
    for (const substitution of match.substitutions) {
      const text = substitution.replace('*', () => match.matched);
      if (/\.d\.ts$/i.test(text)) continue;
      const found = this.fileOrFolder(isAbsolute(text) ? text : join(base, text));
      if (found) return found;
    }
    return undefined;
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
      const exports = this.folders.at(folder)?.packageJson?.exports;
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
    if (isNodeModule(target.specifier)) return undefined;
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
    const place = this.folders.at(dirname(path));
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
