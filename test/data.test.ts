// data.test.ts — the room that reads: IDX files, the catalog, drawn digits
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ImageFiles,
  imageDatasetNames,
  imageDatasets,
  isImageDatasetName,
  type SourceFile,
} from '../src/data/catalog.ts';
import { contactSheet } from '../src/data/contact-sheet.ts';
import type { Dataset, DatasetShape } from '../src/data/dataset.ts';
import { datasetFromTensors, datasetToTensors } from '../src/data/dataset-tensors.ts';
import { readIdx } from '../src/data/idx.ts';
import { readImageDataset } from '../src/data/images.ts';
import { synthDigits, synthDigitsDefaults, synthDigitsShape } from '../src/data/synth-digits.ts';
import { decodeSafetensors, encodeSafetensors } from '../src/tensor.ts';

const root = resolve(import.meta.dirname, '..');
const realData = resolve(root, process.env.PIPELINE_TEST_DATA ?? '../shared/data');

const sha256 = (...parts: Uint8Array[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

/** An IDX file of unsigned bytes, as it should be. */
function idx(sizes: readonly number[], data: Iterable<number>): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * sizes.length));
  header.setUint32(0, 0x800 + sizes.length);
  sizes.forEach((size, axis) => {
    header.setUint32(4 + 4 * axis, size);
  });
  return Uint8Array.from([...new Uint8Array(header.buffer), ...data]);
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

