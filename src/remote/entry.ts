// entry.ts — a record as it is shared: signed, within an ActionResult that Bazel's servers understand
import { canonicalJson, type Digest, digestOf, isDigest, type Key } from '../engine/model/key.ts';
import type { ActionRecord } from '../engine/model/record.ts';
import { asActionRecord, isOfItsParts } from '../engine/model/record-check.ts';
import { bytesIn, type Trust } from '../engine/signing/public-key.ts';
import {
  asSignature,
  isSignatureOf,
  type Signature,
  type Signer,
  statementOf,
  trustedName,
} from '../engine/signing/signature.ts';
import type { EntryName, SizedBlob } from './remote-cache.ts';

/** A record, and who signed it. */
export interface RemoteEntry {
  readonly record: ActionRecord;
  readonly signature: Signature;
}

/** An entry on its way to a remote. */
export interface EncodedEntry {
  readonly content: Uint8Array;
  /** The signed record, where it is too large for the entry: a blob that the entry names. */
  readonly envelope?: Uint8Array;
}

const FORM = 'signed-record/1';
const STATEMENT = 'record/1';
/** Servers take entries of limited size: what is larger is a blob that the entry names. */
const INLINE_BYTES_MAX = 65_536;
/** A record of a task with a hundred thousand inputs has about 15 MB. */
export const ENVELOPE_BYTES_MAX = 64 * 2 ** 20;

/** Where the record of a key lies. The form keeps us from Bazel's own entries, and from later forms of ours. */
export const entryName = (space: string, key: Key): EntryName =>
  digestOf(canonicalJson(['remote/1', space, key])) as string as EntryName;

/** Signs a record, as it was made here. */
export function signRecord(made: ActionRecord, signer: Signer): RemoteEntry {
  const { origin: _, ...record } = made;
  return { record, signature: signer.sign(statementOf(STATEMENT, canonicalJson(record))) };
}

/** @param blobs all that the record needs: servers that know of entries keep or drop them together */
export function encodeEntry(
  { record, signature }: RemoteEntry,
  blobs: readonly (SizedBlob & { readonly path: string })[],
): EncodedEntry {
  const envelope = Buffer.from(JSON.stringify({ form: FORM, record, signature }));
  const isInline = envelope.length <= INLINE_BYTES_MAX;
  const result = {
    outputFiles: blobs.map(({ path, digest, bytes }) => ({ path, digest: sized(digest, bytes) })),
    exitCode: 0,
    ...(isInline
      ? { stdoutRaw: envelope.toString('base64') }
      : { stdoutDigest: sized(digestOf(envelope), envelope.length) }),
  };
  const content = Buffer.from(JSON.stringify(result));
  return isInline ? { content } : { content, envelope };
}

/** In the JSON of protocol buffers, 64-bit integers are strings. */
const sized = (hash: Digest, bytes: number) => ({ hash, sizeBytes: String(bytes) });

/** What the content of an entry is: a signed record, or where that lies; or why it is neither. */
export type Decoded =
  | { readonly kind: 'entry'; readonly entry: RemoteEntry }
  | { readonly kind: 'elsewhere'; readonly envelope: SizedBlob }
  | { readonly kind: 'nonsense'; readonly why: string };

const nonsense = (why: string): Decoded => ({ kind: 'nonsense', why });

/** Reads what anybody may have written. */
export function decodeEntry(content: Uint8Array, key: Key): Decoded {
  const result = parsed(content);
  if (result === undefined) return nonsense('it is no JSON');
  const { stdoutRaw, stdoutDigest } = result;
  if (typeof stdoutRaw === 'string' && stdoutRaw !== '') {
    const envelope = bytesIn(stdoutRaw);
    return envelope ? decodeEnvelope(envelope, key) : nonsense('its record is no base64');
  }
  const { hash, sizeBytes } = fieldsOf(stdoutDigest) ?? {};
  const bytes = Number(sizeBytes);
  if (typeof hash === 'string' && isDigest(hash) && bytes > 0 && bytes <= ENVELOPE_BYTES_MAX) {
    return { kind: 'elsewhere', envelope: { digest: hash, bytes } };
  }
  return nonsense('it holds no record of ours');
}

/** Reads the signed record itself. */
export function decodeEnvelope(bytes: Uint8Array, key: Key): Decoded {
  const envelope = parsed(bytes);
  if (envelope?.form !== FORM) return nonsense('it holds no record of ours');
  const signature = asSignature(envelope.signature);
  if (signature === undefined) return nonsense('it is not signed');
  const { key: own } = fieldsOf(envelope.record) ?? {};
  const record = typeof own === 'string' ? asActionRecord(envelope.record, own) : undefined;
  if (record === undefined) return nonsense('it is no record');
  if (own !== key) return nonsense('it is the record of another key');
  return { kind: 'entry', entry: { record, signature } };
}

/** Whether a record counts: by what name its maker is trusted, or why it does not count. */
export type Checked =
  | { readonly kind: 'trusted'; readonly record: ActionRecord; readonly by: string }
  | { readonly kind: 'stranger' | 'invalid'; readonly why: string };

/** Checks all that makes a record count: trust, signature, and that its parts give the key that was asked for. */
export function checkEntry({ record, signature }: RemoteEntry, key: Key, trust: Trust): Checked {
  let text: string;
  try {
    text = canonicalJson(record);
  } catch {
    return { kind: 'invalid', why: 'it is no record' };
  }
  if (!isSignatureOf(signature, statementOf(STATEMENT, text))) {
    return { kind: 'invalid', why: 'its signature does not hold: it was altered' };
  }
  if (record.key !== key) return { kind: 'invalid', why: 'it is the record of another key' };
  if (!isOfItsParts(record)) return { kind: 'invalid', why: 'its parts do not give its key' };
  const by = trustedName(signature, trust);
  if (by === undefined) {
    const why = `its maker is nobody whom pipeline.yaml trusts (${signature.key})`;
    return { kind: 'stranger', why };
  }
  const { origin: _, ...made } = record;
  const { key: signer, delegation } = signature;
  const origin = { by, signer, ...(delegation !== undefined && { delegation }) };
  return { kind: 'trusted', record: { ...made, origin }, by };
}

type Fields = { readonly [name: string]: unknown };

const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : undefined;

function parsed(bytes: Uint8Array): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(Buffer.from(bytes).toString()));
  } catch {
    return undefined;
  }
}
