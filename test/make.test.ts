// What a make does: what runs, what is reused, what stops, and what survives. Through the real binary.
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { readPipeline } from '../src/engine/config/config.ts';
import { digestOf } from '../src/engine/model/key.ts';
import {
  bundledRig,
  DOOR,
  digestsOf,
  type MadeRig,
  madeRig,
  makeRig,
  type Rig,
  type SaidEvent,
  tasksOf,
} from './rig.ts';

const PIPELINE = `params:
  datasets: [a, b]
  profiles:
    - { name: flat, cv: 0 }
    - { name: wide, cv: 1.5 }
  seeds: [0, 1]
  training: { rate: 2, steps: 3 }
presets:
  more: { training: { rate: 20 }, seeds: [0, 1, 2] }
  less: { training: { rate: 1 } }
stages:
  data: { run: stages/data.ts, matrix: { dataset: $datasets } }
  mask:
    run: stages/mask.ts
    matrix: { dataset: $datasets, profile: $profiles, seed: $seeds }
    inputs: { data: data.out }
    params: { cv: $profile.cv, rate: $training.rate }
  sum:
    run: stages/sum.ts
    matrix: { dataset: $datasets }
    inputs: { runs: mask.out }
    artifacts: { page: "{dataset}.txt" }
`;

const DATA = `${DOOR}
import { factor } from '../lib/one.ts';
export default defineStage({
  params: z.object({ dataset: z.string() }),
  inputs: {},
  outputs: { out: json() },
  run: ({ params }) => ({ out: { name: params.dataset, factor: factor() % 10 } }),
});
`;

const FILES = {
  'pipeline.yaml': PIPELINE,
  'lib/one.ts': "import { two } from './two.ts';\nexport const factor = () => two();\n",
  'lib/two.ts': "import { THREE } from './three.ts';\nexport const two = () => THREE;\n",
  'lib/three.ts': '// A constant.\nexport const THREE = 7;\n',
  'stages/data.ts': DATA,
  'stages/mask.ts': `${DOOR}
export default defineStage({
  params: z.object({ cv: z.number(), seed: z.int(), rate: z.number() }),
  inputs: { data: json<{ name: string; factor: number }>() },
  outputs: { out: json() },
  run: ({ params, inputs }) => ({ out: { ...params, ...inputs.data } }),
});
`,
  'stages/sum.ts': `${DOOR}
export default defineStage({
  params: z.object({}),
  inputs: { runs: collect(json<{ cv: number; factor: number }>()) },
  outputs: { page: text(), tasks: json() },
  run: ({ inputs }) => ({
    page: inputs.runs.map(({ at, value }) => JSON.stringify([at, value])).join('\\n'),
    tasks: inputs.runs.map(({ task }) => task),
  }),
});
`,
};

const MASKS = ['a', 'b'].flatMap((dataset) =>
  ['flat', 'wide'].flatMap((profile) =>
    [0, 1].map((seed) => `mask[${dataset},${profile},${seed}]`),
  ),
);
const ALL = ['data[a]', 'data[b]', ...MASKS, 'sum[a]', 'sum[b]'].sort();

/** A rig in which everything was made once. */
async function wholeRig(): Promise<MadeRig> {
  const rig = await madeRig(FILES);
  expect(tasksOf(rig.made, 'built')).toEqual(ALL);
  return rig;
}

/** What a dry run says would run, and what would follow, sorted. */
async function foreseen(rig: Rig, ...words: string[]): Promise<readonly string[]> {
  const { code, events } = await rig.make('--dry-run', ...words);
  expect(code).toBe(0);
  return events.flatMap(({ status, task }) => (status !== 'reuse' && task ? [task] : [])).sort();
}

const built = async (rig: Rig, ...words: string[]): Promise<readonly string[]> => {
  const { code, events } = await rig.make(...words);
  expect([code, tasksOf(events, 'failed')]).toEqual([0, []]);
  return tasksOf(events, 'built');
};

const eventOf = (events: readonly SaidEvent[], kind: string, task: string): SaidEvent | undefined =>
  events.find((said) => said.event === kind && said.task === task);

/** The error of each failed task. */
function errorsOf(events: readonly SaidEvent[]): Record<string, string> {
  const errors = events.flatMap(({ event, task, error }) =>
    event === 'failed' ? [[task, (error as { message: string }).message] as const] : [],
  );
  return Object.fromEntries(errors.sort());
}

