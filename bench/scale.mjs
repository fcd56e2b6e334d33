// scale.mjs — a generated pipeline of 1,000 and 10,000 tasks, ours beside ninja, Snakemake and DVC on the same graph
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '1000,10000' },
    rounds: { type: 'string', default: '9' },
    plans: { type: 'string', default: '100000,999801' },
    ninja: { type: 'string', default: 'ninja' },
    snakemake: { type: 'string', default: 'snakemake' },
    dvc: { type: 'string', default: 'dvc' },
    'no-peers': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`node bench/scale.mjs [--tasks 1000,10000] [--rounds 9] [--plans 100000,999801] [--no-peers]
                      [--ninja PATH] [--snakemake PATH] [--dvc PATH]

The graph: S sources, 98 tasks on each, one that collects those of each source, one that collects all.
Anew: before each round the pipeline is edited, touched or its store changed, so that no shortcut holds. Repeated: nothing
has changed since the last round.
--plans: sizes that are only planned, by a dry run; --plans '' leaves that out. Figures with a target say whether it is met.
A peer that is not there gets a line. What runs for over five minutes is given up.`);
  process.exit(0);
}

const repository = fileURLToPath(new URL('..', import.meta.url));
const cli = join(repository, 'dist', 'cli.cjs');
const LIMIT_MS = 300_000;
const PER_SOURCE = 98;
const rounds = Number(values.rounds);
const timer = existsSync('/usr/bin/time') ? '/usr/bin/time' : undefined;
const folders = [];
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Runs a command; what it took in wall and CPU seconds, and its largest memory in MB. */
function run(folder, words, environment = {}) {
  const timed = timer ? [timer, '-q', '-f', '@%U %S %M', ...words] : words;
  const env = { ...process.env, NO_COLOR: '1', ...environment };
  const start = process.hrtime.bigint();
  const ended = spawnSync(timed[0], timed.slice(1), {
    cwd: folder,
    env,
    timeout: LIMIT_MS,
    maxBuffer: 1 << 28,
    encoding: 'utf8',
  });
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  const [, user, system, kilobytes] = /@([\d.]+) ([\d.]+) (\d+)\s*$/.exec(ended.stderr ?? '') ?? [];
  const cpu = user === undefined ? Number.NaN : Number(user) + Number(system);
  const failed = ended.status !== 0 || ended.error !== undefined;
  return { wall, cpu, megabytes: Number(kilobytes ?? Number.NaN) / 1024, failed, ended };
}

/** The least of some rounds, everybody in turn, so that a slow minute is slow for all. */
function inTurn(contestants, turns = rounds) {
  const least = new Map();
  for (let turn = 0; turn < turns; turn++) {
    for (const { name, folder, words, environment, before: edit } of contestants) {
      edit?.(turn);
      const { wall, cpu, megabytes, failed, ended } = run(folder, words, environment);
      if (failed) throw new Error(`${name}: ${ended.stderr}`);
      const before = least.get(name) ?? { walls: [], cpu, megabytes };
      before.walls.push(wall);
      least.set(name, { ...before, cpu: Math.min(before.cpu, cpu) });
    }
  }
  return least;
}

function newFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `scale-${name}-`));
  folders.push(folder);
  return folder;
}

const count = (n) => Array.from({ length: n }, (_, i) => i);

// ---- ours ----

const DOOR = `import { collect, defineStage, json } from '${join(repository, 'src/engine/stage.ts')}';
import * as z from 'zod/mini';
`;

/** The pipeline, without making it. */
function write(sources) {
  const folder = newFolder('ours');
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'stages'));
  const files = {
    'stages/source.ts': `${DOOR}export default defineStage({
  params: z.object({ source: z.int() }), inputs: {}, outputs: { n: json() },
  run: ({ params }) => ({ n: params.source }) });\n`,
    'stages/work.ts': `${DOOR}export default defineStage({
  params: z.object({ seed: z.int() }), inputs: { n: json() }, outputs: { n: json() },
  run: ({ params, inputs }) => ({ n: inputs.n * 1000 + params.seed }) });\n`,
    'stages/sum.ts': `${DOOR}export default defineStage({
  params: z.object({}), inputs: { ns: collect(json()) }, outputs: { n: json() },
  run: ({ inputs }) => ({ n: inputs.ns.reduce((sum, { value }) => sum + value, 0) }) });\n`,
    'pipeline.yaml': `params:
  sources: [${count(sources).join(', ')}]
  seeds: [${count(PER_SOURCE).join(', ')}]
  offset: 0
stages:
  source: { run: stages/source.ts, matrix: { source: $sources } }
  work:
    run: stages/work.ts
    matrix: { source: $sources, seed: $seeds }
    inputs: { n: source.n }
  part: { run: stages/sum.ts, matrix: { source: $sources }, inputs: { ns: work.n } }
  total: { run: stages/sum.ts, inputs: { ns: part.n }, artifacts: { n: total.json } }
`,
  };
  for (const [path, text] of Object.entries(files)) {
    writeFileSync(join(folder, path), text);
    utimesSync(join(folder, path), 1_600_000_000, 1_600_000_000);
  }
  return folder;
}

