// table.test.ts — tables: CSV with words for what is wrong, fair splits, numeric columns, the synthetic forest
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { covtype } from '../src/data/catalog.ts';
import { type CsvForm, readCsv } from '../src/data/csv.ts';
import type { Dataset, Split } from '../src/data/dataset.ts';
import { datasetFromTensors, datasetToTensors } from '../src/data/dataset-tensors.ts';
import { samplesAt, stratified, stratifiedCount } from '../src/data/partition.ts';
import { limited, partsOf } from '../src/data/parts.ts';
import { synthForest, synthForestDefaults, synthForestShape } from '../src/data/synth-forest.ts';
import { samplesOf, tableDataset } from '../src/data/table.ts';
import { createBatch, inOrder } from '../src/network/batch.ts';
import { createMemory } from '../src/network/compile.ts';
import { type TrainingOptions, train } from '../src/network/train.ts';
import { makeMask } from '../src/sparse/wiring.ts';
import { decodeSafetensors, encodeSafetensors } from '../src/tensor.ts';

const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const sha256 = (...parts: readonly ArrayBufferView[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part as Uint8Array);
  return hash.digest('hex');
};

describe('readCsv', () => {
  const form: CsvForm = { header: true, delimiter: ',', label: 'kind', classes: 3, firstLabel: 1 };

  test('reads numbers and labels, whichever column the label is', () => {
    const table = readCsv(text('a,kind,b\r\n1,3,2.5\r\n\r\n"-4",1,1e2\r\n'), 'f.csv', form);
    expect(table).toEqual({
      names: ['a', 'b'],
      features: 2,
      values: Float32Array.of(1, 2.5, -4, 100),
      labels: Uint8Array.of(2, 0),
    });
    const bare: CsvForm = { ...form, header: false, label: 3, delimiter: ';', firstLabel: 0 };
    const { names, labels } = readCsv(text('\ufeff1;2;0\n3;4;2'), 'f.csv', bare);
    expect([names, [...labels]]).toEqual([undefined, [0, 2]]);
  });

  test('takes words for labels, in the order in which they are declared', () => {
    const named = { ...form, classes: ['oak', 'ash'] };
    expect([...readCsv(text('a,kind\n1,ash\n2,oak\n'), 'f', named).labels]).toEqual([1, 0]);
  });

  test('decodes nothing approximately', () => {
    const read = (bytes: Uint8Array) => () => readCsv(bytes, 'f.csv', form);
    expect(read(Buffer.from('a,kind\n1,2\n\xf6,1\n', 'latin1'))).toThrow(
      'f.csv, line 3: 0xf6 at byte offset 11 is not UTF-8',
    );
    expect(read(Buffer.from('\ufeffa,kind\n1,2\n', 'utf16le'))).toThrow(
      'f.csv: the text is UTF-16 (little-endian), not UTF-8',
    );
  });

  test.each<[string, string, Partial<CsvForm>, string]>([
    ['a word', 'a,kind\n1,2\nx,1\n', {}, 'f.csv, line 3, column 1 (a): `x` is not a number'],
    ['nothing', 'a,kind\n,2\n', {}, 'f.csv, line 2, column 1 (a): nothing is not a number'],
    ['infinity', 'a,kind\n1e39,2\n', {}, 'f.csv, line 2, column 1 (a): `1e39` is not a number'],
    [
      'a missing field',
      'a,kind\n1,2\n1\n',
      {},
      'f.csv, line 3: 1 columns, where there should be 2',
    ],
    [
      'a field too many',
      'a,kind\n\n1,2,3\n',
      {},
      'f.csv, line 3: 3 columns, where there should be 2',
    ],
    [
      'a label below',
      'a,kind\n1,0\n',
      {},
      'f.csv, line 2, column 2 (kind): label `0` is not a whole number in 1..3',
    ],
    [
      'half a label',
      '1,1.5\n',
      { header: false, label: 2 },
      'f.csv, line 1, column 2: label `1.5` is not a whole number in 1..3',
    ],
    [
      'an unknown class',
      'a,kind\n1,elm\n',
      { classes: ['oak', 'ash'] },
      'f.csv, line 2, column 2 (kind): `elm` is no class, only oak, ash',
    ],
    ['no such column', 'a,b\n1,2\n', {}, 'f.csv, line 1: there is no column kind, only a, b'],
    [
      'no such number',
      '1,2\n',
      { header: false, label: 3 },
      'f.csv, line 1: there is no column 3: rows have 2',
    ],
    ['an open quote', 'a,kind\n"1,2\n', {}, 'f.csv, line 2: a quote is opened and never closed'],
    ...['0x10', '1_000', 'Infinity', 'NaN', '1e', '1,5'.replace(',', ' ')].map(
      (digits): [string, string, Partial<CsvForm>, string] => [
        `${digits} as digits`,
        `a,kind\n${digits},2\n`,
        {},
        `f.csv, line 2, column 1 (a): \`${digits}\` is not a number`,
      ],
    ),
    [
      'a label like 0x2',
      'a,kind\n1,0x2\n',
      {},
      'f.csv, line 2, column 2 (kind): label `0x2` is not a whole number in 1..3',
    ],
    ['no rows', 'a,kind\n', {}, 'f.csv: no rows'],
  ])('refuses %s, and says where', (_, words, change, message) => {
    expect(() => readCsv(text(words), 'f.csv', { ...form, ...change })).toThrow(
      new RangeError(message),
    );
  });
});

