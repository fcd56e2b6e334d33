// remote.mjs — what a bad remote costs a whole run: late, failing and stalled servers, paired with runs without a remote
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    tasks: { type: 'string', default: '40,400' },
    seconds: { type: 'string', default: '0.2' },
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`node bench/remote.mjs [--rounds 5] [--tasks 40,400] [--seconds 0.2] [--only CASE,CASE]

A run of commands that each sleep for --seconds, two at a time, half of them waiting for the others. Each round makes it with
each server, and at the same time without a remote; what is told is the difference. A server may cost 2 s, or 5 % of the run,
whichever is more.`);
  process.exit(0);
}

const repository = fileURLToPath(new URL('..', import.meta.url));
const cli = join(repository, 'dist', 'cli.cjs');
const rounds = Number(values.rounds);
const work = mkdtempSync(join(tmpdir(), 'pipeline-bench-remote-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

/** A server for /ac/ and /cas/ that behaves as the case says. */
async function serve({ delay = 0, errors = 0, stallAfter = Infinity, stallWithin = false }) {
  const files = new Map();
  let asked = 0;
  const answer = async (request, response) => {
    asked += 1;
    const isStalled = asked > stallAfter;
    if (isStalled && !stallWithin) return;
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
    if (isStalled) {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('a part');
    } else if (errors > 0 && asked % Math.round(1 / errors) === 0) response.writeHead(500).end();
    else if (request.method === 'PUT') {
      files.set(request.url, Buffer.concat(pieces));
      response.writeHead(201).end();
    } else {
      const content = files.get(request.url);
      response.writeHead(content ? 200 : 404, { 'content-length': content?.length ?? 0 });
      response.end(request.method === 'HEAD' ? undefined : content);
    }
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked: () => asked,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const CASES = {
  'empty, at once': {},
  'latency 50 ms': { delay: 50 },
  '1 % errors': { errors: 0.01 },
  'latency 50 ms, 1 % errors': { delay: 50, errors: 0.01 },
  'latency 900 ms': { delay: 900 },
  'never answers': { stallAfter: 0 },
  'stalls after 20 answers': { stallAfter: 20 },
  'stalls within answers': { stallAfter: 20, stallWithin: true },
  'nothing listens': 'gone',
};
const chosen = values.only === '' ? Object.keys(CASES) : values.only.split(',');

function pipelineOf(tasks) {
  const n = tasks / 2;
  const items = Array.from({ length: n }, (_, index) => index).join(', ');
  const command = (text) => `[sh, -c, 'sleep ${values.seconds}; ${text}']`;
  return `stages:
  first:
    matrix: { n: [${items}] }
    params: { n: $n }
    command: ${command('echo {params.n} > out.txt')}
    outputs: { out: out.txt }
  second:
    matrix: { n: [${items}] }
    params: { n: $n }
    inputs: { first: first.out }
    command: ${command('cat first.txt > out.txt; echo {params.n} >> out.txt')}
    outputs: { out: out.txt }
`;
}

const home = join(work, 'home');
mkdirSync(home);
const base = {
  ...process.env,
  HOME: home,
  XDG_CONFIG_HOME: '',
  XDG_STATE_HOME: '',
  CI: '',
  NO_COLOR: '1',
};
const key = spawnSync('node', [cli, 'remote', 'key', '--name', 'lab'], {
  env: base,
  encoding: 'utf8',
});
if (key.status !== 0) throw new Error(key.stderr);

/** A make from nothing. */
async function make(tasks, mode, behaviour) {
  const folder = mkdtempSync(join(work, 'study-'));
  writeFileSync(join(folder, 'pipeline.yaml'), pipelineOf(tasks) + key.stdout);
  const server = typeof behaviour === 'object' ? await serve(behaviour) : undefined;
  const url = server?.url ?? 'http://127.0.0.1:1';
  const remote = behaviour === undefined ? 'off' : mode;
  const words = [cli, 'make', '-q', '-j', '2', '--remote', remote];
  const start = performance.now();
  const child = spawn(process.execPath, words, {
    cwd: folder,
    env: { ...base, PIPELINE_REMOTE_URL: url },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const seconds = (performance.now() - start) / 1000;
  if (code !== 0) throw new Error(`make ended with ${code}: ${said}`);
  const asked = server?.asked() ?? 0;
  server?.close();
  const left = queued(folder);
  rmSync(folder, { recursive: true, force: true });
  return { seconds, asked, left };
}

function queued(folder) {
  try {
    return readdirSync(join(folder, 'cache', 'outgoing')).length;
  } catch {
    return 0;
  }
}

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
};
const spread = (numbers) =>
  `${median(numbers).toFixed(2).padStart(6)}  ${Math.min(...numbers)
    .toFixed(2)
    .padStart(5)} to ${Math.max(...numbers).toFixed(2)}`;

let isMissed = false;
for (const tasks of values.tasks.split(',').map(Number)) {
  for (const mode of ['read', 'read-write']) {
    const pairs = new Map(chosen.map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      // Another order each time: a slow minute is slow for all.
      for (const index of chosen.keys()) {
        const name = chosen[(index + round) % chosen.length];
        // Both at once: what the machine does besides is the same for both.
        const [made, alone] = await Promise.all([
          make(tasks, mode, CASES[name]),
          make(tasks, mode),
        ]);
        pairs.get(name).push({ ...made, alone: alone.seconds });
      }
    }
    const alone = [...pairs.values()].flatMap((made) => made.map((one) => one.alone));
    const allowed = Math.max(2, 0.05 * median(alone));
    console.log(
      `\n${tasks} tasks of ${values.seconds} s, two at a time, --remote ${mode}: without a remote ${spread(alone)} s`,
    );
    console.log(
      `${'server'.padEnd(28)} costs s, of ${rounds} rounds  allowed ${allowed.toFixed(2)}   requests  left in the queue`,
    );
    for (const [name, made] of pairs) {
      const costs = made.map((one) => one.seconds - one.alone);
      const isWithin = median(costs) <= allowed;
      isMissed ||= !isWithin;
      const asked = median(made.map((one) => one.asked));
      const left = median(made.map((one) => one.left));
      console.log(
        `${name.padEnd(28)} ${spread(costs).padEnd(24)} ${isWithin ? 'within' : 'MISSED'}  ${String(asked).padStart(12)}  ${String(left).padStart(6)}`,
      );
    }
  }
}
process.exit(isMissed ? 1 : 0);
