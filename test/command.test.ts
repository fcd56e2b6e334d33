// Commands in place of modules: what they are given, what is taken from them, and how they end. Through the real binary.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DOOR, makeRig, type Rig, type SaidEvent, tasksOf } from './rig.ts';

const DRAW = `${DOOR}
export default defineStage({
  params: z.object({ seed: z.int() }),
  inputs: {},
  outputs: { out: json() },
  run: ({ params }) => ({ out: { drawn: params.seed } }),
});
`;

/** A rig with a stage \`draw\` and a command \`plot\` whose script is \`script\`. */
function rigWith(
  script: string,
  section: string,
  params = 'params: { seeds: [0, 1], dpi: 100 }',
): Rig {
  return makeRig({
    'pipeline.yaml': `${params}
stages:
  draw: { run: draw.ts, matrix: { seed: $seeds } }
  plot:
${section}
`,
    'draw.ts': DRAW,
    'plot.mjs': `import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
const [, , ...words] = process.argv;
${script}
`,
  });
}

const PLOT = `    command: [node, plot.mjs, "{outputs.plot}"]
    inputs: { script: { file: plot.mjs } }
    outputs: { plot: plot.json }`;

const WRITE = "writeFileSync(words[0], '{}');";

const eventOf = (events: readonly SaidEvent[], kind: string, task: string): SaidEvent | undefined =>
  events.find((said) => said.event === kind && said.task === task);

const errorOf = (events: readonly SaidEvent[]): string =>
  (eventOf(events, 'failed', 'plot')?.error as { message: string } | undefined)?.message ?? '';

const warnings = (events: readonly SaidEvent[]): readonly unknown[] =>
  events.filter(({ event }) => event === 'warning').map(({ message }) => message);

describe('a command', () => {
  test('finds its inputs and params as files and gives files as outputs, without a shell', async () => {
    const rig = rigWith(
      `const read = (path) => readFileSync(path, 'utf8');
const index = JSON.parse(read('runs/index.json'));
const runs = index.map(({ task, at, file }) => [task, at.seed, JSON.parse(read('runs/' + file)).drawn]);
writeFileSync('out/facts.json', JSON.stringify({ words, runs, first: JSON.parse(read('first.json')), params: JSON.parse(read('params.json')) }, null, 9));
writeFileSync('notes.txt', 'made');`,
      `    command: [node, plot.mjs, "{inputs.runs}", "--dpi={params.dpi}", "{params.title}", "{params.range.0}", "{inputs.tables}", "{x}", "{outputs.facts}"]
    inputs:
      script: { file: plot.mjs }
      runs: draw.out
      first: { from: draw.out, where: { seed: 0 } }
      tables: { file: "*.csv" }
    params: { dpi: $dpi, title: "it's $HOME \`x\` \\"y\\"", range: { 0: [1, 2] } }
    outputs: { facts: out/facts.json, notes: { file: notes.txt, kind: bytes } }
    artifacts: { facts: facts.json }`,
    );
    rig.write('b.csv', '2');
    rig.write('a.csv', '1');
    const { code, events } = await rig.make();
    expect(errorOf(events)).toBe('');
    expect(code).toBe(0);
    expect(warnings(events)).toEqual([]);
    const title = 'it\'s $HOME `x` "y"';
    expect(rig.read('artifacts/plot/facts.json')).toBe(
      JSON.stringify({
        first: { drawn: 0 },
        params: { dpi: 100, range: { 0: [1, 2] }, title },
        runs: [
          ['draw[0]', '0', 0],
          ['draw[1]', '1', 1],
        ],
        words: ['runs', '--dpi=100', title, '[1,2]', 'a.csv', 'b.csv', '{x}', 'out/facts.json'],
      }),
    );
    expect(readdirSync(join(rig.folder, 'cache/scratch'))).toEqual([]);
    expect(tasksOf((await rig.make()).events, 'started')).toEqual([]);
  });

  test('runs again for its arguments, and says which', async () => {
    const rig = rigWith(WRITE, PLOT);
    await rig.make();
    rig.edit('pipeline.yaml', '"{outputs.plot}"]', '"{outputs.plot}", -v]');
    const { events } = await rig.make();
    expect(tasksOf(events, 'started')).toEqual(['plot']);
    expect(eventOf(events, 'started', 'plot')?.reason).toMatchObject({
      changes: [{ path: 'command.argv' }],
    });
    rig.edit('pipeline.yaml', '-v]', '-q]');
    expect((await rig.run('why', 'plot')).stdout).toContain('command: -v → -q');
  });

  test('gets the variables that it names, which are part of its key, and few others', async () => {
    const rig = rigWith(
      "writeFileSync('plot.json', JSON.stringify(process.env));",
      `${PLOT}\n    env: { GIVEN: on, AROUND: , UNSET: }\n    artifacts: { plot: env.json }`,
    );
    const made = await rig.runWith(['make'], { AROUND: 'here', SECRET: 'hidden' });
    expect(made.code).toBe(0);
    const env = JSON.parse(rig.read('artifacts/plot/env.json')) as Record<string, string>;
    expect(env).toMatchObject({ GIVEN: 'on', AROUND: 'here', TZ: 'UTC', LC_ALL: 'C.UTF-8' });
    expect(
      Object.keys(env).filter((name) => ['SECRET', 'UNSET', 'NO_COLOR'].includes(name)),
    ).toEqual([]);
    expect(env.HOME).toMatch(/scratch/);
    const same = await rig.runWith(['make', '--json'], { AROUND: 'here', SECRET: 'other' });
    expect(same.stdout).not.toContain('"started"');
    const why = await rig.runWith(['why', 'plot'], { AROUND: 'there' });
    expect(why.stdout).toContain('command.env.AROUND: here → there');
  });

  test('is keyed by what its fingerprint says', async () => {
    const rig = rigWith(WRITE, `${PLOT}\n    fingerprint: [cat, version.txt]`);
    rig.write('version.txt', 'tool 1.0\n');
    await rig.make();
    expect(tasksOf((await rig.make()).events, 'started')).toEqual([]);
    rig.write('version.txt', 'tool 1.1\n');
    expect((await rig.run('why', 'plot')).stdout).toContain('tool 1.0 → tool 1.1');
    rig.write('version.txt', '');
    const silent = await rig.run('make');
    expect(silent.code).toBe(2);
    expect(silent.stderr).toMatch(
      '`cat version.txt` printed nothing, so that the version of the tool',
    );
  });

  test('is told of a script that it will not find', async () => {
    const rig = rigWith(WRITE, PLOT.replace('{ script: { file: plot.mjs } }', '{}'));
    const { code, events } = await rig.make();
    expect(code).toBe(1);
    const hint = 'inputs: { script: { file: plot.mjs } } adds it to the scratch folder';
    expect(warnings(events).join()).toContain(hint);
    expect(errorOf(events)).toContain(hint);
  });
});

