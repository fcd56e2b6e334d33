// artifact.ts — outputs as files for people, with their provenance beside them; what a person edited is put aside
import { elementAt } from '../../present.ts';
import { statSync } from 'node:fs';
import { chmod, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, sep } from 'node:path';
import { fileSet } from '../../file-set.ts';
import {
  FOLDERS,
  INDEX,
  type Index,
  isOurs,
  readIndex,
  snapshots,
  UNKNOWN,
  type Written,
} from './artifact-index.ts';
import { type FileContent, fileDigest, stampHolds, writeAtomically } from '../files/files.ts';
import { withFolderLock } from '../files/folder-lock.ts';
import { makeFolder } from '../files/make-folder.ts';
import { decodeFolder, FOLDER } from '../model/folder-manifest.ts';
import type { Identity } from '../model/process-identity.ts';
import { type Digest, digestOf, type Named } from '../model/key.ts';
import { stampOf } from '../files/stamp.ts';
import { StoreError } from '../store/store.ts';

/** What happened to an artifact. `kept`: where the edited file that stood in its place was put. */
export interface ArtifactChange {
  readonly path: string;
  readonly kept?: string;
}

/** An output for people: a file, or the folder that a blob of files becomes. */
export interface Artifact {
  /** Within the folder for artifacts. */
  readonly path: string;
  readonly digest: Digest;
  /** Of the output: `files` and `folder` become folders. */
  readonly kind: string;
}

/** Whether an output of a kind becomes a folder. */
export const becomesFolder = (kind: string): boolean => kind === 'files' || kind === FOLDER;

/** Everything that is put beside each other at once: the artifacts of a task, and what tells where they come from. */
export interface Publication {
  readonly artifacts: readonly Artifact[];
  /** Tells one provenance of these artifacts from every other. */
  readonly lineage: Digest;
  /** Paths of the files that tell it. */
  readonly companions: readonly string[];
  /** Paths of files that told it under other names, and must not any more. */
  readonly obsolete: readonly string[];
  /** The companions' texts, by path. Asked only when needed. */
  render(): Promise<ReadonlyMap<string, string>>;
  /** Sees to it that a blob can be read; false when it cannot be made again. May take long. */
  ensure(output: Pick<Artifact, 'digest' | 'kind'>): Promise<boolean>;
  /** Reads a blob that is a set of files, or the list of a folder. */
  read(digest: Digest): Promise<Uint8Array | undefined>;
  /** Writes a blob to a new file; false when it cannot be read. */
  copyTo(digest: Digest, path: string): Promise<boolean>;
}

/** A folder for artifacts, shared with other processes. */
export interface ArtifactFolder {
  /**
   * Makes the files what a publication says, unless they are. At no moment does the provenance of other content stand
   * beside an artifact.
   * @throws StoreError when a file cannot be written
   */
  publish(publication: Publication): Promise<readonly ArtifactChange[]>;
  /** Whether everything certainly is as a publication says. */
  isInPlace(publication: PublishedFiles): boolean;
}

/** What a publication puts into the folder. */
export type PublishedFiles = Pick<
  Publication,
  'artifacts' | 'lineage' | 'companions' | 'obsolete'
>;

/** A file to be in the folder. */
interface Wanted {
  readonly path: string;
  readonly digest: Digest;
  readonly content: () => Promise<FileContent>;
  readonly lineage?: Digest;
  /** The artifact that it is part of; absent for a companion. */
  readonly of?: Artifact;
}

interface Waiting {
  readonly publication: Publication;
  readonly resolve: (changes: readonly ArtifactChange[]) => void;
  readonly reject: (error: unknown) => void;
}

