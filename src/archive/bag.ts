// bag.ts — BagIt 1.0 (RFC 8493): manifests that `sha256sum -c` checks
import { byCodeUnit, type Digest, digestOf, isDigest } from '../pipeline/key.ts';
import type { Say } from './finding.ts';
import { contentOf, digestOfFile, type Opened } from './opened.ts';

/** The folder of a bag that holds what it is about. */
export const PAYLOAD = 'data/';
const DECLARATION = 'bagit.txt';
const INFO = 'bag-info.txt';
const MANIFEST = 'manifest-sha256.txt';
const TAG_MANIFEST = 'tagmanifest-sha256.txt';
const DECLARED = 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n';
const MANIFEST_BYTES_MAX = 256 * 2 ** 20;

/** A file of the payload as its manifest tells it. */
export interface Payload {
  /** With `data/`. */
  readonly name: string;
  readonly digest: Digest;
  readonly bytes: number;
}

/** The files around a payload, by name. They hold no date: the same payload gives the same bag. */
export function tagFiles(payload: readonly Payload[], description: string): Map<string, string> {
  const bytes = payload.reduce((sum, file) => sum + file.bytes, 0);
  const info = [
    'Bag-Software-Agent: pipeline archive',
    `External-Description: ${description}`,
    `Payload-Oxum: ${bytes}.${payload.length}`,
  ];
  const sorted = [...payload].sort((a, b) => byCodeUnit(a.name, b.name));
  const files = new Map([
    [DECLARATION, DECLARED],
    [INFO, `${info.join('\n')}\n`],
    [MANIFEST, sorted.map(({ name, digest }) => `${digest}  ${name}\n`).join('')],
  ]);
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
  const text = async (name: string): Promise<string> =>
    Buffer.from(await contentOf(opened, name, MANIFEST_BYTES_MAX, say)).toString();
  if ((await text(DECLARATION)) !== DECLARED) say(DECLARATION, 'is not that of BagIt 1.0');
  const payload = readManifest(MANIFEST, await text(MANIFEST), say);
  const tags = readManifest(TAG_MANIFEST, await text(TAG_MANIFEST), say);
  for (const name of payload.keys()) {
    if (!name.startsWith(PAYLOAD)) say(MANIFEST, `lists ${name}, which is no payload`);
  }
  const digests = new Map<string, Digest>();
  let done = 0;
  for (const [name, file] of opened.files) {
    done += 1;
    progress(done, opened.files.size);
    if (name === TAG_MANIFEST) continue;
    const told = (name.startsWith(PAYLOAD) ? payload : tags).get(name);
    if (told === undefined) say(name, 'is in no manifest');
    try {
      const digest = await digestOfFile(file);
      digests.set(name, digest);
      if (told !== undefined && digest !== told) {
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

function readManifest(file: string, text: string, say: Say): ReadonlyMap<string, string> {
  const digests = new Map<string, string>();
  text.split('\n').forEach((line, index) => {
    if (line === '') return;
    const [, digest = '', name = ''] = /^(\S+) {2}(.+)$/.exec(line) ?? [];
    if (!isDigest(digest)) say(`${file}:${index + 1}`, 'is no line of a manifest');
    else if (digests.has(name)) say(`${file}:${index + 1}`, `lists ${name} twice`);
    else digests.set(name, digest);
  });
  return digests;
}