/** A pipeline of one stage without inputs, whose body is given. */
const single = (body: string, params = 'z.object({})', outputs = 'out: json()') => ({
  'pipeline.yaml': 'stages:\n  one: { run: one.ts }\n',
  'one.ts': `${DOOR}
export default defineStage({
  params: ${params}, inputs: {}, outputs: { ${outputs} },
  ${body}
});
`,
});

describe('what runs', () => {
  test('a second make builds nothing and says so', async () => {
    const rig = await wholeRig();
    const again = await rig.make();
    expect(again.code).toBe(0);
    expect(tasksOf(again.events, 'built')).toEqual([]);
    expect(tasksOf(again.events, 'reused')).toEqual(ALL);
    expect(await foreseen(rig)).toEqual([]);
    const { stdout, stderr } = await rig.run('make');
    expect(stderr).toMatch(/^nothing to do: 12 tasks up to date/);
    expect(stdout).toBe('artifacts/sum/a.txt\nartifacts/sum/b.txt\n');
  });

  test('one profile’s CV reruns exactly what depends on it, and a dry run had named the same', async () => {
    const rig = await wholeRig();
    const wide = [...MASKS.filter((task) => task.includes('wide')), 'sum[a]', 'sum[b]'].sort();
    rig.edit('pipeline.yaml', 'cv: 1.5', 'cv: 1.25');
    expect(await foreseen(rig)).toEqual(wide);
    const { events } = await rig.make();
    expect(tasksOf(events, 'built')).toEqual(wide);
    expect(eventOf(events, 'started', 'mask[a,wide,0]')?.reason).toEqual({
      kind: 'changed',
      changes: [{ path: 'params.cv', before: 1.5, after: 1.25 }],
    });
    expect(eventOf(events, 'started', 'sum[a]')?.reason).toMatchObject({
      changes: [{ path: 'inputs.runs', through: ['mask[a,wide,0]', 'mask[a,wide,1]'] }],
    });
    rig.edit('pipeline.yaml', 'cv: 1.25', 'cv: 1.5');
    expect(await built(rig)).toEqual([]);
    const set = '--set=profiles.wide.cv=1.25';
    expect(await built(rig, set)).toEqual([]);
  });

  test('a comment reruns nothing; a constant three imports away reruns its users; equal outputs stop the wave', async () => {
    const rig = await wholeRig();
    rig.edit('lib/three.ts', '// A constant.', '// A constant, with another word about it.');
    rig.edit('stages/mask.ts', 'export default', '\n\n/* nothing */ export default');
    expect(await built(rig)).toEqual([]);
    rig.edit('lib/three.ts', '7', '17');
    expect(await foreseen(rig)).toEqual(ALL);
    const { events } = await rig.make();
    expect(tasksOf(events, 'built')).toEqual(['data[a]', 'data[b]']);
    expect(eventOf(events, 'built', 'data[a]')?.unchanged).toBe(true);
    expect(eventOf(events, 'started', 'data[a]')?.reason).toMatchObject({
      changes: [{ path: 'code' }],
    });
    rig.edit('lib/three.ts', '17', '18');
    expect(await built(rig)).toEqual(ALL);
  });

  test('edits within the grain of the clock are noticed', async () => {
    const rig = await bundledRig(FILES);
    for (const constant of ['1', '2', '3']) {
      // Not by the rig, which writes as if long ago: same size, same inode, fresh.
      writeFileSync(join(rig.folder, 'lib/three.ts'), `export const THREE = ${constant};\n`);
      expect(await built(rig, 'data/a')).toEqual(['data[a]']);
    }
  });

  test('a renamed label reruns nothing but what is given labels to read', async () => {
    const rig = await wholeRig();
    rig.edit('pipeline.yaml', 'name: wide', 'name: broad');
    expect(await built(rig)).toEqual(['sum[a]', 'sum[b]']);
    expect(rig.read('artifacts/sum/a.txt')).toContain('"profile":"broad"');
  });

  test('presets lie over params in the order given, and --set over all', () => {
    const rateWith = (presets: readonly string[], sets: readonly string[] = []): unknown => {
      const read = readPipeline({ text: PIPELINE, file: 'pipeline.yaml', presets, sets });
      expect(read).toMatchObject({ ok: true });
      const mask = read.ok ? read.value.stages.get('mask') : undefined;
      return [mask?.params.get('rate')?.value, mask?.axes.get('seed')?.length];
    };
    expect(rateWith([])).toEqual([2, 2]);
    expect(rateWith(['less', 'more'])).toEqual([20, 3]);
    expect(rateWith(['more', 'less'])).toEqual([1, 3]);
    expect(rateWith(['more'], ['training.rate=5', 'seeds=[7]'])).toEqual([5, 1]);
    expect(rateWith([], ['training={ rate: $training.steps, steps: 1 }'])).toEqual([1, 2]);
  });

  test('targets are stages, selections, task ids and paths, with what they need', async () => {
    const rig = await bundledRig(FILES);
    const need = (...words: string[]) => foreseen(rig, ...words);
    expect(await need('data')).toEqual(['data[a]', 'data[b]']);
    expect(await need('mask[profile=wide,dataset=a]')).toEqual([
      'data[a]',
      'mask[a,wide,0]',
      'mask[a,wide,1]',
    ]);
    expect(await need('mask[b,flat,1]')).toEqual(['data[b]', 'mask[b,flat,1]']);
    expect(await need('mask/b/flat/1', 'data/a')).toEqual(['data[a]', 'data[b]', 'mask[b,flat,1]']);
    const wrong = await rig.run('make', 'masc', 'mask[seed=7]', 'mask[sed=1]', 'mask/a/flat');
    expect([wrong.code, wrong.stdout]).toEqual([2, '']);
    expect(wrong.stderr).toMatchInlineSnapshot(`
      "error: there is no stage \`masc\`
        hint: did you mean \`mask\`?

      error: axis \`seed\` of stage \`mask\` has no value \`7\`
        hint: known: 0, 1

      error: stage \`mask\` has no axis \`sed\`
        hint: did you mean \`seed\`?

      error: no task is called \`mask/a/flat\`
        hint: did you mean \`mask[a,flat,0]\`?

      4 errors; nothing was run
      "
    `);
  });

  test('--force runs a task again, and an equal output stops there', async () => {
    const rig = await wholeRig();
    expect(await foreseen(rig, '--force', 'data/a')).toContain('data[a]');
    const { events } = await rig.make('--force', 'data/a');
    expect(tasksOf(events, 'built')).toEqual(['data[a]']);
    expect(eventOf(events, 'started', 'data[a]')?.reason).toEqual({ kind: 'forced' });
  });
});

