// What `pipeline watch` does when files change while it rests and while it runs. Tests wait for what it says, never for time.
import { existsSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test, vi } from 'vitest';
import { DOOR, makeRig, type Rig, type SaidEvent, type Started, tasksOf } from './rig.ts';

// Nothing here waits long by itself; a machine that is busy with other things may.
vi.setConfig({ testTimeout: 240_000 });

/** A watch, and what it says, taken piece by piece. */
interface Watching {
  readonly started: Started;
  /** All that is said up to an event that fits. */
  until(fits: (event: SaidEvent) => boolean): Promise<readonly SaidEvent[]>;
  /** All that is said until it rests. */
  rest(): Promise<readonly SaidEvent[]>;
}

function startWatch(rig: Rig, ...words: string[]): Watching {
  const started = rig.start(['watch', '--json', ...words]);
  const stdout = started.process.stdout;
  if (stdout === null) throw new Error('stdout is no pipe');
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const watching: Watching = {
    started,
    async until(fits) {
      const events: SaidEvent[] = [];
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`ended first: ${JSON.stringify([events, await started.ended])}`);
        const event = JSON.parse(value) as SaidEvent;
        events.push(event);
        if (fits(event)) return events;
      }
    },
    rest: () => watching.until(({ event }) => event === 'watching'),
  };
  return watching;
}

async function stop({ started }: Watching): Promise<number | null> {
  started.process.kill('SIGINT');
  return (await started.ended).code;
}

const JOINED = `${DOOR}import { mark } from './mark';
export default defineStage({
  params: z.object({ end: z._default(z.string(), '.') }),
  inputs: { data: collect(text()) },
  outputs: { out: text() },
  run: ({ params, inputs }) =>
    ({ out: inputs.data.map(({ value }) => value.trim()).join(mark) + params.end }),
});`;

const PIPELINE = `stages:
  joined:
    run: stages/joined.ts
    inputs: { data: { file: 'data/*.txt' } }
    artifacts: { out: out.txt }
`;

test('makes again when the pipeline, code, its files or new files change, and tells what is broken', async () => {
  const rig = makeRig({
    'pipeline.yaml': PIPELINE,
    'stages/joined.ts': JOINED,
    'stages/mark.ts': "export const mark = '-';\n",
    'data/a.txt': 'A',
    'data/b.txt': 'B',
  });
  const out = (): string => rig.read('artifacts/joined/out.txt');
  const watching = startWatch(rig);
  expect(tasksOf(await watching.rest(), 'built')).toEqual(['joined']);
  expect(out()).toBe('A-B.');
  // Between runs, whoever needs the store for himself can have it.
  expect((await rig.run('gc')).code).toBe(0);

  const edits: readonly (readonly [string, () => void, string])[] = [
    ['a file', () => rig.write('data/a.txt', 'a'), 'a-B.'],
    ['a new file', () => rig.write('data/c.txt', 'C'), 'a-B-C.'],
    ['a file gone', () => rmSync(join(rig.folder, 'data/b.txt')), 'a-C.'],
    [
      'a helper replaced, as editors do',
      () => {
        rig.write('stages/mark.tmp', "export const mark = '*';\n");
        renameSync(join(rig.folder, 'stages/mark.tmp'), join(rig.folder, 'stages/mark.ts'));
      },
      'a*C.',
    ],
    [
      'the pipeline',
      () => rig.edit('pipeline.yaml', 'artifacts', "params: { end: '!' }\n    artifacts"),
      'a*C!',
    ],
  ];
  for (const [name, edit, result] of edits) {
    edit();
    expect([name, tasksOf(await watching.rest(), 'built'), out()]).toEqual([
      name,
      ['joined'],
      result,
    ]);
  }
  rig.edit('pipeline.yaml', 'run: stages', 'rum: stages');
  const broken = await watching.rest();
  expect(broken.map(({ event }) => event)).toEqual(['diagnostics', 'watching']);
  expect(JSON.stringify(broken)).toContain('unknown key');
  rig.edit('pipeline.yaml', 'rum: stages', 'run: stages');
  await watching.rest();
  rig.write('stages/mark.ts', 'export const mark = ;\n');
  expect(JSON.stringify(await watching.rest())).toContain('stages/mark.ts');
  rig.write('stages/mark.ts', "export const mark = '=';\n");
  await watching.rest();
  expect(out()).toBe('a=C!');
  expect(await stop(watching)).toBe(0);
});

/** Waits at a gate: says that it is there, and goes on when a file is. Every step of waiting is a checkpoint. */
const GATED = `${DOOR}import { existsSync } from 'node:fs';
const sleep = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
export default defineStage({
  params: z.object({ name: z.string(), gate: z.string(), value: z.int() }),
  inputs: {}, outputs: { out: json() },
  run({ params: { gate, value }, checkpoint, log }) {
    log('at the gate');
    const state = { tensors: {}, metadata: {} };
    while (!existsSync(gate)) { if (checkpoint.due()) checkpoint.save(state); sleep(5); }
    return { out: value };
  },
});`;

