// bundle-inputs.ts — everything that decides what is in a bundle: files, configuration, and what was looked up
import { dirname, join, relative, sep } from 'node:path';
import type { Metafile } from 'esbuild';
import {
  allOf,
  type Lookup,
  type LookupRecorder,
  type Recorded,
  type Recording,
} from '../files/lookups.ts';
import { isOwnModule, ownImport } from './built-in-packages.ts';
import type { ImportKind, Resolved, Resolver } from './resolver.ts';

/** What a bundle was made from. Paths of files are absolute and real. */
export interface BundleInputs {
  /** Modules: what they hold is in the bundle, or was left out of it as unused. */
  readonly modules: ReadonlySet<string>;
  /** Configuration files that decided something. */
  readonly configuration: ReadonlySet<string>;
  readonly lookups: ReadonlySet<Lookup>;
}

type MetafileImport = Metafile['inputs'][string]['imports'][number];

/** A module, and the modules that it imports, by their names in the metafile. */
interface Links {
  readonly next: readonly string[];
}

/** What is looked up in a project. Several finders may share it: each folder is read once. */
export interface ProjectLookups {
  /** Folder of the project, absolute and real. */
  readonly root: string;
  readonly recorder: LookupRecorder;
  readonly resolver: Resolver;
}

/** Tells of bundles that were made together what each was made from. */
export class InputFinder {
  private readonly metafile: Metafile;
  private readonly root: string;
  private readonly recorder: LookupRecorder;
  private readonly resolver: Resolver;
  /** Where the modules of the metafile lie; undefined for what is no file. */
  private readonly paths = new Map<string, string | undefined>();
  private readonly visited = new Map<string, Recorded<Links>>();
  /** Whether a package gives another file to those who require it: then one module can decide for others. */
  hasAlternatives = false;

  constructor(metafile: Metafile, { root, recorder, resolver }: ProjectLookups) {
    this.metafile = metafile;
    this.root = root;
    this.recorder = recorder;
    this.resolver = resolver;
  }

  /** @param run the path of the module, relative to the root @param entry its name in the metafile */
  inputsOf(run: string, entry: string): BundleInputs {
    const recordings: Recording[] = [
      this.recorder.record(() => {
        this.resolver.noteYarn();
        const found = isOwnModule(run)
          ? this.resolved(this.root, run, 'entry-point')
          : this.resolver.resolve(this.root, `./${run}`, 'entry-point');
        this.compare(found, entry, run);
      }),
    ];
    const modules = new Set<string>();
    const names = new Set([entry]);
    for (const name of names) {
      const links = this.linksOf(name);
      recordings.push(links);
      for (const next of links.value.next) names.add(next);
      const path = this.paths.get(name);
      if (path !== undefined) modules.add(path);
    }
    const { lookups, files } = allOf(recordings);
    return { modules, configuration: files, lookups };
  }

  private linksOf(name: string): Recorded<Links> {
    const known = this.visited.get(name);
    if (known) return known;
    const links = this.recorder.record(() => {
      const path = this.paths.get(name);
      const imports = this.metafile.inputs[name]?.imports ?? [];
      return { next: path === undefined ? [] : imports.flatMap((one) => this.follow(path, one)) };
    });
    this.visited.set(name, links);
    return links;
  }

  /** Resolves an import as esbuild did. @returns the modules that it leads to, by their names in the metafile */
  private follow(importer: string, found: MetafileImport): readonly string[] {
    const folder = dirname(importer);
    const { path, original, external } = found;
    const kind = found.kind as ImportKind;
    if (path.includes('*') && external) return this.matching(folder, path);
    const resolved = this.resolved(folder, original ?? path, kind);
    // What esbuild left as it stands: it found nothing, or never looked as only types were meant.
    if (original === undefined || original.startsWith('data:')) return [];
    if (path.startsWith('absent:') && resolved === undefined) return [];
    this.compare(resolved, path, `${original} in ${importer}`);
    return [path];
  }

  private resolved(folder: string, specifier: string, kind: ImportKind): Resolved | undefined {
    const found = this.resolver.resolve(folder, specifier, kind);
    const own = found ? undefined : ownImport(specifier);
    return own ? this.resolver.resolve(own.folder, own.specifier, kind) : found;
  }

  /** Trusts an answer when it is esbuild's, too. */
  private compare(found: Resolved | undefined, name: string, what: string): void {
    const suffix = found?.suffix ?? '';
    this.hasAlternatives ||= found?.other !== undefined;
    const candidates = found?.other === undefined ? [found?.path] : [found.path, found.other];
    const path = candidates.find((one) => {
      if (one === undefined) return false;
      const own = this.nameOf(one) + suffix;
      return name === own || name.startsWith(`${own} with {`);
    });
    if (path === undefined) {
      this.recorder.doubt ??= `${what} is ${name}, not ${found?.path ?? 'nothing'}`;
    } else this.paths.set(name, path);
  }

  private nameOf(path: string): string {
    return relative(this.root, path).split(sep).join('/');
  }

  /** The modules that a path with wildcards stands for, which are those that are there. */
  private matching(folder: string, pattern: string): readonly string[] {
    const fixed = pattern.slice(0, pattern.indexOf('*')).replace(/[^/]*$/, '');
    const fits = patternOf(pattern);
    const isDeep = pattern.includes('**');
    const names: string[] = [];
    const visit = (path: string, shown: string): void => {
      for (const name of this.recorder.listing(path)) {
        const entry = this.recorder.entry(path, name);
        const isLink = entry?.link !== undefined;
        if (entry?.kind === 'folder' && isDeep && !isLink)
          visit(join(path, name), `${shown}${name}/`);
        if (entry?.kind !== 'file' || !fits.test(shown + name)) continue;
        const found = this.resolver.resolve(path, `./${name}`, 'import-statement');
        if (found === undefined) continue;
        this.paths.set(this.nameOf(found.path), found.path);
        names.push(this.nameOf(found.path));
      }
    };
    visit(join(folder, fixed), fixed);
    return names;
  }
}

/** `**` stands for any folders, `*` for anything within a name. */
function patternOf(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*\/?|\*)/).map((part) => {
    if (part.startsWith('**')) return '(?:[^/]*(?:/|$))*';
    return part === '*' ? '[^/]*' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`);
}
