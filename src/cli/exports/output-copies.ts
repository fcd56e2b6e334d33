// output-copies.ts — outputs as they are stored, copied to files and folders of a person, or linked there
import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { folderBytes } from '../../engine/model/folder-manifest.ts';
import type { TaskId } from '../../engine/model/key.ts';
import type { Output } from '../../engine/model/record.ts';
import type { Store } from '../../engine/store/store.ts';
import { checkOutput, unwritten, writeFolder, writeOutput } from '../session/output-files.ts';
import { filesOfFolder, lostOutput, type StoredFolder } from '../session/output-selection.ts';
import type { Remains } from '../session/session.ts';
import type { UsageError } from '../session/usage-error.ts';

export async function copyFolder(
  store: Store,
  folder: StoredFolder,
  path: string,
  mayLink: boolean,
): Promise<{ readonly bytes: number; readonly files: number }> {
  const files = await filesOfFolder(store, folder);
  const { task, name } = folder;
  const lost = (file: string): UsageError => lostOutput(task, `${name}/${file}`);
  await writeFolder(store.blobs, files, path, { mayLink, lost });
  return { bytes: folderBytes(files), files: files.length };
}

/** Writes an output as it is stored, whatever its size. @throws UsageError */
export async function copyOutput(
  { store }: Pick<Remains, 'store'>,
  { task, name, output }: { task: TaskId; name: string; output: Output },
  file: string,
  mayLink: boolean,
): Promise<'linked' | 'copied'> {
  if (mayLink && (await linkOutput(store, output, file))) return 'linked';
  await writeOutput(file, async (draft) => {
    if (!(await store.blobs.copyTo(output.digest, draft))) throw lostOutput(task, name);
  });
  return 'copied';
}

/** Makes a file that shares its space with the store's. False where there can be no link. @throws UsageError */
async function linkOutput(store: Store, { digest }: Output, file: string): Promise<boolean> {
  checkOutput(file);
  const draft = join(dirname(file), `.${randomUUID()}.tmp`);
  try {
    if (!(await store.blobs.linkTo?.(digest, draft))) return false;
    await rename(draft, file);
    return true;
  } catch (error) {
    throw unwritten(file, error);
  } finally {
    // Where the file is a link to the same blob already, renaming leaves both.
    await rm(draft, { force: true });
  }
}
