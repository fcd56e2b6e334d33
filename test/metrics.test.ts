// metrics.test.ts — tables over the matrix: of values, and by the real command
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { filterRows } from '../src/analysis/filter.ts';
import { csvOf, latexOf, markdownOf, rowsJson } from '../src/analysis/forms.ts';
import type { Frame } from '../src/analysis/frame.ts';
import { textColumns } from '../src/analysis/layout.ts';
import { numberText, styleOf } from '../src/analysis/number-text.ts';
import { type TableRequest, tabulate } from '../src/analysis/tabulate.ts';
import { readSeries, valuesOf } from '../src/analysis/values.ts';
import { colorsFor } from '../src/cli/terminal/format.ts';
import { drawTable } from '../src/cli/terminal/table.ts';
import { elementAt } from '../src/present.ts';
import { meanInterval } from '../src/stats/t-test.ts';
import { canRunAsUser, runAsUser } from './as-user.ts';
import { DOOR, type MadeRig, madeRig } from './rig.ts';

const last = { kind: 'last' } as const;
const request = (asked: Partial<TableRequest>): TableRequest => ({ where: [], ...asked });

describe('the values of a JSON output', () => {
  test('are numbers by dotted name, series, and texts', () => {
    const { numbers, texts, series } = valuesOf({
      accuracy: 0.9,
      nested: { deep: { size: 3 } },
      'a.b': 1,
      note: 'fine',
      converged: true,
      loss: [3, 2, 1],
      layers: [
        { name: 'fc1', size: 10 },
        { name: 'fc2', size: 20 },
      ],
    });
    expect([...numbers]).toEqual([
      ['accuracy', 0.9],
      ['nested.deep.size', 3],
      ['"a.b"', 1],
      ['layers.fc1.size', 10],
      ['layers.fc2.size', 20],
    ]);
    expect([...texts]).toEqual([
      ['note', 'fine'],
      ['converged', 'true'],
    ]);
    expect(series.get('loss')).toEqual({ values: [3, 2, 1] });
  });

  test('series are lists of numbers or of maps, with the steps that stand beside them', () => {
    const { series } = valuesOf({
      history: [
        { epoch: 10, loss: 2, val: { acc: 0.5 } },
        { epoch: 20, loss: 1, val: { acc: 0.7 } },
      ],
      curve: { step: [100, 200, 300], loss: [3, null, 1] },
    });
    const loss = series.get('history.loss');
    expect(loss).toMatchObject({ values: [2, 1] });
    expect(series.get('history.val.acc')).toMatchObject({ values: [0.5, 0.7] });
    const curve = series.get('curve.loss');
    expect(curve).toEqual({ values: [3, null, 1], steps: [100, 200, 300], stepName: 'step' });
    expect(curve && readSeries('curve.loss', curve, last)).toBe(1);
    expect(curve && readSeries('curve.loss', curve, { kind: 'step', step: 100 })).toBe(3);
    expect(curve && readSeries('curve.loss', curve, { kind: 'step', step: 2 })).toBeNull();
  });

  test('the best of a loss is its least, of anything else its most', () => {
    const values = { values: [3, 1, 2] };
    expect(readSeries('val_loss', values, { kind: 'best' })).toBe(1);
    expect(readSeries('trainLoss', values, { kind: 'best' })).toBe(1);
    expect(readSeries('accuracy', values, { kind: 'best' })).toBe(3);
    expect(readSeries('accuracy', values, { kind: 'step', step: 2 })).toBe(1);
  });

  test('NaN and infinities that stand as text are numbers; too many or too deep values are counted', () => {
    const { numbers, texts } = valuesOf({ a: 'NaN', b: '-Infinity', c: 'banana' });
    expect([...numbers]).toEqual([
      ['a', Number.NaN],
      ['b', Number.NEGATIVE_INFINITY],
    ]);
    expect([...texts]).toEqual([['c', 'banana']]);
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`n${n}`, n]));
    expect(valuesOf(many)).toMatchObject({ dropped: 3000 });
    const deep = JSON.parse(`${'{"a":'.repeat(500)}1${'}'.repeat(500)}`);
    expect(valuesOf(deep)).toMatchObject({ dropped: 1 });
    const hostile = JSON.parse('{"__proto__":{"x":1},"constructor":2}');
    expect([...valuesOf(hostile).numbers.keys()]).toEqual(['__proto__.x', 'constructor']);
  });
});

