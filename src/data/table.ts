// table.ts — tables of numbers as data sets: which columns are quantities, and what normalises them
import type { Table } from './csv.ts';
import {
  checkSplit,
  type Dataset,
  type DatasetShape,
  type NumericColumns,
  type Split,
} from './dataset.ts';

/** All samples of a table, and which of its columns are numeric. */
export interface TableSamples {
  readonly all: Split;
  /** [J] ascending. The other columns hold 0 and 1 alone. */
  readonly columns: Int32Array;
}

/** Stores a table compactly: columns of 0 and 1 as bytes; the others as int16, or float32 where one must. */
export function samplesOf({ features, values, labels }: Table): TableSamples {
  const N = labels.length;
  const isNumeric = new Uint8Array(features);
  let isShort = true;
  for (let n = 0, at = 0; n < N; n++) {
    for (let i = 0; i < features; i++, at++) {
      const value = values[at]!;
      if (value === 0 || value === 1) continue;
      isNumeric[i] = 1;
      isShort &&= value === (value << 16) >> 16;
    }
  }
  const columns = Int32Array.from([...isNumeric.keys()].filter((i) => isNumeric[i] === 1));
  const J = columns.length;
  const samples = new Uint8Array(N * features);
  const numeric = isShort ? new Int16Array(N * J) : new Float32Array(N * J);
  for (let n = 0, at = 0, to = 0; n < N; n++) {
    for (let i = 0; i < features; i++, at++) {
      if (isNumeric[i] === 1) numeric[to++] = values[at]!;
      else samples[at] = values[at]!;
    }
  }
  return { all: { samples, labels, ...(J === 0 ? {} : { numeric }) }, columns };
}

/** Moments that leave a byte of 0 or 1 as it is. */
export const AS_IT_IS = { mean: 0, std: 1 / 255 } as const;

/**
 * The data set of these splits of a table; its numeric columns are standardised by the training
 * samples' moments.
 * @throws RangeError when a split's sizes do not agree, a label is no class, or nobody trains.
 */
export function tableDataset(
  shape: DatasetShape,
  splits: Pick<Dataset, 'train' | 'validation' | 'test'>,
  columns: Int32Array,
): Dataset {
  const { train, validation, test } = splits;
  checkSplit('training', train, shape);
  if (validation !== undefined) checkSplit('validation', validation, shape);
  checkSplit('test', test, shape);
  if (train.labels.length === 0) throw new RangeError('training set: no samples');
  return {
    shape,
    train,
    ...(validation === undefined ? {} : { validation }),
    test,
    ...AS_IT_IS,
    ...(columns.length === 0 ? {} : { numeric: momentsOf(train, columns) }),
  };
}

/** Two passes in the order of samples, in doubles: the same bits on every machine. */
function momentsOf({ numeric, labels }: Split, columns: Int32Array): NumericColumns {
  const J = columns.length;
  const N = labels.length;
  if (numeric?.length !== N * J) {
    throw new RangeError(`training set: ${numeric?.length ?? 0} numbers, not ${N} x ${J}`);
  }
  const mean = new Float64Array(J);
  const std = new Float64Array(J);
  for (let n = 0, at = 0; n < N; n++) for (let j = 0; j < J; j++, at++) mean[j]! += numeric[at]!;
  for (let j = 0; j < J; j++) mean[j]! /= N;
  for (let n = 0, at = 0; n < N; n++) {
    for (let j = 0; j < J; j++, at++) {
      const off = numeric[at]! - mean[j]!;
      std[j]! += off * off;
    }
  }
  for (let j = 0; j < J; j++) {
    std[j] = Math.sqrt(std[j]! / N);
    // What rounding leaves of a constant column is no spread to divide by.
    if (!(std[j]! > 1e-12 * Math.abs(mean[j]!))) std[j] = 1;
  }
  return { columns, mean, std };
}
