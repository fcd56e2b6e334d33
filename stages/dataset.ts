// dataset.ts — a data set as the training stages read it: fetched, or drawn on the spot
import * as z from 'zod/mini';
import {
  covtype,
  type DatasetFacts,
  type ImageFiles,
  imageDatasets,
  isImageDatasetName,
} from '../src/data/catalog.ts';
import { readCsv } from '../src/data/csv.ts';
import { type Dataset, type DatasetShape, splitsOf } from '../src/data/dataset.ts';
import { datasetToTensors } from '../src/data/dataset-tensors.ts';
import { datasetOf, imageSize, readImageSplits } from '../src/data/images.ts';
import {
  type FixedParts,
  heldOutWords,
  limited,
  limitWords,
  type PublishedParts,
  partsOf,
  partsWords,
  type SampleLimit,
  type TableParts,
  withValidation,
} from '../src/data/parts.ts';
import { synthDigits } from '../src/data/synth-digits.ts';
import { synthForest } from '../src/data/synth-forest.ts';
import { samplesOf, tableDataset } from '../src/data/table.ts';
import {
  defineStage,
  json,
  type SourceFile,
  type StageContext,
  StageError,
  tensors,
} from '../src/engine/stage.ts';
import {
  type CsvDataset,
  checkDataset,
  DatasetParam,
  type IdxDataset,
  spelled,
} from './dataset-param.ts';

/** What a report says of a data set. */
export interface DatasetAbout {
  readonly title: string;
  /** Drawn by a generator of ours: results on it illustrate and are not evidence. */
  readonly synthetic: boolean;
  /** Samples; 0 validation samples when none are held out. */
  readonly train: number;
  readonly validation: number;
  readonly test: number;
  readonly shape: DatasetShape;
  /** Share of the commonest class among the test samples: what a guess without looking attains. */
  readonly majority: number;
  readonly licence: string;
  readonly citation: string;
  readonly url: string | null;
  /** Who trains, who validates and who tests, in words. */
  readonly split: string;
  /** x' = (x/255 - mean)/std over all pixels, or (x - mean)/std for each numeric column, counted from 0. */
  readonly normalisation:
    | { readonly of: 'pixels'; readonly mean: number; readonly std: number }
    | {
        readonly of: 'columns';
        readonly columns: readonly number[];
        readonly mean: readonly number[];
        readonly std: readonly number[];
      };
}

export default defineStage({
  params: z.object({ dataset: DatasetParam }),
  inputs: {},
  outputs: { data: tensors(), shape: json<DatasetShape>(), about: json<DatasetAbout>() },
  check: ({ dataset }) => checkDataset(dataset),
  files: ({ dataset }) => filesOf(spelled(dataset)),
  run({ params, files, progress }) {
    try {
      return outputsOf(made(spelled(params.dataset), { files, progress }));
    } catch (error) {
      // What is wrong with a file is its owner's to mend.
      if (error instanceof RangeError) throw new StageError(error.message);
      throw error;
    }
  },
});

type Spelled = ReturnType<typeof spelled>;
/** What a data set is made from, and who is told how far that is. */
type Source = Pick<StageContext<unknown, unknown>, 'files' | 'progress'>;

function filesOf(dataset: Spelled): readonly SourceFile[] {
  if ('format' in dataset) {
    return dataset.format === 'csv' ? [dataset.file] : Object.values(dataset.files);
  }
  const instead = (name: string): string =>
    `The data set \`${name}\` is drawn on the spot and needs no download.`;
  if (dataset.kind === 'covtype') return [{ ...covtype.file, instead: instead('synth-forest') }];
  if (!isImageDatasetName(dataset.kind)) return [];
  const files: readonly SourceFile[] = Object.values(imageDatasets[dataset.kind].files);
  return files.map((file) => ({ ...file, instead: instead('synth-digits') }));
}

/** A data set and what there is to say of it. */
interface Made {
  readonly dataset: Dataset;
  readonly facts: DatasetFacts;
  readonly synthetic: boolean;
  readonly split: string;
}

const OURS = {
  licence: 'MIT, as this program',
  citation: 'drawn by this program from a seed; no measurement',
};
const PUBLISHED_SPLIT = 'training and test samples as published';

function made(dataset: Spelled, source: Source): Made {
  if ('format' in dataset) {
    return dataset.format === 'csv' ? fromCsv(dataset, source) : fromIdx(dataset, source);
  }
  switch (dataset.kind) {
    case 'synth-digits': {
      const facts = { title: 'synth-digits', ...OURS };
      const split = `drawn apart, seed ${dataset.seed}`;
      return { dataset: synthDigits(dataset), facts, synthetic: true, split };
    }
    case 'synth-forest': {
      const facts = { title: 'synth-forest', ...OURS };
      const split = `drawn apart, seed ${dataset.seed}`;
      return { dataset: synthForest(dataset), facts, synthetic: true, split };
    }
    case 'covtype':
      return fromCovtype(dataset, source);
    default: {
      if (!isImageDatasetName(dataset.kind)) throw new Error(`no data set ${dataset.kind}`);
      const known = imageDatasets[dataset.kind];
      return fromImages(known, known, dataset, source);
    }
  }
}

