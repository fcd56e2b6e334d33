// Clusters, classes of jobs, and where stages run: what may be said of them, and what is wrong with it.
import { describe, expect, test } from 'vitest';
import { executorSettings } from '../src/cli/settings/executor-settings.ts';
import { readFileSettings } from '../src/cli/settings/file-settings.ts';
import { colorsFor, drawDiagnostic } from '../src/cli/terminal/format.ts';
import { type Pipeline, readPipeline } from '../src/engine/config/config.ts';
import type { Result } from '../src/engine/model/event.ts';
import { meaningOf } from '../src/engine/pipeline/meaning.ts';
import {
  bySize,
  classFor,
  demandOf,
  grownBy,
  NO_GROWTH,
  placementOf,
  tasksPerJob,
  unknownChoices,
} from '../src/engine/pipeline/placement.ts';
import { pipelineSchema } from '../src/engine/pipeline/schema.ts';
import { bundledRig, DOOR } from './rig.ts';

const plain = colorsFor({}, { NO_COLOR: '1' });

const CLUSTER = `executors:
  cluster:
    type: slurm
    depot: /scratch/{user}/depot
    line: files
    listen: "10.0.0.1:7000"
    node: node
    prologue: [module load nodejs/22]
    wrap: [apptainer, exec, --nv, env.sif]
    classes:
      cpu: { cpus: 4, memory: 8GiB, time: 2h, partition: main, account: lab, max-jobs: 50 }
      big: { cpus: 4, memory: 64GiB, time: 1-00:00:00, slots: 2, prologue: "module load big\\nulimit -c 0" }
      gpu: { cpus: 8, memory: 32GiB, gpus: a100:2, time: 12h, qos: long, constraint: "[a|b]", extra: [--exclusive=user, -wn1], wrap: [] }
`;
const stages = (policy = ''): string => `stages:\n  draw: { run: draw.ts${policy} }\n`;

const read = (text: string): Result<Pipeline> =>
  readPipeline({ text, file: 'pipeline.yaml', presets: [], sets: [] });

function pipelineOf(text: string): Pipeline {
  const result = read(text);
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics.map(({ message }) => message)));
  return result.value;
}

const drawn = (result: Result<unknown>): string =>
  result.ok ? '' : result.diagnostics.map((one) => drawDiagnostic(one, plain)).join('\n');

