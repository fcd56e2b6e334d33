// fetch.ts — files that a source stage declares: from the store, from mirrors, from where they are published
import { open } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type Digest, digestOf, isDigest, type Named } from '../model/key.ts';
import type { SourceFile } from '../stage.ts';
import type { BlobSink } from '../store/store.ts';
import { downloadBytes, type Pace } from './download.ts';
import { type ArchiveShelf, archiveShelf, isUrl } from './zip-cache.ts';

/** What fetching needs to know. */
export interface FetchOptions extends Pace {
  readonly blobs: BlobSink;
  /** Folders or URLs that hold files under their declared names. */
  readonly mirrors: readonly string[];
  readonly warn: (message: string) => void;
}

/** A file never exceeds this, whatever a stage declares. */
const BYTES_MAX = 2 ** 30;
/** Decompressed content never exceeds this. */
const CONTENT_BYTES_MAX = 2 ** 31 - 1;

/** A file that cannot be had, with everything that was tried. */
export class FetchError extends Error {
  override readonly name = 'StageError';
}

/**
 * Makes sure that every file is in the store, and gives the digest of its content.
 * @throws FetchError when one cannot be had. Nothing of wrong content is kept.
 */
export async function fetchFiles(
  files: readonly SourceFile[],
  options: FetchOptions,
): Promise<Named<Digest>> {
  const shelf = archiveShelf(options);
  try {
    const digests: Record<string, Digest> = {};
    for (const file of files) digests[file.name] = await fetchFile(file, options, shelf);
    return digests;
  } finally {
    await shelf.close();
  }
}

async function fetchFile(
  file: SourceFile,
  options: FetchOptions,
  shelf: ArchiveShelf,
): Promise<Digest> {
  if (!isDigest(file.sha256)) {
    throw new FetchError(
      `the sha256 of ${file.name} is not 64 lower-case hex digits: ${file.sha256}`,
    );
  }
  if ((await options.blobs.missing([file.sha256])).length === 0) return file.sha256;
  const tried: string[] = [];
  for (const place of placesOf(file, options.mirrors)) {
    let bytes: Uint8Array;
    try {
      bytes = await verifiedAt(place, file, options, shelf);
    } catch (error) {
      options.signal.throwIfAborted();
      tried.push(`${place.where}: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    if (tried.length > 0) {
      options.warn(`${file.name} came from ${place.where}; before it: ${tried.join('; ')}`);
    }
    return options.blobs.put(bytes);
  }
  throw new FetchError(outOfReach(file, tried));
}

async function verifiedAt(
  place: FilePlace,
  file: SourceFile,
  options: FetchOptions,
  shelf: ArchiveShelf,
): Promise<Uint8Array> {
  let { bytes, resumed } = await contentAt(place, file, options, shelf);
  // Two attempts may have met two versions of the file: one whole attempt tells.
  if (resumed && digestOf(bytes) !== file.sha256) {
    ({ bytes, resumed } = await contentAt(place, file, options, shelf));
  }
  const actual = digestOf(bytes);
  if (actual === file.sha256) return bytes;
  const what = file.of === 'content' ? 'content' : 'file';
  throw new Error(`wrong ${what}: SHA-256 is ${actual}, expected ${file.sha256}`);
}

function outOfReach(file: SourceFile, tried: readonly string[]): string {
  return [
    `${file.name} cannot be had. Tried:`,
    ...tried.map((line) => `  ${line}`),
    ...(tried.length === 0 ? ['  nothing: it has no mirror and no address'] : []),
    `Offline? Put the file at DIR/${file.name} and say --mirror DIR (or set PIPELINE_MIRROR=DIR).`,
    ...(file.member ? [`Its archive will do, too: DIR/${file.member.archive}.`] : []),
    ...(file.instead ? [file.instead] : []),
  ].join('\n');
}

/** A place to look in. */
interface FilePlace {
  readonly where: string;
  /** The file is a member of the archive that lies there. */
  readonly member?: SourceFile['member'];
}

/** Where to look, in order. */
function placesOf(file: SourceFile, mirrors: readonly string[]): readonly FilePlace[] {
  const { member } = file;
  const below = (mirror: string, name: string): string => {
    const unsafe = isAbsolute(name) || name.split(/[\\/]/).includes('..');
    if (unsafe) throw new FetchError(`a source file cannot be called ${name}`);
    return isUrl(mirror) ? `${mirror.replace(/\/+$/, '')}/${name}` : join(resolve(mirror), name);
  };
  // A name is refused with or without mirrors.
  for (const name of [file.name, ...(member ? [member.archive] : [])]) below('.', name);
  return [
    ...mirrors.flatMap((mirror): FilePlace[] => [
      { where: below(mirror, file.name) },
      ...(member ? [{ where: below(mirror, member.archive), member }] : []),
    ]),
    ...file.urls.map((where) => ({ where, member })),
  ];
}

/** Bytes, and whether they were put together from several attempts. */
interface Got {
  readonly bytes: Uint8Array;
  readonly resumed: boolean;
}

async function contentAt(
  { where, member }: FilePlace,
  file: SourceFile,
  options: FetchOptions,
  shelf: ArchiveShelf,
): Promise<Got> {
  const limit = Math.min(file.bytes ?? BYTES_MAX, BYTES_MAX);
  let raw: Got;
  if (member !== undefined) {
    const archive = await shelf.open(where, member);
    raw = { bytes: await archive.member(member.path, limit), resumed: false };
  } else if (isUrl(where))
    raw = await downloadBytes({ url: where, name: file.name, limit }, options);
  else raw = { bytes: await readBounded(where, limit), resumed: false };
  const { bytes, resumed } = raw;
  if (file.of === 'file' || bytes[0] !== 0x1f || bytes[1] !== 0x8b) return raw;
  try {
    const maxOutputLength = Math.min(file.bytes ?? CONTENT_BYTES_MAX, CONTENT_BYTES_MAX);
    return { bytes: await promisify(gunzip)(bytes, { maxOutputLength }), resumed };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(
      code === 'ERR_BUFFER_TOO_LARGE'
        ? `its content has more than ${file.bytes ?? CONTENT_BYTES_MAX} bytes, which it must not have`
        : `the gzip file is damaged or cut short (${text})`,
    );
  }
}

async function readBounded(path: string, limit: number): Promise<Uint8Array> {
  const plain = path.replace(/\.gz$/, '');
  const file = await open(path).catch(() => open(plain).catch(() => undefined));
  if (file === undefined) throw new Error('no such file');
  try {
    const { size } = await file.stat();
    // A mirror may hold the content decompressed: then it is the content that is bounded.
    if (size > Math.max(limit, CONTENT_BYTES_MAX)) throw new Error(`${size} bytes is too large`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}