describe('a command that fails', () => {
  test('tells its exit code and last words, and keeps its folder', async () => {
    const rig = rigWith(
      "console.log('reading'); console.error('no such column'); writeFileSync('half.txt', 'half'); process.exit(3);",
      PLOT,
    );
    const { code, events } = await rig.make();
    expect(code).toBe(1);
    const message = errorOf(events);
    expect(message).toMatch(/^the command ended with exit code 3: node plot.mjs plot.json\n/);
    expect(message).toContain('\n  no such column');
    const kept = /its folder is kept: (.*)$/.exec(message)?.[1] ?? '';
    expect(readFileSync(join(rig.folder, kept, 'half.txt'), 'utf8')).toBe('half');
    const lines = events.filter(({ event }) => event === 'log').map(({ line }) => line);
    expect(lines.sort()).toEqual(['no such column', 'reading']);
  });

  test('for its outputs or its name tells that', async () => {
    const script = `if (words[0] === 'text') writeFileSync('x.json', 'NaN');
if (words[0] === 'link') symlinkSync('/etc/passwd', 'x.json');`;
    const stage = (program: string, word: string): string =>
      `{ command: [${program}, plot.mjs, ${word}], inputs: { script: { file: plot.mjs } }, outputs: { x: x.json } }`;
    const rig = rigWith(
      script,
      `    ${stage('node', 'nothing')}
  text: ${stage('node', 'text')}
  link: ${stage('node', 'link')}
  absent: ${stage('no-such-program', 'x')}`,
    );
    const { code, events } = await rig.make('plot', 'text', 'link', 'absent', '--keep-going');
    expect(code).toBe(1);
    const words = (task: string): unknown => eventOf(events, 'failed', task)?.error;
    const failure = (cause: string, text: string, more = {}): object => ({
      cause,
      message: expect.stringContaining(text) as string,
      ...more,
    });
    expect(words('plot')).toEqual(
      failure('outputs', 'output x is missing: the command did not write x.json'),
    );
    expect(words('text')).toEqual(failure('outputs', 'output x (x.json) does not hold json'));
    expect(words('link')).toEqual(failure('outputs', 'output x (x.json) is not a regular file'));
    expect(words('absent')).toEqual(
      failure('exit', 'exit code 127 (is no-such-program installed, and on PATH?)', { exit: 127 }),
    );
  });

  test('is not kept when a file that it was given changed meanwhile', async () => {
    const rig = rigWith(
      "writeFileSync(words[0] + '/table.csv', '2'); writeFileSync('plot.json', '{}');",
      PLOT.replace('"{outputs.plot}"', '"{params.root}"')
        .replace('{ script:', '{ table: { file: table.csv }, script:')
        .concat('\n    params: { root: $root }'),
      'params: { seeds: [0], root: "" }',
    );
    rig.write('table.csv', '1');
    const { code, events } = await rig.make('plot', '--set', `root=${rig.folder}`);
    expect(code).toBe(1);
    expect(errorOf(events)).toContain('table.csv changed while the task ran: run make again');
  });
});

