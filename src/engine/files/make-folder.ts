// make-folder.ts — makes a folder and those above it
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { newFolderMode, settleFolder } from './store-access.ts';

/**
 * Makes a folder where it is missing, with those above it. Node's own way (`recursive`) never returns where a file
 * system takes no folders, such as /proc.
 * @throws the system's error for the first folder that cannot be made
 */
export function makeFolder(path: string): void {
  if (isFolder(path)) return;
  const above = dirname(path);
  if (above !== path) makeFolder(above);
  try {
    // At no moment may more use it than its store allows.
    mkdirSync(path, { mode: newFolderMode(path) ?? 0o777 });
    settleFolder(path);
  } catch (error) {
    // Somebody else may have made it just now.
    if (isFolder(path)) return;
    // The folder above is there: so it is not what is missing.
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'ENOENT' ? Object.assign(error as Error, { code: 'ENOTSUP' }) : error;
  }
}

const isFolder = (path: string): boolean => {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
};
