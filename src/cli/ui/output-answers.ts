// output-answers.ts — what stages gave, for the page: previews, pictures, files. All of it is untrusted

import { kindByName } from '../../engine/config/codecs.ts';
import { FOLDER } from '../../engine/model/folder-manifest.ts';
import type { Digest, Json, Key } from '../../engine/model/key.ts';
import type { Output } from '../../engine/model/record.ts';
import { folderIn } from '../../engine/store/folder-blobs.ts';
import type { Store } from '../../engine/store/store.ts';
import { fileSet } from '../../file-set.ts';
import { plainLog, plainText } from '../../plain-text.ts';
import { decodeSafetensors, elementType, exactValues, type Tensor } from '../../tensor.ts';
import type { OutputView, ReportLine, TensorView } from '../../ui/forms.ts';
import { drawTensors } from '../terminal/picture.ts';
import { textWindow } from './text-window.ts';

/** Which output: of an action by its key, and of one that holds several files, which of them. */
export interface OutputAsked {
  readonly key: string;
  readonly name: string;
  readonly path: string | undefined;
  /** Of a text: what lines must hold to be found. */
  readonly find?: string | undefined;
}

/** A longer text is read piece by piece. */
const TEXT_SHOWN = 200_000;
const JSON_SHOWN = 2_000_000;
/** Tensors larger than this are not looked into for a page. */
const TENSORS_READ = 256 * 2 ** 20;
const FILES_SHOWN = 1000;
const BINS = 32;

interface Found {
  readonly output: Pick<Output, 'digest' | 'bytes' | 'kind'>;
  /** Bytes that are part of a blob: a file of a set. */
  readonly content?: Uint8Array;
}

/** Finds an output among those that a record names; undefined when there is none. */
async function find(store: Store, { key, name, path }: OutputAsked): Promise<Found | undefined> {
  if (!/^[0-9a-f]{64}$/.test(key)) return undefined;
  const record = await store.actions.get(key as Key);
  const output = record && Object.hasOwn(record.outputs, name) ? record.outputs[name] : undefined;
  if (output === undefined || path === undefined) return output && { output };
  if (output.kind === FOLDER) {
    const files = await folderIn(store.blobs, output.digest);
    const file = files?.find((one) => one.path === path);
    return file && { output: { ...file, kind: kindByName(path) } };
  }
  if (output.kind !== 'files') return undefined;
  const bytes = await store.blobs.get(output.digest);
  const files = bytes && fileSet().decode(bytes);
  const text = files && Object.hasOwn(files, path) ? files[path] : undefined;
  if (text === undefined) return undefined;
  const content = new TextEncoder().encode(text);
  return {
    output: { digest: output.digest, bytes: content.length, kind: kindByName(path) },
    content,
  };
}

const bytesOf = async (store: Store, { output, content }: Found): Promise<Uint8Array | undefined> =>
  content ?? (await store.blobs.get(output.digest));

/** An output as a page shows it. Undefined when there is none. */
export async function outputView(
  store: Store,
  asked: OutputAsked,
): Promise<OutputView | undefined> {
  const found = await find(store, asked);
  if (found === undefined) return undefined;
  const { kind, bytes: size } = found.output;
  const about = { kind, bytes: size };
  const isLong = found.content === undefined && size > (kind === 'json' ? JSON_SHOWN : TEXT_SHOWN);
  if (isLong && !STRUCTURED.includes(kind))
    return { ...about, ...(await longView(store, found, asked)) };
  if (size > TENSORS_READ) return { ...about, problem: TOO_LARGE };
  const bytes = await bytesOf(store, found);
  if (bytes === undefined) return { ...about, problem: 'the store has lost it' };
  try {
    if (kind === 'tensors') return { ...about, ...tensorsView(bytes) };
    if (kind === 'files') {
      const files = Object.entries(fileSet().decode(bytes)).slice(0, FILES_SHOWN);
      return { ...about, files: files.map(([path, text]) => ({ path, bytes: text.length })) };
    }
    if (kind === FOLDER) {
      const files = (await folderIn(store.blobs, found.output.digest)) ?? [];
      const shown = files.slice(0, FILES_SHOWN);
      return { ...about, files: shown.map(({ path, bytes: length }) => ({ path, bytes: length })) };
    }
    if (kind === 'json' && bytes.length <= JSON_SHOWN) {
      return { ...about, json: JSON.parse(new TextDecoder().decode(bytes)) as Json };
    }
  } catch (error) {
    return {
      ...about,
      problem: `it cannot be read: ${error instanceof Error ? error.message : ''}`,
    };
  }
  if (imageType(bytes)) return { ...about, hasPicture: true };
  if (kind === 'bytes' && isBinary(bytes)) return { ...about, problem: 'it is binary' };
  return { ...about, ...(await textView(once(bytes), asked.find)) };
}

