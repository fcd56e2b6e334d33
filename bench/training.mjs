// training.mjs — the training bench: ours and its peers, side by side in one run (see README.md)
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { startContestant } from './contestant.mjs';
import { compileRoofline } from './roofline.mjs';

const { values: options } = parseArgs({
  options: {
    node: { type: 'string', multiple: true, default: [process.execPath] },
    python: { type: 'string', multiple: true, default: ['/usr/bin/python3'] },
    rounds: { type: 'string', default: '8' },
  },
});
const rounds = Number(options.rounds);
const BATCH = 128;
const SPARSITIES = [0.8, 0.9, 0.95, 0.98, 0.99];
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'bench-'));

const least = (numbers) => Math.min(...numbers);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

/** Numbers in columns, the first one left. */
function print(title, rows) {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((row) => String(row[c]).length)));
  console.log(`\n${title}`);
  for (const row of rows) {
    console.log(
      row
        .map((cell, c) =>
          c === 0 ? String(cell).padEnd(widths[c]) : String(cell).padStart(widths[c]),
        )
        .join('  '),
    );
  }
}

/** A contestant of ours, as one file that any Node runs. */
async function bundle(name) {
  const outfile = join(folder, `${name}.mjs`);
  await build({
    entryPoints: [here(`${name}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    loader: { '.wasm': 'binary' },
    logLevel: 'error',
    banner: {
      js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);",
    },
  });
  return outfile;
}

/** `--node` is a path, and perhaps flags after it. */
async function startOurs() {
  const outfile = await bundle('engine');
  const ours = options.node.map(async (command) => {
    const [node, ...flags] = command.split(' ');
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    const contestant = startContestant(command, node, [...flags, outfile]);
    const { wide } = await contestant.ask({ ask: 'version' });
    const name = ['ours, Node', version.slice(1), ...flags, ...(wide ? ['wide'] : [])].join(' ');
    return { ...contestant, name };
  });
  return Promise.all(ours);
}

/** SciPy where one of the Pythons has it, and TensorFlow.js on what is installed. */
async function startOthers() {
  const others = [];
  for (const python of options.python) {
    const scipy = startContestant(python, python, [here('scipy_products.py')]);
    try {
      const { name } = await scipy.ask({ ask: 'version' });
      others.push({ ...scipy, name, label: 'the products alone, CSR', steps: 10 });
      break;
    } catch {
      console.log(`${python} has no SciPy: left out`);
    }
  }
  const tensorflow = startContestant('TensorFlow.js', process.execPath, [
    await bundle('tensorflow'),
  ]);
  try {
    const { versions, note } = await tensorflow.ask({ ask: 'version' });
    if (note !== null) console.log(note);
    const [[, version]] = Object.entries(versions);
    const backend = note === null ? 'native' : 'WebAssembly';
    const name = `TensorFlow.js ${version} (${backend})`;
    others.push({ ...tensorflow, name, label: 'masked dense', steps: 2 });
  } catch {
    console.log('TensorFlow.js does not start: left out');
  }
  return others;
}

async function startPeers() {
  const peers = [];
  for (const python of options.python) {
    const peer = startContestant(python, python, [here('torch_step.py')]);
    try {
      const { name } = await peer.ask({ ask: 'version' });
      await peer.ask({ ask: 'data', folder });
      peers.push({ ...peer, name });
    } catch {
      console.log(`${python} has no PyTorch: left out`);
    }
  }
  return peers;
}

/** Times everybody's steps in turn, round by round, so that a slow minute is slow for all. */
async function timeAll(entries) {
  const times = entries.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [e, { who, arm, steps }] of entries.entries()) {
      const taken = await who.ask({ ask: 'steps', arm, steps });
      times[e].push({ least: least(taken), median: median(taken) });
    }
  }
  return entries.map((entry, e) => ({
    ...entry,
    least: least(times[e].map((time) => time.least)),
    median: median(times[e].map((time) => time.median)),
  }));
}

/** a + b·K through the times of all sparsities, and how far b is from one to the next. */
function lineThrough(points) {
  const n = points.length;
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / n;
  const [x, y] = [mean(({ K }) => K), mean(({ t }) => t)];
  const b = mean(({ K, t }) => (K - x) * (t - y)) / mean(({ K }) => (K - x) ** 2);
  const a = y - b * x;
  const slopes = points.map(({ K, t }) => (t - a) / K / b - 1);
  return { a, b, off: Math.max(...slopes.map(Math.abs)) };
}

/** Connections at a sparsity: the hidden layers', and the output layer. */
const connectionsAt = (sparsity) => (784 * 512 + 512 * 256) * (1 - sparsity) + 256 * 10;

async function printSteps(ours, peers, others) {
  const static_ = (sparsity) => ({ sparsity, rigl: false });
  const entries = [
    ...peers.flatMap((who) => [
      { who, label: 'masked dense', arm: static_(0.9), steps: 20 },
      { who, label: 'dense', arm: static_(0), steps: 20 },
    ]),
    ...others.map((who) => ({ who, label: who.label, arm: static_(0.9), steps: who.steps })),
    ...ours.flatMap((who) => [
      ...SPARSITIES.map((s) => ({ who, label: `${s * 100} % sparse`, arm: static_(s), steps: 50 })),
      { who, label: 'dense', arm: static_(0), steps: 20 },
    ]),
  ];
  const results = await timeAll(entries);
  const of = (who, label) => results.find((r) => r.who === who && r.label === label);
  const rows = results.map((r) => [
    `${r.who.name}, ${r.label}`,
    (r.least * 1e6).toFixed(0),
    (r.median * 1e6).toFixed(0),
    Math.round(BATCH / r.median),
    ...peers.flatMap((peer) =>
      ['masked dense', 'dense'].map((label) => {
        const other = of(peer, label);
        const ratio = (by) => (other[by] / r[by]).toFixed(1);
        return `${ratio('least')} / ${ratio('median')}`;
      }),
    ),
  ]);
  const against = peers.flatMap(({ name }) => [`× ${name} masked`, `× ${name} dense`]);
  const head = ['microseconds of CPU a step', 'least', 'median', 'samples/s', ...against];
  print('Training steps (ratios: of the least, of the medians)', [head, ...rows]);
  printTargets(ours, peers, of);
  const fits = ours.map((who) => {
    const points = SPARSITIES.map((s) => {
      return { K: connectionsAt(s), t: of(who, `${s * 100} % sparse`).least };
    });
    const { a, b, off } = lineThrough(points);
    return [who.name, (a * 1e6).toFixed(0), (b * 1e9).toFixed(2), `${(off * 100).toFixed(0)} %`];
  });
  print('Least step time = a + b·connections, 80 % to 99 % sparse', [
    ['', 'a, microseconds', 'b, nanoseconds', 'b off by at most (target 25 %)'],
    ...fits,
  ]);
}

/** What the engine is built to reach beside masked-dense PyTorch and dense, by Node's major version. */
const TARGETS = [
  { label: '90 % sparse', than: 'masked dense', times: { 20: 4.5, 24: 6 } },
  { label: '90 % sparse', than: 'dense', times: { 20: 2.5, 24: 3 } },
  { label: '95 % sparse', than: 'masked dense', times: { 20: 9, 24: 12 } },
  { label: '95 % sparse', than: 'dense', times: { 20: 5, 24: 6 } },
  { label: '99 % sparse', than: 'masked dense', times: { 20: 30, 24: 30 } },
  { label: 'dense', than: 'dense', times: { 20: 0.5, 24: 0.5 } },
];

/** Those targets, and what came of them. */
function printTargets(ours, peers, of) {
  const rows = ours.flatMap((who) =>
    peers.flatMap((peer) =>
      TARGETS.flatMap(({ label, than, times }) => {
        const target = times[/Node (\d+)/.exec(who.name)[1]];
        if (target === undefined) return [];
        const [mine, other] = [of(who, label), of(peer, than)];
        const ratio = (by) => other[by] / mine[by];
        const judged = (by) => {
          const times = ratio(by).toFixed(1);
          return `${times} ${ratio(by) >= target ? 'met' : 'missed'}`;
        };
        return [
          [
            `${who.name}, ${label}, beside ${peer.name} ${than}`,
            `${target}`,
            judged('least'),
            judged('median'),
          ],
        ];
      }),
    ),
  );
  print('How many times as fast', [['', 'target', 'by least', 'by median'], ...rows]);
}

/** Seconds of an epoch: the mean over epochs, each by the least that it took in any round. */
const leastEpoch = (rounds) => {
  const epochs = rounds[0].map((_, e) => least(rounds.map((seconds) => seconds[e])));
  return epochs.reduce((sum, seconds) => sum + seconds, 0) / epochs.length;
};

/** Whole epochs at 90 %: what RigL adds, and what is not training. */
async function printEpochs(ours) {
  const rows = [];
  for (const who of ours) {
    const times = { frozen: [], rigl: [], assembly: [], evaluation: [] };
    for (let round = 0; round < rounds; round++) {
      for (const rigl of [false, true]) {
        const arm = { sparsity: 0.9, rigl };
        const seconds = await who.ask({ ask: 'epochs', arm, epochs: 10 });
        times[rigl ? 'rigl' : 'frozen'].push(seconds);
      }
      const shares = await who.ask({ ask: 'shares', arm: { sparsity: 0.9, rigl: false } });
      times.assembly.push(shares.assembly);
      times.evaluation.push(shares.evaluation);
    }
    const frozen = leastEpoch(times.frozen);
    const percent = (seconds) => `${((100 * seconds) / frozen).toFixed(1)} %`;
    rows.push([
      who.name,
      (frozen * 1e3).toFixed(1),
      percent(leastEpoch(times.rigl) - frozen),
      percent(least(times.assembly)),
      percent(least(times.evaluation)),
      percent(least(times.assembly) + least(times.evaluation)),
    ]);
  }
  print('An epoch of 12,000 samples (2,000 to evaluate) at 90 %', [
    [
      '',
      'static, ms',
      'RigL adds (target 10 %)',
      'batch assembly',
      'evaluation',
      'both (target 15 %)',
    ],
    ...rows,
  ]);
}

async function printKernels(ours) {
  const roofline = await compileRoofline();
  for (const who of ours) {
    const columns = [];
    for (const sparsity of [0.8, 0.9, 0.95, 0.99, 0]) {
      columns.push(await who.ask({ ask: 'kernels', sparsity, roofline }));
    }
    const names = [...new Set(columns.flatMap(Object.keys))];
    print(`${who.name}: GFLOP/s, 784 to 512, on connections that exist`, [
      ['', '80 %', '90 %', '95 %', '99 %', 'dense'],
      ...names.map((name) => [name, ...columns.map((column) => column[name]?.toFixed(1) ?? '')]),
    ]);
  }
}

const busy = () => loadavg()[0].toFixed(1);
console.log(`${rounds} rounds, ${cpus()[0].model.trim()}, load ${busy()} before`);
const ours = await startOurs();
await ours[0].ask({ ask: 'data', folder });
const peers = await startPeers();
const others = await startOthers();
try {
  await printSteps(ours, peers, others);
  await printEpochs(ours);
  await printKernels(ours);
  console.log(`\nload ${busy()} after`);
} finally {
  for (const { end } of [...ours, ...peers, ...others]) end();
  rmSync(folder, { recursive: true });
}