describe('joins', () => {
  test('collected inputs come in matrix order with their coordinates; where narrows; unions join; optional is null', async () => {
    const rig = makeRig({
      'pipeline.yaml': `params: { letters: [b, a], numbers: [2, 10, 1] }
stages:
  left: { run: leaf.ts, matrix: { letter: $letters, number: $numbers }, params: { mark: left } }
  right: { run: leaf.ts, matrix: { letter: [c], number: $numbers }, params: { mark: right } }
  all: { run: list.ts, inputs: { items: { from: [left.out, right.out] } } }
  per-letter: { run: list.ts, matrix: { letter: [a, c] }, inputs: { items: [left.out, right.out] } }
  some: { run: list.ts, inputs: { items: { from: left.out, where: { number: [1, 2], letter: a } } } }
  pinned:
    run: list.ts
    matrix: { number: [10] }
    inputs: { items: { from: left.out, where: { letter: b } }, one: { from: left.out, where: { letter: b } } }
  cut:
    run: list.ts
    matrix: { letter: $letters, number: $numbers, exclude: [{ letter: b }], include: [{ number: 10 }] }
    inputs: { items: left.out }
`,
      'leaf.ts': `${DOOR}
export default defineStage({
  params: z.object({ mark: z.string(), letter: z.string(), number: z.int() }),
  inputs: {}, outputs: { out: json() },
  run: ({ params: { mark, letter, number } }) => ({ out: mark + letter + number }),
});`,
      'list.ts': `${DOOR}
export default defineStage({
  params: z.object({}),
  inputs: { items: collect(json<string>()), one: optional(json<string>()) },
  outputs: { out: json() },
  run: ({ inputs: { items, one } }) => ({ out: [one, ...items.map((i) => [i.task, i.at, i.value])] }),
});`,
    });
    expect((await rig.make()).code).toBe(0);
    const shown = async (task: string) =>
      JSON.parse((await rig.run('show', `${task}:out`, '--json')).stdout);
    const [none, ...all] = await shown('all');
    expect(none).toBeNull();
    expect(all.map((item: readonly unknown[]) => item[2])).toEqual(
      'leftb2 leftb10 leftb1 lefta2 lefta10 lefta1 rightc2 rightc10 rightc1'.split(' '),
    );
    expect(all[0]).toEqual(['left[b,2]', { letter: 'b', number: '2' }, 'leftb2']);
    const values = async (task: string) =>
      (await shown(task)).slice(1).map((item: readonly unknown[]) => item[2]);
    expect(await values('per-letter/c')).toEqual(['rightc2', 'rightc10', 'rightc1']);
    expect(await values('some')).toEqual(['lefta2', 'lefta1']);
    expect(await shown('pinned/10')).toEqual([
      'leftb10',
      ['left[b,10]', { letter: 'b', number: '10' }, 'leftb10'],
    ]);
    const cut = await rig.make('cut');
    const kept = tasksOf(cut.events, 'reused').filter((task) => task.startsWith('cut'));
    expect(kept).toEqual(['cut[a,10]', 'cut[a,1]', 'cut[a,2]', 'cut[b,10]']);
  });

  test('an axis that the schema does not name enters no key: equal tasks are made once, with one job too', async () => {
    const files = {
      'pipeline.yaml': `stages:
  twin: { run: twin.ts, matrix: { copy: [one, two, three] } }
  after: { run: after.ts, matrix: { copy: [one, two, three] }, inputs: { twin: twin.out } }
`,
      'twin.ts': `${DOOR}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: json() }, run: () => ({ out: 1 }),
});`,
      'after.ts': `${DOOR}
export default defineStage({
  params: z.object({}), inputs: { twin: json() }, outputs: { out: json() },
  run: () => ({ out: 2 }),
});`,
    };
    for (const jobs of ['1', '3']) {
      const rig = makeRig(files);
      const { code, events } = await rig.make('-j', jobs);
      expect(code).toBe(0);
      expect(tasksOf(events, 'built')).toEqual(['after[one]', 'twin[one]']);
      expect(eventOf(events, 'reused', 'twin[three]')?.sameAs).toBe('twin[one]');
      expect(tasksOf((await rig.make()).events, 'reused')).toHaveLength(6);
    }
  });
});

