// dataset-param.ts — what pipeline.yaml may say of a data set: a name, a name with knobs, or a declaration
import * as z from 'zod/mini';
import { imageDatasetNames } from '../src/data/catalog.ts';
import { synthDigitsDefaults } from '../src/data/synth-digits.ts';
import { synthForestDefaults } from '../src/data/synth-forest.ts';
import type { ParamProblem } from '../src/engine/stage.ts';

const Samples = z.int().check(z.minimum(10), z.maximum(1_000_000));
const Share = z.number().check(z.minimum(0), z.lt(1));
const Seed = z.int();
const Words = z.string().check(z.minLength(1), z.maxLength(500));

/** Who is held out of the training samples, where test samples are given. */
const HeldOut = z.strictObject({ seed: z._default(Seed, 0), validation: Share });

/** Who tests and who validates, where the data set is one table. */
const Parts = z.strictObject({
  seed: z._default(Seed, 0),
  test: z._default(Share.check(z.gt(0)), 0.2),
  validation: z._default(Share, 0.1),
});
const PARTS = { seed: 0, test: 0.2, validation: 0.1 };

/** No more samples than these, drawn so that classes keep their shares. */
const Limit = z.optional(
  z.strictObject({
    seed: z._default(Seed, 0),
    train: z.optional(Samples),
    validation: z.optional(Samples),
    test: z.optional(Samples),
  }),
);

const Url = z.string().check(z.regex(/^https?:\/\//), z.maxLength(2000));
const Bytes = z.int().check(z.minimum(1));

const File = z.strictObject({
  name: Words,
  urls: z._default(z.array(Url), []),
  sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  of: z._default(z.enum(['content', 'file']), 'content'),
  bytes: z.optional(Bytes),
  member: z.optional(
    z.strictObject({ archive: Words, path: Words, archiveBytes: z.optional(Bytes) }),
  ),
});

/** What a reader of the report is told of a declared data set. */
const facts = {
  title: Words,
  licence: Words,
  citation: Words,
  url: z.optional(Url),
};

const Idx = z.strictObject({
  format: z.literal('idx'),
  ...facts,
  classes: z.int().check(z.minimum(2), z.maximum(256)),
  firstLabel: z._default(z.int().check(z.minimum(0), z.maximum(255)), 0),
  transposed: z._default(z.boolean(), false),
  files: z.strictObject({
    trainImages: File,
    trainLabels: File,
    testImages: File,
    testLabels: File,
  }),
  split: z.optional(HeldOut),
  limit: Limit,
});

const Csv = z.strictObject({
  format: z.literal('csv'),
  ...facts,
  classes: z.union([
    z.int().check(z.minimum(2), z.maximum(256)),
    z.array(Words).check(z.minLength(2), z.maxLength(256)),
  ]),
  firstLabel: z._default(z.int(), 0),
  header: z._default(z.boolean(), true),
  delimiter: z._default(z.string().check(z.minLength(1), z.maxLength(1)), ','),
  /** Name or number, from 1, of a column. */
  label: z.union([z.int().check(z.minimum(1)), Words]),
  file: File,
  split: z._default(Parts, PARTS),
  limit: Limit,
});

const Published = z.strictObject({
  kind: z.enum([...imageDatasetNames]),
  split: z.optional(HeldOut),
  limit: Limit,
});

const Covtype = z.strictObject({
  kind: z.literal('covtype'),
  split: z._default(z.union([z.literal('uci'), Parts]), PARTS),
  limit: Limit,
});

const SynthDigits = z.strictObject({
  kind: z.literal('synth-digits'),
  seed: z._default(z.int(), synthDigitsDefaults.seed),
  train: z._default(Samples, synthDigitsDefaults.train),
  test: z._default(Samples, synthDigitsDefaults.test),
  difficulty: z._default(
    z.number().check(z.minimum(0), z.maximum(3)),
    synthDigitsDefaults.difficulty,
  ),
});

const SynthForest = z.strictObject({
  kind: z.literal('synth-forest'),
  seed: z._default(z.int(), synthForestDefaults.seed),
  train: z._default(Samples, synthForestDefaults.train),
  validation: z._default(Samples, synthForestDefaults.validation),
  test: z._default(Samples, synthForestDefaults.test),
});

/** A data set by its name, by its name with knobs, or declared: docs/data.md. */
export const DatasetParam = z.union([
  z.enum([...imageDatasetNames, 'covtype', 'synth-digits', 'synth-forest']),
  z.discriminatedUnion('kind', [Published, Covtype, SynthDigits, SynthForest]),
  z.discriminatedUnion('format', [Idx, Csv]),
]);

/** What a published or drawn data set is asked for, its defaults filled in. */
export type KnownDataset = z.infer<
  typeof Published | typeof Covtype | typeof SynthDigits | typeof SynthForest
>;
/** A data set of four IDX files, declared in pipeline.yaml. */
export type IdxDataset = z.infer<typeof Idx>;
/** A data set of one CSV file, declared in pipeline.yaml. */
export type CsvDataset = z.infer<typeof Csv>;
/** The same with the short form written out: `covtype` is `{ kind: covtype }`. */
export function spelled(
  dataset: z.infer<typeof DatasetParam>,
): KnownDataset | IdxDataset | CsvDataset {
  if (typeof dataset !== 'string') return dataset;
  return z.discriminatedUnion('kind', [Published, Covtype, SynthDigits, SynthForest]).parse({
    kind: dataset,
  });
}

/** What is wrong with a declaration that its schema cannot say. */
export function checkDataset(dataset: z.infer<typeof DatasetParam>): readonly ParamProblem[] {
  if (typeof dataset === 'string' || 'kind' in dataset) return [];
  const problems: ParamProblem[] = [];
  const say = (path: readonly string[], message: string, hint?: string): void => {
    problems.push({ path: ['dataset', ...path], message, hint });
  };
  const files: readonly (readonly [path: readonly string[], file: z.infer<typeof File>])[] =
    dataset.format === 'csv'
      ? [[['file'], dataset.file]]
      : Object.entries(dataset.files).map(([name, file]) => [['files', name], file]);
  const seen = new Set<string>();
  for (const [path, { name, member }] of files) {
    if (seen.has(name)) say([...path, 'name'], `another file of this data set is called ${name}`);
    seen.add(name);
    const leaves = 'a file lies below its mirror: no `..`, and no `/` at the beginning';
    if (!liesBelow(name)) say([...path, 'name'], `${name} leaves its mirror`, leaves);
    if (member && !liesBelow(member.archive)) {
      say([...path, 'member', 'archive'], `${member.archive} leaves its mirror`, leaves);
    }
  }
  if (dataset.format === 'csv') {
    const { classes, header, label } = dataset;
    if (typeof classes !== 'number' && new Set(classes).size < classes.length) {
      say(['classes'], 'a class is named twice');
    }
    if (!header && typeof label === 'string') {
      const hint = 'say which column it is, counted from 1';
      say(['label'], `without a header no column is called ${label}`, hint);
    }
  }
  return problems;
}

const liesBelow = (path: string): boolean =>
  !path.startsWith('/') && !path.split(/[\\/]/).includes('..');
