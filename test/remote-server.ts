// remote-server.ts — servers that share results: one in this process that misbehaves as it is told, and real ones where they are installed
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as plainServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { digestOf } from '../src/engine/model/key.ts';

/** What a server does in place of answering: true when it has taken the request. */
export type Trick = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface TestServer {
  readonly url: string;
  /** What lies there, by path. */
  readonly files: Map<string, Buffer>;
  /** Method and path of every request. */
  readonly asked: string[];
  trick: Trick | undefined;
  /** Each answer comes so much later, in milliseconds. */
  delay: number;
}

export interface ServerOptions {
  readonly rules?: 'nginx' | 'bazel';
  /** Of the user `lab`. */
  readonly password?: string;
  readonly atEnd?: AtEnd;
}

/**
 * A server for `/ac/` and `/cas/`. `nginx` keeps whatever is put; `bazel` knows the rules of bazel-remote: bytes that have another
 * digest are refused, entries must be an ActionResult, are written anew, and are not there while one of their blobs is not.
 */
export async function testServer({
  rules = 'nginx',
  password,
  atEnd = onTestFinished,
}: ServerOptions = {}): Promise<TestServer> {
  const files = new Map<string, Buffer>();
  const asked: string[] = [];
  const state: TestServer = { url: '', files, asked, trick: undefined, delay: 0 };
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    asked.push(`${request.method} ${request.url}`);
    if (state.trick?.(request, response)) return;
    const expected = `Basic ${Buffer.from(`lab:${password}`).toString('base64')}`;
    if (password !== undefined && request.headers.authorization !== expected) {
      request.resume();
      response.writeHead(401).end();
    } else if (request.method === 'PUT') void put(request, response, files, rules);
    else get(request, response, files, rules);
  };
  const listening = createServer((request, response) => {
    if (state.delay > 0) setTimeout(() => serve(request, response), state.delay);
    else serve(request, response);
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    listening.closeAllConnections();
    listening.close();
  });
  const { port } = listening.address() as AddressInfo;
  return Object.assign(state, { url: `http://127.0.0.1:${port}` });
}

async function put(
  request: IncomingMessage,
  response: ServerResponse,
  files: Map<string, Buffer>,
  rules: 'nginx' | 'bazel',
): Promise<void> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) pieces.push(piece as Buffer);
  } catch {
    return;
  }
  const path = request.url ?? '';
  const content = Buffer.concat(pieces);
  if (rules === 'bazel' && path.startsWith('/cas/') && digestOf(content) !== path.slice(5)) {
    response.writeHead(500).end();
    return;
  }
  if (rules === 'bazel' && path.startsWith('/ac/')) {
    const result = JSON.parse(content.toString());
    const worker = { worker: '127.0.0.1' };
    files.set(path, Buffer.from(JSON.stringify({ ...result, executionMetadata: worker })));
  } else files.set(path, content);
  response.writeHead(rules === 'bazel' ? 200 : 201).end();
}

interface Result {
  readonly outputFiles?: readonly { readonly digest: { readonly hash: string } }[];
  readonly stdoutDigest?: { readonly hash: string };
}

function get(
  { url: path = '', method, headers }: IncomingMessage,
  response: ServerResponse,
  files: Map<string, Buffer>,
  rules: 'nginx' | 'bazel',
): void {
  const content = files.get(path);
  const isWhole = (): boolean => {
    const { outputFiles = [], stdoutDigest } = JSON.parse(String(content)) as Result;
    const named = [...outputFiles.map(({ digest }) => digest.hash), stdoutDigest?.hash ?? []];
    return named.flat().every((hash) => files.has(`/cas/${hash}`));
  };
  if (content === undefined || (rules === 'bazel' && path.startsWith('/ac/') && !isWhole())) {
    response.writeHead(404).end();
    return;
  }
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
  // bazel-remote knows no ranges.
  const isPart = from > 0 && rules === 'nginx';
  const part = isPart ? content.subarray(from) : content;
  const range = isPart && {
    'content-range': `bytes ${from}-${content.length - 1}/${content.length}`,
  };
  response.writeHead(isPart ? 206 : 200, { 'content-length': part.length, ...range });
  if (method === 'HEAD') response.end();
  else response.end(part);
}