describe('artifacts', () => {
  test('one that was deleted is restored, one that a person edited is kept aside', async () => {
    const rig = await wholeRig();
    const page = rig.read('artifacts/sum/a.txt');
    rmSync(join(rig.folder, 'artifacts/sum/a.txt'));
    const restored = await rig.make();
    expect(tasksOf(restored.events, 'built')).toEqual([]);
    expect(tasksOf(restored.events, 'artifact')).toEqual(['sum[a]']);
    expect(rig.read('artifacts/sum/a.txt')).toBe(page);
    rig.write('artifacts/sum/a.txt', 'my own words');
    const { stderr } = await rig.run('make');
    expect(stderr).toContain('had been edited: the edited file is now');
    expect(rig.read('artifacts/sum/a.txt')).toBe(page);
    expect(rig.read('artifacts/sum/a.edited-1.txt')).toBe('my own words');
    rig.edit('pipeline.yaml', 'cv: 1.5', 'cv: 1');
    const { events } = await rig.make();
    expect(eventOf(events, 'artifact', 'sum[a]')).not.toHaveProperty('kept');
    expect(existsSync(join(rig.folder, 'artifacts/sum/a.edited-2.txt'))).toBe(false);
  });

  test('a folder that cannot be written is said in a line, without a stack', async () => {
    const rig = makeRig({ ...FILES, artifacts: 'a file in the way of the folder' });
    const { code, stderr } = await rig.run('make', 'sum/a');
    expect(code).toBe(2);
    expect(stderr).toMatch(/error: .*artifacts/);
    expect(stderr).not.toMatch(/\n +at |bug/);
    rmSync(join(rig.folder, 'artifacts'));
    expect(await built(rig, 'sum/a')).toEqual([]);
  });
});

