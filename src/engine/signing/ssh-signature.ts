// ssh-signature.ts — verifies what `ssh-keygen -Y sign` wrote with an ssh-ed25519 key (PROTOCOL.sshsig of OpenSSH)
import { createHash, verify } from 'node:crypto';
import {
  bytesIn,
  keyObjectOf,
  type PublicKeyText,
  rawFromSsh,
  rawOf,
  sshString,
  sshStrings,
} from './public-key.ts';

const MAGIC = Buffer.from('SSHSIG');
const VERSION = 1;
const ARMOR =
  /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\s*$/;
/** An armored signature of Ed25519 has about 300 characters. */
export const ARMORED_MAX = 4096;

/** Whether an armored signature is that of a key over a message, in a namespace. False for anything else. */
export function isSshSignature(
  armored: string,
  message: string,
  expected: { readonly key: PublicKeyText; readonly namespace: string },
): boolean {
  const parts = partsOf(armored);
  if (parts === undefined || parts.namespace !== expected.namespace) return false;
  const trusted = rawOf(expected.key);
  if (Buffer.compare(parts.key, trusted) !== 0) return false;
  const { namespace, hash } = parts;
  const digest = createHash(hash).update(message).digest();
  const signed = Buffer.concat([
    MAGIC,
    sshString(namespace),
    sshString(''),
    sshString(hash),
    sshString(digest),
  ]);
  return verify(null, signed, keyObjectOf(trusted), parts.signature);
}

interface SshSignature {
  readonly key: Uint8Array;
  readonly namespace: string;
  readonly hash: 'sha256' | 'sha512';
  readonly signature: Uint8Array;
}

function partsOf(armored: string): SshSignature | undefined {
  if (armored.length > ARMORED_MAX) return undefined;
  const body = ARMOR.exec(armored.replaceAll('\r', ''))?.[1];
  const blob = body && bytesIn(body.replaceAll('\n', ''));
  if (!blob || blob.length < MAGIC.length + 4) return undefined;
  const bytes = Buffer.from(blob);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (bytes.readUInt32BE(MAGIC.length) !== VERSION) return undefined;
  const parts = sshStrings(bytes.subarray(MAGIC.length + 4), 5);
  if (parts === undefined || parts.rest.length > 0) return undefined;
  const [publicKey = MAGIC, namespace, reserved, hash, wrapped = MAGIC] = parts.strings;
  const key = rawFromSsh(publicKey);
  const inner = sshStrings(wrapped, 2);
  const hashName = Buffer.from(hash ?? []).toString('latin1');
  if (key === undefined || inner === undefined || inner.rest.length > 0) return undefined;
  if (reserved?.length !== 0 || (hashName !== 'sha256' && hashName !== 'sha512')) return undefined;
  const [type, signature] = inner.strings;
  if (Buffer.from(type ?? []).toString('latin1') !== 'ssh-ed25519') return undefined;
  if (signature?.length !== 64) return undefined;
  return { key, namespace: Buffer.from(namespace ?? []).toString(), hash: hashName, signature };
}
