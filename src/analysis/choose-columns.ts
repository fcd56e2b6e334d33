// choose-columns.ts — `--columns accuracy,loss*`: which columns of a table are shown

import { didYouMean } from '../hint.ts';
import { elementAt } from '../present.ts';
import { globOf } from './filter.ts';
import { AnalysisError, columnAt, type Frame, metricOf, pick } from './frame.ts';

/**
 * The columns that are named, in that order; a `*` in a name stands for anything. Axes stay in front unless one of them is
 * named. Without names: everything but texts.
 */
export function chooseColumns(frame: Frame, words: readonly string[] | undefined): Frame {
  const { columns } = frame;
  if (words === undefined) {
    return pick(
      frame,
      columns.flatMap(({ kind }, at) => (kind === 'text' ? [] : [at])),
    );
  }
  const named = words.flatMap((word) => columnsNamed(frame, word));
  const isKey = (at: number): boolean =>
    elementAt(columns, at).kind === 'axis' || elementAt(columns, at).kind === 'task';
  const keys = named.some((at) => elementAt(columns, at).kind === 'axis')
    ? columns.flatMap(({ kind }, at) => (kind === 'task' ? [at] : []))
    : columns.flatMap((_, at) => (isKey(at) ? [at] : []));
  return pick(frame, [...new Set([...keys, ...named])]);
}

function columnsNamed({ columns }: Frame, word: string): readonly number[] {
  const isExact = columns.some(({ name }) => name === word);
  if (!word.includes('*') || isExact) {
    const at = columnAt(columns, word);
    // What belongs to a number comes with it: what it was before, and the difference.
    const { name } = elementAt(columns, at);
    return columns.flatMap((column, index) =>
      index === at || (column.statistic && metricOf(column) === name) ? [index] : [],
    );
  }
  const pattern = globOf(word);
  const found = columns.flatMap(({ name, kind }, at) =>
    kind !== 'task' && kind !== 'axis' && pattern.test(name) ? [at] : [],
  );
  if (found.length > 0) return found;
  const known = columns.map(({ name }) => name);
  throw new AnalysisError(`no column fits \`${word}\``, didYouMean(word, known));
}
