import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Launcher, runSandboxed } from '../src/archive/rerun/sandboxed-run.ts';
import { findWalls, noWalls, type Walls } from '../src/archive/rerun/walls.ts';
import { restrictions } from '../src/cli/terminal/verification.ts';
import { bundleDigest } from '../src/engine/bundler/bundle-digest.ts';
import { digestOf } from '../src/engine/model/key.ts';
import type { GivenBundle } from '../src/engine/worker/protocol.ts';
import { repository } from './rig.ts';

/**
 * What code of an archive may try, by name. Each is the body of an async function that throws or gives what shows that it
 * got somewhere. `target` is a file of the verifying user, `port` a server on loopback, `pid` the verifier.
 */
const ATTACKS: { readonly [name: string]: string } = {
  'read a file of the user': "return fs.readFileSync(target, 'utf8')",
  'read it by a promise': "return await fs.promises.readFile(target, 'utf8')",
  'read it by a stream':
    'for await (const part of fs.createReadStream(target)) return String(part)',
  'open it': "return fs.openSync(target, 'r')",
  'read a link to it': 'return fs.readlinkSync(target + ".link")',
  'list the folder of the user': 'return fs.readdirSync(path.dirname(target)).join()',
  'list it by a glob': 'return fs.globSync(path.dirname(target) + "/*").join() || false',
  'look for it': 'return fs.existsSync(target) && "there"',
  'stat it': 'return fs.statSync(target).size',
  'watch it': 'fs.watch(target).close(); return "watched"',
  'read the passwords': "return fs.readFileSync('/etc/passwd', 'utf8').slice(0, 10)",
  'read the environment of the verifier':
    "return fs.readFileSync('/proc/' + pid + '/environ', 'utf8').slice(0, 10)",
  'read its own memory map': "return fs.readFileSync('/proc/self/maps', 'utf8').slice(0, 10)",
  'write a file': "fs.writeFileSync(target + '.new', 'x'); return 'written'",
  'append to a file': "fs.appendFileSync(target, 'x'); return 'written'",
  'write in the temporary folder':
    "fs.writeFileSync(os.tmpdir() + '/' + name, 'x'); return 'written'",
  'write in its own folder': "fs.writeFileSync(name, 'x'); return 'written'",
  'make a folder': "fs.mkdirSync(target + '.folder'); return 'made'",
  'make a temporary folder': "return fs.mkdtempSync(os.tmpdir() + '/x')",
  'make a link': "fs.symlinkSync(target, target + '.link2'); return 'made'",
  'make a hard link': "fs.linkSync(target, target + '.link3'); return 'made'",
  'rename it': "fs.renameSync(target, target + '.gone'); return 'renamed'",
  'remove it': 'fs.rmSync(target); return "removed"',
  'cut it short': 'fs.truncateSync(target, 0); return "cut"',
  'copy it': "fs.copyFileSync(target, target + '.copy'); return 'copied'",
  'copy it whole': "fs.cpSync(target, target + '.copy2'); return 'copied'",
  'change its rights': 'fs.chmodSync(target, 0o777); return "changed"',
  'change its date': 'fs.utimesSync(target, 1, 1); return "changed"',
  'start a program': "return String(child.execFileSync('id'))",
  'start a shell': "return String(child.execSync('id'))",
  'start a program that is not waited for': "return child.spawn('id').pid",
  'start a program by way of its class':
    "return new child.ChildProcess().spawn({ file: '/bin/true', args: ['true'], stdio: 'ignore' }) === 0 && 'started'",
  'fork itself': 'return child.fork(target).pid',
  'fork by a cluster': 'return cluster.fork().process.pid',
  'start a thread': "new threads.Worker('1', { eval: true }); return 'started'",
  'signal the verifier': "process.kill(pid, 'SIGUSR1'); return 'sent'",
  // A signal that changes nothing where it arrives: `SIGCONT` would let go on what somebody suspended.
  'kill the verifier': "process.kill(pid, 'SIGURG'); return 'sent'",
  'signal its parent': "process.kill(process.ppid, 'SIGURG'); return 'sent'",
  'signal its group': "process.kill(0, 'SIGURG'); return 'sent'",
  'signal everything': "process.kill(-1, 'SIGURG'); return 'sent'",
  'signal by the inner function': "return process._kill(pid, 10) === 0 && 'sent'",
  'open the debugger of the verifier': "process._debugProcess(pid); return 'sent'",
  'open its own debugger': 'inspector.open(0); return inspector.url()',
  'debug itself': "const s = new inspector.Session(); s.connect(); return 'connected'",
  'debug itself by promises':
    "const { Session } = await import('node:inspector/promises'); const s = new Session(); s.connect(); return 'connected'",
  'connect to a server': 'return await connected(net.connect(port, "127.0.0.1"))',
  'connect by the constructor':
    'return await connected(new net.Socket().connect(port, "127.0.0.1"))',
  'connect to a socket file': 'return await connected(net.connect(target + ".sock"))',
  'ask by http':
    'return await new Promise((y, n) => http.get({ port, host: "127.0.0.1" }, (r) => y(r.statusCode)).on("error", n))',
  'ask by https':
    'return await new Promise((y, n) => https.get({ port, host: "127.0.0.1" }, (r) => y(r.statusCode)).on("error", n))',
  'ask by http 2':
    'return await new Promise((y, n) => http2.connect("http://127.0.0.1:" + port, () => y("connected")).on("error", n))',
  'connect by TLS': 'return await connected(tls.connect(port, "127.0.0.1"), "secureConnect")',
  fetch: 'return (await fetch("http://127.0.0.1:" + port)).status',
  'open a web socket':
    'return await new Promise((y, n) => { const s = new WebSocket("ws://127.0.0.1:" + port); s.onopen = () => y("open"); s.onerror = n; })',
  'listen on a port':
    'return await new Promise((y, n) => net.createServer().on("error", n).listen(0, "127.0.0.1", () => y("listening")))',
  'listen on a socket file':
    'return await new Promise((y, n) => net.createServer().on("error", n).listen(target + ".own", () => y("listening")))',
  'serve http':
    'return await new Promise((y, n) => http.createServer().on("error", n).listen(0, "127.0.0.1", () => y("listening")))',
  'send a datagram':
    'return await new Promise((y, n) => dgram.createSocket("udp4").on("error", n).send("x", port, "127.0.0.1", (e) => e ? n(e) : y("sent")))',
  'resolve a name': 'return (await dns.promises.lookup("localhost")).address',
  'ask a name server': 'return (await new dns.promises.Resolver().resolve4("example.org")).join()',
  'bind an inner module': "return Object.keys(process.binding('fs')).length",
  'bind an inner module of TCP': "return Object.keys(process.binding('tcp_wrap')).length",
  'load native code': "const m = { exports: {} }; process.dlopen(m, target); return 'loaded'",
  'require a file of the user': 'return createRequire(target)(target)',
  'import a file of the user': 'return (await import(target)).default',
  'open a database':
    "const { DatabaseSync } = await import('node:sqlite'); new DatabaseSync(target + '.db').exec('create table t (x)'); return 'opened'",
  'open a database by another door':
    "const { DatabaseSync } = process.getBuiltinModule('node:sqlite'); new DatabaseSync(target + '.db').exec('create table t (x)'); return 'opened'",
  'write a report': 'return process.report.writeReport(target + ".report")',
  'write a snapshot of the heap': 'return v8.writeHeapSnapshot(target + ".heap")',
  'become somebody else': "process.setuid(1); return 'became'",
  'run as a WASI program':
    "const { WASI } = await import('node:wasi'); return new WASI({ version: 'preview1', preopens: { '/x': path.dirname(target) } }) && 'opened'",
  'read a file of variables': 'process.loadEnvFile(target); return "read"',
  'list the processes':
    "return fs.readdirSync('/proc').filter((n) => n === String(pid)).join() || 'none'",
  'list the interfaces': "return Object.keys(os.networkInterfaces()).join() || 'none'",
};

