// parts.ts — how a data set is parted into training, validation and test samples, in deeds and in words
import type { Dataset, Split } from './dataset.ts';
import { atMost, holdOut, samplesAt } from './partition.ts';

/** The splits of a data set. */
export type Splits = Pick<Dataset, 'train' | 'validation' | 'test'>;

/** A table is parted by class: `test` of all rows test, and `validation` of the others validate. */
export interface TableParts {
  readonly seed: number;
  /** Shares, in [0, 1). */
  readonly test: number;
  readonly validation: number;
}

/** A table is parted in the order of its rows, by numbers that add up to all of them. */
export interface FixedParts {
  readonly train: number;
  readonly validation: number;
  readonly test: number;
}

/** At most so many samples of each split, drawn so that classes keep their shares. */
export interface SampleLimit {
  readonly seed: number;
  readonly train?: number | undefined;
  readonly validation?: number | undefined;
  readonly test?: number | undefined;
}

/** What may be asked of a data set whose test samples are published. */
export interface PublishedParts {
  readonly split?: { readonly seed: number; readonly validation: number } | undefined;
  readonly limit?: SampleLimit | undefined;
}

/** Parts the rows of a table. @throws RangeError when fixed numbers do not add up to its rows. */
export function partsOf(all: Split, rule: TableParts | FixedParts): Splits {
  if ('train' in rule) return fixedParts(all, rule);
  const { held, kept } = holdOut(all, rule.test, { seed: rule.seed, name: 'test' });
  return { ...withValidation(kept, rule), test: held };
}

function fixedParts(all: Split, { train, validation, test }: FixedParts): Splits {
  const N = all.labels.length;
  if (N !== train + validation + test) {
    throw new RangeError(`${N} rows cannot be parted into ${train} + ${validation} + ${test}`);
  }
  const rows = (start: number, end: number): Split =>
    samplesAt(
      all,
      Uint32Array.from({ length: end - start }, (_, i) => start + i),
    );
  return {
    train: rows(0, train),
    validation: rows(train, train + validation),
    test: rows(train + validation, N),
  };
}

/**
 * Holds validation samples out of the training samples, where that is asked for.
 * @throws RangeError when the share is so small that there would be none.
 */
export function withValidation(train: Split, rule: PublishedParts['split']): Omit<Splits, 'test'> {
  if (rule === undefined || rule.validation === 0) return { train };
  const { seed, validation } = rule;
  const { held, kept } = holdOut(train, validation, { seed, name: 'validation' });
  if (held.labels.length === 0) {
    throw new RangeError(
      `${percent(validation)} of so few training samples hold none out to validate`,
    );
  }
  return { train: kept, validation: held };
}

/** Keeps no more samples than a limit says. */
export function limited(splits: Splits, limit: SampleLimit | undefined): Splits {
  if (limit === undefined) return splits;
  const most = (name: 'train' | 'validation' | 'test', split: Split): Split =>
    atMost(split, limit[name], { seed: limit.seed, name: `limit-${name}` });
  const { train, validation, test } = splits;
  return {
    train: most('train', train),
    ...(validation && { validation: most('validation', validation) }),
    test: most('test', test),
  };
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;

/** The rule of `partsOf`, clause by clause. */
export function partsWords(rule: TableParts | FixedParts): readonly string[] {
  if ('train' in rule) {
    const { train, validation } = rule;
    return [`in the order of rows: ${train} train, the next ${validation} validate, the rest test`];
  }
  const { test, validation, seed } = rule;
  const held = validation === 0 ? [] : [`${percent(validation)} of the others validate`];
  return [`${percent(test)} of the rows test, by class, seed ${seed}`, ...held];
}

/** The rule of `withValidation`. */
export const heldOutWords = (rule: PublishedParts['split']): readonly string[] =>
  rule === undefined || rule.validation === 0
    ? []
    : [`${percent(rule.validation)} of the training samples validate, by class, seed ${rule.seed}`];

/** The rule of `limited`. */
export const limitWords = (limit: SampleLimit | undefined): readonly string[] =>
  (['train', 'validation', 'test'] as const).flatMap((name) => {
    const most = limit?.[name];
    return most === undefined ? [] : [`at most ${most} ${name} samples`];
  });
