// bag.ts — BagIt 1.0 (RFC 8493): manifests that `sha256sum -c` checks

import { byCodeUnit, type Digest, digestOf, isDigest } from '../../engine/model/key.ts';
import { invalidAt } from '../../utf8.ts';
import { type Say, Unreadable } from './finding.ts';
import { digestOfFile, formOf, isBomb, type Opened } from './opened.ts';

/** The folder of a bag that holds what it is about. */
export const PAYLOAD = 'data/';
const DECLARATION = 'bagit.txt';
const INFO = 'bag-info.txt';
export const MANIFEST = 'manifest-sha256.txt';
/** Who signed the manifest: a file that not every archive has. */
export const SIGNATURE = 'signature.json';
const TAG_MANIFEST = 'tagmanifest-sha256.txt';
const DECLARED = 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n';
export const MANIFEST_BYTES_MAX = 128 * 2 ** 20;
const LINE_BYTES_MAX = 8192;

/** What is read as a whole: it is not even digested when it unpacks to far too much. */
const FORM = /^(?:data\/)?[^/]+\.(?:jsonl?|txt)$/;

/** A manifest with so many lines that are none is no manifest. */
const FAULTS_MAX = 20;

/** A file of the payload as its manifest tells it. */
export interface Payload {
  /** With `data/`. */
  readonly name: string;
  readonly digest: Digest;
  readonly bytes: number;
}

/**
 * The files around a payload, by name. They hold no date: the same payload gives the same bag.
 * @param sign gives the text of a signature over a manifest, where it is to be signed
 */
export function tagFiles(
  payload: readonly Payload[],
  description: string,
  sign?: (manifest: string) => string,
): Map<string, string> {
  const bytes = payload.reduce((sum, file) => sum + file.bytes, 0);
  const info = [
    'Bag-Software-Agent: pipeline archive',
    `External-Description: ${description}`,
    `Payload-Oxum: ${bytes}.${payload.length}`,
  ];
  const sorted = [...payload].sort((a, b) => byCodeUnit(a.name, b.name));
  const manifest = sorted.map(({ name, digest }) => `${digest}  ${name}\n`).join('');
  const files = new Map([
    [DECLARATION, DECLARED],
    [INFO, `${info.join('\n')}\n`],
    [MANIFEST, manifest],
  ]);
  if (sign) files.set(SIGNATURE, sign(manifest));
  const tags = [...files].map(([name, text]) => `${digestOf(text)}  ${name}\n`);
  return files.set(TAG_MANIFEST, tags.join(''));
}

/** Tells how far the reading of files is. */
export type OnRead = (done: number, of: number) => void;

/**
 * Checks a bag: every file is in a manifest and has the digest that it tells.
 * @returns the digests that the files really have, by name
 */
export async function checkBag(
  opened: Opened,
  say: Say,
  progress: OnRead,
): Promise<ReadonlyMap<string, Digest>> {
  const read = async (name: string, most: number): Promise<Buffer> =>
    asBuffer(await formOf(opened, name, most, say));
  const declared = await read(DECLARATION, LINE_BYTES_MAX);
  if (declared.toString() !== DECLARED) say(DECLARATION, 'is not that of BagIt 1.0');
  const most = opened.files.size + FAULTS_MAX;
  const manifest = async (name: string): Promise<ReadonlyMap<string, string>> =>
    readManifest(name, await read(name, MANIFEST_BYTES_MAX), most, say);
  const payload = await manifest(MANIFEST);
  const tags = await manifest(TAG_MANIFEST);
  for (const name of payload.keys()) {
    if (!name.startsWith(PAYLOAD)) say(MANIFEST, `lists ${name}, which is not a payload file`);
  }
  const digests = new Map<string, Digest>();
  let done = 0;
  for (const [name, file] of opened.files) {
    done += 1;
    progress(done, opened.files.size);
    if (name === TAG_MANIFEST) continue;
    const told = (name.startsWith(PAYLOAD) ? payload : tags).get(name);
    if (told === undefined) {
      say(name, 'is not in any manifest');
      continue;
    }
    if (FORM.test(name) && isBomb(file)) {
      say(name, `is refused: ${file.packed} bytes that would unpack to ${file.bytes}`);
      throw new Unreadable(name);
    }
    try {
      const digest = await digestOfFile(file);
      digests.set(name, digest);
      if (digest !== told) {
        say(name, `is not what its manifest says: SHA-256 ${digest}, expected ${told}`);
      }
    } catch (error) {
      say(name, `cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const name of [...payload.keys(), ...tags.keys()]) {
    if (!opened.files.has(name)) say(name, 'is missing');
  }
  return digests;
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Line by line, from bytes: a manifest of a stranger may be nothing but ends of lines.
 * @param most so many files are listed at most where the archive has not far fewer
 */
function readManifest(
  file: string,
  bytes: Buffer,
  most: number,
  say: Say,
): ReadonlyMap<string, string> {
  const digests = new Map<string, string>();
  let [number, faults] = [0, 0];
  for (let at = 0; at < bytes.length && faults < FAULTS_MAX; ) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const raw = bytes.subarray(at, Math.min(end, at + LINE_BYTES_MAX));
    const line = raw.toString();
    at = end + 1;
    number += 1;
    const place = `${file}:${number}`;
    const [, digest = '', name = ''] = /^(\S+) {2}(.+)$/.exec(line) ?? [];
    const wrong = invalidAt(raw);
    const fault =
      wrong !== undefined
        ? `is not UTF-8: 0x${raw[wrong]?.toString(16)} at byte ${wrong + 1} of the line`
        : !isDigest(digest) || line.endsWith('\r')
          ? `is not a line of a manifest${line.endsWith('\r') ? ': it ends with a carriage return' : ''}`
          : digests.has(name)
            ? `lists ${name} twice`
            : undefined;
    if (digests.size > most) {
      say(place, 'is one of more lines than the archive has files');
      throw new Unreadable(file);
    }
    if (fault === undefined) digests.set(name, digest);
    else {
      faults += 1;
      say(place, fault);
    }
  }
  if (faults >= FAULTS_MAX) {
    say(file, 'is not read any further');
    throw new Unreadable(file);
  }
  return digests;
}
