// hint.ts — files by which later commands are faster: believed only when this very user's commands wrote them
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isOwn, madeOwnFolder, ownFolders } from './own-folder.ts';

/**
 * A cache folder may be shared, and what is in it edited. Whatever there decides what runs, or what has which digest, is
 * either verified by content or carries a seal: a code that only the holder of a key can make (HMAC-SHA-256). The key lies
 * in the user's own folder. A file whose seal is wrong, or another user's, is as good as none: it is made again.
 *
 * A seal does not tell old from new: what a file says must be true of the moment that it describes, whenever it is read.
 */
const KEY_FILE = 'seal.key';
const KEY_BYTES = 32;

let key: Buffer | undefined;

/** The key of this user, which is made when something is sealed. Where none can be kept, nothing is believed later. */
function ownKey(): Buffer {
  key ??= keptKey() ?? newKey() ?? randomBytes(KEY_BYTES);
  return key;
}

function keptKey(): Buffer | undefined {
  for (const folder of ownFolders('state')) {
    const found = readKey(join(folder, KEY_FILE));
    if (found) return found;
  }
  return undefined;
}

function newKey(): Buffer | undefined {
  const folder = madeOwnFolder('state');
  if (folder === undefined) return undefined;
  const path = join(folder, KEY_FILE);
  const draft = join(folder, `.${randomBytes(8).toString('hex')}.tmp`);
  try {
    writeFileSync(draft, randomBytes(KEY_BYTES), { flag: 'wx', mode: 0o600 });
    // Not renamed: of two processes that make a key at once, the second takes that of the first.
    if (!isLinked(draft, path) && readKey(path) === undefined) {
      // What lies there is no key, or others may have read it.
      rmSync(path, { force: true });
      isLinked(draft, path);
    }
  } catch {
    // Nothing can be written there.
  } finally {
    rmSync(draft, { force: true });
  }
  return readKey(path);
}

function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}

function readKey(path: string): Buffer | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const { uid, mode, size } = fstatSync(file);
    if (!isOwn(uid) || (mode & 0o077) !== 0 || size !== KEY_BYTES) return undefined;
    return readFileSync(file);
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

type Content = string | Uint8Array;

const sealWith = (own: Buffer, name: string, content: Content): string =>
  createHmac('sha256', own).update(`${name}\0`).update(content).digest('hex');

/** The seal of a content under a name: under another name it does not hold. */
export const sealOf = (name: string, content: Content): string => sealWith(ownKey(), name, content);

/** Whether a seal is that of a content. */
export function sealHolds(seal: string, name: string, content: Content): boolean {
  key ??= keptKey();
  // Who has no key has sealed nothing.
  if (key === undefined) return false;
  const [given, right] = [Buffer.from(seal), Buffer.from(sealWith(key, name, content))];
  return given.length === right.length && timingSafeEqual(given, right);
}

/** How a sealed object begins. */
const SEALED = /^\{"seal":"([0-9a-f]{64})",/;

/** The text of a JSON object that is not empty, with a seal as its first entry. */
export const sealedJson = (name: string, object: string): string =>
  `{"seal":"${sealOf(name, object)}",${object.slice(1)}`;

/** What a sealed JSON object holds; undefined when its seal does not hold. */
export function readSealedJson(name: string, text: string): unknown {
  const found = SEALED.exec(text);
  if (found === null) return undefined;
  const object = `{${text.slice(found[0].length)}`;
  return sealHolds(found[1] ?? '', name, object) ? JSON.parse(object) : undefined;
}
