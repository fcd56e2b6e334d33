// `--params FILE`: what lies over the params, in which order, and what is said of a file that is wrong.
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { colorsFor, drawDiagnostic } from '../src/cli/terminal/format.ts';
import { readPipelineParts } from '../src/engine/config/config.ts';
import type { RunRecord } from '../src/engine/model/record.ts';
import { DOOR, makeRig } from './rig.ts';

const plain = colorsFor({}, { NO_COLOR: '1' });

const PIPELINE = `params:
  training: { epochs: 10, rate: 0.1, schedule: null }
  seeds: [0, 1, 2]
  network: { layers: [8, 4] }
presets:
  long: { training: { epochs: 100 } }
stages:
  train:
    command: [sh, -c, 'cp params.json out.json']
    matrix: { seed: $seeds }
    params: { training: $training, layers: $network.layers, seed: $seed }
    outputs: { out: out.json }
`;

interface Over {
  readonly presets?: readonly string[];
  readonly sets?: readonly string[];
}

/** What comes of files that are laid over the params: a.yaml, b.yaml, ... */
function read(texts: readonly string[], { presets = [], sets = [] }: Over = {}) {
  const paramsFiles = texts.map((text, n) => ({ file: `${'abc'[n]}.yaml`, text }));
  const source = { text: PIPELINE, file: 'pipeline.yaml', presets, paramsFiles, sets };
  const parts = readPipelineParts(source);
  if (!parts.ok) throw new Error('the pipeline cannot be read');
  const { pipeline, problems } = parts.value;
  return { pipeline, said: problems.map((one) => drawDiagnostic(one, plain)).join('\n') };
}

describe('a params file', () => {
  test('lies over presets and below --set; of several, the last wins; mappings merge, lists do not', () => {
    const over = { presets: ['long'], sets: ['training.rate=0.5'] };
    const texts = ['training: { epochs: 5, rate: 1 }\nseeds: [7]', 'training: { epochs: 6 }'];
    const { pipeline, said } = read(texts, over);
    expect(said).toBe('');
    expect(pipeline.params.value).toEqual({
      training: { epochs: 6, rate: 0.5, schedule: null },
      seeds: [7],
      network: { layers: [8, 4] },
    });
  });

  test('may be JSON, with tabs, and keeps every value as it is', () => {
    const json = JSON.stringify(
      { training: { rate: 1e-7, schedule: { kind: 'ä\n\u{1f600} "x"' } }, seeds: [3] },
      null,
      '\t',
    );
    expect(read([json]).pipeline.params.value).toMatchObject({
      training: { epochs: 10, rate: 1e-7, schedule: { kind: 'ä\n\u{1f600} "x"' } },
      seeds: [3],
    });
  });

  test('is told as values of --set that mean the same', () => {
    const text = `training: { schedule: { "a.b": [1, { c: yes }] }, "new one": "it's" }
seeds: [1]
network: {}
`;
    const { pipeline } = read([text], { sets: ['seeds=[2]'] });
    expect(pipeline.overrides).toEqual([
      'training.schedule={"a.b":[1,{"c":"yes"}]}',
      `training."new one"="it's"`,
      'seeds=[1]',
      'seeds=[2]',
    ]);
    const again = read([], { sets: pipeline.overrides });
    expect(again.said).toBe('');
    expect(again.pipeline.params.value).toEqual(pipeline.params.value);
  });

  test('is refused where it names what is not there, or is of another kind, with the place in the file', () => {
    const text = `trainin: { epochs: 3 }
training.epochs: 3
training: 4
network: { layer: [1], layers: { a: 1 } }
`;
    expect(read([text]).said).toMatchInlineSnapshot(`
      "a.yaml:1:1: error: there is no \`trainin\` in params
          1 | trainin: { epochs: 3 }
            | ^^^^^^^
        hint: did you mean \`training\`?
      a.yaml:2:1: error: there is no \`training.epochs\` in params
          2 | training.epochs: 3
            | ^^^^^^^^^^^^^^^
        hint: mappings are nested here: training: { epochs: … }
      a.yaml:3:11: error: this is a mapping in params, not a number
          3 | training: 4
            |           ^
      a.yaml:4:12: error: there is no \`layer\` in \`network\`
          4 | network: { layer: [1], layers: { a: 1 } }
            |            ^^^^^
        hint: did you mean \`layers\`?
      a.yaml:4:32: error: this is a list in params, not a mapping
          4 | network: { layer: [1], layers: { a: 1 } }
            |                                ^^^^^^^^"
    `);
  });

  test.each([
    ['', 'a.yaml is empty'],
    ['- 1\n', '`a.yaml` must be a mapping, not a list'],
    ['a: [', 'this is not YAML'],
    ['seeds: [1]\n---\nseeds: [2]\n', 'a second document begins here, and a params file is one'],
    ['__proto__: { a: 1 }', '`__proto__` cannot be a name'],
    ['seeds: [$seeds]', '`$seeds` refers to itself'],
  ])('that holds %j is refused', (text, message) => {
    expect(read([text]).said).toContain(message);
  });
});