function fromImages(
  facts: DatasetFacts,
  images: {
    readonly files: ImageFiles<{ readonly name: string }>;
    readonly shape: DatasetShape;
    readonly firstLabel: number;
  },
  { split, limit }: PublishedParts,
  source: Source,
): Made {
  const { files, shape, firstLabel } = images;
  const bytes = {
    trainImages: source.files[files.trainImages.name]!,
    trainLabels: source.files[files.trainLabels.name]!,
    testImages: source.files[files.testImages.name]!,
    testLabels: source.files[files.testLabels.name]!,
  };
  const { train, test } = readImageSplits(bytes, shape, firstLabel);
  const splits = limited({ ...withValidation(train, split), test }, limit);
  const dataset = datasetOf(shape, splits.train, splits.test, splits.validation);
  const rule = [PUBLISHED_SPLIT, ...heldOutWords(split), ...limitWords(limit)].join('; ');
  return { dataset, facts, synthetic: false, split: rule };
}

function fromIdx(declared: IdxDataset, source: Source): Made {
  const { files, classes, transposed, firstLabel } = declared;
  const { height, width } = imageSize(source.files[files.trainImages.name]!, 'training images');
  const orientation = transposed ? { transposed: true as const } : {};
  const shape = { features: height * width, classes, height, width, ...orientation };
  return fromImages(factsOf(declared), { files, shape, firstLabel }, declared, source);
}

const factsOf = ({ title, licence, citation, url }: DatasetFacts): DatasetFacts => ({
  title,
  licence,
  citation,
  url,
});

type TableForm = Parameters<typeof readCsv>[2];

function fromCsv(declared: CsvDataset, source: Source): Made {
  const { file, header, delimiter, label, classes, firstLabel, split, limit } = declared;
  const form = { header, delimiter, label, classes, firstLabel };
  return fromTable(factsOf(declared), source, file.name, form, split, limit);
}

function fromCovtype(
  {
    split,
    limit,
  }: { readonly split: 'uci' | TableParts; readonly limit?: SampleLimit | undefined },
  source: Source,
): Made {
  const { file, shape, firstLabel } = covtype;
  const fields = shape.features + 1;
  const { classes } = shape;
  const form = { header: false, delimiter: ',', label: fields, classes, firstLabel, fields };
  const rule = split === 'uci' ? covtype.uci : split;
  return fromTable(factsOf(covtype), source, file.name, form, rule, limit);
}

function fromTable(
  facts: DatasetFacts,
  { files, progress }: Source,
  name: string,
  form: TableForm,
  rule: TableParts | FixedParts,
  limit: SampleLimit | undefined,
): Made {
  const told = (done: number, of: number): void => progress(done, of, `reading ${name}`);
  const table = readCsv(files[name]!, name, form, told);
  const { all, columns } = samplesOf(table);
  const splits = limited(partsOf(all, rule), limit);
  const classes = typeof form.classes === 'number' ? form.classes : form.classes.length;
  const dataset = tableDataset({ features: table.features, classes }, splits, columns);
  const split = [...partsWords(rule), ...limitWords(limit)].join('; ');
  return { dataset, facts, synthetic: false, split };
}

function outputsOf({ dataset, facts, synthetic, split }: Made) {
  const { shape, test } = dataset;
  const about: DatasetAbout = {
    title: facts.title,
    synthetic,
    ...{ train: 0, validation: 0, test: 0 },
    ...Object.fromEntries(splitsOf(dataset).map(([name, { labels }]) => [name, labels.length])),
    shape,
    majority: majority(test.labels, shape.classes),
    licence: facts.licence,
    citation: facts.citation,
    url: facts.url ?? null,
    split,
    normalisation: normalisationOf(dataset),
  };
  return { data: datasetToTensors(dataset), shape, about };
}

function majority(labels: Uint8Array, classes: number): number {
  const counts: number[] = Array(classes).fill(0);
  for (const label of labels) counts[label]!++;
  return Math.max(...counts) / Math.max(1, labels.length);
}

function normalisationOf({ shape, mean, std, numeric }: Dataset): DatasetAbout['normalisation'] {
  if (shape.height !== undefined) return { of: 'pixels', mean, std };
  return {
    of: 'columns',
    columns: [...(numeric?.columns ?? [])],
    mean: [...(numeric?.mean ?? [])],
    std: [...(numeric?.std ?? [])],
  };
}
