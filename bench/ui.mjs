// ui.mjs — what `pipeline ui` with an open page costs a running make: pairs of makes, with and without, in turn. node bench/ui.mjs [TASKS] [PAIRS]
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';

const [tasks = 200, pairs = 4] = process.argv.slice(2).map(Number);
const binary = resolve('dist/cli.cjs');
const folder = mkdtempSync(join(tmpdir(), 'pipeline-bench-ui-'));

// Each task prints, reports steps and computes for a while, as a training does.
const WORK = `import { appendFileSync, writeFileSync } from 'node:fs';
let x = 1;
for (let step = 1; step <= 20; step++) {
  for (let i = 0; i < 4e6; i++) x = (x * 1.0000001 + i) % 1000;
  console.log('step ' + step + ' of 20, x ' + x);
  appendFileSync(process.env.PIPELINE_EVENTS, JSON.stringify({ step, metrics: { x } }) + '\\n');
}
writeFileSync('out.json', JSON.stringify({ x }));
`;

function write(turn) {
  const seeds = Array.from({ length: tasks }, (_, seed) => seed + turn * tasks).join(', ');
  writeFileSync(join(folder, 'work.mjs'), WORK);
  writeFileSync(
    join(folder, 'pipeline.yaml'),
    `stages:
  work:
    command: [node, work.mjs]
    matrix: { seed: [${seeds}] }
    params: { seed: $seed }
    inputs: { script: { file: work.mjs } }
    outputs: { out: out.json }
    events: true
`,
  );
}

/** Processor time of a make and of all that it starts, and its wall time, in seconds. */
async function make() {
  const began = performance.now();
  const line = `TIMEFORMAT='%U %S'; time node ${binary} make --json >/dev/null 2>make.err`;
  const shell = spawn('bash', ['-c', line], { cwd: folder });
  let said = '';
  shell.stderr.on('data', (more) => {
    said += more;
  });
  const code = await new Promise((ended) => shell.once('close', ended));
  if (code !== 0) throw new Error(`the make ended with ${code}: ${said}`);
  const [user, system] = said.trim().split('\n').at(-1).split(' ').map(Number);
  return { cpu: user + system, wall: (performance.now() - began) / 1000 };
}

/** Opens the page as a browser does: the stream, and the questions of an open task. */
async function openPage() {
  const ui = spawn(process.execPath, [binary, 'ui', '--no-open'], { cwd: folder });
  const link = await new Promise((found) => {
    let text = '';
    ui.stdout.on('data', (more) => {
      text += more;
      if (text.includes('\n')) found(text.trim());
    });
  });
  const { origin } = new URL(link);
  const ask = (path, headers, whole = true) =>
    new Promise((found) => {
      get(`${origin}${path}`, { headers }, (response) => {
        response.on('data', () => undefined);
        response.on('error', () => undefined);
        if (whole) response.on('end', () => found(response.headers));
        else found(response.headers);
      }).on('error', () => found({}));
    });
  const headers = await ask(link.slice(origin.length), {});
  const cookie = { cookie: headers['set-cookie'][0].split(';')[0] };
  await ask('/events', cookie, false);
  const timer = setInterval(() => void ask('/api/tasks?stage=work&limit=500', cookie), 2000);
  return async () => {
    clearInterval(timer);
    const { stdout } = spawnSync('ps', ['-o', 'cputimes=', '-p', String(ui.pid)], {
      encoding: 'utf8',
    });
    ui.kill('SIGTERM');
    await new Promise((ended) => ui.once('exit', ended));
    return Number(stdout);
  };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const ratios = { cpu: [], wall: [] };
try {
  write(0);
  await make();
  for (let pair = 0; pair < pairs; pair++) {
    const results = {};
    for (const how of pair % 2 === 0 ? ['without', 'with'] : ['with', 'without']) {
      write(1 + 2 * pair + (how === 'with' ? 1 : 0));
      const close = how === 'with' ? await openPage() : undefined;
      results[how] = await make();
      const page = (await close?.()) ?? 0;
      if (how === 'with') results.page = page;
    }
    const cpu = results.with.cpu / results.without.cpu;
    const wall = results.with.wall / results.without.wall;
    ratios.cpu.push(cpu);
    ratios.wall.push(wall);
    const page = `${results.page} s of the page itself`;
    console.log(
      `pair ${pair + 1}: CPU of the make ${cpu.toFixed(3)}, wall ${wall.toFixed(3)}; ${page}`,
    );
  }
  console.log(
    `median: CPU ${median(ratios.cpu).toFixed(3)}, wall ${median(ratios.wall).toFixed(3)}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
