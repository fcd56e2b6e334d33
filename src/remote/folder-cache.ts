// folder-cache.ts — results shared in a folder (`file://`): a disk that several machines see
import { randomUUID } from 'node:crypto';
import { constants, rmSync, statSync } from 'node:fs';
import { type FileHandle, link, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../engine/files/make-folder.ts';
import { formatSystem, isSystemError, systemHint } from '../engine/files/system-error.ts';
import { type Digest, isDigest } from '../engine/model/key.ts';
import { chunksOf } from '../engine/store/blob-io.ts';
import {
  ENTRY_BYTES_MAX,
  type EntryName,
  type Listed,
  type RemoteCache,
  RemoteError,
} from './remote-cache.ts';

/**
 * Entries in `ac/ab/NAME`, blobs in `cas/ab/DIGEST`. Everything is written to a draft in `tmp/`, flushed and renamed, so that
 * a file that bears a name is whole.
 */
export function folderCache(folder: string): RemoteCache {
  const pathOf = (kind: 'ac' | 'cas', name: string): string =>
    join(folder, kind, name.slice(0, 2), name);
  const place = async (path: string, write: (file: FileHandle) => Promise<void>, how: How) => {
    checkRoot(folder);
    const draft = join(folder, 'tmp', `${randomUUID()}.tmp`);
    makeFolder(join(folder, 'tmp'));
    makeFolder(join(path, '..'));
    try {
      const file = await open(draft, 'wx');
      try {
        await write(file);
        await file.sync();
      } finally {
        await file.close();
      }
      return await settle(draft, path, how);
    } finally {
      rmSync(draft, { force: true });
    }
  };
  return {
    name: `file://${folder}`,
    readEntry: (name) =>
      worded(folder, async () => {
        checkRoot(folder);
        const file = await openRegular(pathOf('ac', name), ENTRY_BYTES_MAX);
        if (file === undefined) return undefined;
        try {
          return await file.handle.readFile();
        } finally {
          await file.handle.close();
        }
      }),
    writeEntry: (name, content, how) =>
      worded(folder, () => place(pathOf('ac', name), (file) => file.writeFile(content), how)),
    sizeOf: (digest) =>
      worded(folder, async () => {
        checkRoot(folder);
        const found = await stat(pathOf('cas', digest)).catch(absent);
        return found?.isFile() ? found.size : undefined;
      }),
    readBlob: ({ digest, bytes }, offset) =>
      worded(folder, async () => {
        const path = pathOf('cas', digest);
        const file = await openRegular(path, bytes);
        await file?.handle.close();
        if (file === undefined) return undefined;
        if (file.bytes !== bytes) throw new RemoteError('nonsense', otherSize(bytes, file.bytes));
        const from = Math.min(offset, bytes);
        return { from, content: skipping(chunksOf(path), from) };
      }),
    writeBlob: ({ digest }, content) =>
      worded(folder, async () => {
        const write = async (file: FileHandle): Promise<void> => {
          for await (const chunk of content()) await file.writeFile(chunk);
        };
        await place(pathOf('cas', digest), write, 'replace');
      }),
    listing: {
      entries: () => listed(join(folder, 'ac')) as AsyncIterable<Listed<EntryName>>,
      blobs: () => listed(join(folder, 'cas')) as AsyncIterable<Listed<Digest>>,
      dropEntry: (name) => rm(pathOf('ac', name), { force: true }),
      dropBlob: (digest) => rm(pathOf('cas', digest), { force: true }),
    },
    close: () => undefined,
  };
}

type How = 'create' | 'replace';

/** A shared disk that is not mounted is no empty remote, and no place for a new one. */
function checkRoot(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const hint = 'is the disk mounted? make the folder where it is to be a new remote';
  throw new RemoteError('refused', `there is no folder ${folder}`, hint);
}

/** Gives a draft its name. A link fails where there is something: the first one stays. */
async function settle(draft: string, path: string, how: How): Promise<'written' | 'exists'> {
  if (how === 'replace') {
    await rename(draft, path);
    return 'written';
  }
  try {
    await link(draft, path);
    return 'written';
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code === 'EEXIST') return 'exists';
    // Some disks have no links.
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) return 'exists';
    await rename(draft, path);
    return 'written';
  }
}

/** Opens what is a plain file and no larger; undefined when there is none. Never waits, as for a pipe. */
async function openRegular(
  path: string,
  bytesMax: number,
): Promise<{ readonly handle: FileHandle; readonly bytes: number } | undefined> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(absent);
  if (handle === undefined) return undefined;
  const found = await handle.stat();
  if (found.isFile() && found.size <= bytesMax) return { handle, bytes: found.size };
  await handle.close();
  throw new RemoteError(
    'nonsense',
    found.isFile() ? otherSize(bytesMax, found.size) : `${path} is no file`,
  );
}

const otherSize = (expected: number, actual: number): string =>
  `a file of ${actual} bytes where there should be ${expected}`;

function absent(error: unknown): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
  throw error;
}

async function* skipping(
  content: AsyncIterable<Uint8Array>,
  offset: number,
): AsyncGenerator<Uint8Array> {
  let left = offset;
  for await (const chunk of content) {
    if (left >= chunk.length) left -= chunk.length;
    else {
      yield chunk.subarray(left);
      left = 0;
    }
  }
}

async function* listed(folder: string): AsyncGenerator<Listed<string>> {
  for (const shard of (await readdir(folder).catch(absent)) ?? []) {
    if (!/^[0-9a-f]{2}$/.test(shard)) continue;
    for (const name of (await readdir(join(folder, shard)).catch(absent)) ?? []) {
      if (!isDigest(name) || !name.startsWith(shard)) continue;
      const found = await stat(join(folder, shard, name)).catch(absent);
      if (found?.isFile()) yield { name, bytes: found.size, written: found.mtimeMs };
    }
  }
}

const FULL = new Set(['ENOSPC', 'EDQUOT']);

/** What the system says, as a fault of the remote. */
async function worded<T>(folder: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof RemoteError || !isSystemError(error)) throw error;
    const fault = FULL.has(error.code ?? '') ? 'full' : 'refused';
    const message = `${folder} cannot be used: ${formatSystem(error)}`;
    throw new RemoteError(fault, message, systemHint(error));
  }
}
