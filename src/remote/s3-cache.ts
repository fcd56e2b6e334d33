// s3-cache.ts — results shared in a bucket of S3, or of a server that speaks its protocol
import { createHash } from 'node:crypto';
import { type Digest, digestOf, isDigest } from '../engine/model/key.ts';
import { check, isAbsent, once, rangeOf, refusePage } from './http-cache.ts';
import { type Answer, type Body, type HttpClient, readWhole } from './http-client.ts';
import {
  ENTRY_BYTES_MAX,
  type EntryName,
  type Listed,
  type RemoteCache,
  RemoteError,
} from './remote-cache.ts';
import { type S3Credentials, signedHeaders, UNSIGNED } from './s3-signing.ts';

/** Where things lie: `PREFIX/ac/ab/NAME` and `PREFIX/cas/ab/DIGEST`. */
export interface S3Place {
  /** Of the service: `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: URL;
  readonly bucket: string;
  /** Without slashes around it; may be empty. */
  readonly prefix: string;
}

export interface S3Options {
  readonly credentials: S3Credentials | undefined;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Blobs from this size on go up in parts of this size. */
  readonly partBytes?: number;
}

/** S3 takes parts from 5 MiB on, and 10,000 of them. */
const PART_BYTES = 16 * 2 ** 20;
const PARTS_MAX = 10_000;
const ANSWER_BYTES_MAX = 4 * 2 ** 20;

type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
interface Extra {
  readonly headers?: Record<string, string>;
  readonly body?: Body;
  /** SHA-256 of the body, where it is known. */
  readonly payload?: string;
}

export function s3Cache(place: S3Place, client: HttpClient, options: S3Options): RemoteCache {
  const { endpoint, bucket, prefix } = place;
  const { credentials, clock, partBytes = PART_BYTES } = options;
  const base = `${endpoint.href.replace(/\/*$/, '')}/${bucket}`;
  const below = prefix === '' ? '' : `${prefix}/`;
  const at = (kind: 'ac' | 'cas', name: string): URL =>
    new URL(`${base}/${below}${kind}/${name.slice(0, 2)}/${name}`);
  const send = (method: Method, url: URL, signal: AbortSignal, extra: Extra = {}) => {
    const payload = extra.payload ?? (extra.body ? UNSIGNED : EMPTY);
    const plain = { ...extra.headers };
    const headers = credentials
      ? signedHeaders({ method, url, headers: plain, payload }, credentials, new Date(clock()))
      : plain;
    return client.send({ method, url, headers, signal, ...(extra.body && { body: extra.body }) });
  };
  const uploads = multipart(send, at, partBytes, clock);
  return {
    name: `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`,
    async readEntry(name, signal) {
      const answer = await send('GET', at('ac', name), signal);
      if (await isNoSuchKey(answer, clock)) return undefined;
      await checkS3(answer, clock, 200);
      refusePage(answer);
      return readWhole(answer, ENTRY_BYTES_MAX);
    },
    async writeEntry(name, content, how, signal) {
      const answer = await send('PUT', at('ac', name), signal, {
        headers: {
          'content-type': 'application/json',
          ...(how === 'create' && { 'if-none-match': '*' }),
        },
        body: { bytes: content.length, content: () => once(content) },
        payload: digestOf(content),
      });
      if (answer.status === 412 || answer.status === 409) {
        answer.drop();
        return 'exists';
      }
      await checkS3(answer, clock, 200);
      answer.drop();
      return 'written';
    },
    async sizeOf(digest, signal) {
      const answer = await send('HEAD', at('cas', digest), signal);
      if (isAbsent(answer)) return undefined;
      await checkS3(answer, clock, 200);
      answer.drop();
      const length = answer.headers['content-length'];
      return length === undefined ? undefined : Number(length);
    },
    readBlob: (blob, offset, signal) =>
      rangeOf(blob, offset, async (headers) => {
        const answer = await send('GET', at('cas', blob.digest), signal, { headers });
        if (await isNoSuchKey(answer, clock)) return undefined;
        await checkS3(answer, clock, 200, 206);
        return answer;
      }),
    async writeBlob(blob, content, signal) {
      if (blob.bytes > partBytes) return uploads(blob.digest, blob.bytes, content, signal);
      const answer = await send('PUT', at('cas', blob.digest), signal, {
        headers: {
          'content-type': 'application/octet-stream',
          // The server refuses other bytes than these.
          'x-amz-checksum-sha256': Buffer.from(blob.digest, 'hex').toString('base64'),
        },
        body: { bytes: blob.bytes, content },
        payload: blob.digest,
      });
      await checkS3(answer, clock, 200);
      answer.drop();
      return undefined;
    },
    listing: listingOf({ send, base, below, at, clock }),
    close: () => client.close(),
  };
}

