// comparison-data.ts — what a comparison reads of two reports, and how their rows are paired
import type { FileSet } from '../file-set.ts';
import { type Palette, paletteOf } from './markup/palette.ts';

/** One of the two: what its run is called, and the files of its report. */
export interface ComparedReport {
  readonly name: string;
  readonly files: FileSet;
}

/** Both of something: of the run before, and of the run after. */
export type Both<T> = readonly [before: T, after: T];

export type Value = string | number | boolean | null;
export type Row = { readonly [column: string]: Value };

/** What is read of metrics.json. */
export interface Metrics {
  readonly title: string;
  readonly figures: readonly { readonly title: string; readonly files: readonly string[] }[];
  readonly tables: { readonly [name: string]: readonly Row[] | undefined };
}

/** A row of a table in both runs. At least one of them has it. */
export interface Pair {
  readonly before: Row | undefined;
  readonly after: Row | undefined;
  /** That of the run after, or that of the run before: for what both have in common. */
  readonly row: Row;
  readonly isChanged: boolean;
}

/** Reads metrics.json; a report that lacks a part of it has nothing there. */
export function metricsOf({ files }: ComparedReport): Metrics {
  const read: Partial<Metrics> = JSON.parse(files['metrics.json']!);
  return { title: read.title ?? 'Report', figures: read.figures ?? [], tables: read.tables ?? {} };
}

/** Rows of both runs by what they are about, in the order of the first, then of the second. */
export function paired(
  table: string,
  metrics: Both<Metrics>,
  names: readonly string[],
): readonly Pair[] {
  const nameOf = (row: Row): string => JSON.stringify(names.map((name) => row[name]));
  const [left, right] = metrics.map(
    ({ tables }) => new Map((tables[table] ?? []).map((row) => [nameOf(row), row])),
  );
  const all = new Set([...left!.keys(), ...right!.keys()]);
  return [...all].flatMap((name) => {
    const [before, after] = [left!.get(name), right!.get(name)];
    const row = after ?? before;
    return row ? [{ before, after, row, isChanged: !isSameRow(before, after) }] : [];
  });
}

function isSameRow(before: Row | undefined, after: Row | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  const columns = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...columns].every((column) => before[column] === after[column]);
}

/** Mean accuracies of both runs. */
export const pairedAccuracies = (metrics: Both<Metrics>): readonly Pair[] =>
  paired('accuracy', metrics, ['dataset', 'sparsity', 'rule', 'method', 'profile']).map((pair) => ({
    ...pair,
    isChanged: !['n', 'mean', 'sd'].every(
      (column) => pair.before?.[column] === pair.after?.[column],
    ),
  }));

/** Verdicts of both runs. */
export const pairedVerdicts = (metrics: Both<Metrics>): readonly Pair[] =>
  paired('claims', metrics, ['claim']);

/** Effects behind the verdicts of both runs. */
export const pairedEffects = (metrics: Both<Metrics>): readonly Pair[] =>
  paired('contrasts', metrics, ['claim', 'dataset', 'contrast', 'unit']);

/** Whether a verdict is another one, and not only the numbers behind it. */
export const isOtherVerdict = ({ before, after }: Pair): boolean =>
  before?.verdict !== after?.verdict || before?.qualifiers !== after?.qualifiers;

export const text = (value: Value | undefined): string =>
  value === undefined || value === null ? '' : String(value);

export const number = (value: Value | undefined): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

/** By how much a number went up; null where one run lacks it. */
export function changeOf({ before, after }: Pair, column: string): number | null {
  const [a, b] = [number(before?.[column]), number(after?.[column])];
  return a === null || b === null ? null : b - a;
}

/** The largest difference first, then what only one run has, in the order in which they came. */
export function largestFirst(pairs: readonly Pair[], column: string): readonly Pair[] {
  const size = (pair: Pair): number => Math.abs(changeOf(pair, column) ?? -1);
  const rank = (pair: Pair): number => (changeOf(pair, column) === null ? -1 : size(pair));
  return [...pairs].sort((a, b) => rank(b) - rank(a));
}

/** The profiles that both reports train, in the order in which the later one paints them. */
export function profilesOf([before, after]: Both<Metrics>): readonly string[] {
  const names = [after, before].flatMap(({ tables }) =>
    (tables.runs ?? [])
      .filter(({ method }) => method !== 'dense' && method !== 'placed')
      .map(({ profile }) => text(profile)),
  );
  return [...new Set(names)];
}

/** The same hues as in the report of the run after. */
export const comparisonPalette = (metrics: Both<Metrics>): Palette =>
  paletteOf(profilesOf(metrics));
