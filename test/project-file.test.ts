// Files of the project as inputs of stages. Through the real binary.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DOOR, makeRig, type Rig, tasksOf } from './rig.ts';

const FILES = {
  'pipeline.yaml': `stages:
  sum:
    run: sum.ts
    matrix: { set: [a, b] }
    inputs:
      tables: { file: "tables/**/*.csv" }
      scale: { file: "scale-{set}.json" }
    artifacts: { page: "{set}.json" }
`,
  'sum.ts': `${DOOR}
export default defineStage({
  params: z.object({}),
  inputs: { tables: collect(text()), scale: json<number>() },
  outputs: { page: json() },
  run: ({ inputs: { tables, scale } }) => ({
    page: tables.map(({ task, at, value }) => [task, at.file, Number(value) * scale]),
  }),
});
`,
  'scale-a.json': '1',
  'scale-b.json': '{ "not": "read" }',
  'tables/b.csv': '2',
  'tables/B.csv': '1',
  'tables/deep/a.csv': '3',
  'tables/.hidden.csv': 'x',
  'tables/notes.txt': 'x',
};

const startedAfter = async (rig: Rig, ...words: string[]): Promise<readonly string[]> =>
  tasksOf((await rig.make('sum/a', ...words)).events, 'started');

describe('files of the project', () => {
  test('reach a stage by code unit of their names, and for each task those of its labels', async () => {
    const rig = makeRig(FILES);
    expect((await rig.make('sum/a')).code).toBe(0);
    expect(JSON.parse(rig.read('artifacts/sum/a.json'))).toEqual([
      ['tables/B.csv', 'tables/B.csv', 1],
      ['tables/b.csv', 'tables/b.csv', 2],
      ['tables/deep/a.csv', 'tables/deep/a.csv', 3],
    ]);
  });

  test('are keyed by name and content, and by nothing else', async () => {
    const rig = makeRig(FILES);
    await rig.make('sum/a');
    rig.write('tables/b.csv', '2');
    rig.write('scale-b.json', '3');
    rig.write('tables/notes.txt', 'more');
    expect(await startedAfter(rig)).toEqual([]);
    rig.write('tables/b.csv', '4');
    const why = await rig.run('why', 'sum/a');
    expect(why.stdout).toContain('input tables: tables/b.csv: ');
    expect(await startedAfter(rig)).toEqual(['sum[a]']);
    rig.write('tables/new.csv', '5');
    expect((await rig.run('why', 'sum/a')).stdout).toContain('tables/new.csv is new');
    expect(await startedAfter(rig)).toEqual(['sum[a]']);
    expect(rig.read('artifacts/sum/a.json')).toContain('"tables/new.csv",5]');
  });

  test('are refused where they are missing, too many, or outside', async () => {
    const rig = makeRig(FILES);
    rig.edit('pipeline.yaml', '**/*.csv', '*.tsv');
    rig.edit('pipeline.yaml', 'scale-{set}', '*-[ab]');
    const { code, stderr } = await rig.run('check');
    expect(code).toBe(2);
    expect(stderr).toContain('input `tables` of stage `sum`: no file fits `tables/*.tsv`');
    expect(stderr).toContain(
      'input `scale` of stage `sum` takes one file, but 2 fit `*-[ab].json`',
    );
  });

  test('must lie in the project, wherever links lead, unless that is allowed', async () => {
    const elsewhere = makeRig({ 'x.csv': '7' }).folder;
    const rig = makeRig(FILES);
    symlinkSync(join(elsewhere, 'x.csv'), join(rig.folder, 'tables/link.csv'));
    const refused = await rig.run('check');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('tables/link.csv lies outside the project');
    rig.edit('pipeline.yaml', '*.csv" }', '*.csv", outside: true }');
    expect((await rig.make('sum/a')).code).toBe(0);
    expect(rig.read('artifacts/sum/a.json')).toContain('"tables/link.csv",7]');
    rig.edit('pipeline.yaml', '"tables/**/*.csv"', join(elsewhere, 'x.csv'));
    expect((await rig.make('sum/a')).code).toBe(0);
    rig.edit('pipeline.yaml', ', outside: true', '');
    const absolute = await rig.run('check');
    expect(absolute.stderr).toContain('`file` of input `tables` is outside the project');
  });

  test('that change while a stage runs fail it, and nothing of it is kept', async () => {
    const rig = makeRig(FILES);
    rig.edit('sum.ts', 'import * as z', "import { writeFileSync } from 'node:fs';\nimport * as z");
    rig.edit(
      'sum.ts',
      '=> ({\n    page:',
      `=> (writeFileSync(${JSON.stringify(join(rig.folder, 'tables/b.csv'))}, String(Math.random())), {\n    page:`,
    );
    const { code, events } = await rig.make('sum/a');
    expect(code).toBe(1);
    const failed = events.find(({ event }) => event === 'failed');
    expect(failed?.error).toEqual({
      cause: 'inputs',
      message: 'tables/b.csv changed while the task ran: run make again',
    });
    expect((await rig.run('show', 'sum/a')).stderr).toContain('has not been made');
  });

  test('a folder in place of a file is none', async () => {
    const rig = makeRig(FILES);
    mkdirSync(join(rig.folder, 'folder'));
    writeFileSync(join(rig.folder, 'folder', 'x'), '');
    rig.edit('pipeline.yaml', '"tables/**/*.csv"', 'folder');
    expect((await rig.run('status')).stderr).toContain('folder is a folder');
  });
});
