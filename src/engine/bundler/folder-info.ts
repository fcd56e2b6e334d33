// folder-info.ts — what of a folder decides which files imports mean: package.json, tsconfig.json, links
import { basename, dirname, join as joinPaths } from 'node:path';
import { isWithin, type LookupRecorder, type Recorded } from '../files/lookups.ts';
import { type PackageJson, readPackageJson } from './package-json.ts';
import { readTsConfig, type TsConfig } from './tsconfig.ts';

/** What is known of a folder. */
export interface FolderInfo {
  readonly path: string;
  readonly parent: FolderInfo | undefined;
  readonly packageJson: PackageJson | undefined;
  readonly tsConfig: TsConfig | undefined;
  readonly hasModules: boolean;
  readonly isInModules: boolean;
  /** Its real path, when there are links on the way. */
  readonly real: string | undefined;
}

/** Joins paths, without a slash at the end. */
export const join = (...parts: readonly string[]): string =>
  joinPaths(...parts).replace(/(?<=[^/\\:])[/\\]$/, '');

/** Reads what is known of folders: of each once. */
export class FolderInfos {
  private readonly recorder: LookupRecorder;
  /** The folder of the project, absolute and real. */
  private readonly root: string;
  private readonly known = new Map<string, Recorded<FolderInfo | undefined>>();

  constructor(recorder: LookupRecorder, root: string) {
    this.recorder = recorder;
    this.root = root;
  }

  /** Undefined where there is no such folder. */
  at(path: string): FolderInfo | undefined {
    return this.recorder.once(this.known, path, () => this.read(path));
  }

  private read(path: string): FolderInfo | undefined {
    const { recorder } = this;
    if (/\.zip([/\\]|$)|__virtual__|\$\$virtual/.test(path))
      recorder.doubt ??= `${path} is no folder`;
    const isTop = dirname(path) === path;
    const parent = isTop ? undefined : this.at(dirname(path));
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
