// dataset.ts — what a data set is, once it is in memory

/** The part of a data set that decides a network's shape. Kept apart, so that new pixels remake no mask. */
export interface DatasetShape {
  /** I: features per sample. */
  readonly features: number;
  /** Number of classes; labels run from 0 to classes - 1. */
  readonly classes: number;
  /** Rows and columns of the image; only when the features are pixels (features = height * width). */
  readonly height?: number;
  readonly width?: number;
  /**
   * Images are stored with rows and columns exchanged, as EMNIST's are: a figure of pixels exchanges
   * them back. To a network it makes no difference.
   */
  readonly transposed?: true;
}

/** N labelled samples. */
export interface Split {
  /**
   * [N][I] sample-major, 0..255 as stored: normalisation happens when a batch is assembled. Columns
   * that `Dataset.numeric` names are 0 here.
   */
  readonly samples: Uint8Array;
  /** [N] in [0, classes). */
  readonly labels: Uint8Array;
  /** [N][J] sample-major: the numeric columns as they were read, when the data set has some. */
  readonly numeric?: Int16Array | Float32Array;
}

/** The J features that are measured quantities, which no byte could hold. */
export interface NumericColumns {
  /** [J] which features they are, ascending. */
  readonly columns: Int32Array;
  /** [J] mean and standard deviation (population) over the training samples: x' = (x - mean)/std. */
  readonly mean: Float64Array;
  /** [J] above 0: 1 for a column that is constant in training, which therefore becomes 0. */
  readonly std: Float64Array;
}

/** A classification data set of uint8 features, of which some may be numeric columns instead. */
export interface Dataset {
  readonly shape: DatasetShape;
  readonly train: Split;
  /** Held out of training to choose settings by, when the data set was asked for it. */
  readonly validation?: Split;
  readonly test: Split;
  /**
   * Mean and standard deviation (population) of all training features divided by 255:
   * x' = (x/255 - mean)/std. A table's columns of 0 and 1 stay as they are: mean 0, std 1/255.
   */
  readonly mean: number;
  readonly std: number;
  readonly numeric?: NumericColumns;
}

/** Every split by its name, the optional one only when it is there. */
export function splitsOf({
  train,
  validation,
  test,
}: Pick<Dataset, 'train' | 'validation' | 'test'>): readonly (readonly [
  name: 'train' | 'validation' | 'test',
  split: Split,
])[] {
  const held = validation === undefined ? [] : ([['validation', validation]] as const);
  return [['train', train], ...held, ['test', test]];
}

/**
 * Checks one split against its shape.
 * @throws RangeError when sizes do not agree or a label is not in [0, classes).
 */
export function checkSplit(name: string, split: Split, shape: DatasetShape): void {
  const { samples, labels } = split;
  if (samples.length !== labels.length * shape.features) {
    throw new RangeError(
      `${name} set: ${samples.length} features, not ${labels.length} x ${shape.features}`,
    );
  }
  const wrong = labels.findIndex((label) => label >= shape.classes);
  if (wrong >= 0) {
    throw new RangeError(
      `${name} labels: label ${labels[wrong]} of sample ${wrong} is not in 0..${shape.classes - 1}`,
    );
  }
}
