// artifact-folder.ts — a folder for artifacts that processes share: what is published at about the same time is written at once
import { join } from 'node:path';
import { elementAt } from '../../present.ts';
import { stampHolds } from '../files/files.ts';
import { withFolderLock } from '../files/folder-lock.ts';
import { makeFolder } from '../files/make-folder.ts';
import { stampOf } from '../files/stamp.ts';
import type { Identity } from '../model/process-identity.ts';
import { StoreError } from '../store/store.ts';
import {
  type ArtifactChange,
  type ArtifactFolder,
  becomesFolder,
  type Publication,
  type PublishedFiles,
} from './artifact.ts';
import { type Index, readIndex, snapshots, type Written } from './artifact-index.ts';
import { ArtifactWriter } from './artifact-writer.ts';

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
          const writer = new ArtifactWriter(folder, readIndex(folder), clock);
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
      if (!becomesFolder(kind))
        return holds(path, (known) => known.digest === digest && !known.next);
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
