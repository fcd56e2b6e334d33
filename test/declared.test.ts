// declared.test.ts — data sets as pipeline.yaml names and declares them, through the real binary
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { digestsOf, type Rig, repository, studyRig, tasksOf } from './rig.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** 100 irises, as it were: two numbers and a name that the first of them tells. */
const CSV = Buffer.from(
  `length,width,kind\n${Array.from(
    { length: 100 },
    (_, i) => `${(i % 10) / 10 + (i < 60 ? 1 : 5)},${i % 7},${i < 60 ? 'setosa' : 'virginica'}\n`,
  ).join('')}`,
);

function idx(sizes: readonly number[], byte: (i: number) => number): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.writeUInt32BE(0x800 + sizes.length);
  sizes.forEach((size, axis) => {
    header.writeUInt32BE(size, 4 + 4 * axis);
  });
  const length = sizes.reduce((product, size) => product * size, 1);
  return Buffer.concat([header, Buffer.from(Array.from({ length }, (_, i) => byte(i)))]);
}

/** Letters of 3 x 2 pixels, labelled from 1. */
const IMAGES = {
  trainImages: idx([40, 3, 2], (i) => (i * 7) % 256),
  trainLabels: idx([40], (i) => 1 + (i % 2)),
  testImages: idx([10, 3, 2], (i) => (i * 5) % 256),
  testLabels: idx([10], (i) => 1 + (i % 2)),
};

const irises = (sha: string, more = ''): string =>
  `{ name: irises, format: csv, title: Irises, licence: none, citation: nobody, label: kind,
     classes: [setosa, virginica], file: { name: own/irises.csv, sha256: ${sha} }${more} }`;
const letters = (more = ''): string =>
  `{ name: letters, format: idx, title: Letters, licence: none, citation: nobody, classes: 2,
     firstLabel: 1, transposed: true, split: { validation: 0.25 }${more}, files: {${Object.entries(
       IMAGES,
     ).map(([name, bytes]) => ` ${name}: { name: own/${name}.gz, sha256: ${sha256(bytes)} }`)} } }`;

const yaml = (...declared: readonly string[]): string => `mirrors: [data]
params:
  declared:
    irises: ${declared[0]}
    letters: ${declared[1]}
  datasets: [$declared.irises, $declared.letters, { kind: synth-forest, train: 500 }]
stages:
  dataset: { run: stages/dataset.ts, matrix: { dataset: $datasets } }
  mask:
    run: stages/mask.ts
    matrix: { dataset: $datasets }
    inputs: { shape: dataset.shape }
    params: { hidden: [8], sparsity: 0, rule: uniform, profile: { family: dense }, seed: 0 }
  static:
    run: stages/static.ts
    matrix: { dataset: $datasets }
    inputs: { data: dataset.data, shape: dataset.shape, mask: mask.mask }
    params: { training: { epochs: 20, batch: 8, optimizer: adam, learningRate: 0.02 }, seed: 0 }
`;

/** A project whose data lies in `data/own`. */
async function rigWith(text: string): Promise<Rig> {
  const rig = await studyRig({ pipeline: text });
  const put = (name: string, bytes: Uint8Array): void => {
    mkdirSync(dirname(join(rig.folder, name)), { recursive: true });
    writeFileSync(join(rig.folder, name), bytes);
  };
  put('data/own/irises.csv', CSV);
  for (const [name, bytes] of Object.entries(IMAGES)) put(`data/own/${name}.gz`, gzipSync(bytes));
  return rig;
}

const shown = async (rig: Rig, what: string): Promise<Record<string, unknown>> =>
  JSON.parse((await rig.run('show', what, '--json')).stdout);

describe('a data set declared in pipeline.yaml', () => {
  test('is read, parted, told about and trained on; editing it makes it alone; mistakes are shown', async () => {
    const rig = await rigWith(yaml(irises(sha256(CSV)), letters()));
    const { code, events } = await rig.make();
    expect([code, tasksOf(events, 'failed')]).toEqual([0, []]);
    expect(await shown(rig, 'dataset/irises:about')).toMatchObject({
      title: 'Irises',
      synthetic: false,
      train: 72,
      validation: 8,
      test: 20,
      majority: 0.6,
      shape: { features: 2, classes: 2 },
      split: '20 % of the rows test, by class, seed 0; 10 % of the others validate',
      normalisation: { of: 'columns', columns: [0, 1] },
    });
    expect(await shown(rig, 'dataset/letters:about')).toMatchObject({
      train: 30,
      validation: 10,
      test: 10,
      shape: { features: 6, classes: 2, height: 3, width: 2, transposed: true },
    });
    expect(Object.keys(digestsOf(events))).toContain('static[synth-forest-train500]:metrics');
    expect(await shown(rig, 'static/irises:metrics')).toMatchObject({
      accuracy: 1,
      validationAccuracy: 1,
    });

    rig.write('pipeline.yaml', yaml(irises(sha256(CSV)), letters(', limit: { train: 20 }')));
    const edited = await rig.make('dataset');
    expect(tasksOf(edited.events, 'built')).toEqual(['dataset[letters]']);
    const renamed = yaml(irises(sha256(CSV)), letters(', limit: { train: 20 }'));
    rig.write('pipeline.yaml', renamed.replace('name: letters', 'name: abc'));
    expect(tasksOf((await rig.make('dataset')).events, 'built')).toEqual([]);

    // A bad row: file, line and column, and no stack.
    const bad = Buffer.from(CSV.toString().replace('\n1.1,1,', '\n1.1,none,'));
    writeFileSync(join(rig.folder, 'data/own/irises.csv'), bad);
    rig.write('pipeline.yaml', yaml(irises(sha256(bad)), letters()));
    const { code: failed, stderr } = await rig.run('make', 'dataset');
    expect(failed).toBe(1);
    expect(stderr).toContain('own/irises.csv, line 3, column 2 (width): `none` is not a number');
    expect(stderr).not.toMatch(/\n +at /);

    // What cannot be is refused before anything runs, where it is written.
    const leaving = irises('a'.repeat(64)).replace('own/irises.csv', '../irises.csv');
    rig.write('pipeline.yaml', yaml(leaving, letters()));
    const below = await rig.run('make');
    expect(below.code).toBe(2);
    expect(below.stderr).toMatch(
      /pipeline\.yaml:5:\d+: error: \.\.\/irises\.csv leaves its mirror/,
    );
    rig.write('pipeline.yaml', yaml(irises('abc'), letters(', splits: 1')));
    const wrong = await rig.run('make');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('`dataset.file.sha256` must fit');
    expect(wrong.stderr).toContain('unknown param `dataset.splits`');
  });
});

describe('real data from a mirror', () => {
  const mirror = process.env.PIPELINE_TEST_DATA ?? join(repository, '..', 'shared', 'data');
  const present = existsSync(join(mirror, 'emnist47'));
  const needs = present ? '' : ' (skipped: needs real data, PIPELINE_TEST_DATA=DIR)';

  test.skipIf(!present)(
    `emnist47 is declared in the study's own pipeline.yaml${needs}`,
    async () => {
      const rig = await studyRig();
      const words = ['--set', 'datasets=[$declared.emnist47]', '--mirror', mirror];
      const { code, events } = await rig.make('dataset', ...words);
      expect([code, tasksOf(events, 'built')]).toEqual([0, ['dataset[emnist47]']]);
      const about = await rig.run('show', 'dataset/emnist47:about', '--json', ...words.slice(0, 2));
      expect(JSON.parse(about.stdout)).toMatchObject({ train: 36_660, test: 6_110 });
    },
  );
});