/** Harmless where they tell nothing: what a process may know of itself. */
const HARMLESS: ReadonlySet<string> = new Set(['list the processes', 'list the interfaces']);

const MODULE = `
import child from 'node:child_process'; import cluster from 'node:cluster'; import dgram from 'node:dgram';
import dns from 'node:dns'; import fs from 'node:fs'; import http from 'node:http'; import http2 from 'node:http2';
import https from 'node:https'; import inspector from 'node:inspector'; import net from 'node:net'; import os from 'node:os';
import path from 'node:path'; import tls from 'node:tls'; import v8 from 'node:v8'; import threads from 'node:worker_threads';
import { createRequire } from 'node:module';
const { process } = globalThis;
const connected = (socket, event = 'connect') =>
  new Promise((y, n) => socket.on(event, () => y('connected')).on('error', n));
const attacks = { ${Object.entries(ATTACKS)
  .map(
    ([name, body]) => `${JSON.stringify(name)}: async (name, { target, port, pid }) => { ${body} }`,
  )
  .join(',\n')} };
const told = async (name, around) => {
  try {
    const late = new Promise((_, n) => setTimeout(n, 3000, Object.assign(new Error('late'), { code: 'LATE' })));
    const got = await Promise.race([attacks[name](name.replace(/ /g, '-'), around), late]);
    return got === undefined || got === false ? 'nothing' : 'GOT ' + String(got).slice(0, 60);
  } catch (error) { return 'denied: ' + (error?.code ?? error?.message ?? String(error)); }
};
export default {
  params: PARAMS, inputs: {}, outputs: { table: JSON_CODEC },
  async run({ params }) {
    const table = {};
    for (const name of Object.keys(attacks)) table[name] = await told(name, params);
    return { table };
  },
};`;

