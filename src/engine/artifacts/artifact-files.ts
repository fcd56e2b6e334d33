// artifact-files.ts — the files that an artifact becomes: one, or those of a folder
import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSet } from '../../file-set.ts';
import type { FileContent } from '../files/files.ts';
import { decodeFolder, FOLDER } from '../model/folder-manifest.ts';
import { type Digest, digestOf, type Named } from '../model/key.ts';
import { StoreError } from '../store/store.ts';
import { type Artifact, becomesFolder, type Publication } from './artifact.ts';
import { FOLDERS, type Index } from './artifact-index.ts';

/** A file to be in the folder of artifacts. */
export interface Wanted {
  readonly path: string;
  readonly digest: Digest;
  readonly content: () => Promise<FileContent>;
  readonly lineage?: Digest;
  /** The artifact that it is part of; absent for a companion. */
  readonly of?: Artifact;
}

const EXECUTABLE = 0o111;

/** How to read what a publication is made of. */
type Reading = Pick<Publication, 'read' | 'copyTo'>;

/** Where artifacts are put. */
interface Destination {
  readonly folder: string;
  /** What was written into it. */
  readonly index: Pick<Index, 'folders'>;
}

/** The files of an artifact: one, or those within its folder. */
export async function filesOf(
  artifact: Artifact,
  { read, copyTo }: Reading,
  destination: Destination,
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
  if (kind !== FOLDER) return textsOf(artifact, bytes, destination);
  return decodeFolder(await bytes()).map(({ path: name, digest: own, isExecutable }) => ({
    path: join(path, name),
    digest: own,
    content: copyOf(own, isExecutable),
    of: artifact,
  }));
}

/** The files of a folder whose texts are all in one blob. */
async function textsOf(
  artifact: Artifact,
  bytes: () => Promise<Uint8Array>,
  { folder, index }: Destination,
): Promise<readonly Wanted[]> {
  const { path, digest } = artifact;
  const before = index.folders.get(path);
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
      if (text === undefined) throw new StoreError(`${FOLDERS} in ${folder} is damaged: delete it`);
      return text;
    },
    of: artifact,
  }));
}
