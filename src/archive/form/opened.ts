// opened.ts — the files of an archive, wherever they lie: in a zip file, or in a folder
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Digest } from '../../engine/model/key.ts';
import { type Say, Unreadable } from './finding.ts';

/** A file of an archive. */
export interface OpenedFile {
  readonly bytes: number;
  /** So many bytes of the archive hold it; absent for a file that lies there as it is. */
  readonly packed?: number;
  stream(): Promise<Readable>;
}

/** An archive that can be read. Names are relative to its base folder, with / between folders. */
export interface Opened {
  readonly files: ReadonlyMap<string, OpenedFile>;
  close(): void;
}

/** What an archive may not exceed, so that reading a hostile one ends. */
export interface Limits {
  readonly files: number;
  /** All files together, unpacked. */
  readonly bytes: number;
  /** One file, unpacked. */
  readonly fileBytes: number;
}

/** Beyond any study that we know of. */
export const LIMITS: Limits = { files: 500_000, bytes: 2 ** 38, fileBytes: 2 ** 38 };

/** What is wrong with the name of a file that is to be unpacked; undefined when nothing is. */
export function nameFault(name: string): string | undefined {
  if (name === '' || name.length > 1000) return 'a name of no or of too many characters';
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) return 'an absolute path';
  if (name.includes('\\')) return 'a backslash in its name';
  if (/[\p{Cc}\p{Bidi_Control}]/u.test(name)) return 'a control character in its name';
  // What was no UTF-8 is read as this, and two names would become one.
  if (name.includes('\ufffd')) return 'a name that is not UTF-8';
  const parts = name.split('/');
  if (parts.includes('..')) return 'a path that leaves its folder';
  if (parts.some((part) => part === '' || part === '.')) return 'a path with an empty part';
  return undefined;
}

/** The content of a file, when it is no larger than it may be. @throws Unreadable after saying why */
export async function contentOf(
  opened: Opened,
  name: string,
  bytesMax: number,
  say: Say,
): Promise<Uint8Array> {
  const file = opened.files.get(name);
  if (file === undefined) {
    say(name, 'is missing');
    throw new Unreadable(name);
  }
  if (file.bytes > bytesMax) {
    say(name, `has ${file.bytes} bytes, and may have ${bytesMax}`);
    throw new Unreadable(name);
  }
  // Made once, in its size: that of a zip entry is what its directory says, and yauzl lets no other pass.
  const content = Buffer.allocUnsafeSlow(file.bytes);
  let bytes = 0;
  try {
    for await (const chunk of await file.stream()) {
      const next = chunk as Uint8Array;
      if (bytes + next.length > content.length) throw new Error(`more than ${file.bytes} bytes`);
      content.set(next, bytes);
      bytes += next.length;
    }
    if (bytes < content.length) throw new Error(`${bytes} of ${file.bytes} bytes`);
  } catch (error) {
    say(name, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    throw new Unreadable(name);
  }
  return content;
}

/** A form may unpack to so much, and beyond that to so many times its packed size: ours are packed to a tenth. */
const FORM_BYTES_FREE = 32 * 2 ** 20;
const FORM_RATIO_MAX = 64;

/** Whether a text that is read as a whole unpacks to far more than any that we write. */
export const isBomb = ({ bytes, packed = bytes }: OpenedFile): boolean =>
  bytes > FORM_BYTES_FREE + FORM_RATIO_MAX * packed;

/** The content of a file that is a form: JSON, a manifest. @throws Unreadable after saying why */
export async function formOf(
  opened: Opened,
  name: string,
  bytesMax: number,
  say: Say,
): Promise<Uint8Array> {
  const file = opened.files.get(name);
  if (file !== undefined && file.bytes <= bytesMax && isBomb(file)) {
    say(name, `is refused: ${file.packed} bytes that would unpack to ${file.bytes}`);
    throw new Unreadable(name);
  }
  return contentOf(opened, name, bytesMax, say);
}

/** The digest of a file, read in pieces. @throws when it cannot be unpacked */
export async function digestOfFile(file: OpenedFile): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of await file.stream()) hash.update(chunk as Uint8Array);
  return hash.digest('hex') as Digest;
}
