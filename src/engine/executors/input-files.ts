// input-files.ts — inputs as files of a scratch folder: shared with the store where that is safe, and checked afterwards
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { isStable, type Stamp, sameStamp, stampOf } from '../files/stamp.ts';
import type { FolderFile } from '../model/folder-manifest.ts';
import type { Digest } from '../model/key.ts';
import { digestAt, type NamedFile } from '../planning/project-files.ts';
import { folderFrom } from '../store/folder-blobs.ts';
import type { BlobStore } from '../store/store.ts';

/** Digests of files of the project, by path, and of the code in them by `code:` and the path: what one task has read, the next need not. */
export interface KnownFiles {
  readonly digests: Map<string, { readonly stamp: Stamp; readonly digest: Digest }>;
  /** Whether files may be copied by reference: it has not been refused yet. To try it anew for each of many takes long. */
  mayClone: boolean;
}

export const nothingKnown = (): KnownFiles => ({ digests: new Map(), mayClone: true });

/** What inputs are taken from. */
export interface InputSources {
  readonly blobs: Pick<BlobStore, 'get' | 'copyTo' | 'forget' | 'verify' | 'lendTo' | 'takeBack'>;
  /** Whether files may be names of blobs: not where whoever gets them may write any file. */
  readonly mayLink: boolean;
  readonly known: KnownFiles;
}

/** A blob that is to become a file. */
export interface GivenBlob {
  readonly digest: Digest;
  readonly bytes?: Uint8Array;
}

/** An input that is there. */
interface Placed extends Pick<NamedFile, 'digest' | 'isCode'> {
  readonly port: string;
  /** In the scratch folder. */
  readonly path: string;
  readonly stamp: Stamp | null;
  /** It is another name of the blob. */
  readonly isLinked: boolean;
}

/** Files that are not larger are copied at once: going through the thread pool takes longer. */
const SMALL_BYTES = 2 ** 20;
/** After so many files, whoever else waits goes on. */
const FILES_PER_TURN = 64;
const EXECUTABLE = 0o111;

