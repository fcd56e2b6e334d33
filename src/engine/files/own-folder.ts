// own-folder.ts — folders that this user alone can read and write, outside of any project
import { chmodSync, lstatSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { makeFolder } from './make-folder.ts';

/** What lies there: what must last (a key), or what can be made again. */
export type OwnFolder = 'state' | 'cache';

const PLACES = {
  state: { variable: 'XDG_STATE_HOME', inHome: '.local/state' },
  cache: { variable: 'XDG_CACHE_HOME', inHome: '.cache' },
} as const;

/**
 * Where such a folder is: in the user's home (XDG Base Directory), or, where that cannot be written, in the system's folder
 * for temporary files. Neither need be there.
 */
export function ownFolders(kind: OwnFolder): readonly string[] {
  const { variable, inHome } = PLACES[kind];
  const named = process.env[variable] ?? '';
  const home = homeFolder();
  const inside = isAbsolute(named) ? named : home && join(home, inHome);
  const beside = join(tmpdir(), `pipeline-${process.geteuid?.() ?? 'user'}`);
  return [...(inside ? [join(inside, 'pipeline')] : []), beside];
}

/** Makes such a folder where it is missing. Undefined where none can be had. */
export function madeOwnFolder(kind: OwnFolder): string | undefined {
  return ownFolders(kind).find(isMadeOwn);
}

/** By which users and containers that share accelerators name one folder for their leases. */
const LEASE_FOLDER = 'PIPELINE_LEASE_FOLDER';

/**
 * A folder that all processes of this user on this machine have in common, whatever their `TMPDIR`. Undefined where there
 * is none. `PIPELINE_LEASE_FOLDER` names another, which need not be this user's alone.
 */
export function machineFolder(): string | undefined {
  const named = process.env[LEASE_FOLDER] ?? '';
  if (isAbsolute(named)) return named;
  const parent = process.platform === 'win32' ? tmpdir() : '/tmp';
  const folder = join(parent, `pipeline-${process.geteuid?.() ?? 'user'}`);
  return isMadeOwn(folder) ? folder : undefined;
}

/** A home that is not there is not made: whoever has none has no folders in it. */
function homeFolder(): string | undefined {
  try {
    const home = homedir();
    return isAbsolute(home) && statSync(home).isDirectory() ? home : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a folder is there, made when missing, and can be read and written by nobody else. */
function isMadeOwn(folder: string): boolean {
  try {
    makeFolder(folder);
    const found = lstatSync(folder);
    if (!found.isDirectory() || !isOwn(found.uid)) return false;
    if ((found.mode & 0o077) !== 0) chmodSync(folder, 0o700);
    return true;
  } catch {
    return false;
  }
}

/** Whether a file belongs to the user of this process. */
export const isOwn = (uid: number): boolean => uid === (process.geteuid?.() ?? uid);

/** Whether the rights of files bind the user of this process: those of root do not, nor does Windows have such. */
export const isBoundByRights = (): boolean => (process.geteuid?.() ?? 0) !== 0;
