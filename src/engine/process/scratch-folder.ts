// scratch-folder.ts — the scratch folder of one attempt at a command: used once, removed by whoever comes later if need be
import { type Dirent, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { writeAtomically } from '../files/files.ts';
import { makeFolder } from '../files/make-folder.ts';
import { settleFile } from '../files/store-access.ts';
import {
  type Identity,
  instanceOf,
  livenessFor,
  type ProcessInstance,
} from '../model/process-identity.ts';

/** What stands in the mark beside an attempt's folder: who works in it. */
interface Mark {
  readonly host: string;
  readonly pid: number;
  readonly life?: ProcessInstance;
  /** The attempt failed: its folder is kept for a person to look at. */
  readonly failed?: true;
}

/** An attempt's folder, and where things lie in it. */
export interface Attempt {
  readonly folder: string;
  /** Where the program runs. */
  readonly work: string;
  readonly home: string;
  readonly temporary: string;
  /** Removes the folder. Gives words for what stands in the way; a later make tries again. */
  discard(): Promise<string | undefined>;
  /** Leaves the folder for a person to look at. */
  keep(): Promise<void>;
}

/** Whose attempt it is. */
export interface AttemptOptions {
  /** Folder in which attempts get theirs. */
  readonly parent: string;
  /** What its name begins with: the same for all attempts at one action. */
  readonly name: string;
  /** What it ends with: a text that no other attempt has. */
  readonly unique: string;
  readonly identity: Identity;
}

/** An attempt, told by its mark. */
export interface KnownAttempt {
  /** Its folder and its mark. The folder may be gone. */
  readonly folder: string;
  readonly mark: string;
  /** `live`: its make may be at work. `dead`: that make is gone. `failed`: kept for a person to look at. */
  readonly state: 'live' | 'dead' | 'failed';
  /** When its mark was touched last. */
  readonly at_ms: number;
}

/** Folders of failed attempts that are kept; the oldest go first. */
const KEPT_MAX = 32;
/** Attempts that cannot be seen from here (another host, another container) touch their marks this often, … */
const TOUCH_MS = 60_000;
/** … and are dead when they have not for this long. */
const UNSEEN_MS = 24 * 3_600_000;
const MARK = '.json';
const OWNER_ALL = 0o700;

/** Makes a folder that no attempt has had and none will have. @throws when there is one of its name */
export async function openAttempt(options: AttemptOptions): Promise<Attempt> {
  const { parent, name, unique, identity } = options;
  makeFolder(parent);
  await removeOld(parent, name, identity);
  const { host, pid } = identity;
  const life = instanceOf(pid);
  const mark: Mark = { host, pid, ...(life && { life }) };
  const folder = join(parent, `${name}-${unique}`);
  // The mark comes first: a folder without one would belong to nobody.
  await writeFile(folder + MARK, JSON.stringify(mark), { flag: 'wx' });
  settleFile(folder + MARK);
  await mkdir(folder);
  for (const part of ['work', 'home', 'tmp']) await mkdir(join(folder, part));
  return attemptIn(folder, mark);
}

function attemptIn(folder: string, mark: Mark): Attempt {
  const touch = (): void => {
    const now = new Date();
    utimes(folder + MARK, now, now).catch(() => undefined);
  };
  const timer = setInterval(touch, TOUCH_MS);
  timer.unref();
  return {
    folder,
    work: join(folder, 'work'),
    home: join(folder, 'home'),
    temporary: join(folder, 'tmp'),
    async discard() {
      clearInterval(timer);
      return remove(folder);
    },
    async keep() {
      clearInterval(timer);
      await writeAtomically(folder + MARK, JSON.stringify({ ...mark, failed: true }));
    },
  };
}

/** Removes a folder and its mark. Gives words for what stands in the way. */
async function remove(folder: string): Promise<string | undefined> {
  try {
    await removeTree(folder);
    await rm(folder + MARK, { force: true });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Removes what dead makes left, earlier failures of the same action, and the oldest of the other failures. */
async function removeOld(parent: string, name: string, identity: Identity): Promise<void> {
  const known = await attemptsIn(parent, identity);
  const failed = known.filter(({ state }) => state === 'failed').sort((a, b) => b.at_ms - a.at_ms);
  const surplus = new Set(failed.slice(KEPT_MAX));
  const isSame = ({ folder }: KnownAttempt): boolean =>
    folder.slice(0, folder.lastIndexOf('-')) === join(parent, name);
  for (const attempt of known) {
    const { folder, state } = attempt;
    const goes =
      state === 'dead' || surplus.has(attempt) || (state === 'failed' && isSame(attempt));
    // What cannot be removed stays: the attempt that begins now does not depend on it.
    if (goes) await remove(folder);
  }
}

/** The attempts below a folder. */
export async function attemptsIn(
  parent: string,
  identity: Identity,
): Promise<readonly KnownAttempt[]> {
  const see = livenessFor(identity);
  const names = await readdir(parent).catch(() => []);
  const found: KnownAttempt[] = [];
  for (const name of names.filter((one) => one.endsWith(MARK))) {
    const path = join(parent, name);
    const read = await readMark(path);
    if (read === undefined) continue;
    const { failed, at_ms } = read;
    const liveness = see(read);
    const isDead =
      liveness === 'dead' || (liveness === 'unknown' && Date.now() - at_ms > UNSEEN_MS);
    const state = failed ? 'failed' : isDead ? 'dead' : 'live';
    found.push({ folder: path.slice(0, -MARK.length), mark: path, state, at_ms });
  }
  return found;
}

async function readMark(path: string): Promise<(Mark & { readonly at_ms: number }) | undefined> {
  try {
    const { host, pid, life, failed } = JSON.parse(await readFile(path, 'utf8')) as Mark;
    if (typeof host !== 'string' || !Number.isInteger(pid)) return undefined;
    const { mtimeMs: at_ms } = await stat(path);
    return { host, pid, ...(life && { life }), ...(failed && { failed }), at_ms };
  } catch {
    // It has just gone, or is no mark of ours.
    return undefined;
  }
}

/** Removes a folder with all that is in it, also where its owner took away the right to. */
export async function removeTree(path: string): Promise<void> {
  const options = { recursive: true, force: true, maxRetries: 3, retryDelay: 20 };
  try {
    await removeFiles(path);
  } catch {
    // There already, taken away by somebody else at the same time, or kept by rights.
    await unlockTree(path);
  }
  await rm(path, options);
}

/** Entries after which whoever else waits goes on. */
const ENTRIES_PER_TURN = 256;

/**
 * Removes what is in a folder, one entry at once: each way through the thread pool takes longer than that, and there may
 * be many thousands. Links are removed and not followed. @throws when anything stands in the way
 */
async function removeFiles(path: string): Promise<void> {
  const folders = [path];
  let seen = 0;
  for (let at = 0; at < folders.length; at++) {
    const folder = folders[at] as string;
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const place = join(folder, entry.name);
      if (entry.isDirectory()) folders.push(place);
      else unlinkSync(place);
      seen += 1;
      if (seen % ENTRIES_PER_TURN === 0) await turn();
    }
  }
  for (const folder of folders.reverse()) rmdirSync(folder);
}

/** Gives the owner the right to list and change every folder of a tree. Links are not followed. */
export async function unlockTree(path: string): Promise<void> {
  const waiting = [path];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    await chmod(folder, OWNER_ALL).catch(() => undefined);
    const entries: readonly Dirent[] = await readdir(folder, { withFileTypes: true }).catch(
      () => [],
    );
    for (const entry of entries) {
      if (entry.isDirectory()) waiting.push(join(folder, entry.name));
    }
  }
}