test('two files on one path of a scratch folder are told before anything runs', async () => {
  const rig = rigWith(
    '',
    PLOT.replace('{ script:', '{ runs: { from: draw.out, file: plot.mjs }, script:'),
  );
  const { code, stderr } = await rig.run('status');
  expect(code).toBe(2);
  expect(stderr).toContain('would both be `plot.mjs` in its scratch folder');
});

test('a command may run with what there is of a list', async () => {
  const rig = rigWith(
    "writeFileSync(words[0], readFileSync('runs/index.json'));",
    PLOT.replace('{ script:', '{ runs: { from: draw.out, partial: true }, script:').concat(
      '\n    artifacts: { plot: index.json }',
    ),
  );
  rig.edit('pipeline.yaml', 'draw.ts,', 'draw.ts, infeasible: skip,');
  rig.edit(
    'draw.ts',
    '=> ({',
    "=> {\n    if (params.seed === 0) throw new InfeasibleError('none');\n    return {",
  );
  rig.edit('draw.ts', '} }),', '} };\n  },');
  const { code, events } = await rig.make();
  expect(errorOf(events)).toBe('');
  expect(code).toBe(0);
  expect(JSON.parse(rig.read('artifacts/plot/index.json'))).toEqual([
    { task: 'draw[0]', at: { seed: '0' }, missing: { kind: 'infeasible', message: 'none' } },
    { task: 'draw[1]', at: { seed: '1' }, file: '1.json' },
  ]);
});

const python = spawnSync('python3', ['--version']).status === 0;

