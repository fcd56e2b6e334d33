// http-cache.ts — Bazel's remote cache over HTTP(S): /ac/ and /cas/, as bazel-remote and nginx with WebDAV serve them
import type { Answer, Body, HttpClient } from './http-client.ts';
import { readWhole } from './http-client.ts';
import { ENTRY_BYTES_MAX, type RemoteCache, RemoteError, type SizedBlob } from './remote-cache.ts';

/** How a person proves who they are. It never appears in anything that is written or shown. */
export type Credentials =
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

const JSON_TYPE = 'application/json';
const BLOB_TYPE = 'application/octet-stream';

/** @param base the address, without a password; `/ac/` and `/cas/` are below it */
export function httpCache(
  base: URL,
  credentials: Credentials | undefined,
  client: HttpClient,
): RemoteCache {
  const root = base.href.replace(/\/*$/, '/');
  const authorization = authorizationOf(credentials);
  const at = (kind: 'ac' | 'cas', name: string): URL => new URL(`${kind}/${name}`, root);
  const send = (
    method: 'GET' | 'HEAD' | 'PUT',
    url: URL,
    signal: AbortSignal,
    extra: { readonly headers?: Record<string, string>; readonly body?: Body } = {},
  ): Promise<Answer> => {
    // An answer that is compressed could grow without end.
    const headers = { 'accept-encoding': 'identity', ...authorization, ...extra.headers };
    return client.send({ method, url, headers, signal, ...(extra.body && { body: extra.body }) });
  };
  return {
    name: root,
    async readEntry(name, signal) {
      const headers = { accept: JSON_TYPE };
      const answer = await send('GET', at('ac', name), signal, { headers });
      if (isAbsent(answer)) return undefined;
      check(answer, 200);
      refusePage(answer);
      return readWhole(answer, ENTRY_BYTES_MAX);
    },
    async writeEntry(name, content, how, signal) {
      const headers = {
        'content-type': JSON_TYPE,
        // Servers that know it keep what is there; the others overwrite.
        ...(how === 'create' && { 'if-none-match': '*' }),
      };
      const body = { bytes: content.length, content: () => once(content) };
      const answer = await send('PUT', at('ac', name), signal, { headers, body });
      answer.drop();
      if (answer.status === 412) return 'exists';
      check(answer, 200, 201, 202, 204);
      return 'written';
    },
    async sizeOf(digest, signal) {
      const answer = await send('HEAD', at('cas', digest), signal);
      if (isAbsent(answer)) return undefined;
      answer.drop();
      check(answer, 200);
      refusePage(answer);
      return sizeIn(answer);
    },
    readBlob: (blob, offset, signal) =>
      rangeOf(blob, offset, (headers) => send('GET', at('cas', blob.digest), signal, { headers })),
    async writeBlob({ digest, bytes }, content, signal) {
      const headers = { 'content-type': BLOB_TYPE };
      const body = { bytes, content };
      const answer = await send('PUT', at('cas', digest), signal, { headers, body });
      answer.drop();
      check(answer, 200, 201, 202, 204);
    },
    close: () => client.close(),
  };
}

function authorizationOf(credentials: Credentials | undefined): Record<string, string> {
  if (credentials === undefined) return {};
  if (credentials.kind === 'bearer') return { authorization: `Bearer ${credentials.token}` };
  const pair = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
  return { authorization: `Basic ${pair}` };
}

/** A blob from an offset: `Range`, where the server knows it. */
export async function rangeOf(
  blob: SizedBlob,
  offset: number,
  get: (headers: Record<string, string>) => Promise<Answer | undefined>,
): ReturnType<RemoteCache['readBlob']> {
  const answer = await get(offset > 0 ? { range: `bytes=${offset}-` } : {});
  if (answer === undefined || isAbsent(answer)) return undefined;
  check(answer, 200, 206);
  refusePage(answer);
  const from = answer.status === 206 ? startIn(answer) : 0;
  const told = sizeIn(answer);
  if (from === undefined || from > offset || (told !== undefined && told !== blob.bytes - from)) {
    answer.drop();
    throw new RemoteError('nonsense', `a blob of ${blob.bytes} bytes came with another length`);
  }
  return { from, content: answer.body };
}

const startIn = ({ headers }: Answer): number | undefined => {
  const start = /^bytes (\d+)-/.exec(String(headers['content-range'] ?? ''))?.[1];
  return start === undefined ? undefined : Number(start);
};

const sizeIn = ({ headers }: Answer): number | undefined => {
  const length = headers['content-length'];
  return length === undefined ? undefined : Number(length);
};

export function isAbsent(answer: Answer): boolean {
  if (answer.status !== 404 && answer.status !== 410) return false;
  answer.drop();
  return true;
}

/** A page for people where bytes should be: a login, a captive portal, an error in the clothes of a success. */
export function refusePage(answer: Answer): void {
  const type = String(answer.headers['content-type'] ?? '');
  if (!/^text\/html/i.test(type)) return;
  answer.drop();
  throw new RemoteError(
    'nonsense',
    'the server answers with a web page (a login?)',
    'check the address, and whether the network wants you to log in first',
  );
}

/** @throws RemoteError for an answer of another status than these */
export function check(answer: Answer, ...expected: readonly number[]): void {
  const { status } = answer;
  if (expected.includes(status)) return;
  answer.drop();
  if (status === 401 || status === 407) {
    const hint = 'set PIPELINE_REMOTE_USER and PIPELINE_REMOTE_PASSWORD, or PIPELINE_REMOTE_TOKEN';
    throw new RemoteError('refused', 'wrong password, or none (401)', hint);
  }
  if (status === 403) {
    const hint = 'may this user do that? many servers let all read, and few write';
    throw new RemoteError('refused', 'the server does not allow it (403)', hint);
  }
  if (status === 413 || status === 507) {
    const why = status === 507 ? 'its disk is full (507)' : 'it takes no file of this size (413)';
    throw new RemoteError('full', why, 'make room on the server, or raise its limit');
  }
  if (status === 405 || status === 501) {
    const hint = 'is this the address of a cache? nginx needs `dav_methods PUT`';
    throw new RemoteError('refused', `the server cannot do that (${status})`, hint);
  }
  if (status === 429 || status >= 500) {
    throw new RemoteError('server', `the server has a problem (${status})`);
  }
  throw new RemoteError('nonsense', `the server answers ${status}`, 'check the address');
}

export async function* once(content: Uint8Array): AsyncGenerator<Uint8Array> {
  yield content;
}
