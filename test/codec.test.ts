// codec.test.ts — a study brings a codec of its own: one file, named where stages declare their outputs and inputs
import { expect, test } from 'vitest';
import { DOOR, makeRig } from './rig.ts';

const CODEC = `
const encoder = new TextEncoder();
/** Rows of numbers, as CSV. */
export const csv = () => ({
  kind: 'text',
  encode: (rows) => encoder.encode(rows.map((row) => row.join(',') + '\\n').join('')),
  decode(bytes) {
    const lines = new TextDecoder().decode(bytes).split('\\n').filter((line) => line !== '');
    const rows = lines.map((line) => line.split(',').map(Number));
    if (rows.flat().some(Number.isNaN)) throw new Error('a cell is no number');
    return rows;
  },
});
`;

const STUDY = {
  'pipeline.yaml': `stages:
  table: { run: stages/table.ts, artifacts: { rows: table.csv } }
  sum: { run: stages/sum.ts, inputs: { rows: table.rows }, artifacts: { sum: sum.json } }
`,
  'stages/csv.ts': CODEC,
  'stages/table.ts': `${DOOR}import { csv } from './csv.ts';
export default defineStage({
  params: z.object({}),
  inputs: {},
  outputs: { rows: csv() },
  run: () => ({ rows: [[1, 2], [3, 4]] }),
});
`,
  'stages/sum.ts': `${DOOR}import { csv } from './csv.ts';
export default defineStage({
  params: z.object({}),
  inputs: { rows: csv() },
  outputs: { sum: json() },
  run: ({ inputs }) => ({ sum: inputs.rows.flat().reduce((a, b) => a + b, 0) }),
});
`,
};

test('a codec from outside encodes an output, and decodes it for the stage that reads it', async () => {
  const rig = makeRig(STUDY);
  const made = await rig.run('make');
  expect([made.code, made.stderr]).toEqual([0, expect.stringContaining('2 built')]);
  expect(rig.read('artifacts/table/table.csv')).toBe('1,2\n3,4\n');
  expect(rig.read('artifacts/sum/sum.json').trim()).toBe('10');
  expect((await rig.run('show', 'table:rows')).stdout).toContain('1,2\n3,4');
  expect((await rig.run('export', 'table:rows', '-')).stdout).toBe('1,2\n3,4\n');
  expect((await rig.run('make')).stderr).toContain('nothing to do');
});

test('bytes that a codec from outside refuses are an error of the task that reads them', async () => {
  const rig = makeRig({
    ...STUDY,
    'stages/table.ts': STUDY['stages/table.ts'].replace('[3, 4]', "[3, 'x']"),
  });
  const made = await rig.run('make');
  expect([made.code, made.stderr]).toEqual([1, expect.stringContaining('a cell is no number')]);
});