const pipeline = (...words) => [process.execPath, cli, ...words];

function ours(sources) {
  const folder = write(sources);
  const first = run(folder, pipeline('make', '--quiet'));
  if (first.failed) throw new Error(first.ended.stderr);
  // The second one proves that there is nothing to do, and keeps the proof.
  run(folder, pipeline('make', '--quiet'));
  return {
    first,
    contestants: [
      { name: 'make, nothing to do', folder, words: pipeline('make') },
      { name: '  as --json', folder, words: pipeline('make', '--json') },
      { name: '  files touched', folder, words: pipeline('make'), before: () => touch(folder) },
      {
        name: '  proven anew',
        folder,
        words: pipeline('make'),
        environment: { PIPELINE_NO_MEMO: '1' },
      },
      ...LOOKS.map((words) => ({ name: words.join(' '), folder, words: pipeline(...words) })),
      ...EDITS.flatMap(([edited, before]) => {
        // Each in a copy of its own: what is edited stays so.
        const copy = copyOf(folder);
        return LOOKS.map((words) => ({
          name: `  ${words.join(' ')}, ${edited}`,
          folder: copy,
          words: pipeline(...words),
          before: (turn) => before(copy, turn),
        }));
      }),
    ],
  };
}

const LOOKS = [['make', '--dry-run'], ['status'], ['why', 'total']];

/** Changes after which a look is to be made anew. */
const EDITS = [
  ['a param edited', (folder) => edit(folder, /offset: \d+/, (n) => `offset: ${n}`)],
  ['a task edited', (folder) => edit(folder, /(seeds: .*, )\d+\]/, (n) => `$1${n}]`)],
  ['a source edited', (folder) => appendFileSync(join(folder, 'stages/sum.ts'), sourceEdit())],
  ['a record lost', (folder, turn) => run(folder, pipeline('invalidate', `work/0/${turn}`))],
];