test('a make with a params file is repeated, seen to change, and remembered by the file', async () => {
  const rig = makeRig({
    'pipeline.yaml': `params: { gain: 1, seeds: [0, 1] }
stages:
  draw: { run: draw.ts, matrix: { seed: $seeds }, params: { gain: $gain } }
`,
    'draw.ts': `${DOOR}
export default defineStage({
  params: z.object({ seed: z.int(), gain: z.number() }),
  inputs: {},
  outputs: { level: json() },
  run: ({ params: { seed, gain } }) => ({ level: seed + gain }),
});`,
    'fast.yaml': 'gain: 5\n',
  });
  const words = ['--params', 'fast.yaml', '--set', 'seeds=[0]'];
  const says = async (...command: string[]) => {
    const { stdout, stderr } = await rig.run(...command, ...words);
    return stdout + stderr;
  };
  expect((await rig.run('make', ...words)).code).toBe(0);
  // Once looked at, once repeated.
  for (const _ of [1, 2]) {
    expect(await says('make')).toContain('nothing to do');
    expect(await says('status')).toMatch(/draw +1 +0 +0/);
  }
  rig.write('fast.yaml', 'gain: 6\n');
  expect(await says('status')).toMatch(/draw +0 +1 +0/);
  expect(await says('make')).toContain('gain: 5 → 6');
  expect(await says('show', 'draw/0:level')).toBe('6\n');
  const { stdout } = await rig.run('runs');
  expect(stdout).toContain("--params fast.yaml --set 'seeds=[0]'  (gain: 5 → 6)");
  const missing = await rig.run('make', '--params', 'none.yaml');
  expect(missing).toMatchObject({ code: 2 });
  expect(missing.stderr).toContain('there is no file none.yaml');
});

test('watch makes again when a params file changes, and tells what is wrong with it', async () => {
  const rig = makeRig({ 'pipeline.yaml': PIPELINE, 'fast.yaml': 'seeds: [0]\n' });
  const { process: watch, ended } = rig.start([
    'watch',
    '--json',
    '--name',
    'nightly',
    '--params',
    'fast.yaml',
  ]);
  if (watch.stdout === null) throw new Error('stdout is no pipe');
  const lines = createInterface({ input: watch.stdout })[Symbol.asyncIterator]();
  const until = async (word: string): Promise<string> => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error('it ended');
      if (value.includes(word)) return value;
    }
  };
  await until('"watching"');
  rig.write('fast.yaml', 'seed: [1]\n');
  expect(await until('"diagnostics"')).toContain('"file":"fast.yaml","line":1');
  rig.write('fast.yaml', 'seeds: [5]\n');
  expect(await until('"built"')).toContain('train[5]');
  await until('"watching"');
  watch.kill('SIGINT');
  await ended;
  const { stdout } = await rig.run('runs', '--json');
  const [run, ...earlier] = JSON.parse(stdout) as readonly RunRecord[];
  expect([run?.name, earlier.length]).toEqual(['nightly', 1]);
  // However long the watch rested, a run took what its tasks took.
  const { started = '', at, seconds } = run as RunRecord;
  expect(Math.abs(seconds - (Date.parse(at) - Date.parse(started)) / 1000)).toBeLessThan(1);
});
