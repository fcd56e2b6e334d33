// s3-signing.ts — AWS Signature Version 4 for requests to S3
import { createHash, createHmac } from 'node:crypto';

/** What signs requests. It never appears in anything that is written or shown. */
export interface S3Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string;
  readonly region: string;
}

/** The digest that stands for a body that is not signed: TLS, and our own digests, protect it. */
export const UNSIGNED = 'UNSIGNED-PAYLOAD';

interface Unsigned {
  readonly method: string;
  readonly url: URL;
  readonly headers: { readonly [name: string]: string };
  /** SHA-256 of the body in hex, or `UNSIGNED`. */
  readonly payload: string;
}

/** The headers of a request, its signature among them. @param now by the clock of this machine */
export function signedHeaders(
  { method, url, headers, payload }: Unsigned,
  { accessKey, secretKey, sessionToken, region }: S3Credentials,
  now: Date,
): Record<string, string> {
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const all: Record<string, string> = {
    ...headers,
    host: url.host,
    'x-amz-content-sha256': payload,
    'x-amz-date': time,
    ...(sessionToken && { 'x-amz-security-token': sessionToken }),
  };
  const names = Object.keys(all).sort();
  const signed = names.join(';');
  const canonical = [
    method,
    url.pathname
      .split('/')
      .map((part) => encoded(decodeURIComponent(part)))
      .join('/'),
    [...url.searchParams]
      .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
      .sort()
      .join('&'),
    ...names.map((name) => `${name}:${(all[name] ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signed,
    payload,
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = [day, region, 's3', 'aws4_request'].reduce<Uint8Array>(
    (secret, part) => hmac(secret, part),
    Buffer.from(`AWS4${secretKey}`),
  );
  const signature = Buffer.from(hmac(key, text)).toString('hex');
  const { host: _, ...sent } = all;
  const credential = `Credential=${accessKey}/${scope}`;
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${signed}, Signature=${signature}`,
  };
}

const hmac = (key: Uint8Array, text: string): Uint8Array =>
  createHmac('sha256', key).update(text).digest();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What AWS leaves as it is, and nothing else. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
