// server.ts — the server of `pipeline ui`: the page, its questions, the stream of overviews. It writes nothing
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { pipeline as piped } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Overview } from '../../ui/forms.ts';
import { host as hostOfMachine } from '../session/this-process.ts';
import { UsageError } from '../session/usage-error.ts';
import { openEventStream } from './event-stream.ts';
import { FILE_POLICY, FRAME_POLICY, HEADERS, judge, PAGE_POLICY } from './guard.ts';
import { outputFile, outputPage, outputPicture } from './output-answers.ts';
import { OverviewMaker } from './overview.ts';
import { answer, outputIn, type Words } from './routes.ts';
import { plotSvg, type StudySources } from './study-answers.ts';

/** A server that runs. */
export interface UiServer {
  /** The link that opens the page. */
  readonly link: string;
  readonly port: number;
  /** Says that something has changed: pages are told soon. */
  touch(): void;
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly sources: StudySources;
  /** 0: one that is free. */
  readonly port: number;
  readonly host: string;
}

/** Pages are told this often at most. */
const TELL_MS = 250;
/** A store that is written by somebody without a journal is noticed within this time. */
const LOOK_MS = 1500;

const ASSETS: { readonly [path: string]: readonly [file: string, type: string] } = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript; charset=utf-8'],
  '/live.js': ['live.js', 'text/javascript; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

/** A file of the page: it lies beside this bundle. */
export function assetBytes(file: string): Buffer {
  try {
    return readFileSync(fileURLToPath(new URL(`./ui/${file}`, import.meta.url)));
  } catch {
    const message = `the page is not in this installation: dist/ui/${file} is missing`;
    throw new UsageError([{ message, hint: 'install pipeline again, or `npm run build`' }]);
  }
}

/** Starts to listen. @throws UsageError where that cannot be */
export async function startServer({ sources, port, host }: ServerOptions): Promise<UiServer> {
  const token = randomBytes(24).toString('base64url');
  const isOpen = !isLoopback(host);
  const assets = new Map(
    Object.entries(ASSETS).map(([path, [file, type]]) => {
      const bytes = assetBytes(file);
      return [path, { type, bytes, packed: gzipSync(bytes) }] as const;
    }),
  );
  const stream = openEventStream(randomBytes(4).toString('hex'));
  const maker = new OverviewMaker(sources);
  let making: Promise<Overview> | undefined;
  const overview = (): Promise<Overview> => {
    making ??= maker.make().finally(() => {
      making = undefined;
    });
    return making;
  };
  let timer: NodeJS.Timeout | undefined;
  let told = Number.NEGATIVE_INFINITY;
  const tell = async (): Promise<void> => {
    if (stream.size > 0) {
      stream.send(JSON.stringify(await overview()));
      // After the page has something to show: while a large plan is made, nothing is answered.
      setImmediate(() => followPlan(sources));
    }
    told = performance.now();
    timer = undefined;
  };
  const touch = (): void => {
    const pause = Math.max(0, TELL_MS - (performance.now() - told));
    timer ??= setTimeout(() => {
      tell().catch(() => {
        // It is tried again with the next change, or look.
        timer = undefined;
      });
    }, pause);
  };
  const look = setInterval(touch, LOOK_MS);
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const cookie = `pipeline-ui-${bound.port}`;
    const names = [host, ...(isOpen ? [hostOfMachine] : [])];
    const verdict = judge(request, { token, cookie, names, isOpen });
    if (!verdict.ok) {
      response.setHeader('Content-Security-Policy', "default-src 'none'");
      sendText(response, verdict.status, `pipeline ui: ${verdict.why}\n`);
      return;
    }
    const { url, byToken } = verdict;
    const asset = assets.get(url.pathname);
    if (asset) {
      if (byToken) {
        response.setHeader('Set-Cookie', `${cookie}=${token}; HttpOnly; SameSite=Strict; Path=/`);
      }
      response.setHeader('Content-Security-Policy', PAGE_POLICY);
      sendAsset(request, response, asset);
    } else if (url.pathname === '/events') {
      const lastId = request.headers['last-event-id'];
      stream.add(response, typeof lastId === 'string' ? lastId : undefined);
      touch();
    } else if (url.pathname.startsWith('/api/')) {
      response.setHeader('Content-Security-Policy', FILE_POLICY);
      const given = await answer(sources, url.pathname, url.searchParams, overview);
      sendJson(request, response, given.ok ? 200 : given.status, given.ok ? given.value : given);
    } else if (!(await serveContent(sources, url, request, response))) {
      sendText(response, 404, 'there is nothing here\n');
    }
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error) => {
      if (response.headersSent) response.destroy();
      else sendText(response, 500, `${error instanceof Error ? error.message : error}\n`);
    });
  });
  server.headersTimeout = 10_000;
  const bound = await listen(server, port, host);
  const shown = isIP(host) === 6 ? `[${host}]` : isOpen && isAny(host) ? addressOfMachine() : host;
  return {
    link: `http://${shown}:${bound.port}/?token=${token}`,
    port: bound.port,
    touch,
    async close() {
      clearInterval(look);
      clearTimeout(timer);
      stream.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The plan that is shown is that of the newest run that goes on; it is loaded aside. */
function followPlan({ plan, watch }: StudySources): void {
  const newest = [...watch.runs.values()].filter(({ isOver }) => !isOver).at(-1);
  void (newest ? plan.follow(newest.state.run) : plan.refresh());
}

const isLoopback = (host: string): boolean => ['127.0.0.1', 'localhost', '::1'].includes(host);
const isAny = (host: string): boolean => host === '0.0.0.0' || host === '::';

function addressOfMachine(): string {
  const all = Object.values(networkInterfaces()).flat();
  return all.find((one) => one && !one.internal && one.family === 'IPv4')?.address ?? hostOfMachine;
}

function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const words: { readonly [code: string]: string } = {
        EADDRINUSE: `port ${port} is taken`,
        EACCES: `port ${port} may not be used by this user`,
        EADDRNOTAVAIL: `${host} is not an address of this machine`,
        ENOTFOUND: `${host} is not an address of this machine`,
      };
      const message = words[error.code ?? ''] ?? `no port can be had: ${error.message}`;
      reject(
        new UsageError([
          { message, hint: '--port N takes another; without it, a free one is taken' },
        ]),
      );
    });
    server.listen(port, host, () => resolve(server.address() as AddressInfo));
  });
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(text);
}