describe('failures', () => {
  test('a stage that throws fails its task; others finish with --keep-going; the next make picks up', async () => {
    const rig = await bundledRig(FILES);
    rig.edit(
      'stages/mask.ts',
      'run: ({ params, inputs }) =>',
      "run: ({ params, inputs }) => { if (params.cv === 1.5 && inputs.data.name === 'a') throw new Error('no such mask'); return",
    );
    rig.edit('stages/mask.ts', 'inputs.data } }),', 'inputs.data } }); },');
    const first = await rig.make('--keep-going');
    expect(first.code).toBe(1);
    expect(tasksOf(first.events, 'failed')).toEqual(['mask[a,wide,0]', 'mask[a,wide,1]']);
    expect(tasksOf(first.events, 'skipped')).toEqual(['sum[a]']);
    expect(tasksOf(first.events, 'built')).toHaveLength(9);
    const failed = eventOf(first.events, 'failed', 'mask[a,wide,0]');
    expect(failed).toMatchObject({ error: { message: 'no such mask' }, params: { cv: 1.5 } });
    const alone = await rig.run('make', 'mask/a/wide/1');
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain('Error: no such mask');
    expect(alone.stderr).toMatch(/at .*stages\/mask\.ts:\d+/);
    expect(alone.stderr).not.toContain('worker.js');
    expect(alone.stderr).toContain('params: {"cv":1.5,"seed":1,"rate":2}');
    expect(alone.stderr).toContain('run only this task: pipeline make mask/a/wide/1\n');
    rig.edit('stages/mask.ts', "throw new Error('no such mask')", 'console.log(1)');
    const mended = await rig.make();
    expect(mended.code).toBe(0);
    expect(tasksOf(mended.events, 'reused')).toEqual(['data[a]', 'data[b]', 'sum[b]']);
  });

  test('without --keep-going nothing new starts after a failure', async () => {
    const rig = await bundledRig(FILES);
    rig.edit('stages/data.ts', 'factor() % 10', '(() => { throw 3; })()');
    const { code, events } = await rig.make('-j', '1');
    expect(code).toBe(1);
    expect(tasksOf(events, 'failed')).toEqual(['data[a]']);
    expect(tasksOf(events, 'started')).toEqual(['data[a]']);
    const said = await rig.run('make', '-j', '1');
    expect(said.stderr).toContain(
      '--keep-going continues with tasks that do not need the failed ones',
    );
    expect(said.stderr).not.toContain('bug');
  });

  test('outputs that are missing, undeclared or cannot be kept fail the task, and say which', async () => {
    const bodies = [
      'run: () => ({} as never)',
      'run: () => undefined as never',
      'run: () => ({ out: 1, also: 2 }) as never',
      'run: () => ({ out: { curve: [1, { loss: NaN }] } })',
      'run: () => ({ out: [, 1] })',
      'run: () => ({ out: new Date(0) })',
      "run: () => ({ out: 'text' }) as never",
      'run() { const out: any = { list: [1] }; out.list.push({ again: out }); return { out }; }',
      'run() { let out: any = 0; for (let n = 0; n < 50_000; n++) out = [out]; return { out }; }',
    ];
    const rig = makeRig({});
    bodies.forEach((body, index) => {
      const outputs = body.includes('text') ? 'out: bytes()' : 'out: json()';
      rig.write(`${index}.ts`, single(body, undefined, outputs)['one.ts']);
    });
    const stages = bodies.map((_, index) => `  s${index}: { run: ${index}.ts }`);
    rig.write('pipeline.yaml', `stages:\n${stages.join('\n')}\n`);
    const { code, events } = await rig.make('-k');
    expect(code).toBe(1);
    expect(errorsOf(events)).toMatchInlineSnapshot(`
      {
        "s0": "the stage gave no output out",
        "s1": "the stage returned no outputs",
        "s2": "the stage gave an undeclared output: also",
        "s3": "output out cannot be kept as json: $.curve[1].loss is NaN, which JSON cannot hold",
        "s4": "output out cannot be kept as json: $[0] is undefined, which JSON cannot hold",
        "s5": "output out cannot be kept as json: $ is a Date, which JSON cannot hold",
        "s6": "output out cannot be kept as bytes: string is no Uint8Array",
        "s7": "output out cannot be kept as json: $.list[1].again is $ again: a value cannot contain itself",
        "s8": "output out cannot be kept as json: it is nested too deeply: flatten it",
      }
    `);
  });

  test('minus zero is kept as zero, and what a stage prints is its log and no result', async () => {
    const rig = makeRig(
      single(
        "run: () => { console.log('a\\nb'); console.error('%s!', 'c'); return { out: [-0, 0] }; }",
      ),
    );
    const { events } = await rig.make();
    expect(events.flatMap(({ event, line }) => (event === 'log' ? [line] : []))).toEqual([
      'a',
      'b',
      'c!',
    ]);
    expect((await rig.run('show', 'one:out', '--json')).stdout).toBe('[0,0]\n');
  });

  test('a stage sees names in one order, whatever pipeline.yaml has: the order is in no key', async () => {
    const rig = makeRig({
      'tell.ts': `${DOOR}
export default defineStage({
  params: z.object({ widths: z.record(z.string(), z.number()) }),
  inputs: { all: collect(text()), one: text() },
  outputs: { out: text() },
  run: ({ params, inputs }) => ({
    out: [params.widths, inputs, ...inputs.all.map(({ at }) => at)].map((map) => Object.keys(map)).join(' '),
  }),
});`,
      'word.ts': `${DOOR}
export default defineStage({
  params: z.object({}), inputs: {}, outputs: { out: text() }, run: () => ({ out: 'word' }),
});`,
      'pipeline.yaml': `stages:
  word: { run: word.ts, matrix: { b: [1], a: [2] } }
  tell: { run: tell.ts, params: { widths: { z: 1, b: 2 } }, inputs: { one: { from: word.out, where: { a: 2, b: 1 } }, all: word.out } }
`,
    });
    const first = await rig.make('tell');
    expect(digestsOf(first.events)['tell:out']).toBe(digestOf('b,z all,one b,a'));
    rig.edit('pipeline.yaml', '{ z: 1, b: 2 }', '{ b: 2, z: 1 }');
    expect(tasksOf((await rig.make('tell')).events, 'built')).toEqual([]);
    // The order of axes is that of the labels in a task's id, which is in the key.
    rig.edit('pipeline.yaml', 'b: [1], a: [2]', 'a: [2], b: [1]');
    const { events } = await rig.make('tell');
    expect(digestsOf(events)).toEqual({ 'tell:out': digestOf('b,z all,one a,b') });
  });

  test('a worker serves one task after another without what the last one left', async () => {
    const rig = makeRig({
      'pipeline.yaml': 'stages:\n  one: { run: one.ts, matrix: { n: [1, 2, 3] } }\n',
      'one.ts': `${DOOR}
const TABLE = new Uint8Array([1, 2, 3]);
export default defineStage({
  params: z.object({ n: z.int() }), inputs: {}, outputs: { out: bytes(), again: bytes() },
  run({ params: { n }, log, checkpoint }) {
    setImmediate(() => { log('late'); checkpoint.save({ tensors: {}, metadata: {} }); });
    return { out: TABLE, again: TABLE.subarray(0, n) };
  },
});`,
    });
    const { code, events } = await rig.make('-j', '1');
    expect(code).toBe(0);
    const sizes = events.flatMap(({ event, outputs }) =>
      event === 'built' ? [Object.values(outputs as object).map(({ bytes }) => bytes)] : [],
    );
    expect(sizes).toEqual([
      [3, 1],
      [3, 2],
      [3, 3],
    ]);
    expect(events.filter(({ event }) => event === 'log')).toEqual([]);
  });
});