const TOO_LARGE = 'it is too large to be shown; it can be saved';
const STRUCTURED: readonly string[] = ['tensors', 'files', FOLDER];

/** An output that is too large to be held: a text, or a picture, as its first bytes tell. */
async function longView(
  { blobs }: Store,
  { output: { digest, bytes: size } }: Found,
  { find: words }: OutputAsked,
): Promise<Omit<OutputView, 'kind' | 'bytes'>> {
  if ((await blobs.missing([digest])).length > 0) return { problem: 'the store has lost it' };
  for await (const piece of blobs.stream(digest)) {
    if (imageType(piece))
      return size > TENSORS_READ ? { problem: TOO_LARGE } : { hasPicture: true };
    if (isBinary(piece)) return { problem: 'it is binary' };
    break;
  }
  return textView(blobs.stream(digest), words);
}

async function textView(
  content: AsyncIterable<Uint8Array>,
  words: string | undefined,
): Promise<Omit<OutputView, 'kind' | 'bytes'>> {
  const { head, tail, between, lines, found, moreFound } = await textWindow(content, words);
  return {
    text: plainText(between > 0 ? head : head + tail),
    ...(between > 0 && { long: { tail: plainText(tail), between, lines } }),
    ...(found && {
      found: found.map(({ number, text }) => ({ number, text: plainLog(text) })),
      moreFound: moreFound ?? 0,
    }),
  };
}

const isBinary = (bytes: Uint8Array): boolean => bytes.subarray(0, 8000).includes(0);

function tensorsView(bytes: Uint8Array): Pick<OutputView, 'tensors' | 'hasPicture'> {
  const file = decodeSafetensors(bytes);
  const tensors = Object.entries(file.tensors).slice(0, 200);
  return {
    tensors: tensors.map(([name, tensor]) => tensorView(name, tensor)),
    hasPicture: tensors.some(([, { shape }]) => shape.length > 0),
  };
}

/** What a tensor holds, in a few numbers and a histogram. */
export function tensorView(name: string, tensor: Tensor): TensorView {
  const about = { name, type: elementType(tensor), shape: tensor.shape };
  const values = exactValues(tensor);
  if (values === undefined || values.length === 0) return about;
  let [min, max, sum, zeros, count] = [Infinity, -Infinity, 0, 0, 0];
  for (const one of values) {
    const value = Number(one);
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    if (value === 0) zeros += 1;
    sum += value;
    count += 1;
  }
  if (count === 0) return about;
  const histogram = new Array<number>(BINS).fill(0);
  const width = (max - min) / BINS || 1;
  for (const one of values) {
    const value = Number(one);
    if (!Number.isFinite(value)) continue;
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor((value - min) / width)));
    histogram[bin] = (histogram[bin] ?? 0) + 1;
  }
  return { ...about, min, max, mean: sum / count, zeros, histogram };
}

/** A picture of an output: its tensors drawn, or the image that it is. */
export async function outputPicture(
  store: Store,
  asked: OutputAsked,
): Promise<{ readonly type: string; readonly bytes: Uint8Array } | undefined> {
  const found = await find(store, asked);
  if (found === undefined || found.output.bytes > TENSORS_READ) return undefined;
  const bytes = await bytesOf(store, found);
  if (bytes === undefined) return undefined;
  const type = imageType(bytes);
  if (type) return { type, bytes };
  if (found.output.kind !== 'tensors') return undefined;
  const drawn = drawTensors(decodeSafetensors(bytes));
  return drawn && { type: 'image/png', bytes: drawn };
}

