// folder-output.ts — a folder that a command wrote → its list, and a blob for each of its files
import type { Dirent, Stats } from 'node:fs';
import { readFileSync, statSync } from 'node:fs';
import { chmod, readdir, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { plainName } from '../../plain-text.ts';
import {
  encodeFolder,
  FOLDER_FILES_MAX,
  type FolderFile,
  lookAlikes,
  pathFault,
} from '../model/folder-manifest.ts';
import type { KeptOutput } from '../model/record.ts';
import { StageError } from '../stage.ts';
import { type BlobStore, keptOutput } from '../store/store.ts';

/** A folder that was declared as an output. */
export interface OutputFolder {
  /** Without links on the way. */
  readonly path: string;
  /** Its files may have no more bytes together. */
  readonly bytesMax: number | undefined;
  warn(message: string): void;
}

/** A file that was found in the folder. */
interface Found {
  /** Below the folder. */
  readonly path: string;
  /** Where it lies, behind all links. */
  readonly real: string;
  readonly bytes: number;
  readonly isExecutable: boolean;
}

const OWNER_EXECUTES = 0o100;
/** Files that are not larger are read at once. */
const SMALL_BYTES = 2 ** 16;
/** Small files are kept in transactions of about so many bytes or files. */
const BATCH_BYTES = 16 * 2 ** 20;
const BATCH_FILES = 1000;

/**
 * Takes a folder: every file in it becomes a blob, and the list of them is the output. Links to what lies in the folder
 * count as that; folders without files do not count. The files may be gone afterwards.
 * @throws StageError for what cannot be kept: no file, a link that leads out, a device
 */
export async function takeFolder(
  { path, bytesMax, warn }: OutputFolder,
  blobs: Pick<BlobStore, 'takeFile' | 'putAll'>,
): Promise<KeptOutput> {
  const found = await filesIn(path);
  if (found.length === 0) throw new StageError('there is no file in it');
  const bytes = found.reduce((sum, file) => sum + file.bytes, 0);
  if (bytesMax !== undefined && bytes > bytesMax) throw tooLarge(bytes, bytesMax);
  const files = await taken(found, blobs);
  const alike = lookAlikes(files);
  if (alike) {
    const [one, other] = alike.map(plainName);
    warn(`${one} and ${other} are one file on systems that do not tell case or Unicode form apart`);
  }
  return keptOutput(encodeFolder(files));
}

/** Says that an output is larger than it may be. */
export const tooLarge = (bytes: number, bytesMax: number): TooLarge =>
  new TooLarge(`it has ${bytes} bytes, and \`max\` allows ${bytesMax}`);

export class TooLarge extends StageError {}

/** Every file of a folder, links followed as far as they stay in it. */
async function filesIn(root: string): Promise<readonly Found[]> {
  const found: Found[] = [];
  let folders = 0;
  const visit = async (folder: string, path: string, above: readonly string[]): Promise<void> => {
    if (above.includes(folder)) {
      throw new StageError(`${plainName(path)} is a link to a folder that it lies in`);
    }
    folders += 1;
    for (const entry of await entriesOf(folder)) {
      if (found.length + folders > FOLDER_FILES_MAX) {
        throw new StageError(
          `it has more than ${FOLDER_FILES_MAX} files: pack them into one (tar)`,
        );
      }
      const name = path === '' ? entry.name : `${path}/${entry.name}`;
      const fault = pathFault(entry.name);
      if (fault !== undefined) throw new StageError(`${fault}: ${plainName(name)}`);
      const place = join(folder, entry.name);
      const real = entry.isSymbolicLink() ? await behind(root, place, name) : place;
      const stats = statSync(real);
      if (stats.isDirectory()) await visit(real, name, [...above, folder]);
      else found.push(fileFrom(name, real, stats));
    }
  };
  await visit(root, '', []);
  return found;
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What a link leads to. @throws StageError when that lies outside of the folder, or is not there */
async function behind(root: string, link: string, name: string): Promise<string> {
  const real = await realpath(link).catch(() => undefined);
  const what = plainName(name);
  if (real === undefined) throw new StageError(`${what} is a broken link`);
  const way = relative(root, real);
  const isOutside = way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way);
  if (!isOutside) return real;
  throw new StageError(`${what} is a link to a file outside the folder: write a copy instead`);
}

function fileFrom(path: string, real: string, stats: Stats): Found {
  if (!stats.isFile()) {
    throw new StageError(`${plainName(path)} is not a regular file (a socket, pipe or device)`);
  }
  const isExecutable = (stats.mode & OWNER_EXECUTES) !== 0;
  return { path, real, bytes: stats.size, isExecutable };
}

/** Gives files to a store: small ones together, large ones one by one. */
async function taken(
  found: readonly Found[],
  blobs: Pick<BlobStore, 'takeFile' | 'putAll'>,
): Promise<readonly FolderFile[]> {
  const files: FolderFile[] = [];
  /** By where they lie: behind a link is what was taken already. */
  const known = new Map<string, KeptOutput>();
  let batch: KeptOutput[] = [];
  let held = 0;
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await blobs.putAll(batch);
    [batch, held] = [[], 0];
    await turn();
  };
  for (const { path, real, bytes, isExecutable } of found) {
    let kept = known.get(real);
    if (kept === undefined) {
      const { content, ...output } = await take(real, bytes, blobs);
      kept = output;
      known.set(real, kept);
      if (content) {
        batch.push({ ...output, content });
        held += content.length;
      }
      if (held >= BATCH_BYTES || batch.length >= BATCH_FILES) await flush();
    }
    files.push({ path, isExecutable, bytes: kept.bytes, digest: kept.digest });
  }
  await flush();
  return files;
}

async function take(
  path: string,
  bytes: number,
  blobs: Pick<BlobStore, 'takeFile'>,
): Promise<KeptOutput> {
  try {
    if (bytes <= SMALL_BYTES) return keptOutput(readFileSync(path));
    return await blobs.takeFile(path, { mayMove: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    // A command may take rights away from itself.
    await chmod(path, 0o600);
    return blobs.takeFile(path, { mayMove: true });
  }
}