describe('the store', () => {
  /** Changes a blob of the store behind the engine's back. */
  async function tamper(rig: Rig, digest: string, how: 'damage' | 'remove'): Promise<void> {
    const root = open({ path: join(rig.folder, 'cache/store.lmdb'), noSubdir: true, maxDbs: 16 });
    const blobs = root.openDB<Buffer, string>({ name: 'blobs', encoding: 'binary' });
    const bytes = Buffer.from(blobs.get(digest) as Buffer);
    bytes[0]! ^= 1;
    if (how === 'damage') blobs.putSync(digest, bytes);
    else blobs.removeSync(digest);
    await root.close();
  }

  test('a damaged blob is noticed when it is read, told, and made again', async () => {
    const rig = await wholeRig();
    const digests = digestsOf(rig.made);
    await tamper(rig, digests['data[a]:out']!, 'damage');
    expect(await built(rig)).toEqual([]); // A no-op reads no blobs.
    const set = '--set=profiles.wide.cv=9';
    const { code, stderr } = await rig.run('make', 'mask/a/wide/0', set, '-j', '1');
    expect([code, stderr]).toEqual([0, expect.stringContaining('was damaged')]);
    expect(stderr).toContain('built   data[a]');
    const clean = digestsOf((await makeRig(FILES).make('mask/a/wide/0', set)).events);
    expect((await rig.run('why', 'mask/a/wide/0', set)).stdout).toContain(
      clean['mask[a,wide,0]:out']!.slice(0, 12),
    );
  });

  test('an artifact whose blob is damaged is made again when it must be restored', async () => {
    const rig = await wholeRig();
    const digests = digestsOf(rig.made);
    const page = rig.read('artifacts/sum/a.txt');
    await tamper(rig, digests['sum[a]:page']!, 'damage');
    rmSync(join(rig.folder, 'artifacts/sum/a.txt'));
    const { code, stderr } = await rig.run('make', '-j', '1');
    expect([code, stderr]).toEqual([0, expect.stringContaining('was damaged')]);
    expect(rig.read('artifacts/sum/a.txt')).toBe(page);
  });

  test('a task whose blob vanished runs again, and says why', async () => {
    const rig = await wholeRig();
    const digests = digestsOf(rig.made);
    await tamper(rig, digests['data[a]:out']!, 'remove');
    const { events } = await rig.make();
    expect(tasksOf(events, 'built')).toEqual(['data[a]']);
    expect(eventOf(events, 'started', 'data[a]')?.reason).toEqual({
      kind: 'lost',
      outputs: ['out'],
    });
  });

  test('one job and two make the same digests', async () => {
    const rig = await bundledRig(FILES);
    const one = digestsOf((await rig.make('-j', '1', '--cache', 'one')).events);
    const two = digestsOf((await rig.make('-j', '2', '--cache', 'two')).events);
    expect(one).toEqual(two);
    expect(Object.keys(one)).toHaveLength(14);
  });
});

