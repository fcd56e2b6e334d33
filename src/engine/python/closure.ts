// closure.ts — a Python program with all modules of the project that it imports
import { posix } from 'node:path';
import type { DynamicImport, ImportedName } from './imports.ts';
import { type FoundModule, isInstalled, ModuleSearch, type ProjectLook } from './module-search.ts';
import type { SourceFacts } from './source-facts.ts';

/** What starts a program. */
export type Entry =
  /** A script: its folder comes first on `sys.path`. */
  | { readonly script: string }
  /** `-m NAME`: the folder of the project comes first. */
  | { readonly module: string }
  /** `-c TEXT`. */
  | { readonly text: SourceFacts };

/** Where modules are looked for, and what they say. */
export interface ClosureSources extends ProjectLook {
  list(folder: string): readonly string[];
  /** What is in a file of the project; undefined for what is no Python source, or may not be read. */
  facts(file: string): Promise<SourceFacts | undefined>;
}

/** An import that cannot be followed, and where it stands. */
export interface DynamicImportAt extends DynamicImport {
  readonly file: string;
}

/** A program. */
export interface Closure {
  /** The files that are read as code. */
  readonly code: ReadonlySet<string>;
  /** Files that it may read as files, too: their comments count. */
  readonly named: ReadonlySet<string>;
  readonly dynamic: readonly DynamicImportAt[];
  /** Whether it may read the sources of its modules. */
  readonly readsSources: boolean;
}

/** A program of more modules is none that a person wrote. */
const MODULES_MAX = 50_000;

/**
 * Follows the imports of a program. @param path folders of the project on PYTHONPATH
 */
export async function closureOf(
  entries: readonly Entry[],
  path: readonly string[],
  sources: ClosureSources,
): Promise<Closure> {
  const walk = new Walk(sources, path);
  for (const entry of entries) await walk.enter(entry);
  return walk;
}

class Walk implements Closure {
  readonly code = new Set<string>();
  readonly named = new Set<string>();
  readonly dynamic: DynamicImportAt[] = [];
  readsSources = false;
  private readonly sources: ClosureSources;
  private readonly path: readonly string[];
  private readonly scripts = new Set<string>();

  constructor(sources: ClosureSources, path: readonly string[]) {
    this.sources = sources;
    this.path = path;
  }

  async enter(entry: Entry): Promise<void> {
    if ('script' in entry) await this.script(entry.script);
    else if ('module' in entry) {
      const program = new Program(this, this.sources, ['.', ...this.path]);
      await program.module(entry.module);
      await program.module(`${entry.module}.__main__`);
    } else {
      await new Program(this, this.sources, ['.', ...this.path]).text(entry.text);
    }
  }

  /** A script that is started by itself, or by a program that names it. */
  async script(file: string): Promise<void> {
    if (this.scripts.has(file)) return;
    this.scripts.add(file);
    const folder = posix.dirname(file);
    await new Program(this, this.sources, [folder, ...this.path]).visit({ file, package: '' });
  }
}

/** One process of Python: what it finds depends on its `sys.path`. */
class Program {
  private readonly walk: Walk;
  private readonly sources: ClosureSources;
  private readonly roots: string[];
  private readonly seen = new Map<string, FoundModule>();
  private search: ModuleSearch;

  constructor(walk: Walk, sources: ClosureSources, roots: readonly string[]) {
    this.walk = walk;
    this.sources = sources;
    this.roots = [...new Set(roots)];
    this.search = new ModuleSearch(sources, this.roots);
  }

  async module(name: string): Promise<void> {
    for (const found of this.search.find(name)) await this.visit(found);
  }

  async text(facts: SourceFacts): Promise<void> {
    await this.follow(facts, { file: '-c', package: '' });
  }

  async visit(start: FoundModule): Promise<void> {
    const open: FoundModule[] = [start];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const name = `${next.file}\0${next.package}`;
      if (this.seen.has(name) || this.seen.size > MODULES_MAX) continue;
      this.seen.set(name, next);
      this.walk.code.add(next.file);
      const facts = await this.sources.facts(next.file);
      if (facts) open.push(...(await this.imported(facts, next)));
    }
  }

  private async follow(facts: SourceFacts, module: FoundModule): Promise<void> {
    for (const found of await this.imported(facts, module)) await this.visit(found);
  }

  /** The modules that a module imports. */
  private async imported(facts: SourceFacts, module: FoundModule): Promise<readonly FoundModule[]> {
    const found: FoundModule[] = [];
    this.walk.readsSources ||= facts.readsSources;
    const again = this.extend(facts.path);
    if (again) found.push(...this.restart());
    for (const one of facts.imports) found.push(...(await this.importedBy(one, module)));
    for (const one of facts.dynamic) {
      this.walk.dynamic.push({ ...one, file: module.file });
      if (one.module === undefined) continue;
      const level = /^\.*/.exec(one.module)?.[0].length ?? 0;
      const name = absolute(module.package, level, one.module.slice(level));
      if (name !== undefined) found.push(...this.search.find(name));
    }
    for (const name of facts.files) await this.file(name);
    return found;
  }

  private async importedBy(
    { level, module, names }: ImportedName,
    by: FoundModule,
  ): Promise<readonly FoundModule[]> {
    const base = absolute(by.package, level, module);
    if (base === undefined) return [];
    const found = base === '' ? [] : [...this.search.find(base)];
    for (const name of names ?? []) {
      const taken = name === '*' ? await this.starOf(found) : [name];
      for (const one of taken)
        found.push(...this.search.find(base === '' ? one : `${base}.${one}`));
    }
    return found;
  }

  /** What `import *` takes from a package: the modules that its `__all__` names. */
  private async starOf(found: readonly FoundModule[]): Promise<readonly string[]> {
    const last = found.at(-1);
    const facts = last && (await this.sources.facts(last.file));
    return facts?.all ?? [];
  }

  /** A file that a source names: it may be read as well as run. */
  private async file(name: string): Promise<void> {
    const path = posix.normalize(name);
    const isOurs = !path.startsWith('../') && !path.startsWith('/') && !isInstalled(path);
    if (!isOurs || this.sources.kindOf(path) !== 'file') return;
    this.walk.named.add(path);
    await this.walk.script(path);
  }

  /** Adds folders to `sys.path`. Whether there are new ones. */
  private extend(folders: readonly string[]): boolean {
    const fresh = folders
      .map((folder) => posix.normalize(folder).replace(/(?<=.)\/$/, ''))
      .filter((folder) => !folder.startsWith('..') && !folder.startsWith('/'))
      .filter((folder) => !this.roots.includes(folder));
    this.roots.push(...fresh);
    if (fresh.length > 0) this.search = new ModuleSearch(this.sources, this.roots);
    return fresh.length > 0;
  }

  /** Modules that were looked at before a folder was added: they may find more now. */
  private restart(): readonly FoundModule[] {
    const before = [...this.seen.values()];
    this.seen.clear();
    return before;
  }
}

/** The name that an import means; undefined for a relative one that leads out of its package. */
function absolute(around: string, level: number, module: string): string | undefined {
  if (level === 0) return module;
  const steps = around === '' ? [] : around.split('.');
  if (steps.length < level) return undefined;
  const base = steps.slice(0, steps.length - level + 1);
  return [...base, ...(module === '' ? [] : [module])].join('.');
}