/** As `copyFileSync` does, its mode included, in half the time: there is no looking for ways to copy a few kilobytes. */
function copySmall(from: string, copy: string): void {
  const source = openSync(from, 'r');
  try {
    const mode = fstatSync(source).mode & 0o7777;
    const target = openSync(copy, 'wx', mode);
    try {
      // What the umask took away.
      fchmodSync(target, mode);
      writeFileSync(target, readFileSync(source));
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

/** Puts inputs into one scratch folder. */
export class InputFiles {
  /** Blobs of the store that were not there: of a folder, the one that lists it. */
  readonly lost = new Set<Digest>();
  private readonly placed: Placed[] = [];
  private readonly folders = new Set<string>();
  private readonly folder: string;
  private readonly sources: InputSources;

  constructor(folder: string, sources: InputSources) {
    this.folder = folder;
    this.sources = sources;
  }

  /** A blob becomes a file. */
  async putBlob(port: string, path: string, blob: GivenBlob): Promise<void> {
    if (!(await this.place(port, path, blob, false))) this.lost.add(blob.digest);
  }

  /** The list of a folder becomes the folder. Gives the paths of its files. */
  async putFolder(port: string, path: string, blob: GivenBlob): Promise<readonly string[]> {
    const { blobs } = this.sources;
    const content = blob.bytes ?? (await blobs.get(blob.digest));
    const files = content && folderFrom(content);
    if (files === undefined) {
      this.lost.add(blob.digest);
      return [];
    }
    this.makeFolder(path);
    for (const file of files) {
      if (await this.putFile(port, `${path}/${file.path}`, file)) continue;
      // A folder that lacks a file is as good as none: its task makes it again.
      await blobs.forget(blob.digest);
      this.lost.add(blob.digest);
      return [];
    }
    return files.map((file) => `${path}/${file.path}`);
  }

  private putFile(
    port: string,
    path: string,
    { digest, isExecutable }: FolderFile,
  ): Promise<boolean> {
    return this.place(port, path, { digest }, isExecutable);
  }

  private async place(
    port: string,
    path: string,
    { digest, bytes }: GivenBlob,
    isExecutable: boolean,
  ): Promise<boolean> {
    const { blobs, mayLink } = this.sources;
    const file = this.ready(path);
    let isLinked = false;
    if (bytes) writeFileSync(file, bytes, { flag: 'wx' });
    else {
      // The rights of a blob are those of all its names.
      const options = { mayLink: mayLink && !isExecutable };
      const how = blobs.lendTo
        ? await blobs.lendTo(digest, file, options)
        : (await blobs.copyTo(digest, file)) && 'copied';
      if (how === false) return false;
      isLinked = how === 'linked';
    }
    if (isExecutable) chmodSync(file, lstatSync(file).mode | EXECUTABLE);
    await this.note({ port, path, digest, isLinked });
    return true;
  }

  /** A file of the project is copied. False when it is not what the key says. */
  async putProjectFile(
    port: string,
    path: string,
    { from, ...file }: Pick<NamedFile, 'digest' | 'isCode'> & { readonly from: string },
  ): Promise<boolean> {
    const { known } = this.sources;
    const copy = this.ready(path);
    const before = stampOf(from);
    const since = Date.now();
    if (!this.cloned(from, copy)) {
      const isSmall = (before?.size ?? 0) <= SMALL_BYTES;
      if (isSmall) copySmall(from, copy);
      else await copyFile(from, copy, constants.COPYFILE_EXCL);
    }
    const name = file.isCode ? `code:${from}` : from;
    const remembered = known.digests.get(name);
    const isSame = before !== null && sameStamp(before, stampOf(from));
    const isKnown = isSame && remembered && sameStamp(remembered.stamp, before);
    const actual = isKnown ? remembered.digest : await digestAt(copy, file);
    if (isSame && !isKnown && isStable(before, since)) {
      known.digests.set(name, { stamp: before, digest: actual });
    }
    await this.note({ ...file, port, path, isLinked: false });
    return actual === file.digest;
  }

  private cloned(from: string, copy: string): boolean {
    const { known } = this.sources;
    if (!known.mayClone) return false;
    try {
      copyFileSync(from, copy, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
      known.mayClone = false;
      rmSync(copy, { force: true });
      return false;
    }
  }

  /** The path of a new file, whose folder is there. */
  private ready(path: string): string {
    const file = join(this.folder, path);
    this.makeFolder(dirname(path));
    return file;
  }

  private makeFolder(path: string): void {
    if (this.folders.has(path)) return;
    mkdirSync(join(this.folder, path), { recursive: true });
    this.folders.add(path);
  }

  private async note(placed: Omit<Placed, 'stamp'>): Promise<void> {
    this.placed.push({ ...placed, stamp: stampOf(join(this.folder, placed.path)) });
    if (this.placed.length % FILES_PER_TURN === 0) await turn();
  }

  /**
   * The first input that is no longer what it was: its content is read again where its inode, size or time of change has
   * moved. One that is gone has harmed nobody. A blob that was written to is dropped from the store.
   */
  async changed(): Promise<{ readonly port: string; readonly path: string } | undefined> {
    for (const one of this.placed) {
      if (await this.isChanged(one)) return one;
    }
    return undefined;
  }

  private async isChanged(placed: Placed): Promise<boolean> {
    const { path, digest, stamp, isLinked } = placed;
    const file = join(this.folder, path);
    const entry = lstatSync(file, { throwIfNoEntry: false });
    if (entry === undefined) return false;
    if (!entry.isFile()) return true;
    const now = stampOf(file);
    if (sameStamp(stamp, now)) return false;
    // Its time of change moves when another task gets the same blob: the store knows whether it is as it was.
    if (isLinked && now?.inode === stamp?.inode) return !(await this.sources.blobs.verify(digest));
    return (await digestAt(file, placed).catch(() => '')) !== digest;
  }

  /** Takes names of blobs away again, before the folder goes. */
  async release(): Promise<void> {
    for (const { path, digest, isLinked } of this.placed) {
      if (isLinked) await this.sources.blobs.takeBack?.(digest, join(this.folder, path));
    }
  }
}
