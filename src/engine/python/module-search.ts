// module-search.ts — which files of the project an import means, as Python looks for them
import { posix } from 'node:path';

/** Looks at the project. Names are relative to its folder, with / between folders; the folder itself is `.`. */
export interface ProjectLook {
  kindOf(name: string): 'file' | 'folder' | undefined;
}

/** A module that was found. */
export interface FoundModule {
  /** Its file, relative to the folder of the project. */
  readonly file: string;
  /** The package to which its relative imports refer; empty for a module in no package. */
  readonly package: string;
}

/** What Python loads under the name of a module, in the order in which it looks. */
const SUFFIXES = ['.so', '.abi3.so', '.py', '.pyc'];
/** Extension modules carry the version of Python in their names. */
const EXTENSION_TAGS = ['cpython', 'pypy'];

/** Finds modules in the folders of the project that are on `sys.path`. */
export class ModuleSearch {
  private readonly look: ProjectLook & { list(name: string): readonly string[] };
  private readonly roots: readonly string[];

  /** @param roots folders, in the order of `sys.path` */
  constructor(look: ModuleSearch['look'], roots: readonly string[]) {
    this.look = look;
    this.roots = roots;
  }

  /**
   * The modules that importing a name loads: it, and the packages that it lies in, as far as they are of the project.
   * A folder without `__init__.py` counts as a package where no other is found.
   */
  find(name: string): readonly FoundModule[] {
    const steps = name.split('.');
    const found: FoundModule[] = [];
    let folders = this.roots;
    for (const [depth, step] of steps.entries()) {
      const next = this.step(folders, step);
      const own = steps.slice(0, depth + 1).join('.');
      const around = steps.slice(0, depth).join('.');
      for (const file of next.files) found.push({ file, package: next.isPackage ? own : around });
      if (next.folders.length === 0) break;
      folders = next.folders;
    }
    return found;
  }

  /** The folders of a package, where it is of the project: what else it holds can be imported from it. */
  private step(
    folders: readonly string[],
    name: string,
  ): {
    readonly files: readonly string[];
    readonly folders: readonly string[];
    readonly isPackage: boolean;
  } {
    const portions: string[] = [];
    for (const folder of folders) {
      const path = posix.join(folder, name);
      const isFolder = this.look.kindOf(path) === 'folder';
      const initial = isFolder ? this.filesOf(path, '__init__') : [];
      if (initial.length > 0) return { files: initial, folders: [path], isPackage: true };
      const files = this.filesOf(folder, name);
      if (files.length > 0) return { files, folders: [], isPackage: false };
      if (isFolder) portions.push(path);
    }
    return { files: [], folders: portions, isPackage: true };
  }

  /** The files that Python may load as a module of this name in a folder: extension modules, then the source. */
  private filesOf(folder: string, name: string): readonly string[] {
    const tagged = EXTENSION_TAGS.flatMap((tag) =>
      this.look
        .list(folder)
        .filter((entry) => entry.startsWith(`${name}.${tag}`) && entry.endsWith('.so')),
    );
    const found = [...tagged, ...SUFFIXES.map((suffix) => name + suffix)]
      .map((entry) => posix.join(folder, entry))
      .filter((path) => this.look.kindOf(path) === 'file' && !isInstalled(path));
    const sources = found.filter((path) => !path.endsWith('.pyc'));
    return sources.length > 0 ? sources : found;
  }
}

/** Whether a file belongs to what is installed: its version is the affair of a fingerprint or an environment. */
export const isInstalled = (path: string): boolean =>
  /(?:^|\/)(?:site-packages|dist-packages|__pypackages__)\//.test(path);
