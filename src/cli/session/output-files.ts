// output-files.ts — files that a person named: there whole or not at all, and never in folders that nobody made
import { openSync, statSync } from 'node:fs';
import { realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { type FileContent, writeAtomically } from '../../engine/files/files.ts';
import { formatSystem, isSystemError, systemHint } from '../../engine/files/system-error.ts';
import { UsageError } from './session.ts';

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
  const shown = relative('.', folder) || '.';
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
