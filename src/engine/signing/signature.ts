// signature.ts — who signed a statement: Ed25519 keys, trusted themselves or vouched for by an SSH key
import { type KeyObject, sign, verify } from 'node:crypto';
import {
  asPublicKey,
  bytesIn,
  keyObjectOf,
  type PublicKeyText,
  rawOf,
  type Trust,
} from './public-key.ts';
import { ARMORED_MAX, isSshSignature } from './ssh-signature.ts';

/** What SSH signatures of delegations are for: a signature that was made for anything else is none. */
export const SSH_NAMESPACE = 'pipeline-remote';

/** A signature as it is stored beside what it signs. */
export interface Signature {
  /** The key that signed: `ed25519:...`. */
  readonly key: PublicKeyText;
  /** Base64. */
  readonly signature: string;
  /** An armored SSH signature over `delegationOf(key)`: whoever trusts that SSH key trusts this one. */
  readonly delegation?: string;
}

/** One who signs. */
export interface Signer {
  readonly key: PublicKeyText;
  readonly delegation?: string;
  sign(statement: string): Signature;
}

/** What an SSH key signs to vouch for a key. */
export const delegationOf = (key: PublicKeyText): string => `pipeline delegation/1\n${key}\n`;

/** A statement begins with what it is, so that no signature counts for anything else. */
export const statementOf = (kind: string, text: string): string => `pipeline ${kind}\n${text}`;

/** Signs with a private key. */
export function signerWith(
  secret: KeyObject,
  key: PublicKeyText,
  delegation: string | undefined,
): Signer {
  const vouched = delegation === undefined ? {} : { delegation };
  return {
    key,
    ...vouched,
    sign: (statement) => ({
      key,
      signature: sign(null, Buffer.from(statement), secret).toString('base64'),
      ...vouched,
    }),
  };
}

/** A signature that anybody may have written; undefined for anything else. */
export function asSignature(value: unknown): Signature | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { key, signature, delegation } = value as { readonly [name: string]: unknown };
  if (typeof key !== 'string' || !key.startsWith('ed25519:') || typeof signature !== 'string') {
    return undefined;
  }
  const known = asPublicKey(key);
  if (known !== key || bytesIn(signature)?.length !== 64) return undefined;
  if (delegation === undefined) return { key: known, signature };
  if (typeof delegation !== 'string' || delegation.length > ARMORED_MAX) return undefined;
  return { key: known, signature, delegation };
}

/** Whether a signature is that of its own key over a statement. Says nothing of trust. */
export const isSignatureOf = ({ key, signature }: Signature, statement: string): boolean =>
  verify(null, Buffer.from(statement), keyObjectOf(rawOf(key)), Buffer.from(signature, 'base64'));

/** By what name a key is trusted, if it is: of itself, or as an SSH key that is trusted vouches for it. */
export function trustedName(
  { key, delegation }: Pick<Signature, 'key' | 'delegation'>,
  trust: Trust,
): string | undefined {
  for (const [name, trusted] of Object.entries(trust)) {
    if (trusted === key) return name;
    if (delegation === undefined || !trusted.startsWith('ssh-ed25519 ')) continue;
    const by = { key: trusted, namespace: SSH_NAMESPACE };
    if (isSshSignature(delegation, delegationOf(key), by)) return name;
  }
  return undefined;
}