test.skipIf(!python)('Python runs as a command, and its version is in the key', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  sum:
    command: [python3, sum.py, "{inputs.table}", "{outputs.sum}"]
    inputs: { script: { file: sum.py }, table: { file: table.csv } }
    outputs: { sum: sum.json }
    fingerprint: [python3, --version]
    artifacts: { sum: sum.json }
`,
    'sum.py': `import json, sys
with open(sys.argv[1]) as table, open(sys.argv[2], 'w') as out:
    json.dump({'sum': sum(float(line) for line in table), 'hash': hash('a') == hash('a')}, out)
`,
    'table.csv': '1\n2.5\n',
  });
  expect((await rig.run('make')).code).toBe(0);
  expect(rig.read('artifacts/sum/sum.json')).toBe('{"hash":true,"sum":3.5}');
  expect((await rig.run('why', 'sum')).stdout).toMatch(/tools +python3 --version Python 3/);
});

test('files that no output names are told', async () => {
  const rig = rigWith(`${WRITE} writeFileSync('debug.log', '');`, PLOT);
  const { code, events } = await rig.make('plot');
  expect(code).toBe(0);
  expect(warnings(events)).toEqual([
    'the command also wrote debug.log, which is not a declared output and is not kept',
  ]);
});

test('Ctrl-C ends a command and everything that it started', async () => {
  const rig = rigWith(
    `const { spawn } = await import('node:child_process');
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
console.log('running ' + process.pid + ' ' + child.pid);
setInterval(() => {}, 1000);`,
    PLOT,
  );
  const started = rig.start(['make', 'plot', '--json']);
  const line = await started.line((text) => text.includes('running '));
  const pids = [...(/running (\d+) (\d+)/.exec(line) ?? [])].slice(1).map(Number);
  expect(pids).toHaveLength(2);
  started.process.kill('SIGINT');
  const { code, stdout } = await started.ended;
  expect(code).toBe(130);
  expect(stdout).toContain('"event":"interrupted","task":"plot"');
  while (pids.some(isAlive)) await new Promise((resolve) => setImmediate(resolve));
  expect(readdirSync(join(rig.folder, 'cache/scratch'))).toEqual([]);
});

/** Whether a process runs; one that has ended and that nobody asked after does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = `/proc/${pid}/stat`;
    return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, 'utf8'));
  } catch {
    return false;
  }
}

test('what is wrong with a command is said before anything runs', async () => {
  const rig = makeRig({
    'pipeline.yaml': `stages:
  a: { command: "python3 plot.py", outputs: { x: x.png } }
  b: { command: [node, "{params.dip}", "{inputs.a}", "{outputs.y}", [3]], params: { dpi: 1 }, outputs: { x: x.png } }
  c: { command: [node] }
  d: { command: [node], run: d.ts, outputs: { x: ../x, y: /y, z: { kind: png }, w: { file: w, kind: jsn }, v: params.json } }
  e: { run: e.ts, outputs: { x: x }, env: [A] }
  f: { command: [node], outputs: { x: x, y: x }, env: 3, inputs: { a: { file: ../a }, b: { file: a, where: {} }, c: { from: b.x, file: a//b }, d: { from: b.x, outside: true } } }
  g: { command: [node], outputs: { x: x }, env: { "A B": 1 }, fingerprint: node, inputs: { ../a: b.x } }
`,
  });
  const { code, stderr } = await rig.run('status');
  expect(code).toBe(2);
  const said = stderr.split('\n').filter((line) => /: error: |hint: /.test(line));
  expect(said.join('\n')).toMatchInlineSnapshot(`
    "pipeline.yaml:2:17: error: \`command\` must be a list of words, not a string
      hint: ["python3", "plot.py"]: each argument separately, since there is no shell to split them
    pipeline.yaml:3:24: error: \`{params.dip}\` in this command is no param of the stage
      hint: known: dpi
    pipeline.yaml:3:40: error: \`{inputs.a}\` in this command is no input of the stage
    pipeline.yaml:3:54: error: \`{outputs.y}\` in this command is no output of the stage
      hint: known: x
    pipeline.yaml:3:69: error: an argument of \`command\` must be a string, not a list
    pipeline.yaml:4:17: error: stage \`c\` has no \`outputs\`
      hint: outputs: { plot: plot.png }, or { plot: { file: plot.png, kind: bytes } }
    pipeline.yaml:5:25: error: stage \`d\` has both \`run\` and \`command\`
      hint: leave one out
    pipeline.yaml:5:50: error: this must be a relative path within the scratch folder
      hint: it has / between folders, no .., and is not empty
    pipeline.yaml:5:59: error: this must be a relative path within the scratch folder
      hint: it has / between folders, no .., and is not empty
    pipeline.yaml:5:66: error: output \`z\` has no \`file\`
      hint: { file: plot.png, kind: bytes }
    pipeline.yaml:5:101: error: there is no kind \`jsn\`
      hint: did you mean \`json\`?
    pipeline.yaml:5:111: error: params.json is where the params lie
    pipeline.yaml:6:13: error: there is no file e.ts
      hint: paths are relative to the folder of pipeline.yaml
    pipeline.yaml:6:19: error: \`outputs\` is for commands
      hint: a module declares this in its code
    pipeline.yaml:6:38: error: \`env\` is for commands
      hint: a module declares this in its code
    pipeline.yaml:7:45: error: outputs \`x\` and \`y\` are one file
    pipeline.yaml:7:55: error: \`env\` must be a list or a mapping, not a number
      hint: env: [NAME, …] passes variables on, env: { NAME: value } sets them
    pipeline.yaml:7:79: error: \`file\` of input \`a\` is outside the project
      hint: it is relative to the folder of pipeline.yaml, without ..; else add \`outside: true\`
    pipeline.yaml:7:108: error: \`where\` is for inputs that come \`from\` a stage
    pipeline.yaml:7:136: error: this must be a relative path within the scratch folder
      hint: it has / between folders, no .., and is not empty
    pipeline.yaml:7:169: error: \`outside\` is for files of the project
      hint: { file: PATH, outside: true }
    pipeline.yaml:8:51: error: \`A B\` cannot name a variable
      hint: a name is a letter or _, then letters, digits and _
    pipeline.yaml:8:76: error: \`fingerprint\` must be a list of words, not a string
      hint: ["python3", "plot.py"]: each argument separately, since there is no shell to split them
    pipeline.yaml:8:92: error: \`../a\` cannot name an input
      hint: a name is a letter, then letters, digits, - and _"
  `);
});