const EMPTY = createHash('sha256').digest('hex');

type Send = (method: Method, url: URL, signal: AbortSignal, extra?: Extra) => Promise<Answer>;
type At = (kind: 'ac' | 'cas', name: string) => URL;

/** Uploads in parts: each is tried by itself, and what was begun and not ended is given up. */
function multipart(send: Send, at: At, partBytes: number, clock: () => number) {
  return async (
    digest: Digest,
    bytes: number,
    content: () => AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void> => {
    const url = at('cas', digest);
    const begun = await send('POST', new URL(`${url.href}?uploads=`), signal);
    await checkS3(begun, clock, 200);
    const answered = Buffer.from(await readWhole(begun, ANSWER_BYTES_MAX)).toString();
    const id = textIn(answered, 'UploadId');
    if (id === undefined) throw new RemoteError('nonsense', 'S3 began an upload without an id');
    const within = (query: string): URL =>
      new URL(`${url.href}?${query}uploadId=${encodeURIComponent(id)}`);
    try {
      const size = Math.max(partBytes, Math.ceil(bytes / PARTS_MAX));
      const tags: string[] = [];
      for await (const part of partsOf(content(), size)) {
        const number = tags.length + 1;
        const answer = await send('PUT', within(`partNumber=${number}&`), signal, {
          body: { bytes: part.length, content: () => once(part) },
          payload: digestOf(part),
        });
        await checkS3(answer, clock, 200);
        answer.drop();
        tags.push(String(answer.headers.etag ?? ''));
      }
      const listed = tags.map(
        (tag, n) => `<Part><PartNumber>${n + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`,
      );
      const text = Buffer.from(
        `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`,
      );
      const ended = await send('POST', within(''), signal, {
        headers: { 'content-type': 'application/xml' },
        body: { bytes: text.length, content: () => once(text) },
        payload: digestOf(text),
      });
      await checkS3(ended, clock, 200);
      const said = Buffer.from(await readWhole(ended, ANSWER_BYTES_MAX)).toString();
      // S3 may begin its answer with 200 and fail after that.
      if (said.includes('<Error>')) throw s3Error(200, said, '', clock);
    } catch (error) {
      const quiet = AbortSignal.timeout(2000);
      await send('DELETE', within(''), quiet).then(
        (answer) => answer.drop(),
        () => undefined,
      );
      throw error;
    }
  };
}

/** Content in pieces of a size; the last may be smaller. */
async function* partsOf(
  content: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  let part = Buffer.allocUnsafeSlow(size);
  let filled = 0;
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(size - filled, chunk.length - at);
      part.set(chunk.subarray(at, at + taken), filled);
      filled += taken;
      at += taken;
      if (filled < size) continue;
      yield part;
      part = Buffer.allocUnsafeSlow(size);
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}

interface Listable {
  readonly send: Send;
  readonly base: string;
  readonly below: string;
  readonly at: At;
  readonly clock: () => number;
}

function listingOf({
  send,
  base,
  below,
  at,
  clock,
}: Listable): NonNullable<RemoteCache['listing']> {
  const list = async function* (kind: 'ac' | 'cas', signal: AbortSignal) {
    let token: string | undefined;
    do {
      const query = new URLSearchParams({ 'list-type': '2', prefix: `${below}${kind}/` });
      if (token !== undefined) query.set('continuation-token', token);
      const answer = await send('GET', new URL(`${base}?${query}`), signal);
      await checkS3(answer, clock, 200);
      const text = Buffer.from(await readWhole(answer, ANSWER_BYTES_MAX)).toString();
      for (const [, item = ''] of text.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)) {
        const name = (textIn(item, 'Key') ?? '').split('/').at(-1) ?? '';
        const written = Date.parse(textIn(item, 'LastModified') ?? '');
        if (isDigest(name)) yield { name, bytes: Number(textIn(item, 'Size')), written };
      }
      token = textIn(text, 'NextContinuationToken');
    } while (token !== undefined);
  };
  const drop = async (url: URL, signal: AbortSignal): Promise<void> => {
    const answer = await send('DELETE', url, signal);
    await checkS3(answer, clock, 200, 204, 404);
    answer.drop();
  };
  return {
    entries: (signal) => list('ac', signal) as AsyncIterable<Listed<EntryName>>,
    blobs: (signal) => list('cas', signal) as AsyncIterable<Listed<Digest>>,
    dropEntry: (name, signal) => drop(at('ac', name), signal),
    dropBlob: (digest, signal) => drop(at('cas', digest), signal),
  };
}

