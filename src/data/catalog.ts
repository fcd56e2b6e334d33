// catalog.ts — the data sets that can be fetched: where from, how large, by which digest
import type { DatasetShape } from './dataset.ts';

/** A file of the world outside, as a source stage declares it to the engine. */
export interface SourceFile {
  /** Relative path, as a mirror has it. */
  readonly name: string;
  /** Official places, in the order of trying. */
  readonly urls: readonly string[];
  /**
   * Bound on the download in bytes: the size of the decompressed content, which any mirror's gzip
   * stays under and a mirror that serves it uncompressed meets exactly.
   */
  readonly bytes: number;
  /** SHA-256 in lower-case hex. */
  readonly sha256: string;
  /** The digest is that of the decompressed content: a mirror may have gzipped it anew. */
  readonly of: 'content';
}

/** The four files of a data set in the manner of MNIST. */
export interface ImageFiles<File> {
  readonly trainImages: File;
  readonly trainLabels: File;
  readonly testImages: File;
  readonly testLabels: File;
}

/** What is known of one data set before a byte of it is read. */
export interface ImageDataset {
  readonly title: string;
  readonly files: ImageFiles<SourceFile>;
  readonly shape: DatasetShape;
  /** Number of samples in each split. */
  readonly train: number;
  readonly test: number;
  readonly licence: string;
  readonly citation: string;
}

/** The name of a data set of the catalog, as pipeline.yaml says it. */
export type ImageDatasetName = 'mnist' | 'fashion-mnist';

const SHAPE: DatasetShape = { features: 28 * 28, classes: 10, height: 28, width: 28 };
const TRAIN = 60_000;
const TEST = 10_000;

const imageBytes = (count: number): number => 16 + count * SHAPE.features;
const labelBytes = (count: number): number => 8 + count;

/** The four files of a data set under their usual names; `bases` end with a slash. */
function idxFiles(
  folder: string,
  bases: readonly string[],
  sha256: ImageFiles<string>,
): ImageFiles<SourceFile> {
  const file = (name: string, bytes: number, digest: string): SourceFile => ({
    name: `${folder}/${name}`,
    urls: bases.map((base) => base + name),
    bytes,
    sha256: digest,
    of: 'content',
  });
  return {
    trainImages: file('train-images-idx3-ubyte.gz', imageBytes(TRAIN), sha256.trainImages),
    trainLabels: file('train-labels-idx1-ubyte.gz', labelBytes(TRAIN), sha256.trainLabels),
    testImages: file('t10k-images-idx3-ubyte.gz', imageBytes(TEST), sha256.testImages),
    testLabels: file('t10k-labels-idx1-ubyte.gz', labelBytes(TEST), sha256.testLabels),
  };
}

/** Every data set of images that can be fetched, by name. */
export const imageDatasets: Readonly<Record<ImageDatasetName, ImageDataset>> = {
  mnist: {
    title: 'MNIST',
    files: idxFiles(
      'mnist',
      [
        'https://ossci-datasets.s3.amazonaws.com/mnist/',
        'https://storage.googleapis.com/cvdf-datasets/mnist/',
      ],
      {
        trainImages: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
        trainLabels: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
        testImages: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
        testLabels: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
      },
    ),
    shape: SHAPE,
    train: TRAIN,
    test: TEST,
    licence: 'CC BY-SA 3.0, according to the Keras documentation (Yann LeCun and Corinna Cortes)',
    citation:
      'LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document ' +
      'recognition',
  },
  'fashion-mnist': {
    title: 'Fashion-MNIST',
    files: idxFiles(
      'fashion-mnist',
      [
        // The site has no TLS: the digest is what makes its bytes trustworthy, as it does for every
        // mirror.
        'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
        'https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/',
      ],
      {
        trainImages: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
        trainLabels: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
        testImages: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
        testLabels: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
      },
    ),
    shape: SHAPE,
    train: TRAIN,
    test: TEST,
    licence: 'MIT (Zalando SE)',
    citation: 'Xiao, Rasul, Vollgraf 2017, Fashion-MNIST, arXiv 1708.07747',
  },
};

/** The names of the catalog, in its order: what to offer when a name is unknown. */
export const imageDatasetNames = Object.keys(imageDatasets) as readonly ImageDatasetName[];

/** Whether the catalog knows this name. */
export const isImageDatasetName = (name: string): name is ImageDatasetName =>
  Object.hasOwn(imageDatasets, name);