describe('executors', () => {
  test('are read with all that a class may say', () => {
    const cluster = pipelineOf(CLUSTER + stages()).executors?.get('cluster');
    expect(cluster).toMatchObject({
      type: 'slurm',
      depot: '/scratch/{user}/depot',
      line: 'files',
      listen: { host: '10.0.0.1', port: 7000 },
      node: 'node',
      maxIdle_ms: 120_000,
      orphan_ms: 900_000,
    });
    const HOUR = 3_600_000;
    const [cpu, big, gpu] = ['cpu', 'big', 'gpu'].map((name) => cluster?.classes.get(name));
    expect(cpu).toMatchObject({
      ...{ cpus: 4, memory_bytes: 8 * 2 ** 30, time_ms: 2 * HOUR, gpus: { count: 0 } },
      ...{ partition: 'main', account: 'lab', maxJobs: 50, slots: 4, extra: [] },
      ...{ prologue: ['module load nodejs/22'], wrap: ['apptainer', 'exec', '--nv', 'env.sif'] },
    });
    expect(big).toMatchObject({
      ...{ time_ms: 24 * HOUR, slots: 2, maxJobs: 10 },
      prologue: ['module load nodejs/22', 'module load big', 'ulimit -c 0'],
    });
    expect(gpu).toMatchObject({
      ...{ gpus: { count: 2, type: 'a100' }, slots: 2, wrap: [], qos: 'long', constraint: '[a|b]' },
      extra: ['--exclusive=user', '-wn1'],
    });
  });

  test.each([
    ['type: slrum', 'type: slurm', 'must be slurm or processes'],
    ['type: slurm\n    depots: x', 'type: slurm', 'unknown key `depots`'],
    ['depot: scratch', 'depot: /scratch/{user}/depot', 'must be an absolute path'],
    ['depot: /', 'depot: /scratch/{user}/depot', 'must be an absolute path'],
    ['depot: /a/{USER}', 'depot: /scratch/{user}/depot', '`{USER}` stands for nothing'],
    ['line: udp', 'line: files', 'must be auto or tcp or files'],
    ['listen: "10.0.0.1:70000"', 'listen: "10.0.0.1:7000"', 'HOST:PORT'],
    ['listen: ":0"', 'listen: "10.0.0.1:7000"', 'HOST:PORT'],
    ['node: bin/node', 'node: node', 'an absolute path or a name on PATH'],
    ['node: -e', 'node: node', 'an absolute path or a name on PATH'],
    ['prologue: { a: b }', 'prologue: [module load nodejs/22]', 'must be a list of words'],
    ['wrap: apptainer exec', 'wrap: [apptainer, exec, --nv, env.sif]', 'must be a list of words'],
    ['wrap: ["a\\nb"]', 'wrap: [apptainer, exec, --nv, env.sif]', 'control characters'],
    ['cpus: 0', 'cpus: 4', 'an integer from 1'],
    ['cpus: 1.5', 'cpus: 4', 'an integer from 1'],
    ['memory: 8', 'memory: 8GiB', 'must be a size'],
    ['memory: 8KiB', 'memory: 8GiB', 'of at least 1MiB'],
    ['time: 2 hours', 'time: 2h', 'must be a time'],
    ['time: 0', 'time: 2h', 'must be a time'],
    ['gpus: a100', 'gpus: a100:2', 'TYPE:COUNT'],
    ['gpus: -1', 'gpus: a100:2', 'TYPE:COUNT'],
    ['partition: -p x', 'partition: main', 'does not begin with -'],
    ['account: "my lab"', 'account: lab', 'a word without blanks'],
    ['partition: 7', 'partition: main', 'must be a string'],
    ['extra: --exclusive', 'extra: [--exclusive=user, -wn1]', 'must be a list of words'],
    ['extra: [-w, n1]', 'extra: [--exclusive=user, -wn1]', '`n1` in `extra`'],
    ['extra: [--requeue]', 'extra: [--exclusive=user, -wn1]', 'pipeline sets `--requeue` itself'],
    ['extra: [--part=x]', 'extra: [--exclusive=user, -wn1]', 'pipeline sets `--partition` itself'],
    ['extra: [-pmain]', 'extra: [--exclusive=user, -wn1]', 'pipeline sets `-p` itself'],
    ['max-jobs: many', 'max-jobs: 50', 'an integer from 1'],
    ['slots: 0', 'slots: 2', 'an integer from 1'],
    [
      'cpu: nothing',
      'cpu: { cpus: 4, memory: 8GiB, time: 2h, partition: main, account: lab, max-jobs: 50 }',
      'must be a mapping',
    ],
    ['local:', 'cluster:', 'cannot name another executor'],
    ['8:', 'cluster:', 'cannot name an executor'],
    ['9a: {', 'cpu: {', 'cannot name a class'],
  ])('with `%s` are refused where it stands', (slip, before, words) => {
    expect(CLUSTER).toContain(before);
    const text = drawn(read(CLUSTER.replace(before, slip) + stages()));
    expect(text).toContain(words);
    expect(text).toMatch(/^pipeline\.yaml:\d+:\d+: error: /);
    expect(text).toContain('^');
    expect(text.match(/error: /g)).toHaveLength(1);
  });

  test('need a type, a depot and a class; `processes` knows no partitions', () => {
    const bare = drawn(
      read(`executors:\n  a: {}\n  b: { type: slurm, depot: /d, classes: {} }\n${stages()}`),
    );
    for (const key of ['type', 'depot', 'classes']) {
      expect(bare).toContain(`executor \`a\` has no \`${key}\``);
    }
    expect(bare).toContain('executor `b` has no class');
    const text = `executors:\n  here: { type: processes, depot: ~/d, classes: { one: { partition: x } } }\n`;
    expect(drawn(read(text + stages()))).toContain('`partition` is for Slurm');
    expect(drawn(read(`executors: [/a.mjs]\n${stages()}`))).toContain(
      'must be a mapping, not a list',
    );
  });

  test('of a settings file stand beside modules; pipeline.yaml counts before them, name by name', () => {
    const settings = (text: string) => readFileSettings(text, 'config.yaml', '/home/ada');
    const one = (name: string, depot: string): string =>
      `  ${name}: { type: slurm, depot: ${depot}, classes: { c: {} } }\n`;
    const user = settings(
      `executors:\n  modules: [/m.mjs]\n${one('cluster', '/user')}${one('mine', '/m')}`,
    );
    const site = settings(`executors:\n${one('cluster', '/site')}${one('other', '/o')}`);
    if (!user.ok || !site.ok) throw new Error('these settings are wrong');
    expect(user.value.executors?.value).toEqual(['/m.mjs']);
    const files = [
      { kind: 'user' as const, path: '/u', settings: user.value },
      { kind: 'site' as const, path: '/s', settings: site.value },
    ];
    const declared = pipelineOf(CLUSTER + stages()).executors ?? new Map();
    const depots = (known: typeof declared): readonly string[] =>
      [...executorSettings(known, { environment: {}, files })].map(
        ([name, { value, origin }]) => `${name} ${value.depot} ${origin.kind}`,
      );
    expect(depots(declared)).toEqual([
      'cluster /scratch/{user}/depot pipeline',
      'mine /m user',
      'other /o site',
    ]);
    expect(depots(new Map())).toEqual(['cluster /user user', 'mine /m user', 'other /o site']);
    expect(drawn(settings('executors: 3\n'))).toContain('a mapping or a list');
    expect(drawn(settings('executors: { modules: /m.mjs }\n'))).toContain('must be a list');
    expect(drawn(settings('executors: { cluster: { type: slurm } }\n'))).toContain(
      'has no `depot`',
    );
  });
});

