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
  /** What the digest is of: the decompressed content (a mirror may have gzipped it anew), or the file. */
  readonly of: 'content' | 'file';
  /** Published inside a zip archive: `urls` are the archive's. */
  readonly member?: {
    /** The archive's path below a mirror. */
    readonly archive: string;
    /** Path inside the archive. */
    readonly path: string;
    /** Bound on the archive in bytes. */
    readonly archiveBytes: number;
  };
}

/** The four files of a data set in the manner of MNIST. */
export interface ImageFiles<File> {
  readonly trainImages: File;
  readonly trainLabels: File;
  readonly testImages: File;
  readonly testLabels: File;
}

/** What a reader must be told of a data set. */
export interface DatasetFacts {
  readonly title: string;
  readonly licence: string;
  readonly citation: string;
  /** Its page, or the folder in which it is published. */
  readonly url?: string | undefined;
}

/** What is known of one data set of images before a byte of it is read. */
export interface ImageDataset extends DatasetFacts {
  readonly files: ImageFiles<SourceFile>;
  readonly shape: DatasetShape;
  /** Number of samples in each split. */
  readonly train: number;
  readonly test: number;
  /** The least label in the files. */
  readonly firstLabel: number;
}

/** The name of a data set of the catalog, as pipeline.yaml says it. */
export type ImageDatasetName = 'mnist' | 'fashion-mnist' | 'emnist-balanced' | 'emnist-letters';

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

/** EMNIST is published as one archive of all its sets. */
const EMNIST_ARCHIVE = {
  archive: 'emnist/gzip.zip',
  archiveBytes: 561_753_746,
  urls: [
    'https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip',
    'https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip',
  ],
};

/** One set of EMNIST; digests are those of the gzipped members. */
function emnist(
  set: 'balanced' | 'letters',
  counts: Pick<ImageDataset, 'train' | 'test'>,
  sha256: ImageFiles<string>,
): Pick<ImageDataset, 'files' | 'train' | 'test' | 'licence' | 'citation' | 'url'> {
  const file = (part: string, bytes: number, digest: string): SourceFile => {
    const base = `emnist-${set}-${part}-ubyte.gz`;
    const { archive, archiveBytes, urls } = EMNIST_ARCHIVE;
    const member = { archive, archiveBytes, path: `gzip/${base}` };
    return { name: `emnist/${base}`, urls, bytes, sha256: digest, of: 'file', member };
  };
  return {
    files: {
      trainImages: file('train-images-idx3', imageBytes(counts.train), sha256.trainImages),
      trainLabels: file('train-labels-idx1', labelBytes(counts.train), sha256.trainLabels),
      testImages: file('test-images-idx3', imageBytes(counts.test), sha256.testImages),
      testLabels: file('test-labels-idx1', labelBytes(counts.test), sha256.testLabels),
    },
    ...counts,
    licence: 'none stated (NIST, a work of the government of the United States)',
    citation:
      'Cohen, Afshar, Tapson, van Schaik 2017, EMNIST: an extension of MNIST to handwritten ' +
      'letters, arXiv 1702.05373',
    url: 'https://www.nist.gov/itl/products-and-services/emnist-dataset',
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
    firstLabel: 0,
    url: 'https://ossci-datasets.s3.amazonaws.com/mnist/',
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
    firstLabel: 0,
    url: 'https://github.com/zalandoresearch/fashion-mnist',
    licence: 'MIT (Zalando SE)',
    citation: 'Xiao, Rasul, Vollgraf 2017, Fashion-MNIST, arXiv 1708.07747',
  },
  'emnist-balanced': {
    title: 'EMNIST Balanced',
    ...emnist(
      'balanced',
      { train: 112_800, test: 18_800 },
      {
        trainImages: '74295e75e4e9fa2c102147460ee7eb763653d5132d883a84fb88932bfb8d2db4',
        trainLabels: 'b46d41e5156a0a8aaaa4d18979fdd1588850fa8571018acffd5d93b325a7d6ed',
        testImages: '117fc12b015e37ea98bfb2cbba3f77c3782c056cdbd219b87abfc8661d7135db',
        testLabels: 'a67cac948379b67270b9a4d0a01c8ec661598accf2f2b1964340b7c83cb175cd',
      },
    ),
    shape: { ...SHAPE, classes: 47, transposed: true },
    firstLabel: 0,
  },
  'emnist-letters': {
    title: 'EMNIST Letters',
    ...emnist(
      'letters',
      { train: 124_800, test: 20_800 },
      {
        trainImages: '6288f418a917e007bf5fddb823a2dc7a5c6a35031401b93292a539cb12bd881f',
        trainLabels: '9759af91ea6bccdf07a6040fd085861f2ec88e37f7c3f5760f6feb57106fbe5c',
        testImages: '50f0e93d75b99b463e9760b8345866f22587fa2c2fba472730a5ba09c693412d',
        testLabels: '924955c31fe7fd809b7303b5c0141282955f4b8390c74cdfd5d80435e0f4b4cb',
      },
    ),
    shape: { ...SHAPE, classes: 26, transposed: true },
    firstLabel: 1,
  },
};

/** What is known of Covertype: one table, of which everybody makes splits of their own. */
export const covtype = {
  title: 'Covertype',
  file: {
    name: 'covtype/covtype.data.gz',
    urls: [
      'https://archive.ics.uci.edu/ml/machine-learning-databases/covtype/covtype.data.gz',
      'https://ndownloader.figshare.com/files/5976039',
    ],
    bytes: 75_169_317,
    sha256: '0a9371cef7c964b5475d6053cc3e0894a5aa6f65ad1ed3ecb01c45aa96217945',
    of: 'content',
  },
  rows: 581_012,
  shape: { features: 54, classes: 7 },
  firstLabel: 1,
  /** Its authors' split, in the order of the file; training and validation have equal classes. */
  uci: { train: 11_340, validation: 3_780, test: 565_892 },
  licence: 'CC BY 4.0; copyright Jock A. Blackard and Colorado State University',
  citation:
    'Blackard and Dean 1999, Comparative accuracies of artificial neural networks and ' +
    'discriminant analysis in predicting forest cover types from cartographic variables',
  url: 'https://archive.ics.uci.edu/dataset/31/covertype',
} as const satisfies DatasetFacts & { readonly file: SourceFile } & Record<string, unknown>;

/** The names of the catalog, in its order: what to offer when a name is unknown. */
export const imageDatasetNames = Object.keys(imageDatasets) as readonly ImageDatasetName[];

/** Whether the catalog knows this name. */
export const isImageDatasetName = (name: string): name is ImageDatasetName =>
  Object.hasOwn(imageDatasets, name);
