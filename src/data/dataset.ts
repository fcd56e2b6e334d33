// dataset.ts — what a data set is, once it is in memory

/** The part of a data set that decides a network's shape. Kept apart, so that new pixels remake no mask. */
export interface DatasetShape {
  /** I: features per sample. */
  readonly features: number;
  /** Number of classes; labels run from 0 to classes - 1. */
  readonly classes: number;
  /** Rows and columns of the image when the features are pixels (features = height * width). */
  readonly height: number;
  readonly width: number;
}

/** N labelled samples. */
export interface Split {
  /** [N][I] sample-major, 0..255 as stored: normalisation happens when a batch is assembled. */
  readonly samples: Uint8Array;
  /** [N] in [0, classes). */
  readonly labels: Uint8Array;
}

/** A classification data set of uint8 features. */
export interface Dataset {
  readonly shape: DatasetShape;
  readonly train: Split;
  readonly test: Split;
  /** Mean and standard deviation (population) of all training features divided by 255: x' = (x/255 - mean)/std. */
  readonly mean: number;
  readonly std: number;
}
