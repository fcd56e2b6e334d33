// training-work.ts — how large a training run is, before any data are read: what its time is predicted from
import { imageDatasets, isImageDatasetName } from '../src/data/catalog.ts';
import { synthDigitsDefaults } from '../src/data/synth-digits.ts';
import { synthForestDefaults } from '../src/data/synth-forest.ts';
import { Hidden, widthsOf } from './schema.ts';

/** How many samples there are, and of what shape, as far as a declaration tells. */
interface Size {
  readonly train: number;
  /** Test and validation samples: all of them are evaluated after each epoch. */
  readonly evaluated: number;
  readonly features: number;
  readonly classes: number;
}

/** Where a declaration says nothing: a guess, which costs no more than a wrong prediction. */
const UNKNOWN: Size = { train: 60_000, evaluated: 10_000, features: 784, classes: 10 };
const COVTYPE_ROWS = 581_012;
/** Rows of Covertype that test, and of the others those that validate, unless a split says otherwise. */
const COVTYPE_TEST = 0.2;
const COVTYPE_VALIDATION = 0.1;
const COVTYPE = { features: 54, classes: 7 };

// The unit is what one connection of a sparse layer costs for one sample, forward, backward and in its share of the
// optimiser's step. Measured with 784-256-128, 784-512-256 and 784-1024-512 networks and on 54 features, batches of 64 and
// 128, from 80 to 98 % sparsity and dense, on Node 20 and 24: docs/training.md.
/** A connection of a dense layer. */
const DENSE = 0.7;
/** Of a sample, for each of its features: the batch is assembled, standardised and laid out. */
const FEATURE = 3.5;
/** Forward only, as a share of all. */
const EVALUATION = 0.35;
/** An update of RigL, for each possible connection and sample of its batch: a dense gradient, and who is chosen. */
const REWIRING = 0.7;
/** For each connection and epoch, and once more: a state is saved, a network is made. */
const STATE = 300;
/** For each feature of each sample, once: data are read, which later tasks of a worker need not. */
const LOADING = 40;
/** A task: it is started, checked, and what it leaves is stored. */
const TASK = 3e8;

type Upstream = (name: string) => unknown;

/** What of a stage's params its time depends on. */
interface WorkParams {
  readonly training: { readonly epochs: number; readonly batch: number };
  readonly rigl?: Rewirings;
  readonly set?: Rewirings;
}
interface Rewirings {
  readonly every: number;
  readonly stop: number;
  readonly accumulate?: number | undefined;
}

/** The time of a training run, in units: from its params, and from `dataset`, `hidden` and `sparsity` upstream of it. */
export function trainingWork({ training, rigl }: WorkParams, upstream: Upstream): number {
  const { epochs, batch } = training;
  const size = sizeOf(upstream('dataset'));
  const { train, evaluated, features } = size;
  const { possible, connections, cost } = networkOf(size, upstream);
  const sample = cost + FEATURE * features;
  const steps = epochs * Math.ceil(train / batch);
  const updates = rigl ? Math.floor((rigl.stop * steps) / rigl.every) * (rigl.accumulate ?? 1) : 0;
  return (
    epochs * (train + EVALUATION * evaluated) * sample +
    updates * batch * possible * REWIRING +
    (epochs + 1) * connections * STATE +
    (train + evaluated) * features * LOADING +
    TASK
  );
}

/** The network: the output layer is dense, and so is all of it at a sparsity of 0. */
function networkOf({ features, classes }: Size, upstream: Upstream) {
  const hidden = widthsIn(upstream('hidden'));
  const widths = [features, ...hidden];
  const possible = hidden.reduce((sum, width, layer) => sum + widths[layer]! * width, 0);
  const sparsity = numberOr(upstream('sparsity'), 0);
  const ofHidden = possible * (1 - sparsity);
  const ofOutput = widths[widths.length - 1]! * classes;
  const cost = ofHidden * (sparsity === 0 ? DENSE : 1) + ofOutput * DENSE;
  return { possible, connections: ofHidden + ofOutput, cost };
}

/** By name or kind; of a declared data set, by what its files and its limit tell. */
function sizeOf(dataset: unknown): Size {
  const fields = typeof dataset === 'string' ? { kind: dataset } : fieldsOf(dataset);
  const limit = fieldsOf(fields.limit);
  const { train, test, validation, ...shape } = samplesOf(fields);
  const atMost = (name: string, count: number): number =>
    Math.min(count, numberOr(limit[name], Number.POSITIVE_INFINITY));
  const evaluated = atMost('test', test) + atMost('validation', validation);
  return { ...UNKNOWN, ...shape, train: atMost('train', train), evaluated };
}

interface Samples extends Partial<Pick<Size, 'features' | 'classes'>> {
  readonly train: number;
  readonly test: number;
  readonly validation: number;
}

function samplesOf({ kind, train, test, validation, classes, files, split }: Fields): Samples {
  if (kind === 'synth-digits') {
    const { train: trained, test: tested } = synthDigitsDefaults;
    return { train: numberOr(train, trained), test: numberOr(test, tested), validation: 0 };
  }
  if (kind === 'synth-forest') {
    const defaults = synthForestDefaults;
    return {
      ...COVTYPE,
      train: numberOr(train, defaults.train),
      test: numberOr(test, defaults.test),
      validation: numberOr(validation, defaults.validation),
    };
  }
  if (kind === 'covtype') return { ...COVTYPE, ...tableParts(split) };
  const shares = fieldsOf(split);
  if (typeof kind === 'string' && isImageDatasetName(kind)) {
    const { shape, train: trained, test: tested } = imageDatasets[kind];
    const held = heldOut(trained, shares);
    return { features: shape.features, classes: shape.classes, test: tested, ...held };
  }
  const labels = fieldsOf(files);
  const trained = labelsIn(labels.trainLabels, UNKNOWN.train);
  return {
    test: labelsIn(labels.testLabels, UNKNOWN.evaluated),
    classes: numberOr(classes, UNKNOWN.classes),
    ...heldOut(trained, shares),
  };
}

/** Who trains on Covertype and who does not. */
function tableParts(split: unknown): Pick<Samples, 'train' | 'test' | 'validation'> {
  if (split === 'uci') return { train: 11_340, validation: 3_780, test: 565_892 };
  const shares = fieldsOf(split);
  const test = COVTYPE_ROWS * numberOr(shares.test, COVTYPE_TEST);
  return { test, ...heldOut(COVTYPE_ROWS - test, shares, COVTYPE_VALIDATION) };
}

function heldOut(count: number, { validation }: Fields, otherwise = 0) {
  const held = count * numberOr(validation, otherwise);
  return { train: count - held, validation: held };
}

/** An IDX file of labels has a header of 8 bytes, and a byte for each sample. */
const labelsIn = (file: unknown, otherwise: number): number =>
  numberOr(fieldsOf(file).bytes, otherwise + 8) - 8;

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};

const numberOr = (value: unknown, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise;

function widthsIn(value: unknown): readonly number[] {
  const hidden = Hidden.safeParse(value);
  return hidden.success ? widthsOf(hidden.data) : [];
}