/** @param folder where artifacts go; it need not exist */
export function openArtifacts(
  folder: string,
  identity: Identity,
  clock: () => number,
): ArtifactFolder {
  const snapshot = snapshots(folder);
  let waiting: Waiting[] = [];
  let isDraining = false;
  /** What waits is written under one lock, and the index once for all of it. */
  const drain = async (): Promise<void> => {
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      try {
        makeFolder(folder);
        await withFolderLock(folder, identity, async () => {
          const writer = new Writer(folder, readIndex(folder), clock);
          const changes = await writer.write(group.map(({ publication }) => publication));
          for (const [at, { resolve }] of group.entries()) resolve(elementAt(changes, at));
        });
      } catch (error) {
        const told = worded(error, folder);
        for (const { reject } of group) reject(told);
      }
    }
    isDraining = false;
  };
  return {
    isInPlace: (publication) => isInPlace(folder, snapshot(), publication, clock()),
    async publish(publication) {
      if (isInPlace(folder, snapshot(), publication, clock())) return [];
      for (const artifact of publication.artifacts) {
        if (!(await publication.ensure(artifact))) return [];
      }
      return new Promise((resolve, reject) => {
        waiting.push({ publication, resolve, reject });
        if (isDraining) return;
        isDraining = true;
        // Not at once: whatever else is made in this turn of the event loop is written with it.
        setImmediate(() => void drain());
      });
    },
  };
}

/** Whether everything certainly is as it is to be. */
function isInPlace(
  folder: string,
  { files, folders }: Index,
  { artifacts, lineage, companions, obsolete }: PublishedFiles,
  now: number,
): boolean {
  const holds = (path: string, fits: (known: Written) => boolean): boolean => {
    const known = files.get(path);
    const stamp = known && fits(known) ? stampOf(join(folder, path)) : null;
    return known !== undefined && stamp !== null && stampHolds(known, stamp, now);
  };
  return (
    artifacts.every(({ path, digest, kind }) => {
      if (!becomesFolder(kind)) return holds(path, (known) => known.digest === digest && !known.next);
      const placed = folders.get(path);
      if (placed?.digest !== digest) return false;
      return placed.files.every(([name, own]) =>
        holds(join(path, name), (known) => known.digest === own && !known.next),
      );
    }) &&
    companions.every((path) => holds(path, (known) => known.lineage === lineage && !known.next)) &&
    !obsolete.some((path) => files.has(path))
  );
}

const EXECUTABLE = 0o111;

/** How `writeAtomically` names what it has not finished. */
const DRAFT = /^(.+)\.[0-9a-f]{8}\.tmp$/;

/** Writes into the folder; whoever makes one holds its lock. */
class Writer {
  private readonly folder: string;
  private readonly index: Index;
  private readonly clock: () => number;
  /** What the index was last written as. */
  private readonly kept = new Map<string, string>();

  constructor(folder: string, index: Index, clock: () => number) {
    this.folder = folder;
    this.index = index;
    this.clock = clock;
  }

  async write(
    publications: readonly Publication[],
  ): Promise<readonly (readonly ArtifactChange[])[]> {
    const works = [];
    for (const publication of publications) works.push(await this.workOf(publication));
    const pending = works.flatMap(({ changed, stale }) => [...changed, ...stale]);
    if (pending.length > 0) {
      for (const { path, digest } of pending) await this.intend(path, digest);
      await this.dropDrafts(pending);
      // Known before it is done: what a process leaves that is killed meanwhile is no person's edit.
      await this.keepIndex();
    }
    const changes = [];
    for (const work of works) changes.push(await this.apply(work));
    await this.keepIndex();
    return changes;
  }

  /** What has to be done for a publication. */
  private async workOf(publication: Publication) {
    const { artifacts, companions, lineage } = publication;
    const wanted: Wanted[] = [];
    for (const artifact of artifacts) wanted.push(...(await this.filesOf(artifact, publication)));
    const changed: Wanted[] = [];
    for (const one of wanted) if (!(await this.isThere(one))) changed.push(one);
    let stale: readonly Wanted[] = [];
    const told = await Promise.all(companions.map((path) => this.toldAs(path, lineage)));
    if (changed.length > 0 || told.includes(undefined)) {
      stale = [...(await publication.render())].map(([path, text]) => ({
        path,
        digest: digestOf(text),
        content: async () => text,
        lineage,
      }));
    } else {
      // Noted again: a copied or touched file has another stamp, and would be read by each make.
      for (const one of told) if (one) wanted.push(one);
    }
    return { publication, wanted, changed, stale };
  }