/** Labels of unequal classes: 70, 21 and 9 of a hundred. */
const LABELS = Uint8Array.from({ length: 1000 }, (_, i) =>
  i % 100 < 70 ? 0 : i % 100 < 91 ? 1 : 2,
);
const countsOf = (labels: Uint8Array): number[] =>
  [0, 1, 2].map((label) => labels.filter((one) => one === label).length);
const someSplit = (labels: Uint8Array): Split => ({
  samples: Uint8Array.from(labels, (_, i) => i % 251),
  labels,
  numeric: Int16Array.from({ length: 2 * labels.length }, (_, i) => i),
});

describe('a stratified split', () => {
  const draw = { seed: 0, name: 'test' };

  test('takes the share of each class to the sample', () => {
    const { chosen, rest } = stratified(LABELS, 0.2, draw);
    expect(countsOf(LABELS.filter((_, i) => chosen.includes(i)))).toEqual([140, 42, 18]);
    expect([...chosen, ...rest].sort((a, b) => a - b)).toEqual([...inOrder(1000)]);
    // Halves are rounded up: 0.15 of 70 is 10.5.
    const tenth = stratified(LABELS.subarray(0, 100), 0.15, draw);
    expect(countsOf(samplesAt(someSplit(LABELS), tenth.chosen).labels)).toEqual([11, 3, 1]);
  });

  test('is the same for the same seed and name on every machine, and another for others', () => {
    const digest = (seed: number, name: string): string =>
      sha256(stratified(LABELS, 0.2, { seed, name }).chosen);
    expect(digest(0, 'test')).toBe(
      '5dd9c2a85aad360113420f0e12a54d58bd2478c821e7f310602ef044e20343c1',
    );
    expect(new Set([digest(0, 'test'), digest(1, 'test'), digest(0, 'validation')]).size).toBe(3);
  });

  test('of a number keeps the shares of classes by largest remainders', () => {
    const { chosen } = stratifiedCount(LABELS, 111, draw);
    // 77.7, 23.31, 9.99
    expect(countsOf(samplesAt(someSplit(LABELS), chosen).labels)).toEqual([78, 23, 10]);
    expect(stratifiedCount(LABELS, 5000, draw).chosen).toHaveLength(1000);
  });

  test('parts a table into test, then validation out of the others, then up to a limit', () => {
    const all = someSplit(LABELS);
    const splits = partsOf(all, { seed: 0, test: 0.2, validation: 0.1 });
    const sizes = ({ train, validation, test: held }: typeof splits) =>
      [train, validation, held].map((split) => countsOf(split?.labels ?? new Uint8Array(0)));
    expect(sizes(splits)).toEqual([
      [504, 151, 65],
      [56, 17, 7],
      [140, 42, 18],
    ]);
    const few = limited(splits, { seed: 0, train: 72, test: 20 });
    expect(sizes(few)).toEqual([
      [50, 15, 7],
      [56, 17, 7],
      [14, 4, 2],
    ]);
    // A sample and its numbers stay together.
    for (const { samples, numeric } of [splits.train, few.test]) {
      expect([...samples].every((byte, n) => ((numeric?.[2 * n] ?? -1) / 2) % 251 === byte)).toBe(
        true,
      );
    }
  });

  test('that would hold nobody out is refused', () => {
    const few = someSplit(LABELS.subarray(0, 10));
    expect(() => partsOf(few, { seed: 0, test: 0.2, validation: 0.01 })).toThrow(
      new RangeError('1 % of so few training samples hold none out to validate'),
    );
  });

  test('in the order of rows takes just so many, and only of so many', () => {
    const fixed = { train: 500, validation: 100, test: 400 };
    const splits = partsOf(someSplit(LABELS), fixed);
    expect([...splits.test.labels]).toEqual([...LABELS.subarray(600)]);
    expect(() => partsOf(someSplit(LABELS), { ...fixed, test: 1 })).toThrow(
      new RangeError('1000 rows cannot be parted into 500 + 100 + 1'),
    );
  });
});