describe('what nobody may touch', () => {
  const pipeline = `stages:
  source: { run: stages/source.ts }
  scribbler: { run: stages/scribbler.ts, inputs: { data: source.data } }
  reader: { run: stages/reader.ts, inputs: { data: source.data } }
`;
  const stage = (inputs: string, outputs: string, run: string): string =>
    `${DOOR}export default defineStage({ params: z.object({}), inputs: ${inputs}, outputs: ${outputs}, ${run} });\n`;
  const files = {
    'pipeline.yaml': pipeline,
    'stages/source.ts': stage(
      '{}',
      '{ data: bytes() }',
      'run: () => ({ data: new Uint8Array([1, 2, 3]) })',
    ),
    'stages/scribbler.ts': stage(
      '{ data: bytes() }',
      '{ n: json<number>() }',
      'run: ({ inputs }) => { inputs.data[0] = 9; return { n: 1 }; }',
    ),
    'stages/reader.ts': stage(
      '{ data: bytes() }',
      '{ n: json<number>() }',
      'run: ({ inputs }) => ({ n: inputs.data[0] })',
    ),
  };

  test('a stage that writes into its inputs fails, and the next one reads them as they were', async () => {
    const rig = makeRig(files);
    const { code, events } = await rig.make('-j', '1', '--keep-going');
    expect(code).toBe(1);
    expect(tasksOf(events, 'failed')).toEqual(['scribbler']);
    expect(JSON.stringify(events)).toContain('the stage wrote into its input data');
    const { stdout } = await rig.run('show', 'reader:n');
    expect(stdout).toBe('1\n');
  });

  test('a bundle that was edited in the cache is not run', async () => {
    const rig = makeRig(files);
    const first = await rig.make('source');
    const [bundle] = readdirSync(join(rig.folder, 'cache/bundles')).filter(
      (name) => name.endsWith('.mjs') && rig.read(`cache/bundles/${name}`).includes('[1,2,3]'),
    );
    rig.edit(`cache/bundles/${bundle}`, '[1,2,3]', '[6,6,6]');
    const second = await rig.make('source', '--force', 'source');
    expect(digestsOf(second.events)).toEqual(digestsOf(first.events));
  });
});