let scratch: string;
let bundle: Required<GivenBundle>;
let server: Server;
let port: number;
/** Stands for the verifier. */
let victim: ChildProcess;

beforeAll(async () => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'walls-')));
  for (const name of ['work', 'home', 'place']) mkdirSync(join(scratch, name));
  server = createServer((socket) => {
    socket.on('error', () => undefined).end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  victim = spawn('sleep', ['600'], { stdio: 'ignore' });
  port = (server.address() as { port: number }).port;
  const { outputFiles } = await build({
    stdin: {
      contents: `import { defineStage, json } from './src/engine/stage.ts';\nimport * as z from 'zod/mini';\n${MODULE.replace(
        'export default {',
        'export default defineStage({',
      )
        .replace(/\};$/, '});')
        .replace('PARAMS', 'z.object({ target: z.string(), port: z.int(), pid: z.int() })')
        .replace('JSON_CODEC', 'json()')}`,
      resolveDir: repository,
      loader: 'js',
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  });
  const bytes = outputFiles[0]?.contents ?? new Uint8Array(0);
  const file = join(scratch, 'attack.mjs');
  writeFileSync(file, bytes);
  bundle = { digest: bundleDigest(digestOf(bytes)), file, bytes };
});

afterAll(() => {
  server.close();
  victim.kill();
  rmSync(scratch, { recursive: true, force: true });
});

/** All attacks in one sandbox. @returns what came of each */
async function attackedBehind(walls: Walls | null, node: string): Promise<Record<string, string>> {
  const home = join(scratch, 'home');
  const target = join(home, 'secret');
  writeFileSync(target, 'secret');
  const launcher: Launcher = {
    node,
    script: realpathSync(join(repository, 'dist/verify.mjs')),
    restrictions: walls === null ? null : flagsOf(node),
    walls,
    environment: {},
  };
  const result = await runSandboxed(launcher, {
    request: {
      bundle,
      root: scratch,
      params: { target, port, pid: victim.pid ?? 0 },
      tools: null,
      inputs: {},
      files: {},
    },
    readable: [bundle.file],
    addons: false,
    cwd: join(scratch, 'work'),
    outputBytesMax: 2 ** 20,
    signal: new AbortController().signal,
  });
  if (result.end !== 'done') throw new Error(JSON.stringify(result));
  if (walls !== null) expect(readFileSync(target, 'utf8')).toBe('secret');
  return JSON.parse(Buffer.from(result.outputs.get('table') ?? []).toString());
}

/** Those of this Node, or of another: asked by running it. */
function flagsOf(node: string): readonly string[] {
  if (node === process.execPath) return restrictions();
  const asked = `const f = process.allowedNodeEnvironmentFlags; const s = '--no-experimental-sqlite';
console.log([f.has('--permission') ? '--permission' : '--experimental-permission', ...(f.has(s) ? [s] : [])].join(' '))`;
  return spawnSync(node, ['-e', asked], { encoding: 'utf8' }).stdout.trim().split(' ');
}

/** The walls of a kind, where the system has them. */
async function wallsOf(kind: 'bubblewrap' | 'unshare' | 'none'): Promise<Walls | undefined> {
  if (kind === 'none') return noWalls('they are left out');
  const place = join(scratch, 'place');
  const tool = kind === 'unshare' ? 'unshare' : 'bwrap';
  const found = await findWalls(place, process.env.PATH ?? '', [tool]);
  return found.kind === kind ? found : undefined;
}

/** Other Nodes, by their paths: the table of docs/archive.md is made with NODES=NODE22:NODE24. */
const nodes = [process.execPath, ...(process.env.NODES?.split(':') ?? [])];

describe.each(nodes)('code of a stranger, on %s', (node) => {
  test.each(['none', 'unshare', 'bubblewrap'] as const)(
    `gets nothing by any of ${Object.keys(ATTACKS).length} attempts: walls %s`,
    async (kind) => {
      const walls = await wallsOf(kind);
      if (walls === undefined) return skipped(kind);
      const table = await attackedBehind(walls, node);
      if (process.env.ATTACK_TABLE)
        appendFileSync(process.env.ATTACK_TABLE, rowsOf(node, kind, table));
      expect(Object.keys(table)).toHaveLength(Object.keys(ATTACKS).length);
      const got = Object.entries(table).filter(
        ([name, told]) => told.startsWith('GOT') && !(HARMLESS.has(name) && kind === 'none'),
      );
      expect(got.filter(([, told]) => told !== 'GOT none' && told !== 'GOT lo')).toEqual([]);
    },
  );
});

test('these attempts are real: without walls and restrictions most of them get what they want', async () => {
  const table = await attackedBehind(null, process.execPath);
  const got = Object.values(table).filter((told) => told.startsWith('GOT'));
  expect(got.length).toBeGreaterThan(40);
});

const rowsOf = (node: string, kind: string, table: Record<string, string>): string =>
  `${JSON.stringify({ node, kind, table })}\n`;

function skipped(kind: string): void {
  console.warn(`skipped: this system has no walls of the kind ${kind}`);
}

describe('programs of a stranger, behind walls', () => {
  test.each(['unshare', 'bubblewrap'] as const)(
    'write their folder and see neither home, processes nor network: %s',
    async (kind) => {
      const walls = await wallsOf(kind);
      if (walls === undefined) return skipped(kind);
      const secret = join(scratch, 'home', 'secret');
      writeFileSync(secret, 'secret');
      const cwd = join(scratch, 'work');
      const script = `echo made > result
cat ${secret} 2>&1 && echo SEEN
ls /root /home 2>/dev/null | head -n 1
echo x > /usr/evil 2>/dev/null && echo WROTE
kill -0 ${process.pid} 2>/dev/null && echo REACHED
{ exec 9<>/dev/tcp/127.0.0.1/${port}; } 2>/dev/null && echo CONNECTED
mount -t tmpfs none /usr 2>/dev/null && echo MOUNTED
chroot / true 2>/dev/null && echo CHROOTED
env | cut -d = -f 1 | sort | tr '\\n' ' '
echo "$HOME|$PATH|$1"`;
      const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';
      const enclosed = walls.enclose({
        program: shell,
        args: ['-c', script, 'sh', 'a b $c "d"'],
        cwd,
        readable: [],
        writable: [cwd],
      });
      const env = { HOME: '/nowhere', PATH: '/usr/bin:/bin' };
      const { stdout, status } = spawnSync(enclosed.program, enclosed.args, {
        env,
        cwd,
        encoding: 'utf8',
      });
      expect(stdout.split('\n').filter((line) => /^[A-Z]{4,}$/.test(line))).toEqual([]);
      expect(stdout).toContain('/nowhere|/usr/bin:/bin|a b $c "d"\n');
      expect(stdout).toMatch(/HOME PATH PWD (SHLVL )?(_ )?\n?\/nowhere/);
      expect(status).toBe(0);
      expect(readFileSync(join(cwd, 'result'), 'utf8')).toBe('made\n');
    },
  );
});

describe('a process of ours', () => {
  test.each(['dist/worker.js', 'dist/verify.mjs', 'dist/cli.cjs'])(
    'opens no debugger when it is told to by a signal: %s',
    async (file) => {
      const args = file.endsWith('cli.cjs') ? ['make', '-C', scratch] : ['--sandbox'];
      writeFileSync(join(scratch, 'pipeline.yaml'), WAITING);
      const child = spawn(process.execPath, [join(repository, file), ...args], {
        stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
      });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding('utf8').on('data', (text: string) => {
          said += text;
        });
      }
      const ready = () =>
        file.endsWith('cli.cjs') ? said.includes('it waits') : listens(child.pid);
      await until(ready);
      for (let times = 0; times < 3; times++) child.kill('SIGUSR1');
      child.kill('SIGTERM');
      child.stdin?.end();
      await until(() => said.includes('Debugger') || child.exitCode !== null || listens(child.pid));
      child.kill('SIGKILL');
      await once(child, 'close');
      expect(said).not.toContain('Debugger listening');
    },
  );
});

/** A make that waits until it is stopped. */
const WAITING = `stages:
  wait: { command: [sh, -c, "echo it waits; sleep 60; : > x.txt"], outputs: { x: x.txt } }
`;

/** Whether a process has its own answer to SIGUSR1, the 10th signal. */
function listens(pid: number | undefined): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const caught = BigInt(`0x${/SigCgt:\s*(\w+)/.exec(status)?.[1] ?? '0'}`);
  return (caught & (1n << 9n)) !== 0n;
}

async function until(holds: () => boolean): Promise<void> {
  for (const began = Date.now(); !holds(); ) {
    if (Date.now() - began > 20_000) throw new Error('it does not come about');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