/** Two profiles, three seeds, two sparsities. */
const frame: Frame = {
  columns: [
    { name: 'task', kind: 'task' },
    { name: 'profile', kind: 'axis' },
    { name: 'sparsity', kind: 'axis' },
    { name: 'seed', kind: 'axis' },
    { name: 'accuracy', kind: 'number' },
    { name: 'val.loss', kind: 'number' },
    { name: 'note', kind: 'text' },
  ],
  rows: ['erk', 'uniform'].flatMap((profile, p) =>
    ['0.5', '0.9'].flatMap((sparsity, s) =>
      [0, 1, 2].map((seed) => [
        `t[${profile},${sparsity},${seed}]`,
        profile,
        sparsity,
        String(seed),
        0.9 - 0.1 * s - 0.01 * seed - 0.05 * p,
        s === 1 && seed === 2 ? null : seed + 1,
        'ok',
      ]),
    ),
  ),
};
const column = ({ columns, rows }: Frame, name: string) => {
  const at = columns.findIndex((one) => one.name === name);
  return rows.map((row) => row[at]);
};

describe('a table', () => {
  test('is filtered by labels and numbers; labels are equal as numbers, too', () => {
    const left = (...where: string[]): number => filterRows(frame, where).rows.length;
    expect(left('profile=erk')).toBe(6);
    expect(left('profile=erk,uniform,seed=0')).toBe(4);
    expect(left('profile!=erk', 'sparsity=0.90')).toBe(3);
    expect(left('accuracy>=0.845')).toBe(4);
    expect(left('loss=')).toBe(2);
    expect(left('profile=u*')).toBe(6);
    expect(left('seed>=1,seed<2')).toBe(4);
  });

  test.each([
    ['profil=erk', 'there is no column `profil`', 'did you mean `profile`?'],
    ['profile=erq', 'axis `profile` has no value `erq` here', 'did you mean `erk`?'],
    ['accuracy>2', 'no task has accuracy>2', 'accuracy goes from 0.73 to 0.9'],
    ['accuracy>x', '`accuracy>x` compares with `x`, which is not a number', undefined],
    ['erk', '`erk` is no condition', undefined],
  ])('refuses the condition %s', (where, message, hint) => {
    expect(() => filterRows(frame, [where])).toThrow(
      expect.objectContaining({
        message,
        diagnostic: expect.objectContaining({ message, ...(hint && { hint }) }),
      }),
    );
  });

  test('is sorted by columns, what is missing last whichever way; the top are the best', () => {
    const sorted = tabulate(frame, request({ sort: ['-loss', 'accuracy'] })).frame;
    expect(column(sorted, 'val.loss').slice(-2)).toEqual([null, null]);
    expect(column(sorted, 'val.loss').slice(0, 2)).toEqual([3, 3]);
    const top = tabulate(frame, request({ top: 2 }));
    expect(top.chosenBy).toBe('-accuracy');
    expect(column(top.frame, 'accuracy')).toEqual([0.9, 0.89]);
  });

  test('is grouped: mean, SD, n and the interval of Student’s t over the rest', () => {
    const { frame: groups, over } = tabulate(
      frame,
      request({ groupBy: ['profile'], columns: ['accuracy', 'loss'], where: ['sparsity=0.9'] }),
    );
    expect(over).toEqual([{ axis: 'seed', labels: 3 }]);
    expect(column(groups, 'profile')).toEqual(['erk', 'uniform']);
    const values = [0.8, 0.79, 0.78];
    expect(column(groups, 'accuracy:mean')[0]).toBeCloseTo(0.79, 12);
    expect(column(groups, 'accuracy:sd')[0]).toBeCloseTo(0.01, 12);
    expect(column(groups, 'accuracy:n')).toEqual([3, 3]);
    const { ci } = meanInterval(values);
    expect(column(groups, 'accuracy:low')[0]).toBeCloseTo(ci?.[0] ?? 0, 12);
    // t(0.975, 2) = 4.302652729911275; 0.79 + t · 0.01 / √3
    expect(column(groups, 'accuracy:high')[0]).toBeCloseTo(
      0.79 + (4.302652729911275 * 0.01) / Math.sqrt(3),
      9,
    );
    expect(column(groups, 'val.loss:n')).toEqual([2, 2]);
  });

  test('a group of one has no SD and no interval; one NaN makes its mean NaN', () => {
    const odd: Frame = {
      columns: frame.columns.slice(0, 5),
      rows: [
        ['a', 'x', '0', '0', 1],
        ['b', 'y', '0', '0', 1],
        ['c', 'y', '0', '1', Number.NaN],
      ],
    };
    const groups = tabulate(odd, request({ groupBy: ['profile'] })).frame;
    expect(column(groups, 'accuracy:sd')).toEqual([null, Number.NaN]);
    expect(column(groups, 'accuracy:mean')).toEqual([1, Number.NaN]);
    expect(column(groups, 'accuracy:low')).toEqual([null, Number.NaN]);
    const [, , own] = textColumns(groups);
    expect(own?.cells[0]).not.toContain('±');
  });

  test('is pivoted: the labels of an axis are columns', () => {
    const wide = tabulate(
      frame,
      request({ groupBy: ['profile'], pivot: 'sparsity', columns: ['accuracy'] }),
    ).frame;
    expect(wide.columns[0]?.name).toBe('profile');
    expect(wide.columns.map(({ name }) => name)).toContain('accuracy@sparsity=0.9:sd');
    expect(column(wide, 'accuracy@sparsity=0.5:mean')[1]).toBeCloseTo(0.84, 12);
    expect(textColumns(wide).map(({ head }) => head)).toEqual(['profile', '0.5', '0.9']);
    const plain = tabulate(frame, request({ pivot: 'sparsity', columns: ['accuracy'] })).frame;
    expect(plain.rows).toHaveLength(6);
    expect(() => tabulate(frame, request({ pivot: 'accuracy' }))).toThrow('is not an axis');
  });

  test('beside an earlier one has the difference of each number, and its mean over groups', () => {
    const before: Frame = {
      ...frame,
      rows: frame.rows
        .slice(1)
        .map((row) => row.map((cell) => (typeof cell === 'number' ? cell - 1 : cell))),
    };
    const compared = tabulate(frame, request({ columns: ['accuracy'] }), before);
    expect(compared.only).toEqual({ now: 1, before: 0 });
    expect(column(compared.frame, 'accuracy:difference')[0]).toBeCloseTo(1, 12);
    const groups = tabulate(frame, request({ groupBy: ['profile'] }), before).frame;
    expect(column(groups, 'accuracy:difference:mean')[1]).toBeCloseTo(1, 12);
  });

  test('shows the columns that are named, with a star for anything, and texts when asked for', () => {
    const names = (...columns: string[]) =>
      tabulate(frame, request({ columns })).frame.columns.map(({ name }) => name);
    expect(names('loss')).toEqual(['task', 'profile', 'sparsity', 'seed', 'val.loss']);
    expect(names('seed', 'v*')).toEqual(['task', 'seed', 'val.loss']);
    expect(names('note')).toContain('note');
    expect(() => names('acuracy')).toThrow('there is no column `acuracy`');
    expect(tabulate(frame, request({})).frame.columns).toHaveLength(6);
  });
});

