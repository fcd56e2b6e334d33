// checkpoint-folders.ts — the folders in which programs keep checkpoints: one for each key, beside the store
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../files/make-folder.ts';
import type { Key } from '../model/key.ts';
import { removeTree } from '../process/scratch-folder.ts';

/** A folder that outlives the attempts at an action. */
export interface CheckpointFolder {
  /** Where the program keeps what it needs to go on. */
  readonly path: string;
  /** The lines that it wrote to `$PIPELINE_EVENTS` in earlier attempts. */
  readonly events: string;
}

/** The folders of a store. */
export interface CheckpointFolders {
  /** Whether the program of an action has left anything in its folder. */
  has(key: Key): Promise<boolean>;
  /** Makes the folder of an action where there is none. @throws Error when that cannot be done */
  open(key: Key): Promise<CheckpointFolder>;
  drop(key: Key): Promise<void>;
  /** Every folder, with the bytes in it. */
  list(): readonly { readonly key: Key; readonly bytes: number }[];
  /** Removes some folders. */
  dropNow(keys: readonly Key[]): void;
}

/** Below the folder of a store. */
const FOLDER = 'checkpoints';
const [DATA, EVENTS] = ['data', 'events.jsonl'];

/** The folders below the folder of a store. Nothing is made before it is needed. */
export function checkpointFolders(cache: string): CheckpointFolders {
  const parent = join(cache, FOLDER);
  const folderOf = (key: Key): string => join(parent, key);
  return {
    async has(key) {
      // Most actions have none, and a look at what is not there is cheap.
      if (!existsSync(folderOf(key))) return false;
      const names = await readdir(join(folderOf(key), DATA)).catch(() => []);
      return names.length > 0;
    },
    async open(key) {
      const path = join(folderOf(key), DATA);
      makeFolder(path);
      return { path, events: join(folderOf(key), EVENTS) };
    },
    async drop(key) {
      const folder = folderOf(key);
      if (existsSync(folder)) await removeTree(folder);
    },
    list() {
      return keysIn(parent).map((key) => ({ key, bytes: bytesBelow(join(parent, key)) }));
    },
    dropNow(keys) {
      for (const key of keys) rmSync(folderOf(key), { recursive: true, force: true });
    },
  };
}

function keysIn(parent: string): readonly Key[] {
  try {
    return readdirSync(parent).filter((name): name is Key => /^[0-9a-f]{64}$/.test(name));
  } catch {
    return [];
  }
}

function bytesBelow(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