/** The type of an image of pixels, by its first bytes. SVG is none of these: it may hold scripts. */
export function imageType(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (head.startsWith('GIF8')) return 'image/gif';
  if (head.startsWith('RIFF') && head.endsWith('WEBP')) return 'image/webp';
  return undefined;
}

/** A file to be saved: its name, and its bytes piece by piece. */
export interface SavedFile {
  readonly name: string;
  readonly bytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

export async function outputFile(store: Store, asked: OutputAsked): Promise<SavedFile | undefined> {
  const found = await find(store, asked);
  if (found === undefined) return undefined;
  const { digest, bytes, kind } = found.output;
  if ((await store.blobs.missing([digest])).length > 0) return undefined;
  const name = (asked.path ?? asked.name).split('/').at(-1) ?? 'output';
  return {
    name: `${name}${asked.path === undefined ? endingOf(kind) : ''}`,
    bytes,
    content: found.content ? once(found.content) : store.blobs.stream(digest as Digest),
  };
}

const ENDINGS: { readonly [kind: string]: string } = {
  json: '.json',
  tensors: '.safetensors',
  text: '.txt',
  files: '.json',
};
const endingOf = (kind: string): string =>
  Object.hasOwn(ENDINGS, kind) ? (ENDINGS[kind] ?? '') : '.bin';

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A page that a stage wrote, to be shown in a frame in which nothing runs. */
export async function outputPage(
  store: Store,
  asked: OutputAsked,
): Promise<Uint8Array | undefined> {
  const found = await find(store, asked);
  if (found === undefined || found.output.bytes > 64 * 2 ** 20) return undefined;
  const bytes = await bytesOf(store, found);
  return bytes && isPage(bytes) ? bytes : undefined;
}

const isPage = (bytes: Uint8Array): boolean =>
  /^\s*(?:<!--[\s\S]*?-->\s*)?<(?:!doctype html|html)/i.test(
    new TextDecoder().decode(bytes.subarray(0, 1000)),
  );

async function beginsAsPage({ blobs }: Store, digest: Digest): Promise<boolean> {
  if ((await blobs.missing([digest])).length > 0) return false;
  for await (const piece of blobs.stream(digest)) return isPage(piece);
  return false;
}

const REPORTS_SHOWN = 50;

/** The pages among what a run made. */
export async function reportsOf(
  store: Store,
  run: string,
): Promise<readonly (ReportLine & { key: string })[]> {
  const record = store.history.run(run);
  const found: (ReportLine & { key: string })[] = [];
  for (const [task, key] of Object.entries(record?.tasks ?? {})) {
    const made = await store.actions.get(key);
    for (const [output, { kind, digest, bytes }] of Object.entries(made?.outputs ?? {})) {
      if (found.length >= REPORTS_SHOWN) return found;
      for (const path of await pagesIn(store, { kind, digest, bytes })) {
        found.push({ task, output, path, key });
      }
    }
  }
  return found;
}

/** Paths of pages within an output; an empty one where the output itself is a page. */
async function pagesIn(store: Store, { kind, digest, bytes }: Output): Promise<readonly string[]> {
  if (kind === 'text') return bytes > 0 && (await beginsAsPage(store, digest)) ? [''] : [];
  const isHtml = (path: string): boolean => /\.html?$/i.test(path);
  if (kind === FOLDER) {
    return ((await folderIn(store.blobs, digest)) ?? [])
      .map(({ path }) => path)
      .filter(isHtml)
      .slice(0, 20);
  }
  if (kind !== 'files' || bytes > TENSORS_READ) return [];
  const content = await store.blobs.get(digest);
  try {
    return content ? Object.keys(fileSet().decode(content)).filter(isHtml) : [];
  } catch {
    return [];
  }
}
