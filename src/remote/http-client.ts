// http-client.ts — requests to servers that may be slow, broken or hostile: time limits, no redirects, bounded bodies
import { Agent, type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RemoteError } from './remote-cache.ts';

/** How patient a client is, in milliseconds. */
export interface Patience {
  /** For a connection and the head of an answer. */
  readonly head: number;
  /** For the next piece of a body, either way. */
  readonly idle: number;
  /** A body that comes slower than this, in bytes a second, is given up. */
  readonly bytesPerSecond: number;
}

export const PATIENCE: Patience = { head: 1000, idle: 2000, bytesPerSecond: 20_000 };

export interface Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers: { readonly [name: string]: string };
  readonly body?: Body;
  readonly signal: AbortSignal;
}

export interface Body {
  readonly bytes: number;
  readonly content: () => AsyncIterable<Uint8Array>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The body, piece by piece. It has to be read or dropped. */
  readonly body: AsyncIterable<Uint8Array>;
  drop(): void;
}

/** Sends requests to one server. */
export interface HttpClient {
  send(request: Request): Promise<Answer>;
  close(): void;
}

/** So many connections to a server at once: look-ups are small and many. */
const CONNECTIONS_MAX = 24;

export function httpClient(patience: Patience = PATIENCE): HttpClient {
  const options = { keepAlive: true, maxSockets: CONNECTIONS_MAX, scheduling: 'lifo' as const };
  const plain = new Agent(options);
  const secure = new SecureAgent(options);
  return {
    send: (request) => send(request, { plain, secure }, patience),
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

interface Agents {
  readonly plain: Agent;
  readonly secure: SecureAgent;
}

function send(request: Request, agents: Agents, patience: Patience): Promise<Answer> {
  const { method, url, headers, body, signal } = request;
  const isSecure = url.protocol === 'https:';
  const length = body || method === 'PUT' ? { 'content-length': String(body?.bytes ?? 0) } : {};
  return new Promise((resolve, reject) => {
    const sent = (isSecure ? secureRequest : plainRequest)(url, {
      method,
      headers: { ...headers, ...length },
      agent: isSecure ? agents.secure : agents.plain,
      signal,
    });
    const late = (): void => {
      sent.destroy(new RemoteError('timeout', `${hostOf(url)} did not answer in time`));
    };
    // Not while it waits for a connection: others before it may be many.
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const fail = (error: unknown): void => {
      isOver = true;
      clearTimeout(timer);
      reject(worded(error, url));
    };
    // The time limit begins with a connection, and again with each piece that is sent.
    const restart = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(afterInput, ms, () => isOver || late());
    };
    sent.on('socket', () => restart(patience.head));
    sent.on('error', fail);
    sent.on('response', (response) => {
      isOver = true;
      clearTimeout(timer);
      const { statusCode: status = 0 } = response;
      if (status >= 300 && status < 400 && status !== 304) {
        response.destroy();
        reject(redirected(url, response.headers.location));
        return;
      }
      resolve({
        status,
        headers: response.headers,
        body: bodyOf(response, url, patience),
        drop: () => drop(response),
      });
    });
    if (body === undefined) sent.end();
    else {
      const counted = tracked(body.content(), () => restart(patience.idle + patience.head));
      // An answer may come before all is sent: a refusal. The error of the stream is that of the request.
      pipeline(Readable.from(counted), sent).catch(fail);
    }
  });
}

/** A process that had no time to look may find that what it waited for has come. */
const afterInput = (action: () => unknown): void => void setImmediate(action);

async function* tracked(
  content: AsyncIterable<Uint8Array>,
  onPiece: () => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    onPiece();
    // Each piece of a file holds until the next is asked for, which a stream does ahead.
    yield Buffer.from(chunk);
  }
}

/** What is left of a short answer is read, so that the connection can be used again. */
function drop(response: IncomingMessage): void {
  const length = Number(response.headers['content-length'] ?? Number.POSITIVE_INFINITY);
  if (length > 65_536) response.destroy();
  else response.resume();
  response.on('error', () => undefined);
}

async function* bodyOf(
  response: IncomingMessage,
  url: URL,
  { idle, bytesPerSecond }: Patience,
): AsyncGenerator<Uint8Array> {
  const begun = performance.now();
  let bytes = 0;
  const late = (): void => {
    response.destroy(
      new RemoteError('timeout', `${hostOf(url)} stopped in the middle of an answer`),
    );
  };
  let timer = setTimeout(late, idle);
  try {
    for await (const chunk of response) {
      clearTimeout(timer);
      bytes += (chunk as Uint8Array).length;
      const seconds = (performance.now() - begun - idle) / 1000;
      if (seconds > 0 && bytes / seconds < bytesPerSecond) late();
      yield chunk as Uint8Array;
      timer = setTimeout(late, idle);
    }
  } catch (error) {
    throw worded(error, url);
  } finally {
    clearTimeout(timer);
    if (!response.complete) response.destroy();
  }
}

/** A body as a whole. @throws RemoteError when it is larger than it may be */
export async function readWhole({ body }: Answer, bytesMax: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > bytesMax) {
      throw new RemoteError('nonsense', `an answer of more than ${bytesMax} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes);
}

const hostOf = (url: URL): string => url.host;

const redirected = (url: URL, location: string | undefined): RemoteError => {
  const where = location ? ` to ${location.slice(0, 200)}` : '';
  const hint = 'redirects are not followed: set the address that it leads to, if you trust that';
  return new RemoteError('refused', `${hostOf(url)} redirects${where}`, hint);
};

const WORDS: { readonly [code: string]: string } = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'its name cannot be looked up',
  ECONNRESET: 'it broke the connection off',
  EPIPE: 'it broke the connection off',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no network',
  ETIMEDOUT: 'it does not answer',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself: set NODE_EXTRA_CA_CERTS',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is of no known authority: set NODE_EXTRA_CA_CERTS',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is of no known authority: set NODE_EXTRA_CA_CERTS',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  EPROTO: 'it does not speak TLS: is it http:// and not https://?',
};

function worded(error: unknown, url: URL): unknown {
  if (error instanceof RemoteError) return error;
  if (!(error instanceof Error)) return error;
  if (error.name === 'AbortError') return new RemoteError('timeout', 'given up');
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code.startsWith('HPE_')) {
    return new RemoteError('nonsense', `${hostOf(url)} does not speak HTTP`);
  }
  const words = WORDS[code] ?? 'the connection failed';
  return new RemoteError('unreachable', `${hostOf(url)} cannot be reached: ${words}`);
}