// ---- real servers ----

/** Takes what is to be done when something is needed no longer: at the end of a test, or of a file of tests. */
export type AtEnd = (end: () => void | Promise<void>) => void;

/** A folder that goes when the test is over. */
export function newFolder(name: string, atEnd: AtEnd = onTestFinished): string {
  const path = mkdtempSync(join(tmpdir(), `pipeline-${name}-`));
  atEnd(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const found = (...programs: readonly string[]): string | undefined =>
  programs.find((program) => existsSync(program));

export const nginx = found('/usr/sbin/nginx', '/usr/local/sbin/nginx', '/opt/homebrew/bin/nginx');
const goPath = process.env.GOPATH || join(homedir(), 'go');
export const versitygw = found(
  process.env.VERSITYGW ?? '',
  join(goPath, 'bin', 'versitygw'),
  '/usr/local/bin/versitygw',
);

export const bazelRemote = found(
  process.env.BAZEL_REMOTE ?? '',
  join(goPath, 'bin', 'bazel-remote'),
  '/usr/local/bin/bazel-remote',
);

/** nginx with WebDAV, as bazel.build documents it as a remote cache. */
export async function nginxServer(
  atEnd: AtEnd = onTestFinished,
): Promise<{ readonly url: string; readonly folder: string }> {
  const folder = newFolder('nginx', atEnd);
  for (const name of ['data', 'tmp', 'logs']) mkdirSync(join(folder, name));
  const port = await freePort();
  const temporary = ['proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/tmp/${name};`)
    .join(' ');
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; ${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1;
pid ${folder}/nginx.pid; error_log ${folder}/logs/error.log;
events { worker_connections 256; }
http { access_log off; client_max_body_size 2g; client_body_temp_path ${folder}/tmp/body; ${temporary}
  server { listen 127.0.0.1:${port}; root ${folder}/data;
    location / { dav_methods PUT; create_full_put_path on; } } }
`,
  );
  const words = ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')];
  await started({ program: nginx as string, words, port, atEnd });
  return { url: `http://127.0.0.1:${port}`, folder: join(folder, 'data') };
}

/** bazel-remote itself. */
export async function bazelRemoteServer(
  atEnd: AtEnd = onTestFinished,
): Promise<{ readonly url: string; readonly folder: string }> {
  const folder = newFolder('bazel-remote', atEnd);
  const port = await freePort();
  const words = [
    ...['--dir', folder, '--max_size', '1', '--http_address', `127.0.0.1:${port}`],
    ...['--grpc_address', 'none', '--access_log_level', 'none', '--storage_mode', 'uncompressed'],
  ];
  await started({ program: bazelRemote as string, words, port, atEnd });
  return { url: `http://127.0.0.1:${port}`, folder };
}

/** versitygw: a server of S3 over a folder. Gives its environment, and has a bucket `shared`. */
export async function s3Server(
  atEnd: AtEnd = onTestFinished,
): Promise<NodeJS.ProcessEnv & { readonly FOLDER: string }> {
  const folder = newFolder('s3', atEnd);
  mkdirSync(join(folder, 'shared'));
  const port = await freePort();
  const keys = { ROOT_ACCESS_KEY: 'lab', ROOT_SECRET_KEY: 'labsecret' };
  const words = ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', folder];
  await started({ program: versitygw as string, words, port, atEnd, environment: keys });
  return {
    FOLDER: join(folder, 'shared'),
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    AWS_ACCESS_KEY_ID: 'lab',
    AWS_SECRET_ACCESS_KEY: 'labsecret',
    AWS_REGION: 'us-east-1',
  };
}

async function freePort(): Promise<number> {
  const probe = plainServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

interface Starting {
  readonly program: string;
  readonly words: readonly string[];
  readonly port: number;
  readonly atEnd: AtEnd;
  readonly environment?: NodeJS.ProcessEnv;
}

async function started({ program, words, port, atEnd, environment }: Starting): Promise<void> {
  const child = spawn(program, words, {
    stdio: 'ignore',
    env: { ...process.env, ...environment },
  });
  atEnd(() => ended(child));
  for (let tries = 0; tries < 400; tries++) {
    if (await answers(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${program} did not start`);
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}
