// store-access.ts — who may read and write the folder of a store: the modes of everything that is made in it
import { chmodSync, chownSync, type Stats, statSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

/** Who may use a store: its owner, its owner's group, or everybody, who may only read it. */
export const STORE_ACCESSES = ['private', 'group', 'all'] as const;
export type StoreAccess = (typeof STORE_ACCESSES)[number];

/** Modes of what is made in the folder of a store. */
interface Modes {
  readonly file: number;
  readonly folder: number;
}

/** Folders of a group keep their group (setgid): what any member makes there belongs to all of them. */
const MODES: { readonly [access in StoreAccess]: Modes } = {
  private: { file: 0o600, folder: 0o700 },
  group: { file: 0o660, folder: 0o2770 },
  all: { file: 0o664, folder: 0o2775 },
};

const WRITABLE = { group: 0o020, others: 0o002 } as const;
const SETGID = 0o2000;

/** Folders of stores that this process uses, by path. */
const stores = new Map<string, Modes>();

/**
 * To be called before anything is made in the folder of a store. A store that is there already keeps its modes: what is
 * made beside its file takes after it.
 * @param file of the store @param declared what pipeline.yaml says; private where nothing does
 */
export function useStoreFolder(
  folder: string,
  file: string,
  declared: StoreAccess = 'private',
): void {
  if (stores.has(folder)) return;
  const found = lookedAt(join(folder, file));
  stores.set(folder, found ? modesLike(found, lookedAt(folder)) : MODES[declared]);
}

function modesLike({ mode }: Stats, folder: Stats | undefined): Modes {
  const file = mode & 0o666;
  // Who may read a folder may also enter it.
  const entered = file | ((file & 0o444) >> 2);
  return { file, folder: entered | ((folder?.mode ?? 0) & SETGID) };
}

/** The modes of what is made at a path; undefined outside of stores. */
function modesAt(path: string): Modes | undefined {
  for (const [folder, modes] of stores) {
    if (path === folder || path.startsWith(folder + sep)) return modes;
  }
  return undefined;
}

/** The mode of a new file, for whoever makes it: undefined outside of stores. */
export const newFileMode = (path: string): number | undefined => modesAt(path)?.file;
export const newFolderMode = (path: string): number | undefined => modesAt(path)?.folder;

/** Gives a file that was just made the mode of its store, whatever the umask is. Outside of stores it does nothing. */
export function settleFile(path: string): void {
  settle(path, newFileMode(path));
}

/** The same for a folder. The folder of a store that others share gets the group of the folder that it is in. */
export function settleFolder(path: string): void {
  const modes = modesAt(path);
  if (modes && stores.has(path) && (modes.folder & SETGID) !== 0) adoptGroup(path);
  settle(path, modes?.folder);
}

function settle(path: string, mode: number | undefined): void {
  if (mode === undefined) return;
  try {
    if ((statSync(path).mode & 0o7777) !== mode) chmodSync(path, mode);
  } catch {
    // Somebody else's, or gone: its owner says who may use it.
  }
}

function adoptGroup(path: string): void {
  const { gid } = lookedAt(dirname(path)) ?? {};
  const own = lookedAt(path);
  if (gid === undefined || own === undefined || own.gid === gid) return;
  try {
    chownSync(path, own.uid, gid);
  } catch {
    // Not a member of that group.
  }
}

/** What is wrong with who may use a store, and how it is mended. */
export interface AccessFault {
  readonly message: string;
  readonly hint: string;
}

/**
 * Whether others can write a store that is not declared theirs, or cannot use one that is.
 * @param file of the store @param declared what pipeline.yaml says, where it could be read
 */
export function accessFault(
  folder: string,
  file: string,
  declared: StoreAccess | undefined,
): AccessFault | undefined {
  const found = [folder, join(folder, file)].flatMap((path) => lookedAt(path) ?? []);
  if (found.length === 0) return undefined;
  const bits = found.reduce((all, { mode }) => all | mode, 0);
  const isGroups = declared !== 'private';
  if ((bits & WRITABLE.others) !== 0) {
    const hint = `chmod -R ${isGroups ? 'o-w' : 'go-w'} ${quoted(folder)}`;
    return { message: `anybody on this machine can write the store in ${folder}`, hint };
  }
  if ((bits & WRITABLE.group) !== 0 && !isGroups) {
    const share = 'or, if it may, `store: { access: group }` in pipeline.yaml';
    const hint = `chmod -R go-w ${quoted(folder)}; ${share}`;
    return { message: `the group of its files can write the store in ${folder}`, hint };
  }
  return declared && exclusionOf(folder, join(folder, file), declared);
}

const quoted = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;

/** A store that is declared for others, and whose file keeps them out: it was made before that. */
function exclusionOf(folder: string, file: string, declared: StoreAccess): AccessFault | undefined {
  const found = lookedAt(file);
  const wanted = MODES[declared].file;
  if (found === undefined || (found.mode & wanted) === wanted) return undefined;
  const change = declared === 'all' ? 'g+rwX,o+rX' : 'g+rwX';
  const path = quoted(folder);
  return {
    message: `the store in ${folder} was made before \`access: ${declared}\` was said, and keeps its modes`,
    hint: `chmod -R ${change} ${path} && find ${path} -type d -exec chmod g+s {} +`,
  };
}

const lookedAt = (path: string): Stats | undefined => {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
};
