// fetch.ts — files that a source stage declares: from the store, from mirrors, from where they are published
import { open } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import pRetry, { AbortError } from 'p-retry';
import { type Digest, digestOf, isDigest, type Named } from './key.ts';
import type { SourceFile } from './stage.ts';
import type { Store } from './store.ts';

/** What fetching needs to know. */
export interface FetchOptions {
  readonly store: Store;
  /** Folders or URLs that hold files under their declared names. */
  readonly mirrors: readonly string[];
  readonly progress: (done: number, of: number, note: string) => void;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
  /** Pause before the first retry; it doubles from there. */
  readonly retryAfter_ms: number;
  /** A download that says nothing for this long is given up and tried again. */
  readonly stall_ms: number;
}

/** A download never exceeds this, whatever a stage declares. */
const BYTES_MAX = 2 ** 30;
/** Decompressed content never exceeds this. */
const CONTENT_BYTES_MAX = 2 ** 31 - 1;
const RETRIES = 3;

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
  const digests: Record<string, Digest> = {};
  for (const file of files) digests[file.name] = await fetchFile(file, options);
  return digests;
}

async function fetchFile(file: SourceFile, options: FetchOptions): Promise<Digest> {
  if (!isDigest(file.sha256)) {
    throw new FetchError(
      `the sha256 of ${file.name} is not 64 lower-case hex digits: ${file.sha256}`,
    );
  }
  if (options.store.hasBlob(file.sha256)) return file.sha256;
  const tried: string[] = [];
  for (const place of placesOf(file, options.mirrors)) {
    let bytes: Uint8Array;
    try {
      bytes = await contentAt(place, file, options);
      const actual = digestOf(bytes);
      if (actual !== file.sha256) {
        const what = file.of === 'content' ? 'content' : 'file';
        throw new Error(`wrong ${what}: SHA-256 is ${actual}, expected ${file.sha256}`);
      }
    } catch (error) {
      options.signal.throwIfAborted();
      tried.push(`${place}: ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    if (tried.length > 0)
      options.warn(`${file.name} came from ${place}; before it: ${tried.join('; ')}`);
    return options.store.putBlob(bytes);
  }
  throw new FetchError(outOfReach(file, tried));
}

function outOfReach(file: SourceFile, tried: readonly string[]): string {
  return [
    `${file.name} cannot be had. Tried:`,
    ...tried.map((line) => `  ${line}`),
    ...(tried.length === 0 ? ['  nothing: it has no mirror and no address'] : []),
    `Offline? Put the file at DIR/${file.name} and say --mirror DIR (or set PIPELINE_MIRROR=DIR).`,
    ...(file.instead ? [file.instead] : []),
  ].join('\n');
}

const isUrl = (place: string): boolean => /^https?:\/\//.test(place);

/** Where to look, in order. */
function placesOf(file: SourceFile, mirrors: readonly string[]): readonly string[] {
  const unsafe = isAbsolute(file.name) || file.name.split(/[\\/]/).includes('..');
  if (unsafe) throw new FetchError(`a source file cannot be called ${file.name}`);
  const mirrored = mirrors.map((mirror) =>
    isUrl(mirror) ? `${mirror.replace(/\/+$/, '')}/${file.name}` : join(resolve(mirror), file.name),
  );
  return [...mirrored, ...file.urls];
}

async function contentAt(
  place: string,
  file: SourceFile,
  options: FetchOptions,
): Promise<Uint8Array> {
  const limit = Math.min(file.bytes ?? BYTES_MAX, BYTES_MAX);
  const raw = isUrl(place)
    ? await download(place, limit, file, options)
    : await readBounded(place, limit);
  if (file.of === 'file' || raw[0] !== 0x1f || raw[1] !== 0x8b) return raw;
  try {
    return await promisify(gunzip)(raw, { maxOutputLength: CONTENT_BYTES_MAX });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`the gzip file is damaged or cut short (${text})`);
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

function download(
  url: string,
  limit: number,
  file: SourceFile,
  options: FetchOptions,
): Promise<Uint8Array> {
  return pRetry(() => downloadOnce(url, limit, file, options), {
    retries: RETRIES,
    minTimeout: options.retryAfter_ms,
    factor: 2,
    signal: options.signal,
  });
}

async function downloadOnce(
  url: string,
  limit: number,
  file: SourceFile,
  options: FetchOptions,
): Promise<Uint8Array> {
  const stall = new AbortController();
  const signal = AbortSignal.any([stall.signal, options.signal]);
  const giveUp = (): void => stall.abort(new Error('the server stalled'));
  let timer = setTimeout(giveUp, options.stall_ms);
  try {
    const response = await fetch(url, { signal, redirect: 'follow' });
    if (!response.ok) {
      const error = new Error(`HTTP ${response.status} ${response.statusText}`.trim());
      throw response.status >= 500 || response.status === 429 ? error : new AbortError(error);
    }
    const total = Number(response.headers.get('content-length') ?? 0);
    const chunks: Uint8Array[] = [];
    let done = 0;
    for await (const chunk of response.body ?? []) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, options.stall_ms);
      chunks.push(chunk);
      done += chunk.length;
      if (done > limit) throw new AbortError(`more than ${limit} bytes, which it must not have`);
      options.progress(done, Math.max(total, done), `fetching ${file.name}`);
    }
    if (total > 0 && done < total && !response.headers.has('content-encoding')) {
      throw new Error(`cut short: ${done} of ${total} bytes`);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    throw withCause(error);
  } finally {
    clearTimeout(timer);
  }
}

/** `fetch failed` says little: its cause says what happened. */
function withCause(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const cause = error.cause;
  // p-retry takes a TypeError for a bug and would not try again.
  if (error instanceof TypeError) {
    const text = cause instanceof Error ? cause.message || (cause as { code?: string }).code : '';
    return new Error(text ? `${error.message} (${text})` : error.message);
  }
  return error;
}
