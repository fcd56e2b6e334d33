// study.mjs — static training and RigL of the study, ten seeds each, beside a PyTorch script: wall and CPU in one run
//
// node bench/beside/study.mjs --mirror DIR --python VENV/bin/python [--node NODE] [--seeds 10]
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startContestant } from '../contestant.mjs';

const { values: options } = parseArgs({
  options: {
    mirror: { type: 'string' },
    node: { type: 'string', default: process.execPath },
    python: { type: 'string', default: 'python3' },
    seeds: { type: 'string', default: '10' },
  },
});
if (options.mirror === undefined) {
  console.error('usage: node bench/beside/study.mjs --mirror DIR --python VENV/bin/python');
  process.exit(2);
}
const seeds = Array.from({ length: Number(options.seeds) }, (_, n) => n);
const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bench-study-'));
const ARMS = ['static', 'rigl'];
const task = (arm, seed) => `${arm}[mnist,512-256,0.9,erk,uniform,${seed}]`;
const pipelineArgs = (...words) => [
  ...[join(root, 'dist/cli.cjs'), ...words, '--directory', root, '--cache', join(folder, 'cache')],
  ...['--preset', 'mnist', '--set', `seeds=[${seeds}]`],
];
const makeArgs = (...words) => [...pipelineArgs('make', ...words), '--mirror', options.mirror];

/** Wall and CPU seconds of a command and all that it starts and waits for, and what it printed. */
function timed(command, args) {
  return new Promise((done, failed) => {
    const started = performance.now();
    const words = ['-f', '\nCPU %U %S', command, ...args];
    const child = spawn('/usr/bin/time', words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (bytes) => (out += bytes));
    child.stderr.on('data', (bytes) => (err += bytes));
    child.on('close', (code) => {
      if (code !== 0) return failed(new Error(`${command} ${args.join(' ')}: ${err}`));
      const [, user, system] = /CPU (\S+) (\S+)/.exec(err);
      const wall = (performance.now() - started) / 1000;
      done({ wall, cpu: Number(user) + Number(system), out });
    });
  });
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const mean = (numbers) => sum(numbers) / numbers.length;

try {
  // What both sides keep between rounds is ready before the clock runs: data set and masks here, samples in memory there.
  const masks = seeds.flatMap((seed) => [
    `mask[mnist,512-256,0.9,erk,uniform,${seed}]`,
    `start-mask[mnist,512-256,0.9,erk,uniform,${seed}]`,
  ]);
  await timed(options.node, makeArgs(...masks));
  const data = join(options.mirror, 'mnist');
  const script = fileURLToPath(new URL('torch_study.py', import.meta.url));
  const people = ARMS.map((arm) => startContestant(arm, options.python, [script, data]));
  const ours = { wall: 0, cpu: 0 };
  const theirs = { wall: 0, cpu: 0, accuracy: { static: [], rigl: [] } };
  const before = loadavg()[0];
  let version = '';
  for (const seed of seeds) {
    const one = await timed(
      options.node,
      makeArgs(...ARMS.map((arm) => task(arm, seed)), '-j', '2'),
    );
    ours.wall += one.wall;
    ours.cpu += one.cpu;
    const started = performance.now();
    const answers = await Promise.all(ARMS.map((arm, n) => people[n].ask({ arm, seed })));
    theirs.wall += (performance.now() - started) / 1000;
    // The process's CPU so far, the import of PyTorch and the reading of the data included.
    theirs.cpu = sum(answers.map(({ cpu }) => cpu));
    version = answers[0].torch;
    for (const [n, arm] of ARMS.entries()) theirs.accuracy[arm].push(answers[n].accuracy);
    const ratio = (theirs.cpu / ours.cpu).toFixed(2);
    console.error(
      `seed ${seed}: CPU ${ours.cpu.toFixed(1)} and ${theirs.cpu.toFixed(1)} s, ${ratio}`,
    );
  }
  for (const one of people) one.end();
  const accuracyOf = async (arm, seed) => {
    const { out } = await timed(options.node, pipelineArgs('show', `${task(arm, seed)}:metrics`));
    return JSON.parse(out).lastEpoch.accuracy;
  };
  const rows = {
    'pipeline, wall': ours.wall,
    'pipeline, CPU': ours.cpu,
    'PyTorch, wall': theirs.wall,
    'PyTorch, CPU': theirs.cpu,
  };
  console.log(
    `${seeds.length} seeds, static and RigL, MNIST, 784-512-256-10 at 90 %, 10 epochs; PyTorch ${version}; ` +
      `${availableParallelism()} x ${cpus()[0].model}; load ${before.toFixed(1)} to ${loadavg()[0].toFixed(1)}`,
  );
  for (const [name, seconds] of Object.entries(rows))
    console.log(`${name.padEnd(16)} ${seconds.toFixed(1).padStart(8)} s`);
  console.log(
    `wall ${(theirs.wall / ours.wall).toFixed(2)} x, CPU ${(theirs.cpu / ours.cpu).toFixed(2)} x`,
  );
  for (const arm of ARMS) {
    const own = await Promise.all(seeds.map((seed) => accuracyOf(arm, seed)));
    console.log(
      `${arm}: accuracy ${mean(own).toFixed(2)} and ${mean(theirs.accuracy[arm]).toFixed(2)} %`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