  private async apply({
    publication,
    wanted,
    changed,
    stale,
  }: Awaited<ReturnType<Writer['workOf']>>): Promise<readonly ArtifactChange[]> {
    const kept: ArtifactChange[] = [];
    const clear = async (one: Wanted): Promise<void> => {
      const aside = await this.putAsideIfEdited(one);
      if (aside) kept.push({ path: join(this.folder, one.path), kept: aside });
    };
    // From here on until the last of it is written, no provenance stands beside the artifacts rather than a wrong one.
    for (const one of stale) {
      if (await this.isThere(one)) continue;
      await clear(one);
      await rm(join(this.folder, one.path), { force: true });
    }
    for (const path of publication.obsolete) await this.drop(path);
    for (const one of changed) {
      await clear(one);
      await writeAtomically(join(this.folder, one.path), await one.content());
    }
    await this.dropGone(publication, wanted);
    for (const one of stale) {
      if (!(await this.isThere(one))) {
        await writeAtomically(join(this.folder, one.path), await one.content());
      }
    }
    for (const one of [...wanted, ...stale]) this.note(one);
    const told = publication.artifacts.filter((artifact) =>
      changed.some(({ of, path }) => of === artifact && !this.isKept(kept, path)),
    );
    return [...told.map(({ path }) => ({ path: join(this.folder, path) })), ...kept];
  }

  private isKept(kept: readonly ArtifactChange[], path: string): boolean {
    return kept.some((change) => change.path === join(this.folder, path));
  }

  /** The files of an artifact: one, or those within its folder. */
  private async filesOf(
    artifact: Artifact,
    { read, copyTo }: Publication,
  ): Promise<readonly Wanted[]> {
    const { path, digest, kind } = artifact;
    const lost = (): StoreError => new StoreError(`${path} is missing in the store: run make again`);
    const copyOf = (blob: Digest, isExecutable = false): Wanted['content'] => {
      const copy = async (draft: string): Promise<void> => {
        if (!(await copyTo(blob, draft))) throw lost();
        if (isExecutable) await chmod(draft, (await stat(draft)).mode | EXECUTABLE);
      };
      return async () => copy;
    };
    if (!becomesFolder(kind)) return [{ path, digest, content: copyOf(digest), of: artifact }];
    const bytes = async (): Promise<Uint8Array> => {
      const found = await read(digest);
      if (found === undefined) throw lost();
      return found;
    };
    if (kind === FOLDER) {
      return decodeFolder(await bytes()).map(({ path: name, digest: own, isExecutable }) => ({
        path: join(path, name),
        digest: own,
        content: copyOf(own, isExecutable),
        of: artifact,
      }));
    }
    return this.textsOf(artifact, bytes);
  }

  /** The files of a folder whose texts are all in one blob. */
  private async textsOf(
    artifact: Artifact,
    bytes: () => Promise<Uint8Array>,
  ): Promise<readonly Wanted[]> {
    const { path, digest } = artifact;
    const before = this.index.folders.get(path);
    let decoded: Named<string> | undefined;
    const texts = async (): Promise<Named<string>> => {
      decoded ??= fileSet().decode(await bytes());
      return decoded;
    };
    const files =
      before?.digest === digest
        ? before.files
        : Object.entries(await texts()).map(([name, text]) => [name, digestOf(text)] as const);
    return files.map(([name, own]) => ({
      path: join(path, name),
      digest: own,
      content: async () => {
        const all = await texts();
        const text = Object.hasOwn(all, name) ? all[name] : undefined;
        if (text === undefined)
          throw new StoreError(`${FOLDERS} in ${this.folder} is damaged: delete it`);
        return text;
      },
      of: artifact,
    }));
  }

  /** Files of an earlier blob that the new one lacks go, unless a person edited them. */
  private async dropGone(publication: Publication, wanted: readonly Wanted[]): Promise<void> {
    for (const artifact of publication.artifacts) {
      const { path, digest, kind } = artifact;
      if (!becomesFolder(kind)) continue;
      const own = wanted.filter(({ of }) => of === artifact);
      const names = new Set(own.map((one) => one.path));
      for (const [name] of this.index.folders.get(path)?.files ?? []) {
        if (!names.has(join(path, name))) await this.drop(join(path, name));
      }
      const files = own.map(
        (one) => [relative(path, one.path).replaceAll(sep, '/'), one.digest] as const,
      );
      this.index.folders.set(path, { digest, files });
    }
  }

