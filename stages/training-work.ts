// training-work.ts — how large a training run is, before any data are read: what its time is predicted from
import { imageDatasets, isImageDatasetName } from '../src/data/catalog.ts';
import { synthDigitsDefaults } from '../src/data/synth-digits.ts';
import { synthForestDefaults } from '../src/data/synth-forest.ts';
import { Hidden, widthsOf } from './schema.ts';

/** How many samples there are to train on, and of what shape, as far as a declaration tells. */
interface Size {
  readonly train: number;
  readonly features: number;
  readonly classes: number;
}

/** Where a declaration says nothing: a guess, which costs no more than a wrong prediction. */
const UNKNOWN: Size = { train: 60_000, features: 784, classes: 10 };
/** Four fifths of Covertype's rows, less a tenth of these for validation. */
const COVTYPE: Size = { train: 418_328, features: 54, classes: 7 };
/** What a sample costs beside its connections, in connections: batches, activations, the loss. */
const PER_SAMPLE = 3000;

type Upstream = (name: string) => unknown;

/**
 * Connections times samples seen, forward and back: `training` with its epochs, and upstream of it `dataset`, `hidden`
 * and `sparsity`. The output layer is dense.
 */
export function trainingWork(
  { training }: { readonly training: { readonly epochs: number } },
  upstream: Upstream,
): number {
  const { train, features, classes } = sizeOf(upstream('dataset'));
  const hidden = widthsIn(upstream('hidden'));
  const density = 1 - numberOr(upstream('sparsity'), 0);
  const widths = [features, ...hidden];
  const possible = hidden.reduce((sum, width, layer) => sum + widths[layer] * width, 0);
  const connections = possible * density + widths[widths.length - 1] * classes;
  return training.epochs * train * (connections + PER_SAMPLE);
}

/** By name or kind; of a declared data set, by what its files and its limit tell. */
function sizeOf(dataset: unknown): Size {
  const fields = typeof dataset === 'string' ? { kind: dataset } : fieldsOf(dataset);
  const size = { ...UNKNOWN, ...knownSize(fields) };
  const limit = numberOr(fieldsOf(fields.limit).train, Number.POSITIVE_INFINITY);
  return { ...size, train: Math.min(size.train, limit) };
}

function knownSize({ kind, train, classes, files }: Fields): Partial<Size> {
  if (typeof kind === 'string' && isImageDatasetName(kind)) {
    const { shape, train: samples } = imageDatasets[kind];
    return { train: samples, features: shape.features, classes: shape.classes };
  }
  if (kind === 'covtype') return COVTYPE;
  if (kind === 'synth-digits') return { train: numberOr(train, synthDigitsDefaults.train) };
  if (kind === 'synth-forest') {
    return { ...COVTYPE, train: numberOr(train, synthForestDefaults.train) };
  }
  // An IDX file of labels has a header of 8 bytes, and a byte for each sample.
  const bytes = numberOr(fieldsOf(fieldsOf(files).trainLabels).bytes, UNKNOWN.train + 8);
  return { train: bytes - 8, classes: numberOr(classes, UNKNOWN.classes) };
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null ? (value as Fields) : {};

const numberOr = (value: unknown, otherwise: number): number =>
  typeof value === 'number' ? value : otherwise;

function widthsIn(value: unknown): readonly number[] {
  const hidden = Hidden.safeParse(value);
  return hidden.success ? widthsOf(hidden.data) : [];
}