test('a change during a run stops only what it made obsolete; the rest goes on and is not run twice', async () => {
  const rig = makeRig({
    'gated.ts': GATED,
    'sum.ts': `${DOOR}export default defineStage({
  params: z.object({}), inputs: { parts: collect(json()) }, outputs: { out: json() },
  run: ({ inputs }) => ({ out: inputs.parts.map(({ value }) => value) }),
});`,
  });
  const gate = join(rig.folder, 'gate');
  const values = (kept: number, changed: number): string => `stages:
  kept: { run: gated.ts, params: { name: kept, gate: ${gate}, value: ${kept} } }
  changed: { run: gated.ts, params: { name: changed, gate: ${gate}, value: ${changed} } }
  sum: { run: sum.ts, inputs: { parts: [kept.out, changed.out] } }
`;
  rig.write('pipeline.yaml', values(1, 2));
  const watching = startWatch(rig, '-j', '2');
  const atGate = ({ event, line }: SaidEvent): boolean => event === 'log' && line === 'at the gate';
  const before = [...(await watching.until(atGate)), ...(await watching.until(atGate))];
  expect(tasksOf(before, 'started')).toEqual(['changed', 'kept']);
  // Broken for a moment: nothing says that what runs is not wanted.
  rig.write('pipeline.yaml', 'stages: [');
  await watching.until(({ event }) => event === 'diagnostics');
  rig.write('pipeline.yaml', values(1, 3));
  const between = await watching.until(atGate);
  expect(tasksOf(between, 'interrupted')).toEqual(['changed']);
  expect(tasksOf(between, 'started')).toEqual(['changed']);
  expect(existsSync(gate)).toBe(false);
  writeFileSync(gate, '');
  const after = await watching.rest();
  expect(tasksOf(after, 'started')).toEqual(['sum']);
  expect(tasksOf(after, 'built')).toEqual(['changed', 'kept', 'sum']);
  expect(tasksOf(after, 'waiting')).toEqual([]);
  expect((await rig.run('show', 'sum:out')).stdout.replace(/\s/g, '')).toBe('[1,3]');
  expect(await stop(watching)).toBe(0);
});

test('Ctrl-C during a run stops it at its checkpoints', async () => {
  const rig = makeRig({
    'gated.ts': GATED,
    'pipeline.yaml': `stages:
  one: { run: gated.ts, params: { name: one, gate: /nowhere, value: 1 } }
`,
  });
  const watching = startWatch(rig);
  await watching.until(({ event }) => event === 'log');
  expect(await stop(watching)).toBe(130);
  expect(JSON.parse((await rig.run('runs', '--json')).stdout)).toMatchObject([
    { state: 'interrupted', tally: { interrupted: 1 } },
  ]);
});

test('makes again when an import means something else: links, configuration, what appears where something was looked for', async () => {
  const rig = makeRig({
    'pipeline.yaml': PIPELINE,
    'stages/joined.ts': JOINED.replace("'./mark'", "'mark'"),
    'tsconfig.json': '{ "extends": "./config/base" }',
    'config/base.json': '{ "compilerOptions": { "paths": { "mark": ["../one/mark"] } } }',
    'one/mark.ts': "export const mark = '1';\n",
    'two/mark.ts': "export const mark = '2';\n",
    'data/a.txt': 'A',
    'data/b.txt': 'B',
  });
  const out = (): string => rig.read('artifacts/joined/out.txt');
  const watching = startWatch(rig);
  await watching.rest();
  expect(out()).toBe('A1B.');
  const link = (target: string): void => {
    rmSync(join(rig.folder, 'two'), { recursive: true });
    symlinkSync(target, join(rig.folder, 'two'));
  };
  rig.write('three/mark.ts', "export const mark = '3';\n");
  rig.write('four/mark.ts', "export const mark = '4';\n");
  const edits: readonly (readonly [string, () => void, string])[] = [
    [
      'a configuration that another extends',
      () => rig.edit('config/base.json', 'one', 'two'),
      'A2B.',
    ],
    ['a folder that becomes a link', () => link('three'), 'A3B.'],
    ['a link that leads elsewhere', () => link('four'), 'A4B.'],
    [
      'a file that is found first',
      () => rig.write('four/mark.tsx', "export const mark = '5';\n"),
      'A5B.',
    ],
    [
      'a configuration that is found first',
      () => rig.write('stages/tsconfig.json', '{ "extends": "./far/base" }'),
      '',
    ],
  ];
  for (const [name, edit, result] of edits) {
    edit();
    const said = await watching.rest();
    if (result !== '')
      expect([name, tasksOf(said, 'built'), out()]).toEqual([name, ['joined'], result]);
    else
      expect([name, JSON.stringify(said)]).toEqual([
        name,
        expect.stringContaining('Could not resolve'),
      ]);
  }
  // Neither its folder nor the one around it was there.
  rig.write('stages/node_modules/mark/index.js', "export const mark = '6';\n");
  expect(tasksOf(await watching.rest(), 'built')).toEqual(['joined']);
  expect(out()).toBe('A6B.');
  expect(await stop(watching)).toBe(0);
});