/** Three features: a quantity, a flag, a quantity. */
const smallTable = (values: readonly number[], labels: readonly number[]) =>
  samplesOf({ features: 3, values: Float32Array.from(values), labels: Uint8Array.from(labels) });

describe('a table as a data set', () => {
  const shape = { features: 3, classes: 2 };
  const { all, columns } = smallTable([10, 1, 5, 20, 0, 5, 30, 1, 5, 50, 0, 7], [0, 1, 1, 0]);
  const rows = (...indices: number[]): Split => samplesAt(all, Uint32Array.from(indices));
  const dataset = tableDataset(shape, { train: rows(0, 1, 2), test: rows(3) }, columns);

  test('keeps flags as bytes and quantities as short integers, or as floats where they are none', () => {
    expect([...columns]).toEqual([0, 2]);
    expect([...all.samples]).toEqual([0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    expect(all.numeric).toEqual(Int16Array.of(10, 5, 20, 5, 30, 5, 50, 7));
    const halves = smallTable([1.5, 1, 70_000], [0]).all.numeric;
    expect(halves).toEqual(Float32Array.of(1.5, 70_000));
  });

  test('is standardised by its training samples alone; a constant column becomes 0', () => {
    expect(dataset.numeric).toEqual({
      columns: Int32Array.of(0, 2),
      mean: Float64Array.of(20, 5),
      std: Float64Array.of(Math.sqrt(200 / 3), 1),
    });
  });

  test('goes into a batch: quantities standardised, flags as they are', () => {
    const memory = createMemory();
    const input = memory.floats(3 * 32);
    const batch = createBatch(memory, dataset, input, 32);
    input.view().fill(9);
    batch.load(dataset.test, inOrder(1), 0, 1, 16);
    const z = Math.fround(30 / Math.sqrt(200 / 3));
    expect([0, 16, 32].map((at) => input.view()[at])).toEqual([z, 0, 2]);
    batch.load(dataset.train, Uint32Array.of(2, 0), 0, 2, 16);
    expect([0, 1, 16, 17, 32, 33].map((at) => input.view()[at])).toEqual([
      Math.fround(10 / Math.sqrt(200 / 3)),
      Math.fround(-10 / Math.sqrt(200 / 3)),
      1,
      1,
      0,
      0,
    ]);
  });

  test('comes back from a safetensors file as it was', () => {
    const held: Dataset = { ...dataset, validation: rows(3, 0) };
    const file = decodeSafetensors(encodeSafetensors(datasetToTensors(held)));
    expect(datasetFromTensors(file, shape)).toEqual(held);
    const tensors = { ...file.tensors, 'numeric.std': { shape: [2], data: Float64Array.of(1, 0) } };
    expect(() => datasetFromTensors({ ...file, tensors }, shape)).toThrow(
      'the numeric columns of a data set cannot be normalised',
    );
  });
});

describe('synth-forest', () => {
  const dataset = synthForest(synthForestDefaults);
  const splits = [dataset.train, dataset.validation as Split, dataset.test];

  test('draws the same bits on every machine', () => {
    const arrays = splits.flatMap(({ samples, labels, numeric }) => [
      samples,
      labels,
      numeric as Int16Array,
    ]);
    expect(sha256(...arrays)).toBe(
      '15cd5f838856babf38917e992e37b24bf7716138f720c9646220f3996d2c0ea3',
    );
  });

  test('has 10 quantities, one of 4 areas and one of 40 soils a row', () => {
    const { samples, numeric, labels } = splits[1]!;
    expect(numeric).toHaveLength(10 * labels.length);
    for (let n = 0; n < labels.length; n++) {
      const flags = samples.subarray(54 * n, 54 * (n + 1));
      const sum = (from: number, to: number): number =>
        flags.subarray(from, to).reduce((total, flag) => total + flag, 0);
      expect([sum(0, 10), sum(10, 14), sum(14, 54)]).toEqual([0, 1, 1]);
    }
  });

  test('has unequal classes, none of them empty, in every split', () => {
    for (const { labels } of splits) {
      const shares = Array.from(
        { length: synthForestShape.classes },
        (_, label) => labels.filter((one) => one === label).length / labels.length,
      );
      expect(Math.max(...shares)).toBeLessThan(0.4);
      expect(Math.min(...shares)).toBeGreaterThan(0.003);
      expect(Math.max(...shares) / Math.min(...shares)).toBeGreaterThan(10);
    }
  });

  test('is learnt by a network far better than by a line, and by neither wholly', () => {
    const accuracyOf = (...hidden: number[]): { accuracy: number; validation: number } => {
      const widths = [synthForestShape.features, ...hidden, synthForestShape.classes];
      const made = makeMask({
        widths,
        sparsity: 0,
        rule: 'uniform',
        profile: { family: 'dense' },
        seed: 0,
      });
      if ('infeasible' in made) throw new Error('a dense mask is always feasible');
      const options: TrainingOptions = {
        epochs: 8,
        batch: 128,
        optimizer: 'adam',
        learningRate: 0.005,
      };
      const hooks = { due: () => false, save: () => undefined, progress: () => undefined };
      const { metrics } = train({ dataset, mask: made.mask, options, seed: 0 }, hooks);
      expect(metrics.lastEpoch?.validationAccuracy).toBe(metrics.epochs.at(-1)?.validationAccuracy);
      return { accuracy: metrics.accuracy, validation: metrics.validationAccuracy ?? 0 };
    };
    const line = accuracyOf();
    const network = accuracyOf(64, 32);
    expect(line.accuracy).toBeGreaterThan(0.6);
    expect(network.accuracy).toBeGreaterThan(line.accuracy + 0.04);
    expect(network.accuracy).toBeLessThan(0.95);
    expect(Math.abs(network.validation - network.accuracy)).toBeLessThan(0.04);
  });

  test('refuses an empty split', () => {
    expect(() => synthForest({ ...synthForestDefaults, validation: 0 })).toThrow(
      new RangeError('synth-forest: a split has 1 to 1000000 samples, not 0'),
    );
  });
});

describe('Covertype', () => {
  const root = resolve(import.meta.dirname, '..');
  const data = resolve(root, process.env.PIPELINE_TEST_DATA ?? '../shared/data');
  const path = resolve(data, covtype.file.name);
  const reason = !existsSync(path)
    ? ' (skipped: needs real data, PIPELINE_TEST_DATA=DIR)'
    : process.env.FULL !== '1'
      ? ' (skipped: takes 15 s, FULL=1)'
      : '';

  test.skipIf(reason !== '')(`has its known size, classes and splits${reason}`, () => {
    const content = gunzipSync(readFileSync(path));
    expect([content.length, sha256(content)]).toEqual([covtype.file.bytes, covtype.file.sha256]);
    const { features, classes } = covtype.shape;
    const fields = features + 1;
    const form = { header: false, delimiter: ',', label: fields, classes, firstLabel: 1, fields };
    const { all, columns } = samplesOf(readCsv(content, covtype.file.name, form));
    expect([...columns]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(all.numeric).toBeInstanceOf(Int16Array);
    const counts = (labels: Uint8Array): number[] => {
      const each: number[] = Array(classes).fill(0);
      for (const label of labels) each[label]!++;
      return each;
    };
    expect(counts(all.labels)).toEqual([211840, 283301, 35754, 2747, 9493, 17367, 20510]);
    const uci = partsOf(all, covtype.uci);
    expect(counts(uci.train.labels)).toEqual(Array(7).fill(1620));
    expect(counts(uci.validation?.labels ?? new Uint8Array(0))).toEqual(Array(7).fill(540));
    const { test: held } = partsOf(all, { seed: 0, test: 0.2, validation: 0.1 });
    expect(counts(held.labels)).toEqual([42368, 56660, 7151, 549, 1899, 3473, 4102]);
  });
});