/** The text of the first element of a name in an answer of S3. */
function textIn(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text
    ?.replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&#34;', '"')
    .replaceAll('&amp;', '&');
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Whether an object is not there. That a bucket or a key of access is not there has the same status. */
async function isNoSuchKey(answer: Answer, clock: () => number): Promise<boolean> {
  if (answer.status !== 404) return false;
  const text = Buffer.from(await readWhole(answer, ANSWER_BYTES_MAX)).toString();
  const code = textIn(text, 'Code');
  if (code !== undefined && code !== 'NoSuchKey') throw s3Error(404, text, '', clock);
  return true;
}

/** @throws RemoteError for an answer of another status than these, by what S3 says of it */
async function checkS3(
  answer: Answer,
  clock: () => number,
  ...expected: readonly number[]
): Promise<void> {
  if (expected.includes(answer.status)) return;
  const isXml = /xml/.test(String(answer.headers['content-type'] ?? ''));
  if (answer.status < 400 || !isXml) return check(answer, ...expected);
  const text = Buffer.from(await readWhole(answer, ANSWER_BYTES_MAX)).toString();
  throw s3Error(answer.status, text, String(answer.headers.date ?? ''), clock);
}

function s3Error(status: number, text: string, date: string, clock: () => number): RemoteError {
  const code = textIn(text, 'Code')?.slice(0, 80) ?? String(status);
  if (code === 'RequestTimeTooSkewed') {
    const apart = Math.round((clock() - Date.parse(date)) / 60_000);
    const by = Number.isNaN(apart) ? '' : `: ${Math.abs(apart)} min ${apart > 0 ? 'fast' : 'slow'}`;
    const message = `the clock of this machine is not that of the server${by}`;
    return new RemoteError('refused', message, 'set the clock (NTP)');
  }
  if (REFUSALS.has(code)) {
    const hint = 'check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights of this key';
    return new RemoteError('refused', `S3 refuses this key (${code})`, hint);
  }
  if (code === 'NoSuchBucket') {
    return new RemoteError('refused', 'there is no such bucket', 'make it, or check the address');
  }
  if (code === 'BadDigest' || code === 'XAmzContentSHA256Mismatch') {
    return new RemoteError('server', `the bytes did not arrive as they were sent (${code})`);
  }
  if (status === 429 || status >= 500 || code === 'SlowDown') {
    const fault = code === 'QuotaExceeded' || status === 507 ? 'full' : 'server';
    return new RemoteError(fault, `S3 has a problem (${code})`);
  }
  return new RemoteError('refused', `S3 answers ${status} (${code})`);
}

const REFUSALS = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'AccessDenied',
  'XAdminUserNotFound',
  'ExpiredToken',
  'InvalidToken',
]);