  /** Removes what an earlier run wrote, and leaves what a person made of it. */
  private async drop(path: string): Promise<void> {
    const known = this.index.files.get(path);
    if (known === undefined) return;
    const file = join(this.folder, path);
    if (stampOf(file) && isOurs(known, await fileDigest(file))) await rm(file);
    this.index.files.delete(path);
  }

  /** Drafts of files that are about to be written are of processes that were killed: nobody else writes now. */
  private async dropDrafts(pending: readonly Wanted[]): Promise<void> {
    const files = [INDEX, FOLDERS, ...pending.map(({ path }) => path)];
    for (const place of new Set(files.map((path) => dirname(path)))) {
      const own = new Set(
        files.filter((path) => dirname(path) === place).map((path) => basename(path)),
      );
      for (const name of await readdir(join(this.folder, place)).catch(() => [])) {
        if (own.has(DRAFT.exec(name)?.[1] ?? ''))
          await rm(join(this.folder, place, name), { force: true });
      }
    }
  }

  private async isThere({ path, digest }: Wanted): Promise<boolean> {
    const file = join(this.folder, path);
    const now = stampOf(file);
    if (now === null) return false;
    const known = this.index.files.get(path);
    if (known?.digest === digest && !known.next && stampHolds(known, now, this.clock()))
      return true;
    return (await fileDigest(file)) === digest;
  }

  /** A companion as it was written for this provenance. Undefined where it is not, or no longer. */
  private async toldAs(path: string, lineage: Digest): Promise<Wanted | undefined> {
    const known = this.index.files.get(path);
    if (known?.lineage !== lineage || known.next) return undefined;
    const told = { path, digest: known.digest, content: async () => '', lineage };
    return (await this.isThere(told)) ? told : undefined;
  }

  private async putAsideIfEdited({ path, of }: Wanted): Promise<string | undefined> {
    const file = join(this.folder, path);
    if (stampOf(file) === null) return undefined;
    const known = this.index.files.get(path);
    // Earlier versions kept no account of provenance.
    if (known?.size === UNKNOWN.size && of === undefined) return undefined;
    return isOurs(known, await fileDigest(file)) ? undefined : putAside(file);
  }

  private async intend(path: string, next: Digest): Promise<void> {
    const { next: before, ...known } = this.index.files.get(path) ?? UNKNOWN;
    const file = join(this.folder, path);
    // Somebody was killed over it: perhaps after it was written.
    const isWritten = before && stampOf(file) && (await fileDigest(file)) === before;
    this.index.files.set(path, { ...known, ...(isWritten && { digest: before, size: 0 }), next });
  }

  private note({ path, digest, lineage }: Wanted): void {
    const stamp = stampOf(join(this.folder, path));
    if (stamp) this.index.files.set(path, { ...stamp, digest, ...(lineage && { lineage }) });
  }

  private async keepIndex(): Promise<void> {
    const { files, folders } = this.index;
    await this.keep(INDEX, JSON.stringify(Object.fromEntries(files)));
    if (folders.size > 0) await this.keep(FOLDERS, JSON.stringify(Object.fromEntries(folders)));
  }

  private async keep(name: string, text: string): Promise<void> {
    if (this.kept.get(name) === text) return;
    await writeAtomically(join(this.folder, name), text);
    this.kept.set(name, text);
  }
}

/** Renames an edited file to the first free name beside it: report.edited-1.html. */
async function putAside(file: string): Promise<string> {
  const extension = extname(file);
  const stem = file.slice(0, file.length - extension.length);
  for (let count = 1; ; count++) {
    const aside = `${stem}.edited-${count}${extension}`;
    if (statSync(aside, { throwIfNoEntry: false })) continue;
    await rename(file, aside);
    return aside;
  }
}

/** What a person can do about a file that cannot be written. */
function worded(error: unknown, folder: string): unknown {
  const { code, path = folder, dest } = error as NodeJS.ErrnoException & { dest?: string };
  if (!['EISDIR', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY'].includes(code ?? '')) return error;
  const what = code === 'EEXIST' || code === 'ENOTDIR' ? 'a file stands' : 'a folder stands';
  return new StoreError(
    `${dest ?? path} cannot be written: ${what} in its place, or in that of a folder on the way: ` +
      'move it away and run make again',
  );
}