/** Answers of more bytes are packed: a page may be at the other end of ssh. */
const PACKED_BYTES = 16_384;

function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  value: unknown,
): void {
  const head = { 'Content-Type': 'application/json; charset=utf-8' };
  const { text, packed } = written(value);
  if (packed && takesGzip(request)) {
    response.writeHead(status, { ...head, 'Content-Encoding': 'gzip' }).end(packed);
  } else response.writeHead(status, head).end(text);
}

interface Written {
  readonly text: Buffer;
  readonly packed: Buffer | undefined;
}

/** Large answers that were given before are written once for all pages. */
const writtenBefore = new WeakMap<object, Written>();

function written(value: unknown): Written {
  const isObject = typeof value === 'object' && value !== null;
  const known = isObject ? writtenBefore.get(value) : undefined;
  if (known) return known;
  const text = Buffer.from(JSON.stringify(value));
  if (text.length <= PACKED_BYTES) return { text, packed: undefined };
  const one = { text, packed: gzipSync(text, { level: 1 }) };
  if (isObject) writtenBefore.set(value, one);
  return one;
}

const takesGzip = ({ headers }: IncomingMessage): boolean =>
  /\bgzip\b/.test(String(headers['accept-encoding'] ?? ''));

interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  readonly packed: Buffer;
}

function sendAsset(request: IncomingMessage, response: ServerResponse, asset: Asset): void {
  const isPacked = takesGzip(request);
  response.writeHead(200, {
    'Content-Type': asset.type,
    ...(isPacked && { 'Content-Encoding': 'gzip' }),
  });
  response.end(isPacked ? asset.packed : asset.bytes);
}

/** Content of stages. False where there is none. */
async function serveContent(
  sources: StudySources,
  { pathname, searchParams }: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (pathname === '/plot.svg') return servePlot(sources, searchParams, response);
  const serve = { '/picture': servePicture, '/file': serveFile, '/frame': serveFrame };
  if (!Object.hasOwn(serve, pathname)) return false;
  return serve[pathname as keyof typeof serve](sources, searchParams, { request, response });
}

async function servePlot(
  sources: StudySources,
  words: Words,
  response: ServerResponse,
): Promise<boolean> {
  try {
    const svg = await plotSvg(sources, words.get('name') ?? '');
    if (svg === undefined) return false;
    sendFile(response, 'plot.svg', 'image/svg+xml; charset=utf-8');
    response.end(svg);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    sendText(response, 422, error.diagnostics[0]?.message ?? 'it cannot be drawn');
  }
  return true;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Where somebody opens it by itself it is saved and not shown; as a part of the page it is a picture. */
function sendFile(response: ServerResponse, name: string, type: string): void {
  const plain = name.replace(/[^\w.-]+/g, '_').slice(-100) || 'file';
  const full = encodeURIComponent(name.slice(-200).replace(/\p{Surrogate}/gu, '_')).replace(
    /['()*]/g,
    '_',
  );
  response.setHeader('Content-Security-Policy', FILE_POLICY);
  response.setHeader('Content-Type', type);
  response.setHeader(
    'Content-Disposition',
    `attachment; filename="${plain}"; filename*=UTF-8''${full}`,
  );
}

async function servePicture(
  { store }: StudySources,
  words: Words,
  { response }: Exchange,
): Promise<boolean> {
  const picture = await store.read((open) => outputPicture(open, outputIn(words)));
  if (picture === undefined) return false;
  sendFile(response, `${words.get('name')}.${picture.type.slice(6)}`, picture.type);
  response.end(picture.bytes);
  return true;
}

function serveFile(
  { store }: StudySources,
  words: Words,
  { request, response }: Exchange,
): Promise<boolean> {
  return store.read(async (open) => {
    const file = await outputFile(open, outputIn(words));
    if (file === undefined) return false;
    sendFile(response, file.name, 'application/octet-stream');
    response.setHeader('Content-Length', file.bytes);
    if (request.method === 'HEAD') response.end();
    // What turns out to be damaged ends in the middle: no browser takes that for a whole file.
    else await piped(file.content, response).catch(() => response.destroy());
    return true;
  });
}

async function serveFrame(
  { store }: StudySources,
  words: Words,
  { response }: Exchange,
): Promise<boolean> {
  const page = await store.read((open) => outputPage(open, outputIn(words)));
  if (page === undefined) return false;
  response.setHeader('Content-Security-Policy', FRAME_POLICY);
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
  return true;
}