describe('a stage', () => {
  const policyOf = (text: string) => {
    const stage = pipelineOf(stages(text)).stages.get('draw');
    if (stage === undefined) throw new Error('no such stage');
    return stage.policy;
  };

  test('says where it runs and what it needs; what it does not say is taken from its resources', () => {
    const GIB = 2 ** 30;
    expect(policyOf(', on: [cluster/gpu, local]').on).toMatchObject([
      { executor: 'cluster', class: 'gpu' },
      { executor: 'local' },
    ]);
    expect(
      policyOf(', needs: { cpus: 0.5, memory: { start: 2GiB, limit: 16GiB }, time: 90s, gpus: 1 }')
        .needs,
    ).toEqual({
      cpus: 0.5,
      memory_bytes: { start: 2 * GIB, limit: 16 * GIB },
      // Slurm counts minutes.
      time_ms: { start: 120_000, limit: 120_000 },
      gpus: 1,
    });
    const resources = `resources: { gpu: 4 }\n${stages(', resources: { cpus: 3, memory: 2GiB, gpu: 1 }')}`;
    expect(pipelineOf(resources).stages.get('draw')?.policy.needs).toEqual({
      ...{ cpus: 3, memory_bytes: { start: 2 * GIB, limit: 2 * GIB }, time_ms: null, gpus: 1 },
    });
  });

  test.each([
    [', on: []', 'at least one executor'],
    [', on: 3', 'EXECUTOR or EXECUTOR/CLASS, not a number'],
    [', on: [a/b/c]', 'not `a/b/c`'],
    [', on: local/cpu', 'not `local/cpu`'],
    [', needs: 3', 'must be a mapping'],
    [', needs: { disk: 3GiB }', 'unknown key `disk`'],
    [', needs: { cpus: 0 }', 'a number above 0'],
    [', needs: { memory: 2 }', 'must be a size'],
    [', needs: { memory: { start: 2GiB } }', 'has no `limit`'],
    [', needs: { memory: { start: 2GiB, limit: 1GiB } }', 'less than its `start`'],
    [', needs: { time: { start: 1h, limit: soon } }', 'must be a time'],
    [', needs: { gpus: -1 }', '`gpus` of'],
  ])('that says `%s` is refused where it stands', (policy, words) => {
    const text = drawn(read(stages(policy)));
    expect(text).toContain(words);
    expect(text).toContain('^');
  });
});