function copyOf(folder) {
  const copy = newFolder('edited');
  cpSync(folder, copy, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  run(copy, pipeline('status'));
  return copy;
}

let edits = 1000;
const sourceEdit = () => {
  const name = `edit${edits++}`;
  return `export const ${name} = ${edits};\nif (${name} < 0) throw new Error(String(${name}));\n`;
};

function edit(folder, pattern, textOf) {
  const path = join(folder, 'pipeline.yaml');
  writeFileSync(path, readFileSync(path, 'utf8').replace(pattern, textOf(edits++)));
}

/** Gives all files of the pipeline other dates. */
function touch(folder) {
  const time = 1_600_000_000 + edits++;
  for (const path of ['pipeline.yaml', 'stages/source.ts', 'stages/work.ts', 'stages/sum.ts']) {
    utimesSync(join(folder, path), time, time);
  }
}

/** The study that comes with us, without making it: its bundles and plan, and no results. */
function ownPipeline() {
  return existsSync(join(repository, 'artifacts', 'report'))
    ? [
        {
          name: 'make of the default pipeline',
          folder: repository,
          words: [process.execPath, cli, 'make'],
        },
      ]
    : [];
}

// ---- peers ----

const names = (sources) => {
  const tasks = [];
  for (const i of count(sources)) {
    tasks.push({ name: `source-${i}`, from: [] });
    for (const j of count(PER_SOURCE))
      tasks.push({ name: `work-${i}-${j}`, from: [`source-${i}`] });
    tasks.push({ name: `part-${i}`, from: count(PER_SOURCE).map((j) => `work-${i}-${j}`) });
  }
  tasks.push({ name: 'total', from: count(sources).map((i) => `part-${i}`) });
  return tasks;
};

const isThere = (program) => run(tmpdir(), [program, '--version']).failed === false;

const PEERS = {
  ninja(sources) {
    const folder = newFolder('ninja');
    const builds = names(sources).map(
      ({ name, from }) => `build ${name}: touch ${from.join(' ')}\n`,
    );
    const rule = 'rule touch\n  command = touch $out\n';
    writeFileSync(join(folder, 'build.ninja'), `${rule}${builds.join('')}`);
    return { folder, make: [values.ninja], noop: [values.ninja] };
  },
  snakemake(sources) {
    const folder = newFolder('snakemake');
    const rules = `S, K = range(${sources}), range(${PER_SOURCE})
rule total:
    input: expand("part-{i}", i=S)
    output: "total"
    shell: "touch {output}"
rule source:
    output: "source-{i,[0-9]+}"
    shell: "touch {output}"
rule work:
    input: "source-{i}"
    output: "work-{i,[0-9]+}-{j,[0-9]+}"
    shell: "touch {output}"
rule part:
    input: lambda w: [f"work-{w.i}-{j}" for j in K]
    output: "part-{i,[0-9]+}"
    shell: "touch {output}"
`;
    writeFileSync(join(folder, 'Snakefile'), rules);
    // It takes a tenth of a second and more for each task: its files are laid out as if it had run.
    for (const [at, { name }] of names(sources).entries()) {
      writeFileSync(join(folder, name), '');
      const kind = ['source', 'work', 'part', 'total'].findIndex((word) => name.startsWith(word));
      utimesSync(join(folder, name), 1_600_000_000 + kind, 1_600_000_000 + kind);
      if (at === 0) utimesSync(join(folder, 'Snakefile'), 1_500_000_000, 1_500_000_000);
    }
    const words = [values.snakemake, '--cores', '2', '--rerun-triggers', 'mtime'];
    return { folder, make: words, noop: words };
  },
  dvc(sources) {
    const folder = newFolder('dvc');
    const stages = names(sources).map(
      ({ name, from }) =>
        `  ${name}:\n    cmd: echo ${name} > ${name}\n    outs: [${name}]\n${from.length > 0 ? `    deps: [${from.join(', ')}]\n` : ''}`,
    );
    writeFileSync(join(folder, 'dvc.yaml'), `stages:\n${stages.join('')}`);
    run(folder, [values.dvc, 'init', '--no-scm', '-q']);
    return { folder, make: [values.dvc, 'repro', '-q'], noop: [values.dvc, 'repro', '-q'] };
  },
};

/** What a peer takes to find that there is nothing to do; one who takes seconds is asked once. */
function ask(peer, sources) {
  const { folder, make, noop } = PEERS[peer](sources);
  const made = run(folder, make);
  if (made.failed) return { said: madeNot(made) };
  const once = run(folder, noop);
  if (once.failed) return { said: madeNot(once) };
  return { made, once, contestant: { name: peer, folder, words: noop } };
}

const madeNot = ({ ended, wall }) =>
  ended.error?.code === 'ETIMEDOUT'
    ? `given up after ${wall.toFixed(0)} s`
    : `failed: ${(ended.stderr ?? '').trim().split('\n').at(-1)}`;

// ---- targets ----

/** The most that a command may take beside `node -e 0`, at this many tasks and more. */
const TARGETS = {
  'make, nothing to do': 1.6,
  '  as --json': 1.6,
  '  files touched': 6,
  '  proven anew': 6,
};
/** A look, repeated or anew. */
const LOOK_TARGET = 5;
const targetOf = (name) =>
  TARGETS[name] ??
  (LOOKS.some((words) => name.includes(words.join(' '))) ? LOOK_TARGET : undefined);
const TARGET_TASKS_MIN = 10_000;

/** The most that planning may take: seconds, and megabytes where they are bounded, by the tasks of the plan. */
const PLAN_TARGETS = [
  { tasks: 100_000, seconds: 4, megabytes: 350 },
  { tasks: 1_000_000, seconds: 40, megabytes: undefined },
];
/** The most that a task may take that is made from nothing. */
const COLD = { tasks: 1000, ms: 2.5 };

const judged = (value, most, digits) =>
  `target ${most}: ${value <= most ? 'met' : `MISSED by ${(value - most).toFixed(digits)}`}`;

/** Plans of sizes that are not made: a dry run in an empty store, in Node's own heap. */
function printPlans(sizes) {
  for (const size of sizes) {
    const sources = Math.max(1, Math.floor((size - 1) / (PER_SOURCE + 2)));
    const tasks = sources * (PER_SOURCE + 2) + 1;
    const folder = write(sources);
    // The first bundles the stages, which is done once.
    run(folder, pipeline('check'));
    const times = count(Math.min(rounds, size > 500_000 ? 2 : 5)).map(() =>
      run(folder, pipeline('make', '--dry-run')),
    );
    const failed = times.find((one) => one.failed);
    if (failed) {
      console.log(`planning ${tasks} tasks ${madeNot(failed)}`);
      continue;
    }
    const least = (of) => Math.min(...times.map(of));
    const [wall, cpu, megabytes] = [
      ({ wall }) => wall,
      ({ cpu }) => cpu,
      (one) => one.megabytes,
    ].map(least);
    const target = PLAN_TARGETS.find(
      (one) => tasks <= one.tasks * 1.01 && tasks >= one.tasks * 0.9,
    );
    const cells = [
      `${wall.toFixed(1)} s`,
      `${cpu.toFixed(1)} s of CPU`,
      `${megabytes.toFixed(0)} MB`,
    ];
    const verdicts = target
      ? [
          judged(wall, target.seconds, 1),
          ...(target.megabytes ? [`memory ${judged(megabytes, target.megabytes, 0)}`] : []),
        ]
      : [];
    console.log(`planning ${tasks} tasks: ${[...cells, ...verdicts].join(', ')}`);
  }
}

// ---- the table ----

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

function row(name, { walls, cpu, megabytes }, node, tasks) {
  const least = Math.min(...walls);
  const cells = [
    least.toFixed(3),
    median(walls).toFixed(3),
    cpu.toFixed(2),
    megabytes.toFixed(0),
    (least / Math.min(...node.walls)).toFixed(2),
  ];
  const line = `${name.padEnd(42)} ${cells.map((cell) => cell.padStart(9)).join(' ')}`;
  const target = tasks >= TARGET_TASKS_MIN ? targetOf(name) : undefined;
  const ratio = least / Math.min(...node.walls);
  return target === undefined ? line : `${line}  ${judged(ratio, target, 2)}`;
}

console.log(
  `node ${process.version}, ${cpus()[0]?.model}, ${cpus().length} cores; seconds of ${rounds} rounds`,
);
for (const size of values.tasks.split(',').map(Number)) {
  const sources = Math.max(1, Math.round(size / (PER_SOURCE + 2)));
  const tasks = sources * (PER_SOURCE + 2) + 1;
  const { first, contestants } = ours(sources);
  const node = { name: 'node -e 0', folder: tmpdir(), words: [process.execPath, '-e', '0'] };
  const each = (first.wall / tasks) * 1000;
  const cold = tasks <= COLD.tasks * 1.01 ? `, ${judged(each, COLD.ms, 2)}` : '';
  const notes = [
    `pipeline made them from nothing in ${first.wall.toFixed(1)} s (${each.toFixed(2)} ms each${cold}), ${first.megabytes.toFixed(0)} MB`,
  ];
  const quick = [];
  const slow = [];
  for (const peer of values['no-peers'] ? [] : Object.keys(PEERS)) {
    if (!isThere(values[peer])) {
      notes.push(`${peer} is not installed`);
      continue;
    }
    const { said, made, once, contestant } = ask(peer, sources);
    if (said !== undefined) notes.push(`${peer}: ${said}`);
    else {
      if (peer !== 'snakemake') notes.push(`${peer} made them in ${made.wall.toFixed(1)} s`);
      if (once.wall < 2) quick.push(contestant);
      else slow.push([contestant.name, { walls: [once.wall], ...once }]);
    }
  }
  const least = inTurn([node, ...contestants, ...ownPipeline(), ...quick]);
  const base = least.get(node.name);
  const head = ['least', 'median', 'CPU', 'MB', '× node'].map((cell) => cell.padStart(9)).join(' ');
  console.log(`\n${`${tasks} tasks`.padEnd(42)} ${head}`);
  for (const [name, figures] of [...least, ...slow]) console.log(row(name, figures, base, tasks));
  for (const note of notes) console.log(`  ${note}`);
}
if (values.plans !== '') {
  console.log('');
  printPlans(values.plans.split(',').map(Number));
}
