// ui.mjs — what `pipeline ui` with an open page costs a running make: pairs of makes, with and without, in turn. node bench/ui.mjs --help
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '20' },
    pairs: { type: 'string', default: '6' },
    work: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`node bench/ui.mjs [--tasks 20] [--pairs 6] [--work 1]

--work: how much a task computes; 1 is about a sixth of a second of a processor. Makes without a page are compared with each other as
well: their spread is the noise of this machine.`);
  process.exit(0);
}
const [tasks, pairs, work] = [values.tasks, values.pairs, values.work].map(Number);
const binary = resolve('dist/cli.cjs');
const folder = mkdtempSync(join(tmpdir(), 'pipeline-bench-ui-'));

// Each task prints, reports steps and computes for a while, as a training does.
const WORK = `import { appendFileSync, writeFileSync } from 'node:fs';
let x = 1;
for (let step = 1; step <= 20; step++) {
  for (let i = 0; i < ${Math.round(3e5 * work)}; i++) x = (x * 1.0000001 + i) % 1000;
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

const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const median = (numbers) => {
  const all = sorted(numbers);
  return (all[(all.length - 1) >> 1] + all[all.length >> 1]) / 2;
};
const told = (numbers) => {
  const all = sorted(numbers);
  return `${median(all).toFixed(3)} (${all[0].toFixed(3)} to ${all.at(-1).toFixed(3)})`;
};

const ratios = { cpu: [], wall: [], noise: [] };
let turn = 0;
/** A make of tasks that no earlier one has made. */
async function anew(isWatched) {
  write(turn++);
  const close = isWatched ? await openPage() : undefined;
  const took = await make();
  return { ...took, page: (await close?.()) ?? 0 };
}
try {
  await anew(false);
  for (let pair = 1; pair <= pairs; pair++) {
    const isFirst = pair % 2 === 0;
    const one = await anew(isFirst);
    const other = await anew(!isFirst);
    const again = await anew(false);
    const [watched, alone] = isFirst ? [one, other] : [other, one];
    ratios.cpu.push(watched.cpu / alone.cpu);
    ratios.wall.push(watched.wall / alone.wall);
    ratios.noise.push(again.cpu / alone.cpu);
    console.log(
      `pair ${pair}: CPU of the make ${ratios.cpu.at(-1).toFixed(3)}, wall ${ratios.wall.at(-1).toFixed(3)}; without a page both times: CPU ${ratios.noise.at(-1).toFixed(3)}; ${alone.cpu.toFixed(1)} s of the make, ${watched.page} s of the page's server`,
    );
  }
  console.log(`median (least to most): CPU ${told(ratios.cpu)}, wall ${told(ratios.wall)}`);
  console.log(`noise, two makes without a page: CPU ${told(ratios.noise)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