describe('readIdx', () => {
  const images = idx([2, 2, 3], [0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255]);
  const labels = idx([3], [7, 0, 9]);

  test('reads images and labels, gzipped or not', () => {
    for (const file of [images, gzipSync(images)]) {
      const { shape, data } = readIdx(file, 'images', { dimensions: 3 });
      expect(shape).toEqual([2, 2, 3]);
      expect([...data]).toEqual([0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255]);
    }
    expect([...readIdx(labels, 'labels', { dimensions: 1 }).data]).toEqual([7, 0, 9]);
  });

  test('reads a file that lies anywhere in a larger buffer', () => {
    const larger = new Uint8Array(labels.length + 3);
    larger.set(labels, 3);
    const { data } = readIdx(larger.subarray(3), 'labels', { dimensions: 1 });
    expect([...data]).toEqual([7, 0, 9]);
  });

  test.each<[string, Uint8Array, 1 | 3, string]>([
    [
      'labels in place of images',
      labels,
      3,
      'f: expected IDX magic 2051 (0x00000803), found 2049 (0x00000801): this looks like a label file',
    ],
    [
      'images in place of labels',
      gzipSync(images),
      1,
      'f: expected IDX magic 2049 (0x00000801), found 2051 (0x00000803): this looks like an image file',
    ],
    [
      'a page of a server',
      text('\n<!doctype html><title>404</title>'),
      3,
      'f: expected IDX magic 2051 (0x00000803), found 171712868 (0x0a3c2164): this looks like an HTML or XML page, such as a server sends in place of a file',
    ],
    [
      'a pointer in place of the file',
      text('version https://git-lfs.github.com/spec/v1'),
      3,
      'f: expected IDX magic 2051 (0x00000803), found 1986359923 (0x76657273): this looks like a Git LFS pointer, not the file itself',
    ],
    [
      'floating-point elements',
      Uint8Array.of(0, 0, 13, 3, 0, 0, 0, 0),
      3,
      'f: expected IDX magic 2051 (0x00000803), found 3331 (0x00000d03): this looks like IDX of other elements or dimensions',
    ],
    [
      'the other order of bytes',
      Uint8Array.of(3, 8, 0, 0, 1, 0, 0, 0),
      3,
      'f: expected IDX magic 2051 (0x00000803), found 50855936 (0x03080000): this looks like a little-endian file, where IDX is big-endian',
    ],
    [
      'a file gzipped twice',
      gzipSync(gzipSync(images)),
      3,
      'f: expected IDX magic 2051 (0x00000803), found 529205248 (0x1f8b0800): this looks like a file that was gzipped twice',
    ],
    [
      'noise',
      Uint8Array.of(1, 2, 3, 4),
      3,
      'f: expected IDX magic 2051 (0x00000803), found 16909060 (0x01020304)',
    ],
    [
      'an empty file',
      new Uint8Array(0),
      3,
      'f: truncated: IDX begins with 4 bytes of magic, the file has 0',
    ],
    [
      'half a header',
      images.subarray(0, 9),
      3,
      'f: truncated: the header takes 16 bytes, the file has 9',
    ],
    [
      'a file cut short',
      images.subarray(0, 20),
      3,
      'f: truncated: its header declares 2 x 2 x 3 = 12 bytes, 4 follow',
    ],
    [
      'trailing bytes',
      Uint8Array.from([...labels, 1, 2]),
      1,
      'f: 2 trailing bytes: its header declares 3 = 3 bytes, 5 follow',
    ],
    [
      'a size beyond any memory',
      idx([0xffffffff, 0xffffffff, 0xffffffff], [1]),
      3,
      'f: truncated: its header declares 4294967295 x 4294967295 x 4294967295 = 7.9228162458924105e+28 bytes, 1 follow',
    ],
  ])('refuses %s and says so', (_, file, dimensions, message) => {
    expect(() => readIdx(file, 'f', { dimensions })).toThrow(new RangeError(message));
  });

  test('says that a gzip file is cut short or corrupt', () => {
    const whole = gzipSync(idx([1000], new Uint8Array(1000)));
    const cut = whole.subarray(0, whole.length - 9);
    expect(() => readIdx(cut, 'f', { dimensions: 1 })).toThrow(
      /^f: corrupt gzip \(unexpected end of file\): the download may have been cut short$/,
    );
    const flipped = Uint8Array.from(whole);
    flipped[flipped.length - 6]! ^= 1;
    expect(() => readIdx(flipped, 'f', { dimensions: 1 })).toThrow(/^f: corrupt gzip \(incorrect/);
  });

  test('never decompresses or accepts more than it is allowed', () => {
    const file = idx([50_000], new Uint8Array(50_000));
    const bound = { dimensions: 1, maxBytes: 50_007 } as const;
    expect(() => readIdx(gzipSync(file), 'f', bound)).toThrow(
      new RangeError('f: decompresses to more than the 50007 bytes allowed'),
    );
    expect(() => readIdx(file, 'f', bound)).toThrow(
      new RangeError('f: 50008 bytes, more than the 50007 allowed'),
    );
    expect(readIdx(gzipSync(file), 'f', { ...bound, maxBytes: 50_008 }).shape).toEqual([50_000]);
  });

  test('answers any bytes whatever with an array or a RangeError', () => {
    const header = fc
      .uint8Array({ maxLength: 24 })
      .map((rest) => Uint8Array.of(0, 0, 8, 3, ...rest));
    const gzipped = fc.uint8Array({ maxLength: 24 }).map((rest) => Uint8Array.of(31, 139, ...rest));
    const anything = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(fc.oneof(header, gzipped, anything), (file) => {
        try {
          const { shape, data } = readIdx(file, 'f', { dimensions: 3, maxBytes: 1000 });
          expect(data.length).toBe(shape[0]! * shape[1]! * shape[2]!);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('readImageDataset', () => {
  const shape: DatasetShape = { features: 4, classes: 3, height: 2, width: 2 };
  const good: ImageFiles<Uint8Array> = {
    trainImages: idx([2, 2, 2], [0, 255, 0, 255, 255, 0, 255, 0]),
    trainLabels: idx([2], [2, 0]),
    testImages: idx([1, 2, 2], [1, 2, 3, 4]),
    testLabels: idx([1], [1]),
  };
  const reading = (change: Partial<ImageFiles<Uint8Array>>) => () =>
    readImageDataset({ ...good, ...change }, shape);

  test('joins four files and measures the training set', () => {
    const { train, test: held, mean, std } = reading({})();
    expect([...train.labels]).toEqual([2, 0]);
    expect([...train.samples.subarray(4)]).toEqual([255, 0, 255, 0]);
    expect([...held.samples]).toEqual([1, 2, 3, 4]);
    expect({ mean, std }).toEqual({ mean: 0.5, std: 0.5 });
  });

  test('refuses a label that is no class', () => {
    expect(reading({ testLabels: idx([1], [3]) })).toThrow(
      new RangeError('test labels: label 3 of sample 0 is not in 0..2'),
    );
  });

  test('shifts labels that do not begin at 0, as those of letters, and refuses those below', () => {
    const letters = { trainLabels: idx([2], [1, 3]), testLabels: idx([1], [2]) };
    const { train, test: held } = readImageDataset({ ...good, ...letters }, shape, 1);
    expect([[...train.labels], [...held.labels]]).toEqual([[0, 2], [1]]);
    expect(imageDatasets['emnist-letters']).toMatchObject({
      firstLabel: 1,
      shape: { classes: 26 },
    });
    for (const label of [0, 4]) {
      const files = { ...good, ...letters, testLabels: idx([1], [label]) };
      expect(() => readImageDataset(files, shape, 1)).toThrow(
        new RangeError(`test labels: label ${label} of sample 0 is not in 1..3`),
      );
    }
  });

  test('refuses images and labels that differ in number', () => {
    expect(reading({ trainLabels: idx([3], [0, 1, 2]) })).toThrow(
      new RangeError('training set: 2 images, but 3 labels'),
    );
  });

  test('refuses images of another size', () => {
    expect(reading({ testImages: idx([1, 1, 4], [1, 2, 3, 4]) })).toThrow(
      new RangeError('test images: 1 x 4 pixels, not 2 x 2'),
    );
  });

  test('refuses a training set that cannot be normalised', () => {
    const none = { trainImages: idx([0, 2, 2], []), trainLabels: idx([0], []) };
    expect(reading(none)).toThrow(new RangeError('training set: no samples'));
    expect(reading({ trainImages: idx([2, 2, 2], Array(8).fill(9)) })).toThrow(
      new RangeError('training set: every feature has the same value'),
    );
  });
});

describe('the catalog', () => {
  test('knows its names and no others', () => {
    expect(imageDatasetNames).toEqual([
      'mnist',
      'fashion-mnist',
      'emnist-balanced',
      'emnist-letters',
    ]);
    expect(isImageDatasetName('fashion-mnist')).toBe(true);
    expect(isImageDatasetName('toString')).toBe(false);
  });

  test('names each file as a mirror has it and as its URLs end', () => {
    for (const name of imageDatasetNames) {
      for (const file of filesOf(imageDatasets[name].files)) {
        const [folder, base] = file.name.split('/');
        expect(name.startsWith(folder!)).toBe(true);
        expect(file.urls.length).toBeGreaterThan(0);
        // Of what lies in an archive, the addresses are the archive's.
        const published = file.member?.archive.split('/')[1] ?? base;
        expect(file.member?.path.split('/').at(-1) ?? base).toBe(base);
        for (const url of file.urls) {
          expect(new URL(url).pathname.endsWith(`/${published}`)).toBe(true);
        }
      }
    }
  });
});

describe('the real data sets', () => {
  for (const [name, mean, std] of [
    ['mnist', 0.1307, 0.3081],
    ['fashion-mnist', 0.286, 0.353],
  ] as const) {
    const { files, shape, ...known } = imageDatasets[name];
    const absent = filesOf(files).some((file) => !existsSync(resolve(realData, file.name)));
    const load = (file: SourceFile): Uint8Array => readFileSync(resolve(realData, file.name));

    test.skipIf(absent)(`${name} is what the catalog says (needs the real data)`, () => {
      for (const file of filesOf(files)) {
        const content = gunzipSync(load(file));
        expect([file.name, sha256(content)]).toEqual([file.name, file.sha256]);
        expect([file.name, content.length]).toEqual([file.name, file.bytes]);
        expect(load(file).length).toBeLessThanOrEqual(file.bytes);
      }
    });

    test.skipIf(absent)(`${name} has its known size and moments (needs the real data)`, () => {
      const dataset = readImageDataset(
        {
          trainImages: load(files.trainImages),
          trainLabels: load(files.trainLabels),
          testImages: load(files.testImages),
          testLabels: load(files.testLabels),
        },
        shape,
      );
      expect(dataset.train.labels.length).toBe(known.train);
      expect(dataset.test.labels.length).toBe(known.test);
      expect(new Set(dataset.test.labels).size).toBe(shape.classes);
      expect(dataset.mean).toBeCloseTo(mean, 4);
      expect(dataset.std).toBeCloseTo(std, 4);
    });
  }
});

describe('synth-digits', () => {
  const small = { ...synthDigitsDefaults, train: 30, test: 10 };
  const image = ({ samples }: { samples: Uint8Array }, index: number): string =>
    sha256(samples.subarray(index * 784, (index + 1) * 784));

  test('draws the same bits on every machine', () => {
    const { train, test: held, mean, std } = synthDigits(small);
    expect(sha256(train.samples, train.labels, held.samples, held.labels)).toBe(
      '9067cd25f887fa89e246b53d7ebd3a743386970cfaad57fe2d92f17024a70b71',
    );
    expect({ mean, std }).toEqual({ mean: 0.09281696011738029, std: 0.22386903474346478 });
  });

  test('draws every class equally often', () => {
    const { train, test: held } = synthDigits({ ...small, train: 200, test: 100 });
    for (const [labels, each] of [
      [train.labels, 20],
      [held.labels, 10],
    ] as const) {
      for (let digit = 0; digit < 10; digit++) {
        expect(labels.filter((label) => label === digit).length).toBe(each);
      }
    }
  });

  test('draws a sample alike whatever else is drawn', () => {
    const one = synthDigits({ ...small, train: 12, test: 30 });
    const other = synthDigits({ ...small, train: 77, test: 10 });
    expect(image(one.train, 11)).toBe(image(other.train, 11));
    expect(image(one.test, 9)).toBe(image(other.test, 9));
  });

  test('never draws the same image twice, in either split or under another seed', () => {
    const sets = [small, { ...small, seed: 1 }].map(synthDigits);
    const images = sets.flatMap(({ train, test: held }) => [
      ...Array.from({ length: 30 }, (_, index) => image(train, index)),
      ...Array.from({ length: 10 }, (_, index) => image(held, index)),
    ]);
    expect(new Set(images).size).toBe(80);
  });

  test('leaves most of the paper blank, and some of the ink black', () => {
    const { samples } = synthDigits({ ...small, train: 200 }).train;
    const blank = samples.filter((gray) => gray === 0).length / samples.length;
    const black = samples.filter((gray) => gray > 200).length / samples.length;
    expect(blank).toBeGreaterThan(0.5);
    expect(black).toBeGreaterThan(0.02);
  });

  test('is cleaner without difficulty', () => {
    const blank = (difficulty: number): number => {
      const { samples } = synthDigits({ ...small, difficulty }).train;
      return samples.filter((gray) => gray === 0).length / samples.length;
    };
    expect(blank(0)).toBeGreaterThan(blank(1));
  });

  test.each([
    ['an empty split', { train: 0 }, 'synth-digits: a split has 1 to 1000000 samples, not 0'],
    ['half a sample', { test: 1.5 }, 'synth-digits: a split has 1 to 1000000 samples, not 1.5'],
    [
      'more difficulty than there is',
      { difficulty: 4 },
      'synth-digits: difficulty is 0 to 3, not 4',
    ],
    [
      'no difficulty at all',
      { difficulty: Number.NaN },
      'synth-digits: difficulty is 0 to 3, not NaN',
    ],
    ['a seed between two', { seed: 0.5 }, 'a seed is an integer, not 0.5'],
  ])('refuses %s', (_, change, message) => {
    expect(() => synthDigits({ ...small, ...change })).toThrow(new RangeError(message));
  });
});

describe('a data set as tensors', () => {
  const dataset = synthDigits({ ...synthDigitsDefaults, train: 20, test: 10 });
  const stored = datasetToTensors(dataset, { name: 'synth-digits' });
  const restoring =
    (tensors: object, shape = synthDigitsShape) =>
    (): Dataset =>
      datasetFromTensors({ ...stored, tensors: { ...stored.tensors, ...tensors } }, shape);

  test('comes back from a safetensors file as it was', () => {
    const file = decodeSafetensors(encodeSafetensors(stored));
    expect(file.metadata).toEqual({ name: 'synth-digits' });
    expect(datasetFromTensors(file, synthDigitsShape)).toEqual(dataset);
  });

  test('is refused when tensors are missing, misshapen or of another type', () => {
    const { 'test.labels': labels, ...rest } = stored.tensors;
    expect(() => datasetFromTensors({ ...stored, tensors: rest }, synthDigitsShape)).toThrow(
      new RangeError('the tensor test.labels of a data set is missing'),
    );
    expect(restoring({ 'train.labels': labels })).toThrow(
      new RangeError('tensor train.samples: expected Uint8Array [10,784], found U8 [20,784]'),
    );
    expect(restoring({}, { ...synthDigitsShape, features: 54 })).toThrow(
      new RangeError('tensor train.samples: expected Uint8Array [20,54], found U8 [20,784]'),
    );
    expect(restoring({ mean: { shape: [1], data: Float32Array.of(0) } })).toThrow(
      new RangeError('tensor mean: expected Float64Array [1], found F32 [1]'),
    );
    expect(restoring({ 'test.labels': { shape: [10, 1], data: labels!.data } })).toThrow(
      new RangeError('tensor test.labels: expected Uint8Array [N], found U8 [10,1]'),
    );
  });

  test('is refused when its values make no data set', () => {
    const wrong = new Uint8Array(10).fill(10);
    expect(restoring({ 'test.labels': { shape: [10], data: wrong } })).toThrow(
      new RangeError('test labels: label 10 of sample 0 is not in 0..9'),
    );
    expect(restoring({ std: { shape: [1], data: Float64Array.of(0) } })).toThrow(
      /^a data set cannot be normalised by mean [\d.]+ and std 0$/,
    );
  });
});

describe('contactSheet', () => {
  test('lays images out in reading order, enlarged, and leaves missing ones gray', () => {
    const images = { data: Uint8Array.of(1, 2, 3, 4, 5, 6), height: 1, width: 2 };
    const { width, height, pixels } = contactSheet(images, { columns: 2, rows: 2, scale: 2 });
    expect({ width, height }).toEqual({ width: 14, height: 10 });
    const g = 96;
    const row = (y: number) => [...pixels.subarray(y * width, (y + 1) * width)];
    for (const y of [2, 3]) expect(row(y)).toEqual([g, g, 1, 1, 2, 2, g, g, 3, 3, 4, 4, g, g]);
    for (const y of [6, 7]) expect(row(y)).toEqual([g, g, 5, 5, 6, 6, g, g, g, g, g, g, g, g]);
    for (const y of [0, 1, 4, 5, 8, 9]) expect(row(y)).toEqual(Array(14).fill(g));
  });

  test('refuses sizes that are no whole numbers', () => {
    const images = { data: new Uint8Array(4), height: 2, width: 2 };
    expect(() => contactSheet(images, { columns: 1, rows: 1, scale: 0.5 })).toThrow(
      new RangeError("a contact sheet's scale is a whole number from 1 up, not 0.5"),
    );
  });
});

function filesOf(files: ImageFiles<SourceFile>): SourceFile[] {
  return [files.trainImages, files.trainLabels, files.testImages, files.testLabels];
}
