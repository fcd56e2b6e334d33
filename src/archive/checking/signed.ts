// signed.ts — by whom an archive is signed: over its manifest, and so over every file of its payload
import { digestOf } from '../../engine/model/key.ts';
import { asPublicKey, type PublicKeyText, type Trust } from '../../engine/signing/public-key.ts';
import {
  asSignature,
  isSignatureOf,
  type Signature,
  type Signer,
  statementOf,
  trustedName,
} from '../../engine/signing/signature.ts';
import { MANIFEST, MANIFEST_BYTES_MAX, SIGNATURE } from '../form/bag.ts';
import type { Say } from '../form/finding.ts';
import { contentOf, type Opened } from '../form/opened.ts';

const FORM = 'archive-signature/1';
const SIGNATURE_BYTES_MAX = 16_384;

/** Who signed an archive. */
export interface Signed {
  /** The public key. */
  readonly key: string;
  /** By what name it is trusted; null where nobody named it. */
  readonly by: string | null;
}

/** Whom `--trust` names: `NAME=KEY` each; or the first that is none. */
export function trustIn(
  lines: readonly string[],
): { readonly trust: Trust } | { readonly wrong: string } {
  const trust: Record<string, PublicKeyText> = Object.create(null);
  for (const line of lines) {
    const at = line.indexOf('=');
    const key = asPublicKey(line.slice(at + 1));
    if (at < 1 || key === undefined) return { wrong: line };
    trust[line.slice(0, at)] = key;
  }
  return { trust };
}

const statementFor = (manifest: Uint8Array | string): string =>
  statementOf('archive/1', `${digestOf(manifest)}\n`);

/** The signature of an archive as a file beside its manifest. */
export const signatureFile =
  (signer: Signer) =>
  (manifest: string): string =>
    `${JSON.stringify({ form: FORM, signature: signer.sign(statementFor(manifest)) }, null, 1)}\n`;

/** By whom an archive is signed; null when it is not. A signature that does not hold is a finding. */
export async function signedBy(
  opened: Opened,
  trust: Trust | undefined,
  say: Say,
): Promise<Signed | null> {
  const isSigned = opened.files.has(SIGNATURE);
  const wanted = trust === undefined ? [] : Object.keys(trust);
  const signature = isSigned ? await signatureIn(opened) : undefined;
  if (isSigned && signature === undefined) say(SIGNATURE, 'is no signature');
  if (signature === undefined) {
    if (wanted.length > 0 && !isSigned) say(SIGNATURE, 'is missing: the archive is not signed');
    return null;
  }
  const manifest = await contentOf(opened, MANIFEST, MANIFEST_BYTES_MAX, say);
  if (!isSignatureOf(signature, statementFor(manifest))) {
    say(SIGNATURE, 'does not hold: the archive was altered after it was signed');
    return null;
  }
  const by = trustedName(signature, trust ?? {}) ?? null;
  if (by === null && wanted.length > 0) {
    say(SIGNATURE, `is of ${signature.key}, and not of ${wanted.join(' or ')}`);
  }
  return { key: signature.key, by };
}

async function signatureIn(opened: Opened): Promise<Signature | undefined> {
  try {
    const bytes = await contentOf(opened, SIGNATURE, SIGNATURE_BYTES_MAX, () => undefined);
    const { form, signature } = JSON.parse(Buffer.from(bytes).toString()) as {
      readonly [name: string]: unknown;
    };
    return form === FORM ? asSignature(signature) : undefined;
  } catch {
    return undefined;
  }
}
