// layout.ts — what lies where in a depot, and how it is made for this user alone
import { lstatSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '../engine/files/make-folder.ts';
import { isOwn } from '../engine/files/own-folder.ts';
import { useStoreFolder } from '../engine/files/store-access.ts';
import { isSystemError, systemSentence } from '../engine/files/system-error.ts';
import { digestOf, type Key } from '../engine/model/key.ts';

/** A depot that cannot be used, and what a person can do about it. */
export class DepotError extends Error {
  override readonly name = 'DepotError';
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

const FORMAT_FILE = 'format';
const FORMAT = 'depot/1\n';
const WRITABLE_BY_OTHERS = 0o022;

/** The folder that a config names: `~/` and `{user}` filled in. */
export function depotFolder(named: string): string {
  const { username } = userInfo();
  const filled = named.replaceAll('{user}', username);
  return filled.startsWith('~/') ? join(homedir(), filled.slice(2)) : filled;
}

/** Names a project among those that share a depot. */
export const projectId = (root: string): string => digestOf(realpathSync(root)).slice(0, 8);

/** Where things lie in a depot. */
export class DepotLayout {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  get blobs(): string {
    return join(this.folder, 'cas');
  }
  /** Checkpoints of modules, by key. */
  get saves(): string {
    return join(this.folder, 'saves');
  }
  saveOf(key: Key): string {
    return join(this.saves, key.slice(0, 2), key);
  }
  /** Checkpoints of programs: folders, as a store has them. */
  get programs(): string {
    return join(this.folder, 'programs');
  }
  setsOf(project: string): string {
    return join(this.folder, 'projects', project, 'sets');
  }
  logsOf(project: string): string {
    return join(this.folder, 'projects', project, 'logs');
  }
  /** Results that heads leave for each other. */
  recordsOf(project: string): string {
    return join(this.folder, 'projects', project, 'records');
  }
  /** Heads that run as jobs. */
  headsOf(project: string): string {
    return join(this.folder, 'projects', project, 'heads');
  }
}

/** Files of a set of workers, which were asked for together. */
export class SetLayout {
  readonly folder: string;

  constructor(layout: DepotLayout, project: string, set: string) {
    this.folder = join(layout.setsOf(project), set);
  }

  get about(): string {
    return join(this.folder, 'set.json');
  }
  /** Who gives orders: written again and again while it lives. */
  get head(): string {
    return join(this.folder, 'head.json');
  }
  outbox(element: number): string {
    return join(this.folder, `out-${element}`);
  }
  inbox(element: number): string {
    return join(this.folder, `in-${element}`);
  }
}

/** Makes a depot ready, or says why that cannot be. @throws DepotError */
export function openLayout(folder: string, project: string): DepotLayout {
  const layout = new DepotLayout(folder);
  try {
    // Nobody but its owner reads or writes anything that is made in it.
    useStoreFolder(folder, FORMAT_FILE, 'private');
    makeFolder(folder);
    checkOwner(folder);
    for (const made of [layout.blobs, layout.saves, layout.programs]) makeFolder(made);
    makeFolder(layout.setsOf(project));
    makeFolder(layout.logsOf(project));
    checkFormat(join(folder, FORMAT_FILE));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const message = `the depot ${folder} cannot be used: ${systemSentence(error)}`;
    throw new DepotError(message, 'name a folder that you may write and that every node sees');
  }
  return layout;
}

function checkOwner(folder: string): void {
  const found = lstatSync(folder);
  if (!found.isDirectory()) throw new DepotError(`the depot ${folder} is no folder`);
  if (!isOwn(found.uid)) {
    const message = `the depot ${folder} belongs to somebody else, who could put results into it`;
    throw new DepotError(message, 'name a folder of your own');
  }
  if ((found.mode & WRITABLE_BY_OTHERS) === 0) return;
  const message = `others may write into the depot ${folder}, and so put results into it`;
  throw new DepotError(message, `chmod go-w ${folder}`);
}

function checkFormat(file: string): void {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    writeFileSync(file, FORMAT, { mode: 0o600 });
    return;
  }
  if (text !== '' && text !== FORMAT) {
    throw new DepotError(
      `${file} says ${JSON.stringify(text.slice(0, 40))}: another version of pipeline made this depot`,
    );
  }
}

/** The sets of a project that are there. */
export function setsIn(layout: DepotLayout, project: string): readonly string[] {
  const names = readdirSync(layout.setsOf(project));
  return names.filter((name) => /^[0-9a-z]{8,32}$/.test(name)).sort();
}

export const removeSet = ({ folder }: SetLayout): void =>
  rmSync(folder, { recursive: true, force: true });
