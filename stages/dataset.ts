// dataset.ts — a data set as the training stages read it: fetched, or drawn on the spot
import * as z from 'zod/mini';
import { imageDatasetNames, imageDatasets, isImageDatasetName } from '../src/data/catalog.ts';
import type { Dataset, DatasetShape } from '../src/data/dataset.ts';
import { datasetToTensors, readImageDataset } from '../src/data/images.ts';
import { synthDigits, synthDigitsDefaults } from '../src/data/synth-digits.ts';
import { defineStage, json, tensors } from '../src/pipeline/stage.ts';

const samples = z.int().check(z.minimum(10), z.maximum(1_000_000));

/** A published data set by its name; synth-digits by its name or with its knobs. */
const DatasetParam = z.union([
  z.enum([...imageDatasetNames, 'synth-digits']),
  z.strictObject({
    kind: z.literal('synth-digits'),
    seed: z._default(z.int(), synthDigitsDefaults.seed),
    train: z._default(samples, synthDigitsDefaults.train),
    test: z._default(samples, synthDigitsDefaults.test),
    difficulty: z._default(
      z.number().check(z.minimum(0), z.maximum(3)),
      synthDigitsDefaults.difficulty,
    ),
  }),
]);

/** What the report says of a data set. */
export interface DatasetAbout {
  readonly title: string;
  /** Drawn by a generator of ours: results on it illustrate and are not evidence. */
  readonly synthetic: boolean;
  /** Samples. */
  readonly train: number;
  readonly test: number;
  readonly shape: DatasetShape;
}

export default defineStage({
  params: z.object({ dataset: DatasetParam }),
  inputs: {},
  outputs: { data: tensors(), shape: json<DatasetShape>(), about: json<DatasetAbout>() },
  files({ dataset }) {
    if (typeof dataset !== 'string' || !isImageDatasetName(dataset)) return [];
    const instead = 'The data set `synth-digits` is drawn on the spot and needs no download.';
    return Object.values(imageDatasets[dataset].files).map((file) => ({ ...file, instead }));
  },
  run({ params, files }) {
    const dataset = typeof params.dataset === 'string' ? params.dataset : params.dataset.kind;
    const knobs = typeof params.dataset === 'string' ? synthDigitsDefaults : params.dataset;
    return isImageDatasetName(dataset)
      ? outputsOf(published(dataset, files), imageDatasets[dataset].title, false)
      : outputsOf(synthDigits(knobs), 'synth-digits', true);
  },
});

function published(
  name: keyof typeof imageDatasets,
  files: Readonly<Record<string, Uint8Array>>,
): Dataset {
  const { files: declared, shape } = imageDatasets[name];
  const contents = {
    trainImages: files[declared.trainImages.name],
    trainLabels: files[declared.trainLabels.name],
    testImages: files[declared.testImages.name],
    testLabels: files[declared.testLabels.name],
  };
  return readImageDataset(contents, shape);
}

function outputsOf(dataset: Dataset, title: string, synthetic: boolean) {
  const { shape, train, test } = dataset;
  const counts = { train: train.labels.length, test: test.labels.length };
  return {
    data: datasetToTensors(dataset),
    shape,
    about: { title, synthetic, ...counts, shape },
  };
}
