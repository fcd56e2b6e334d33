// public-key.ts — public keys as people write them: `ed25519:BASE64`, and `ssh-ed25519 AAAA...` as OpenSSH does
import { createPublicKey, type KeyObject } from 'node:crypto';

/** A public key as trust lines and signatures write it. */
export type PublicKeyText = `ed25519:${string}` | `ssh-ed25519 ${string}`;

/** Whose signatures count, by the names that this project gives them. */
export type Trust = { readonly [name: string]: PublicKeyText };

/** What comes before the 32 bytes of a key in SubjectPublicKeyInfo (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_BYTES = 32;
const SSH_TYPE = 'ssh-ed25519';

/** The key of a trust line, without a comment; undefined when it is none. */
export function asPublicKey(text: string): PublicKeyText | undefined {
  const trimmed = text.trim();
  if (trimmed.startsWith('ed25519:')) {
    const raw = bytesIn(trimmed.slice('ed25519:'.length));
    return raw?.length === KEY_BYTES ? textOf(raw) : undefined;
  }
  const [type, body = ''] = trimmed.split(/\s+/);
  const blob = type === SSH_TYPE ? bytesIn(body) : undefined;
  return blob && rawFromSsh(blob) ? `${SSH_TYPE} ${body}` : undefined;
}

/** The text of a raw key. */
export const textOf = (raw: Uint8Array): PublicKeyText =>
  `ed25519:${Buffer.from(raw).toString('base64')}`;

/** The raw key of a key object. */
export const rawKeyOf = (key: KeyObject): Uint8Array =>
  key.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length);

/** The raw bytes of a key as it is written. @throws Error for what `asPublicKey` does not give */
export function rawOf(text: PublicKeyText): Uint8Array {
  const raw = text.startsWith('ed25519:')
    ? bytesIn(text.slice('ed25519:'.length))
    : rawFromSsh(Buffer.from(text.slice(SSH_TYPE.length + 1), 'base64'));
  if (raw?.length !== KEY_BYTES) throw new Error('bug: not a public key');
  return raw;
}

const objects = new Map<string, KeyObject>();

/** The key that Node verifies with. */
export function keyObjectOf(raw: Uint8Array): KeyObject {
  const name = Buffer.from(raw).toString('base64');
  const known = objects.get(name);
  if (known) return known;
  const der = Buffer.concat([SPKI_PREFIX, raw]);
  const made = createPublicKey({ key: der, format: 'der', type: 'spki' });
  objects.set(name, made);
  return made;
}

/** Bytes of base64 that is written as everybody writes it; undefined for anything else. */
export function bytesIn(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** The raw key in the public key blob of OpenSSH: `string ssh-ed25519, string key`. */
export function rawFromSsh(blob: Uint8Array): Uint8Array | undefined {
  const parts = sshStrings(blob, 2);
  if (parts === undefined || parts.rest.length > 0) return undefined;
  const [type, raw] = parts.strings;
  if (Buffer.from(type ?? []).toString('latin1') !== SSH_TYPE) return undefined;
  return raw?.length === KEY_BYTES ? raw : undefined;
}

/** The first strings of a text in OpenSSH's encoding: each begins with its length in four bytes. */
export function sshStrings(
  bytes: Uint8Array,
  count: number,
): { readonly strings: readonly Uint8Array[]; readonly rest: Uint8Array } | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const strings: Uint8Array[] = [];
  let at = 0;
  while (strings.length < count) {
    if (at + 4 > buffer.length) return undefined;
    const length = buffer.readUInt32BE(at);
    at += 4;
    if (at + length > buffer.length) return undefined;
    strings.push(buffer.subarray(at, at + length));
    at += length;
  }
  return { strings, rest: buffer.subarray(at) };
}

/** A string in OpenSSH's encoding. */
export function sshString(content: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
