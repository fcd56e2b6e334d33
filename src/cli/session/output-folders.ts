// output-folders.ts — outputs that are folders: their files by path, and as a folder that a person named
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { kindByName } from '../../engine/config/codecs.ts';
import type { FolderFile } from '../../engine/model/folder-manifest.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { Output } from '../../engine/model/record.ts';
import { folderIn } from '../../engine/store/folder-blobs.ts';
import type { Store } from '../../engine/store/store.ts';
import { didYouMean } from '../../hint.ts';
import { plainName } from '../../plain-text.ts';
import { checkOutput, unwritten } from './output-files.ts';
import { UsageError } from './session.ts';

/** An output that is a folder. */
export interface StoredFolder {
  readonly task: TaskId;
  readonly name: string;
  readonly output: Pick<Output, 'digest'>;
}

/** The files of a folder. @throws UsageError when the store has lost their list */
export async function filesOfFolder(
  store: Store,
  { task, name, output }: StoredFolder,
): Promise<readonly FolderFile[]> {
  const files = await folderIn(store.blobs, output.digest);
  if (files !== undefined) return files;
  throw lost(task, name);
}

const lost = (task: TaskId, what: string): UsageError =>
  new UsageError([
    { message: `the store has lost ${task}:${plainName(what)}`, hint: 'make it again' },
  ]);

/** A file of a folder, as an output of the kind that its name tells. @throws UsageError when there is none of this path */
export async function fileInFolder(
  store: Store,
  folder: StoredFolder,
  path: string,
): Promise<Output> {
  const files = await filesOfFolder(store, folder);
  const found = files.find((file) => file.path === path);
  if (found) return { digest: found.digest, bytes: found.bytes, kind: kindByName(path) };
  const message = `${folder.task}:${folder.name} has no file \`${plainName(path)}\``;
  const within = files.find((file) => file.path.startsWith(`${path}/`))?.path;
  const near = didYouMean(
    path,
    files.map((file) => file.path),
  );
  throw new UsageError([{ message, hint: within ? `such as ${within}` : near }]);
}

/**
 * Writes a folder. A new one is there whole or not at all; in one that is there, files of the same paths are overwritten and
 * all others stay. @throws UsageError
 */
export async function writeFolder(
  store: Store,
  stored: StoredFolder,
  folder: string,
  { mayLink }: { readonly mayLink: boolean },
): Promise<{ readonly bytes: number; readonly files: number }> {
  const files = await filesOfFolder(store, stored);
  const isThere = existsSync(folder);
  if (!isThere) checkOutput(folder);
  const draft = isThere ? folder : join(dirname(folder), `.${randomUUID()}.tmp`);
  let bytes = 0;
  try {
    mkdirSync(draft, { recursive: true });
    for (const file of files) {
      const place = join(draft, file.path);
      mkdirSync(dirname(place), { recursive: true });
      if (isThere) await rm(place, { force: true });
      await writeFile(store, file, place, mayLink).catch((error) => {
        if (error !== LOST) throw error;
        throw lost(stored.task, `${stored.name}/${file.path}`);
      });
      bytes += file.bytes;
    }
    if (!isThere) await rename(draft, folder);
    return { bytes, files: files.length };
  } catch (error) {
    if (!isThere) await rm(draft, { recursive: true, force: true });
    throw worded(error, folder);
  }
}

/** A blob that is not there. */
const LOST = Symbol('lost');
const EXECUTABLE = 0o111;

async function writeFile(
  { blobs }: Store,
  { digest, isExecutable }: FolderFile,
  place: string,
  mayLink: boolean,
): Promise<void> {
  // The rights of a blob are those of all its names.
  if (mayLink && !isExecutable && (await blobs.linkTo?.(digest, place))) return;
  if (!(await blobs.copyTo(digest, place))) throw LOST;
  if (isExecutable) chmodSync(place, statSync(place).mode | EXECUTABLE);
}

/** Two names of the list that are one here are told apart from a file of somebody else's. */
function worded(error: unknown, folder: string): unknown {
  const { code, path = folder } = error as NodeJS.ErrnoException;
  if (code !== 'EEXIST') return unwritten(folder, error);
  const message = `${path} is in the folder twice: this file system does not tell the names of two files apart`;
  return new UsageError([{ message, hint: 'export its files one by one: TASK:OUTPUT/PATH' }]);
}
