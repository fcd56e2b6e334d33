// project-files.ts — files of the project as inputs: found, digested, watched for change
import { readFile, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { readShortcut } from '../files/bounded-file.ts';
import { fileDigest, fileStat, stampHolds, writeAtomically } from '../files/files.ts';
import { FileFinder, type FoundFile, UnfitFile, whyOf } from '../files/find-files.ts';
import { escapeGlob, isGlob, unescapeGlob } from '../files/glob.ts';
import { readSealedJson, sealedJson } from '../files/hint.ts';
import { folderStamp, type Stamp } from '../files/stamp.ts';
import { byCodeUnit, type Digest, digestOf } from '../model/key.ts';
import { sourceFacts } from '../python/source-facts.ts';
import { StageError } from '../stage.ts';

/** A file of the project, as it was when the pipeline was planned. */
export interface ProjectFile {
  /** Relative to the folder of pipeline.yaml, with / between folders; absolute for one outside that is named so. */
  readonly name: string;
  /** Where it lies, absolute. */
  readonly path: string;
  readonly digest: Digest;
  readonly stamp: Stamp;
  /** Of a Python source of which only the code counts: how long that is. `digest` is of it then. */
  readonly codeBytes?: number;
}

/** A file of the project, as an action names it. */
export interface NamedFile {
  readonly name: string;
  readonly digest: Digest;
  /** Whether the digest is of the Python code in it. */
  readonly isCode?: true;
}

/** Files as an action names them. */
export const namedFiles = (files: readonly ProjectFile[]): readonly NamedFile[] =>
  files.map(({ name, digest, codeBytes }) => ({
    name,
    digest,
    ...(codeBytes !== undefined && { isCode: true }),
  }));

/** The digest of a file by which an action names it. */
export const digestAt = async (
  path: string,
  { isCode }: { readonly isCode?: true },
): Promise<Digest> => (isCode ? sourceFacts(await readFile(path)).code : fileDigest(path));

/** A pattern that fits nothing, or something that may not be read. */
export interface PatternProblem {
  readonly message: string;
  readonly hint?: string;
}

/** Finds and digests files. Digests of unchanged files are remembered from one command to the next. */
export class ProjectFiles {
  private readonly root: string;
  private readonly index: string;
  private readonly clock: () => number;
  private remembered: Map<string, Remembered> | undefined;
  private readonly found = new Map<string, Promise<readonly ProjectFile[] | PatternProblem>>();
  private readonly finder: FileFinder;
  private fresh = false;

  /** @param root folder of pipeline.yaml @param cache where digests are remembered */
  constructor(root: string, cache: string, clock: () => number) {
    this.root = root;
    this.index = join(cache, 'files.json');
    this.clock = clock;
    this.finder = new FileFinder(root, cache);
  }

  /** The files that fit a pattern, by code unit of their names. At least one. */
  find(pattern: string, outside: boolean): Promise<readonly ProjectFile[] | PatternProblem> {
    const memo = `${outside}\0${pattern}`;
    const known = this.found.get(memo) ?? this.look(pattern, outside);
    this.found.set(memo, known);
    return known;
  }

  /** Keeps what was digested for the next command. */
  async close(): Promise<void> {
    if (!this.fresh) return;
    // Losing this costs time and nothing else.
    const text = JSON.stringify({ files: [...(this.remembered ?? [])] });
    await writeAtomically(this.index, sealedJson(SEAL, text)).catch(() => {});
  }

  private async look(
    pattern: string,
    outside: boolean,
  ): Promise<readonly ProjectFile[] | PatternProblem> {
    try {
      const found = this.fitting(pattern);
      if ('message' in found) return found;
      const home = await realpath(this.root);
      const files: ProjectFile[] = [];
      for (const file of [...found].sort((a, b) => byCodeUnit(a.name, b.name))) {
        const read = await this.read(file, outside ? undefined : home);
        if ('message' in read) return read;
        files.push(read);
      }
      return files;
    } catch (error) {
      if (!(error instanceof UnfitFile || error instanceof RangeError)) throw error;
      const hint = 'correct or remove it, or name the files more narrowly';
      return { message: error.message, hint };
    }
  }

  /** The files that a pattern means. One that is the very name of a file means that file. */
  private fitting(pattern: string): readonly FoundFile[] | PatternProblem {
    const name = unescapeGlob(pattern);
    const found = this.finder.find(pattern);
    const isPattern = isGlob(pattern);
    const itself =
      isPattern && name === pattern && !found.some((file) => file.name === name)
        ? this.finder.find(escapeGlob(name))
        : [];
    const [first] = found;
    if (itself.length > 0 && first !== undefined) {
      const hint = `\`${escapeGlob(name)}\` is the file alone`;
      return { message: `\`${name}\` is a file and a pattern that fits ${first.name}`, hint };
    }
    if (found.length + itself.length > 0) return [...found, ...itself];
    const relativeTo = 'paths are relative to the folder of pipeline.yaml';
    if (isPattern) {
      const hint = `${relativeTo}; * and ** do not fit hidden files`;
      return { message: `no file fits \`${pattern}\``, hint };
    }
    if (folderStamp(resolve(this.root, name)) !== null) {
      return {
        message: `${name} is a folder`,
        hint: `${name.replace(/\/$/, '')}/** is every file in it`,
      };
    }
    return { message: `there is no file ${name}`, hint: relativeTo };
  }

  /** @param home the folder in which it must lie */
  private async read(
    { name, isLinked }: FoundFile,
    home: string | undefined,
  ): Promise<ProjectFile | PatternProblem> {
    const path = resolve(this.root, name);
    if (home !== undefined && isLinked && !isBelow(home, await realpath(path))) {
      const hint = 'a link that is outside the project counts as outside: `outside: true`';
      return { message: `${name} lies outside the project`, hint };
    }
    const stamp = await fileStat(path);
    if (stamp === undefined) throw new UnfitFile(`${name} has just gone: try again`);
    try {
      const digest = await this.digest(path, stamp);
      return { name: nameOf(this.root, name), path, stamp, digest };
    } catch (error) {
      throw new UnfitFile(`${name} cannot be read: ${whyOf(error)}`);
    }
  }

  private async digest(path: string, stamp: Stamp): Promise<Digest> {
    this.remembered ??= await readIndex(this.index);
    const before = this.remembered.get(path);
    if (before && stampHolds(before.stamp, stamp, this.clock())) return before.digest;
    const digest = await fileDigest(path);
    // A file that was written just now may be written again without looking different.
    if (stampHolds(stamp, stamp, this.clock())) {
      this.remembered.set(path, { stamp, digest });
      this.fresh = true;
    }
    return digest;
  }
}

interface Remembered {
  readonly stamp: Stamp;
  readonly digest: Digest;
}

interface StoredFiles {
  readonly files: readonly (readonly [path: string, remembered: Remembered])[];
}

const SEAL = 'files';

async function readIndex(index: string): Promise<Map<string, Remembered>> {
  try {
    const read = readSealedJson(SEAL, readShortcut(index)) as StoredFiles | undefined;
    return new Map(read?.files ?? []);
  } catch {
    return new Map(); // Absent, damaged or edited: everything is digested anew.
  }
}

const nameOf = (root: string, name: string): string =>
  isAbsolute(name) ? name : relative(root, resolve(root, name)).split(sep).join('/');

const isBelow = (folder: string, path: string): boolean => {
  const way = relative(folder, path);
  return way !== '' && !way.startsWith(`..${sep}`) && way !== '..' && !isAbsolute(way);
};

/** The names of files that are no longer what they were when the pipeline was planned. */
export async function changedFiles(files: readonly ProjectFile[]): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const { name, path, stamp, digest, codeBytes } of files) {
    const now = await fileStat(path);
    const same = now && stampHolds(stamp, now, Number.POSITIVE_INFINITY);
    if (same) continue;
    const form = codeBytes === undefined ? {} : ({ isCode: true } as const);
    const content = now && (await digestAt(path, form).catch(() => undefined));
    if (content !== digest) changed.push(name);
  }
  return changed;
}

/** The content of a file. @throws StageError when it is not what it was when the pipeline was planned */
export async function readProjectFile({
  name,
  path,
  digest,
}: Pick<ProjectFile, 'name' | 'path' | 'digest'>): Promise<Uint8Array> {
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined || digestOf(bytes) !== digest) {
    throw new StageError(`${name} has just changed: run make again`);
  }
  return new Uint8Array(bytes);
}
