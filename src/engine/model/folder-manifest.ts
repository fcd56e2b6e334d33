// folder-manifest.ts — the blob of an output that is a folder: its files by path, each a blob of its own
import { byCodeUnit, canonicalJson, type Digest, isDigest } from './key.ts';

/** The kind of outputs that are folders. */
export const FOLDER = 'folder' as const;

/** A file of a folder. */
export interface FolderFile {
  /** Relative to the folder, with / between names. */
  readonly path: string;
  readonly isExecutable: boolean;
  readonly bytes: number;
  readonly digest: Digest;
}

const FORM = 'folder/1';
/** A folder has no more files: a manifest is held in memory. */
export const FOLDER_FILES_MAX = 1_000_000;
/** What such a manifest may take, whoever wrote it. */
export const MANIFEST_BYTES_MAX = 2 ** 28;

/** The manifest of a folder. Equal folders give equal bytes, in whatever order their files are given. */
export function encodeFolder(files: readonly FolderFile[]): Uint8Array {
  const rows = [...files]
    .sort((a, b) => byCodeUnit(a.path, b.path))
    .map(({ path, isExecutable, bytes, digest }) => [path, isExecutable, bytes, digest]);
  return new TextEncoder().encode(canonicalJson({ form: FORM, files: rows }));
}

/** Reads a manifest, by code unit of the paths. @throws RangeError when it is none, or has a path that leads out of the folder */
export function decodeFolder(content: Uint8Array): readonly FolderFile[] {
  if (content.length > MANIFEST_BYTES_MAX) throw new RangeError('the list of a folder is too long');
  const value = parsed(content);
  if (value?.form !== FORM || !Array.isArray(value.files)) throw unfit('it has another form');
  if (value.files.length > FOLDER_FILES_MAX) throw unfit('it has too many files');
  const files = value.files.map(fileIn);
  checkPaths(files.map(({ path }) => path));
  return files;
}

const unfit = (why: string): RangeError => new RangeError(`this is no list of a folder: ${why}`);

function parsed(content: Uint8Array): { readonly form?: unknown; readonly files?: unknown } | null {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
  } catch {
    throw unfit('it is no JSON');
  }
}

function fileIn(row: unknown): FolderFile {
  const [path, isExecutable, bytes, digest] = Array.isArray(row) && row.length === 4 ? row : [];
  const isFile =
    typeof path === 'string' &&
    typeof isExecutable === 'boolean' &&
    Number.isSafeInteger(bytes) &&
    bytes >= 0 &&
    typeof digest === 'string' &&
    isDigest(digest);
  if (!isFile) throw unfit('a file of it has another form');
  const fault = pathFault(path);
  if (fault !== undefined) throw unfit(fault);
  return { path, isExecutable, bytes, digest };
}

/** What is wrong with the path of a file of a folder; undefined when nothing is. */
export function pathFault(path: string): string | undefined {
  if (path.includes('\0')) return 'a path holds a zero byte';
  // What was no UTF-8 is read as this, and two names would become one.
  if (path.includes('\ufffd')) return 'a name in it is not UTF-8';
  if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(path)) {
    return 'a name in it is not UTF-8';
  }
  const names = path.split('/');
  const leads = names.some((name) => name === '' || name === '.' || name === '..');
  return leads ? 'a path leads out of the folder, or has an empty part' : undefined;
}

/** Each path is there once, in order, and none is a folder of another. */
function checkPaths(paths: readonly string[]): void {
  const known = new Set(paths);
  for (const [index, path] of paths.entries()) {
    const before = paths[index - 1];
    if (before !== undefined && !(before < path)) throw unfit('its paths are not in order');
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      if (known.has(path.slice(0, end))) throw unfit('a file of it is a folder, too');
    }
  }
}

/** The bytes of all files of a folder. */
export const folderBytes = (files: readonly FolderFile[]): number =>
  files.reduce((sum, { bytes }) => sum + bytes, 0);

/** Two paths that some file systems take for one, as they differ only in case or in Unicode form; undefined where none do. */
export function lookAlikes(files: readonly FolderFile[]): readonly [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const { path } of files) {
    let known = '';
    // A folder of one path and a file of another may be alike, too.
    for (const name of path.split('/')) {
      known += `${known === '' ? '' : '/'}${name}`;
      const folded = known.normalize('NFC').toLowerCase().normalize('NFC');
      const other = seen.get(folded);
      if (other !== undefined && other !== known) return [other, known];
      seen.set(folded, known);
    }
  }
  return undefined;
}