describe('the place of a stage', () => {
  const placed = (policy: string, over?: string) => {
    const pipeline = pipelineOf(CLUSTER + stages(policy));
    const stage = pipeline.stages.get('draw');
    if (stage === undefined) throw new Error('no such stage');
    const place = { file: '--on', text: over ?? '', start: 0, end: 1 };
    const [executor = '', name] = over?.split('/') ?? [];
    const choice = { executor, ...(name !== undefined && { class: name }), place };
    return placementOf(
      stage,
      pipeline.executors ?? new Map(),
      over === undefined ? undefined : [choice],
    );
  };
  const namesOf = (result: ReturnType<typeof placed>): readonly string[] | string =>
    result.ok
      ? 'classes' in result.value
        ? result.value.classes.map(({ name }) => name)
        : result.value.executor
      : drawn(result);

  test('is the first choice that can: every class that fits, the smallest first', () => {
    expect(namesOf(placed(''))).toBe('local');
    expect(namesOf(placed(', on: cluster'))).toEqual(['cpu', 'big', 'gpu']);
    expect(namesOf(placed(', on: cluster, needs: { memory: 10GiB }'))).toEqual(['big', 'gpu']);
    expect(namesOf(placed(', on: cluster, needs: { gpus: 1 }'))).toEqual(['gpu']);
    expect(namesOf(placed(', on: [elsewhere, local]'))).toBe('local');
    expect(namesOf(placed(', on: [cluster/cpu, cluster/big], needs: { memory: 10GiB }'))).toEqual([
      'big',
    ]);
    expect(namesOf(placed(', on: cluster', 'local'))).toBe('local');
    expect(namesOf(placed('', 'cluster/gpu'))).toEqual(['gpu']);
  });

  test('is told in a sentence where there is none', () => {
    expect(namesOf(placed(', on: cluster, needs: { memory: 100GiB }'))).toMatchInlineSnapshot(`
      "pipeline.yaml:15:29: error: no class fits the tasks of stage \`draw\`, which need 1 cpu, 100 GiB
         15 |   draw: { run: draw.ts, on: cluster, needs: { memory: 100GiB } }
            |                             ^^^^^^^
        hint: cluster has cpu (4 cpus, 8 GiB, 2 h, 4 tasks at once); big (4 cpus, 64 GiB, 1 d, 2 tasks at once); gpu (8 cpus, 32 GiB, 2 gpus, 12 h, 2 tasks at once)"
    `);
    expect(namesOf(placed(', on: clutser/cpu'))).toContain('did you mean `cluster`?');
    expect(namesOf(placed(', on: cluster/cpus'))).toContain('did you mean `cpu`?');
    const { executors = new Map(), stages: known } = pipelineOf(
      CLUSTER + stages(', on: [clutser, local]'),
    );
    const warnings = [...known.values()].flatMap((stage) => unknownChoices(stage, executors));
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining('passed over'),
    ]);
    expect([...known.values()].flatMap((stage) => unknownChoices(stage, new Map()))).toEqual([]);
  });

  test('grows with what a task lacked, up to the limit', () => {
    const GIB = 2 ** 30;
    const needs = {
      ...{ cpus: 1, memory_bytes: { start: 6 * GIB, limit: 16 * GIB }, time_ms: null, gpus: 0 },
    };
    const classes = bySize(
      pipelineOf(CLUSTER + stages())
        .executors?.get('cluster')
        ?.classes.values() ?? [],
    );
    const once = grownBy(needs, NO_GROWTH, 'memory');
    const twice = once && grownBy(needs, once, 'memory');
    expect([NO_GROWTH, once, twice].map((growth) => demandOf(needs, growth).memory_bytes)).toEqual([
      ...[6 * GIB, 12 * GIB, 16 * GIB],
    ]);
    expect(classFor(classes, demandOf(needs))?.name).toBe('cpu');
    expect(classFor(classes, demandOf(needs, once))?.name).toBe('big');
    expect(twice && grownBy(needs, twice, 'memory')).toBeUndefined();
    expect(grownBy(needs, NO_GROWTH, 'time')).toBeUndefined();
    const [cpu] = classes;
    expect(cpu && tasksPerJob(cpu, demandOf(needs))).toBe(1);
    expect(
      cpu && tasksPerJob(cpu, demandOf({ ...needs, memory_bytes: { start: 2 * GIB, limit: GIB } })),
    ).toBe(4);
  });
});

test('none of it is in a key, and `check` shows it', async () => {
  const rig = await bundledRig({
    'draw.ts': `${DOOR}export default defineStage({ params: z.object({ n: z.int() }), inputs: {}, outputs: { n: json() },
  run: ({ params: { n } }) => ({ n }) });`,
    'pipeline.yaml': 'stages:\n  draw: { run: draw.ts, matrix: { n: [1, 2] } }\n',
  });
  const keys = async (): Promise<string> => (await rig.run('status', '--json')).stdout;
  const before = await keys();
  rig.write(
    'pipeline.yaml',
    `${CLUSTER}stages:
  draw: { run: draw.ts, matrix: { n: [1, 2] }, on: [cluster/gpu, local], needs: { gpus: 1, memory: { start: 2GiB, limit: 4GiB } } }
`,
  );
  expect(await keys()).toBe(before);
  expect(before).toMatch(/"key":\s*"[0-9a-f]{64}"/);
  const { code, stderr } = await rig.run('check');
  expect([code, stderr]).toMatchInlineSnapshot(`
    [
      0,
      "executor cluster: slurm: cpu (4 cpus, 8 GiB, 2 h, 4 tasks at once); big (4 cpus, 64 GiB, 1 d, 2 tasks at once); gpu (8 cpus, 32 GiB, 2 gpus, 12 h, 2 tasks at once)
    stage draw runs on cluster/gpu
    pipeline.yaml: 1 stage, 2 tasks, nothing wrong
    ",
    ]
  `);
});

test('it is part of what a pipeline means, and of its schema', () => {
  const meaning = (text: string): string | undefined => meaningOf(pipelineOf(text));
  const text = CLUSTER + stages(', on: cluster');
  expect(pipelineOf(text).warnings).toEqual([]);
  expect(meaning(text)).not.toBe(meaning(text.replace('cpus: 4', 'cpus: 3')));
  expect(meaning(text)).not.toBe(meaning(text.replace('on: cluster', 'on: cluster/gpu')));
  expect(meaning(text)).toBe(meaning(`# said\n${text}`));
  const { properties, $defs } = pipelineSchema() as { properties: object; $defs: object };
  expect(properties).toHaveProperty('executors');
  expect($defs).toHaveProperty('class.properties.max-jobs');
  expect($defs).toHaveProperty('stage.properties.needs');
});
