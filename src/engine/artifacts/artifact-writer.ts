// artifact-writer.ts — writes artifacts and their provenance into a folder; what a person edited is put aside
import { statSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, sep } from 'node:path';
import { fileDigest, stampHolds, writeAtomically } from '../files/files.ts';
import { stampOf } from '../files/stamp.ts';
import { type Digest, digestOf } from '../model/key.ts';
import { type ArtifactChange, becomesFolder, type Publication } from './artifact.ts';
import { filesOf, type Wanted } from './artifact-files.ts';
import { FOLDERS, INDEX, type Index, isOurs, UNKNOWN } from './artifact-index.ts';

/** How `writeAtomically` names what it has not finished. */
const DRAFT = /^(.+)\.[0-9a-f]{8}\.tmp$/;

/** Writes into the folder; whoever makes one holds its lock. */
export class ArtifactWriter {
  readonly folder: string;
  readonly index: Index;
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
    for (const artifact of artifacts) wanted.push(...(await filesOf(artifact, publication, this)));
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
  }: Awaited<ReturnType<ArtifactWriter['workOf']>>): Promise<readonly ArtifactChange[]> {
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
