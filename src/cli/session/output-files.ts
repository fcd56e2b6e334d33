// output-files.ts — files that a person named: there whole or not at all, and never in folders that nobody made
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type FileContent, writeAtomically } from '../../engine/files/files.ts';
import { formatSystem, isSystemError, systemHint } from '../../engine/files/system-error.ts';
import type { FolderFile } from '../../engine/model/folder-manifest.ts';
import type { Store } from '../../engine/store/store.ts';
import { shownPath } from '../terminal/format.ts';
import { UsageError } from './usage-error.ts';

/** Writes a file. A device or a pipe (`/dev/stdout`) is written to as it is; a link leads to the file that is written. */
export async function writeOutput(file: string, content: FileContent): Promise<void> {
  checkOutput(file);
  try {
    const there = await stat(file).catch(() => undefined);
    const isPlain = there === undefined || there.isFile();
    if (!isPlain && typeof content !== 'function') await writeFile(file, content);
    else await writeAtomically(there ? await realpath(file) : file, content);
  } catch (error) {
    throw unwritten(file, error);
  }
}

/** Opens a file to write it bit by bit. @throws UsageError */
export function openOutput(file: string): number {
  checkOutput(file);
  try {
    return openSync(file, 'w');
  } catch (error) {
    throw unwritten(file, error);
  }
}

/** Why a file whose folder is there cannot be written; an error of another kind as it is. */
export function unwritten(file: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const { code } = error;
  const refused = Object.assign(error, { code: code === 'ENOENT' ? 'ENOTSUP' : code });
  const message = `${file} cannot be written: ${formatSystem(refused)}`;
  return new UsageError([{ message, hint: systemHint(refused) }]);
}

/** Refuses a place where no file can be written, before anything is done for it. @throws UsageError */
export function checkOutput(file: string): void {
  const folder = dirname(resolve(file));
  const refuse = (message: string, hint?: string): never => {
    throw new UsageError([{ message, hint }]);
  };
  const shown = folder === process.cwd() ? '.' : shownPath(folder);
  const above = looked(folder);
  if (above === 'nothing')
    refuse(`${file} cannot be written: there is no folder ${shown}`, 'make it first');
  if (above === 'file') refuse(`${file} cannot be written: ${shown} is a file and not a folder`);
  if (looked(file) === 'folder') refuse(`${file} is a folder: name a file`);
}

/** What there is at a path. @throws UsageError where that cannot be told */
function looked(path: string): 'nothing' | 'file' | 'folder' {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === 'ENOENT') return 'nothing';
    // Something on the way is no folder, and is told by itself.
    if (error.code === 'ENOTDIR') return 'file';
    const message = `${path} cannot be used: ${formatSystem(error)}`;
    throw new UsageError([{ message, hint: systemHint(error) }]);
  }
}

/** Refuses a folder that is none. @param option that named it @throws UsageError */
export function checkFolder(path: string, option: string): void {
  const there = looked(path);
  if (there === 'folder') return;
  const message =
    there === 'nothing' ? `there is no folder ${path}` : `${path} is a file and not a folder`;
  throw new UsageError([{ message, hint: `${option} names a folder` }]);
}

/** How a folder is written. */
interface FolderOptions {
  /** Whether files may be read-only links to the store's. */
  readonly mayLink: boolean;
  /** What to throw where the store has lost a file. */
  lost(path: string): Error;
}

/**
 * Writes a folder. A new one is there whole or not at all; in one that is there, files of the same paths are overwritten and
 * all others stay. @throws UsageError
 */
export async function writeFolder(
  blobs: Store['blobs'],
  files: readonly FolderFile[],
  folder: string,
  { mayLink, lost }: FolderOptions,
): Promise<void> {
  const isThere = existsSync(folder);
  if (!isThere) checkOutput(folder);
  const draft = isThere ? folder : join(dirname(folder), `.${randomUUID()}.tmp`);
  try {
    mkdirSync(draft, { recursive: true });
    for (const file of files) {
      const place = join(draft, file.path);
      mkdirSync(dirname(place), { recursive: true });
      if (isThere) await rm(place, { force: true });
      if (!(await writeFileOf(blobs, file, place, mayLink))) throw lost(file.path);
    }
    if (!isThere) await rename(draft, folder);
  } catch (error) {
    if (!isThere) await rm(draft, { recursive: true, force: true });
    throw worded(error, folder);
  }
}

const EXECUTABLE = 0o111;

/** False when the blob is not there. */
async function writeFileOf(
  blobs: Store['blobs'],
  { digest, isExecutable }: FolderFile,
  place: string,
  mayLink: boolean,
): Promise<boolean> {
  // The rights of a blob are those of all its names.
  if (mayLink && !isExecutable && (await blobs.linkTo?.(digest, place))) return true;
  if (!(await blobs.copyTo(digest, place))) return false;
  if (isExecutable) chmodSync(place, statSync(place).mode | EXECUTABLE);
  return true;
}

/** Two names of the list that are one here are told apart from a file of somebody else's. */
function worded(error: unknown, folder: string): unknown {
  const { code, path = folder } = error as NodeJS.ErrnoException;
  if (code !== 'EEXIST') return unwritten(folder, error);
  const message = `${path} is in the folder twice: this file system does not tell the names of two files apart`;
  return new UsageError([{ message, hint: 'export its files one by one: TASK:OUTPUT/PATH' }]);
}
