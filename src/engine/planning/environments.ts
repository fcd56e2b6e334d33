// environments.ts — the Python environments of a plan's commands, each looked at once, with the files of editable installs
import { relative, resolve, sep } from 'node:path';
import type { EnvironmentConfig } from '../config/program-environment.ts';
import {
  type EnvironmentParts,
  type EnvironmentPlace,
  type EnvironmentSearch,
  findEnvironment,
} from '../environments/environment.ts';
import { escapeGlob } from '../files/glob.ts';
import type { Diagnostic } from '../model/event.ts';
import type { ProjectFile, ProjectFiles } from './project-files.ts';

/** The environment that a command runs in. */
export interface CommandEnvironment {
  readonly parts: EnvironmentParts;
  readonly place: EnvironmentPlace;
  /** The files of editable installs. */
  readonly files: readonly ProjectFile[];
}

/** What is made when code runs, or tells of how it was installed. */
const NO_CODE = /(?:^|\/)(?:__pycache__|[^/]+\.egg-info)\/|\.pyc$/;

/** Finds environments, and remembers what it found for the other tasks of a plan. */
export class Environments {
  private readonly known = new Map<string, Promise<CommandEnvironment | Diagnostic>>();
  private readonly search: EnvironmentSearch;
  private readonly files: ProjectFiles;

  constructor(search: EnvironmentSearch, files: ProjectFiles) {
    this.search = search;
    this.files = files;
  }

  find(config: EnvironmentConfig): Promise<CommandEnvironment | Diagnostic> {
    const { kind, lock, folder, place } = config;
    const memo = JSON.stringify([kind, lock, folder, place.start]);
    const known = this.known.get(memo) ?? this.look(config);
    this.known.set(memo, known);
    return known;
  }

  private async look(config: EnvironmentConfig): Promise<CommandEnvironment | Diagnostic> {
    const found = await findEnvironment(config, this.search);
    if ('message' in found) return found;
    const { parts, place, editable } = found;
    const files = new Map<string, ProjectFile>();
    for (const folder of editable) {
      const inside = await this.filesIn(folder, place);
      if ('message' in inside) return { ...inside, place: config.place };
      for (const file of inside) files.set(file.name, file);
    }
    const all = [...files.values()];
    if (all.length === 0) return { parts, place, files: all };
    const digests = Object.fromEntries(all.map(({ name, digest }) => [name, digest]));
    return { parts: { ...parts, editable: digests }, place, files: all };
  }

  /** The sources below a folder that an editable install stands for. Of the project itself, Python's alone. */
  private async filesIn(
    folder: string,
    { folder: environment }: EnvironmentPlace,
  ): Promise<readonly ProjectFile[] | { readonly message: string; readonly hint?: string }> {
    const { root } = this.search;
    const way = relative(root, folder).split(sep).join('/');
    const found = await this.files.find(way === '' ? '**/*.py' : `${escapeGlob(way)}/**`, false);
    if ('message' in found) return found;
    const own = `${resolve(environment)}${sep}`;
    return found.filter(({ name, path }) => !NO_CODE.test(name) && !path.startsWith(own));
  }
}
