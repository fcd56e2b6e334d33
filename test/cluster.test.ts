// Tasks on a cluster: workers are real processes, jobs are started by the batch system that is none.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DOOR, digestsOf, makeRig, type Rig, type SaidEvent } from './rig.ts';

const MODULE = `${DOOR}
export default defineStage({
  params: z.object({ seed: z.number() }),
  inputs: {},
  outputs: { small: json(), large: bytes() },
  run: ({ params, log }) => {
    log('draws ' + params.seed);
    return { small: { seed: params.seed }, large: new Uint8Array(300000).fill(params.seed) };
  },
});
`;

const SUM = `${DOOR}
export default defineStage({
  params: z.object({}),
  inputs: { runs: collect(bytes()), names: collect(text()) },
  outputs: { total: json() },
  run: ({ inputs }) => ({
    total: inputs.runs.map(({ value }, i) => value[0] + inputs.names[i].value),
  }),
});
`;

/** A study of modules and commands, with folders, files of the project, and outputs that are large. */
const study = (line: string, more = ''): { readonly [path: string]: string } => ({
  'draw.ts': MODULE,
  'sum.ts': SUM,
  'tool.sh':
    'echo made by a script; mkdir -p out/in; cat small.json > out/in/a; wc -c < "$1" > out/b; echo z > name.txt\n',
  'pipeline.yaml': `executors:
  lab:
    type: processes
    depot: DEPOT
    line: ${line}
    classes:
      cpu: { cpus: 2, time: 1h, max-jobs: 2, slots: 2 }
params: { seeds: [1, 2, 3, 4] }
stages:
  draw:
    run: draw.ts
    matrix: { seed: $seeds }
  shape:
    command: [sh, tool.sh, '{inputs.large}']
    matrix: { seed: $seeds }
    inputs: { small: draw.small, large: draw.large, tool: { file: tool.sh } }
    outputs: { out: out/, name: name.txt }
  count:
    command: [sh, -c, 'find shapes -type f | wc -l > n.txt; cat shapes/in/a >> n.txt']
    matrix: { seed: $seeds }
    inputs: { shapes: shape.out }
    outputs: { n: n.txt }
  sum:
    run: sum.ts
    inputs: { runs: draw.large, names: count.n }
    artifacts: { total: total.json }
${more}`,
});

const clusterRig = (files: { readonly [path: string]: string }): Rig => {
  const rig = makeRig(files);
  rig.edit('pipeline.yaml', 'DEPOT', join(rig.folder, 'depot'));
  return rig;
};

const started = (events: readonly SaidEvent[]): readonly SaidEvent[] =>
  events.filter(({ event }) => event === 'started');

/** Both lines carry the same frames: one of them is enough where time counts. */
const LINES = process.env.FULL ? ['files', 'tcp'] : ['files'];

test.each(LINES)(
  'gives the same bits on workers as here, by %s',
  async (line) => {
    const rig = clusterRig(study(line));
    const here = await rig.make('--cache', 'here');
    expect(here.code, JSON.stringify(here.events.filter(({ event }) => event === 'failed'))).toBe(
      0,
    );
    const there = await rig.make('--on', 'lab', '--cache', 'there');
    expect(
      there.code,
      JSON.stringify(
        there.events.filter(
          ({ event }) => event === 'failed' || event === 'warning' || event === 'jobs',
        ),
      ),
    ).toBe(0);
    expect(digestsOf(there.events)).toEqual(digestsOf(here.events));
    expect(started(there.events).every(({ on, node }) => on === 'lab/cpu' && node)).toBe(true);
    expect(started(there.events)).toHaveLength(13);
    const said = there.events.filter(({ event }) => event === 'log').map(({ line }) => line);
    expect(said).toContain('draws 3');
    // Nothing is left but what the depot keeps.
    const [project = ''] = readdirSync(join(rig.folder, 'depot/projects'));
    expect(readdirSync(join(rig.folder, 'depot/projects', project, 'sets'))).toEqual([]);
  },
  60_000,
);

const NAPS = (seconds: string, count: number): { readonly [path: string]: string } => ({
  'pipeline.yaml': `executors:
  lab:
    type: processes
    depot: DEPOT
    max-idle: 3s
    classes:
      cpu: { cpus: 2, time: 1h, max-jobs: 2, slots: 2 }
params: { is: [${[...Array(count).keys()].join(', ')}] }
stages:
  nap:
    on: lab
    command: [sh, -c, 'echo {params.i} >> "$RUNS"; sleep ${seconds}; echo {params.i} > out.txt']
    matrix: { i: $is }
    params: { i: $i }
    pass: [RUNS]
    outputs: { out: out.txt }
`,
});

const linesIn = (path: string): readonly string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 20));
};

test('a head that is killed loses nothing: its workers go on, and the next make takes up what they made', async () => {
  const rig = clusterRig(NAPS('0.4', 12));
  const RUNS = join(rig.folder, 'runs.txt');
  const first = rig.start(['make', '--json'], { RUNS });
  await until(() => linesIn(RUNS).length >= 3);
  first.process.kill('SIGKILL');
  await first.ended;
  const second = await rig.start(['make', '--json'], { RUNS }).ended;
  expect(second.stderr).toBe('');
  expect(second.code, second.stdout).toBe(0);
  // Each ran once: what was running then was not given again.
  expect([...linesIn(RUNS)].sort((a, b) => Number(a) - Number(b))).toEqual(
    [...Array(12).keys()].map(String),
  );
}, 60_000);

test('a terminal that is closed leaves the workers to their tasks, and the next make takes up what they made', async () => {
  const rig = clusterRig(NAPS('0.4', 12));
  const RUNS = join(rig.folder, 'runs.txt');
  const first = rig.start(['make', '--json'], { RUNS });
  await until(() => linesIn(RUNS).length >= 3);
  first.process.kill('SIGHUP');
  await first.ended;
  // All of them are with workers now.
  await until(() => linesIn(RUNS).length === 12);
  const second = await rig.start(['make', '--json'], { RUNS }).ended;
  expect(second.code).toBe(0);
  expect(linesIn(RUNS)).toHaveLength(12);
}, 60_000);