describe('the forms of a table', () => {
  const odd: Frame = {
    columns: [
      { name: 'a,b', kind: 'axis' },
      { name: 'x_1', kind: 'number' },
    ],
    rows: [
      ['50%|"q"', 0.1 + 0.2],
      ['b', Number.NaN],
      ['c', null],
    ],
  };

  test('CSV and JSON hold numbers digit by digit', () => {
    expect(csvOf(odd)).toBe('"a,b",x_1\n"50%|""q""",0.30000000000000004\nb,NaN\nc,\n');
    expect(rowsJson(odd)).toEqual([
      { 'a,b': '50%|"q"', x_1: 0.30000000000000004 },
      { 'a,b': 'b', x_1: 'NaN' },
      { 'a,b': 'c', x_1: null },
    ]);
  });

  test('Markdown and LaTeX escape what would be markup', () => {
    expect(markdownOf(odd).split('\n')[2]).toBe('| 50%\\|"q" |  0.3 |');
    expect(latexOf(odd)).toContain('50\\%|"q" & $0.3$ \\\\');
    expect(latexOf(odd)).toContain('x\\_1');
    expect(latexOf(odd)).toContain('c & -- \\\\');
  });

  test('numbers of a column have the same digits after the point', () => {
    const text = (...values: number[]) => {
      const style = styleOf(values);
      return values.map((value) => numberText(value, style));
    };
    expect(text(97.25, 96.5)).toEqual(['97.25', '96.50']);
    expect(text(1, 20)).toEqual(['1', '20']);
    expect(text(0.91234567, 0.5)).toEqual(['0.91235', '0.50000']);
    expect(text(1e-7, 2e-7)).toEqual(['1.0000e-7', '2.0000e-7']);
    expect(text(0.5, 1e-9)).toEqual(['0.5', '1.0e-9']);
    expect(text(-0, 0.25)).toEqual(['0.00', '0.25']);
  });
});

