// project-look.ts — the folder of a project as Python's imports see it: each name is looked up once, and noted
import { readdirSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { Folders } from '../files/lookups.ts';
import type { ProjectLook } from './module-search.ts';

/** Looks at a folder as it is now. */
export class FolderLook implements ProjectLook {
  private readonly root: string;
  private readonly kinds = new Map<string, 'file' | 'folder' | undefined>();
  private readonly lists = new Map<string, readonly string[]>();

  constructor(root: string) {
    this.root = root;
  }

  kindOf(name: string): 'file' | 'folder' | undefined {
    if (this.kinds.has(name)) return this.kinds.get(name);
    const kind = kindAt(join(this.root, name));
    this.kinds.set(name, kind);
    return kind;
  }

  list(folder: string): readonly string[] {
    const known = this.lists.get(folder) ?? listed(join(this.root, folder));
    this.lists.set(folder, known);
    return known;
  }

  /** The names that were asked for, by folder, and what stands there: a new file may change what an import means. */
  lookups(): ReadonlyMap<string, ReadonlyMap<string, string>> {
    const folders = new Folders();
    const lookups = new Map<string, Map<string, string>>();
    for (const name of this.kinds.keys()) {
      const folder = join(this.root, posix.dirname(name));
      const lower = posix.basename(name).toLowerCase();
      const names = lookups.get(folder) ?? new Map<string, string>();
      lookups.set(folder, names.set(lower, folders.found(folder, lower)));
    }
    return lookups;
  }
}

function kindAt(path: string): 'file' | 'folder' | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() ? 'file' : found?.isDirectory() ? 'folder' : undefined;
  } catch {
    return undefined; // Below a file, behind links that lead in a circle, or in a closed folder.
  }
}

function listed(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
