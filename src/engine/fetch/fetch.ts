// fetch.ts — files that a source stage declares: from the store, from mirrors, from where they are published
import { stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type Digest, isDigest, type Named } from '../model/key.ts';
import type { SourceFile } from '../stage.ts';
import { WrongContent } from '../store/blob-files.ts';
import { chunksOf } from '../store/blob-io.ts';
import { type BlobSink, StoreError } from '../store/store.ts';
import { download, type Pace, streamSink, type Wanted } from './download.ts';
import { type ArchiveShelf, archiveShelf, isUrl } from './zip-cache.ts';

/** What fetching needs to know. */
export interface FetchOptions extends Pace {
  readonly blobs: BlobSink;
  /** Folders or URLs that hold files under their declared names. */
  readonly mirrors: readonly string[];
  readonly warn: (message: string) => void;
}

/** A file never exceeds this, whatever a stage declares. */
const BYTES_MAX = 2 ** 40;
/** A file of which the stage does not declare `bytes`; its content may be twice as large. */
const UNDECLARED_BYTES_MAX = 2 ** 30;
/** The same, where the server does not say either how many will come: it may never end. */
const UNANNOUNCED_BYTES_MAX = 2 ** 28;

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
    try {
      await keepFrom(place, file, options, shelf);
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof StoreError) throw error;
      tried.push(`${place.where}: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    if (tried.length > 0) {
      options.warn(`${file.name} came from ${place.where}; before it: ${tried.join('; ')}`);
    }
    return file.sha256;
  }
  throw new FetchError(outOfReach(file, tried));
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

/** Takes a file from one place into the store, piece by piece. @throws when it is not what was declared */
async function keepFrom(
  { where, member }: FilePlace,
  file: SourceFile,
  options: FetchOptions,
  shelf: ArchiveShelf,
): Promise<void> {
  const limit = bytesMax(file, UNDECLARED_BYTES_MAX);
  const keep = async (raw: AsyncIterable<Uint8Array>): Promise<void> => {
    const content = file.of === 'file' ? raw : gunzipped(raw, file);
    try {
      await options.blobs.putStream(content, file.sha256 as Digest);
    } catch (error) {
      if (!(error instanceof WrongContent)) throw error;
      throw new WrongFile(`wrong ${file.of}: ${error.message}`);
    }
  };
  if (member !== undefined) {
    const archive = await shelf.open(where, member);
    await keep(archive.member(member.path, limit));
  } else if (isUrl(where)) {
    const unannouncedLimit = bytesMax(file, UNANNOUNCED_BYTES_MAX);
    await keepDownload({ url: where, name: file.name, limit, unannouncedLimit }, keep, options);
  } else await keep(fileAt(where, file));
}

/** What came is not what was declared. */
class WrongFile extends Error {}

const bytesMax = (file: SourceFile, undeclared: number): number =>
  Math.min(file.bytes ?? undeclared, BYTES_MAX);

/** Two attempts may have met two versions of the file: one whole attempt tells. */
async function keepDownload(
  wanted: Wanted,
  keep: (content: AsyncIterable<Uint8Array>) => Promise<void>,
  pace: Pace,
): Promise<void> {
  for (;;) {
    const sink = streamSink(keep);
    let resumed: boolean;
    try {
      ({ resumed } = await download(wanted, sink, pace));
    } catch (error) {
      await sink.abort(error);
      throw error;
    }
    try {
      return await sink.end();
    } catch (error) {
      if (!(error instanceof WrongFile && resumed)) throw error;
    }
  }
}

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** The content of a file that may be gzipped. It is unpacked no further than it may be large. */
async function* gunzipped(
  raw: AsyncIterable<Uint8Array>,
  file: SourceFile,
): AsyncGenerator<Uint8Array> {
  const limit = bytesMax(file, 2 * UNDECLARED_BYTES_MAX);
  const source = await withFirstBytes(raw, 2);
  if (!isGzip(source.first)) return yield* source.all;
  const gunzip = createGunzip();
  const feeding = pipeline(source.all, gunzip);
  feeding.catch(() => undefined);
  let bytes = 0;
  try {
    for await (const chunk of gunzip) {
      bytes += (chunk as Buffer).length;
      if (bytes > limit) {
        throw new Error(`its content has more than ${limit} bytes, which it must not have`);
      }
      yield chunk as Buffer;
    }
    await feeding;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (!code.startsWith('Z_')) throw error;
    throw new Error(`the gzip file is damaged or cut short (${(error as Error).message})`);
  } finally {
    gunzip.destroy();
  }
}

/** Looks at how a stream begins; all of it is given again. */
async function withFirstBytes(
  content: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ readonly first: Uint8Array; readonly all: AsyncIterable<Uint8Array> }> {
  const iterator = content[Symbol.asyncIterator]();
  const rest = { [Symbol.asyncIterator]: () => iterator };
  let first: Uint8Array = new Uint8Array(0);
  while (first.length < count) {
    const { done, value } = await iterator.next();
    if (done) break;
    first = Buffer.concat([first, value]);
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield first;
      yield* rest;
    } finally {
      await iterator.return?.();
    }
  };
  return { first, all: all() };
}

/** The content of a file of a mirror, which may also hold it decompressed. */
async function* fileAt(path: string, file: SourceFile): AsyncGenerator<Uint8Array> {
  const plain = path.replace(/\.gz$/, '');
  const found = await stat(path).then(
    (seen) => ({ at: path, seen }),
    () =>
      stat(plain).then(
        (seen) => ({ at: plain, seen }),
        () => undefined,
      ),
  );
  if (found === undefined) throw new Error('no such file');
  const { at, seen } = found;
  // A pipe or a device may never end, or never begin.
  if (!seen.isFile()) throw new Error('it is not a file');
  const limit = bytesMax(file, 2 * UNDECLARED_BYTES_MAX);
  let bytes = 0;
  if (seen.size > limit) throw new Error(`${seen.size} bytes is too large`);
  for await (const chunk of chunksOf(at)) {
    bytes += chunk.length;
    if (bytes > limit) throw new Error(`more than ${limit} bytes is too large`);
    yield chunk;
  }
}