describe('a table on a terminal', () => {
  const colors = colorsFor({}, { NO_COLOR: '1' });
  const wide: Frame = {
    columns: [
      { name: 'dataset', kind: 'axis' },
      { name: 'profile', kind: 'axis' },
      ...Array.from({ length: 20 }, (_, n) => ({ name: `number_${n}`, kind: 'number' as const })),
      { name: 'accuracy', kind: 'number' },
    ],
    rows: [0, 1].map((row) => [
      'mnist',
      `p${row}`,
      ...Array.from({ length: 21 }, (_, n) => row + n),
    ]),
  };

  test('keeps to its width, shows what says most, and tells what it left out', () => {
    const drawn = drawTable(textColumns(wide), { width: 80, allColumns: false, colors });
    for (const line of drawn.lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(drawn.lines[0]).toContain('accuracy');
    expect(drawn.same).toEqual([['dataset', 'mnist']]);
    expect(drawn.left.length).toBeGreaterThan(10);
  });

  test('shows numbers that are equal in all rows, where no other is there', () => {
    const equal: Frame = {
      columns: [
        { name: 'seed', kind: 'axis' },
        { name: 'accuracy', kind: 'number' },
      ],
      rows: [
        ['0', 1],
        ['1', 1],
      ],
    };
    const { lines } = drawTable(textColumns(equal), { width: 80, allColumns: false, colors });
    expect(lines).toEqual(['seed  accuracy', '   0         1', '   1         1']);
  });

  test('shows every column that is named, in blocks', () => {
    const drawn = drawTable(textColumns(wide), { width: 80, allColumns: true, colors });
    for (const line of drawn.lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(drawn.left).toEqual([]);
    expect(drawn.lines.join('\n')).toContain('number_19');
  });

  test('is whole in a pipe', () => {
    const drawn = drawTable(textColumns(wide), { width: undefined, allColumns: false, colors });
    expect(drawn.lines).toHaveLength(3);
    expect(drawn.lines[0]?.split(/ {2,}/)).toHaveLength(23);
    expect(drawn.left).toEqual([]);
  });
});

const PIPELINE = `params:
  lr: 0.1
  seeds: [0, 1, 2]
stages:
  train:
    run: train.ts
    matrix: { profile: [uniform, erk], seed: $seeds }
    params: { lr: $lr }
`;
const TRAIN = `${DOOR}
import { gain } from './gain.ts';
export default defineStage({
  params: z.object({ profile: z.string(), seed: z.number(), lr: z.number() }),
  inputs: {},
  outputs: { metrics: json(), page: text() },
  run({ params: { profile, seed, lr } }) {
    const accuracy = gain + (profile === 'erk' ? 0.1 : 0) - seed / 100 + lr / 10;
    const loss = [3, 2, 1].map((n) => n + seed);
    return { metrics: { accuracy, seed, loss, best: { at: 3 } }, page: 'x' };
  },
});
`;
const made = (): Promise<MadeRig> =>
  madeRig({ 'pipeline.yaml': PIPELINE, 'train.ts': TRAIN, 'gain.ts': 'export const gain = 0.5;' });

interface Said {
  readonly tables: readonly {
    readonly columns: readonly string[];
    readonly rows: readonly { readonly [column: string]: unknown }[];
    readonly stale?: readonly string[];
    readonly notes?: readonly string[];
    readonly causes?: { readonly [kind: string]: readonly unknown[] };
  }[];
}
const tableOf = (stdout: string) => elementAt((JSON.parse(stdout) as Said).tables, 0);

describe('pipeline metrics', () => {
  test('has a row a task, a column for each axis and number; an axis keeps its name', async () => {
    const { stdout, code } = await (await made()).run('metrics', 'train', '--format', 'csv');
    expect(code).toBe(0);
    const [head, first, ...rest] = stdout.trimEnd().split('\n');
    expect(head).toBe('task,profile,seed,accuracy,best.at,metrics.seed,loss');
    expect(first).toBe('"train[uniform,0]",uniform,0,0.51,3,0,1');
    expect(rest).toHaveLength(5);
  });

  test('shows the params that it is asked for, not those of the last make', async () => {
    const rig = await made();
    await rig.make('--set', 'lr=1');
    const accuracy = async (...words: string[]) =>
      tableOf((await rig.run('metrics', 'train', '--json', ...words)).stdout).rows[0]?.accuracy;
    expect(await accuracy()).toBe(0.51);
    expect(await accuracy('--set', 'lr=1')).toBe(0.6);
    expect(await accuracy('--run', 'last')).toBe(0.6);
    expect(await accuracy('--run', 'last~1')).toBe(0.51);
    const never = tableOf((await rig.run('metrics', 'train', '--json', '--set', 'lr=2')).stdout);
    expect(never.stale).toHaveLength(6);
    expect(never.notes?.[0]).toContain('out of date');
  });

  test('beside another run tells differences, and the params and sources that caused them', async () => {
    const rig = await made();
    rig.write('gain.ts', 'export const gain = 0.25;');
    await rig.make('--set', 'lr=1');
    const { stdout } = await rig.run(
      'metrics',
      'train',
      '--run',
      'last',
      '--against',
      'last~1',
      '--json',
    );
    const { rows, causes } = tableOf(stdout);
    expect(rows[0]?.['accuracy:difference']).toBeCloseTo(-0.16, 12);
    expect(causes?.params).toEqual([{ path: 'lr', before: 0.1, after: 1 }]);
    expect(causes?.sources).toEqual([{ file: 'gain.ts', change: 'changed' }]);
    expect(causes?.code).toEqual(['train']);
    const told = await rig.run('metrics', 'train', '--set', 'lr=1', '--against', 'last~1');
    expect(told.stderr).toContain('param  lr: 0.1 → 1');
    expect(told.stderr).toContain('source gain.ts changed');
  });

  test('works without the stages, without pipeline.yaml, and for one who may only read', async () => {
    const rig = await made();
    const csv = ['metrics', 'train', '--format', 'csv'];
    const whole = (await rig.run(...csv)).stdout;
    rig.write('train.ts', 'import "no-such-package"; export default 1;');
    const without = await rig.run(...csv);
    expect(without.stdout).toBe(whole);
    expect(without.stderr).toContain('the pipeline cannot be loaded');
    expect((await rig.run(...csv, '--run', 'last')).stdout).toBe(whole);
    rig.write('pipeline.yaml', 'stages: [');
    const sorted = (text: string): readonly string[] => text.split('\n').sort();
    expect(sorted((await rig.run(...csv)).stdout)).toEqual(sorted(whole));
  });

  test.skipIf(!canRunAsUser)('reads a store that it may not write', async () => {
    const rig = await made();
    const whole = (await rig.run('metrics', 'train')).stdout;
    chmodSync(dirname(rig.folder), 0o755);
    chmodSync(rig.folder, 0o755);
    // A store is its owner's alone, unless it is given to others.
    execFileSync('chmod', ['-R', 'a+rX', join(rig.folder, 'cache')]);
    const { stdout, code } = await runAsUser(rig, 'metrics', 'train');
    expect([code, stdout]).toEqual([0, whole]);
  });

  test('writes a file in the form of its ending, and nothing that is half', async () => {
    const rig = await made();
    await rig.run('metrics', 'train', '--group-by', 'profile', '-o', 'table.md');
    expect(rig.read('table.md').split('\n')[0]).toContain('| profile | ');
    const { code, stderr } = await rig.run('metrics', 'train', '-o', 'nowhere/table.csv');
    expect(code).toBe(2);
    expect(stderr).toContain('there is no folder nowhere');
  });

  test.each([
    [['metrics', 'trian'], 'did you mean `train`?'],
    [['metrics', 'train:metric'], 'did you mean `metrics`?'],
    [['metrics', 'train:page'], 'output `page` is text: metrics come from JSON outputs'],
    [['metrics', 'train[profile=erq]'], 'axis `profile` of stage `train` has no value `erq`'],
    [['metrics', 'train', '--columns', 'acuracy'], 'did you mean `accuracy`?'],
    [['metrics', 'train', '--run', 'nope'], 'there is no run `nope`'],
    [['metrics', 'train', '--at', 'first'], '`first` is not a step of a series'],
    [['metrics', 'train', '--where', 'seed=9'], 'axis `seed` has no value `9` here'],
  ])('refuses %j', async (words, message) => {
    const { code, stdout, stderr } = await (await made()).run(...words);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  test('shows nothing of what is not made, and says so', async () => {
    const rig = await made();
    writeFileSync(join(rig.folder, 'pipeline.yaml'), PIPELINE.replace('[0, 1, 2]', '[0, 1, 2, 3]'));
    const { stdout, stderr } = await rig.run('metrics', 'train');
    expect(stdout.trimEnd().split('\n')).toHaveLength(7);
    expect(stderr).toContain('2 tasks not made yet (pipeline make train)');
    const { code, stderr: refused } = await rig.run('metrics', '--cache', 'empty');
    expect(code).toBe(2);
    expect(refused).toContain('no task has given a number yet');
  });
});
