// filter.ts — `--where profile=uniform,seed!=0,accuracy>0.9`: which rows of a table are meant

import { didYouMean } from '../hint.ts';
import { elementAt } from '../present.ts';
import {
  AnalysisError,
  type Cell,
  type Column,
  cellAt,
  columnAt,
  type Frame,
  numberIn,
} from './frame.ts';

type Operator = '=' | '!=' | '>' | '>=' | '<' | '<=';

/** One condition. Of `=` any of its values may hold, of `!=` none. */
interface Condition {
  readonly column: number;
  readonly name: string;
  readonly operator: Operator;
  readonly values: readonly string[];
  readonly text: string;
}

const CONDITION = /^\s*((?:"(?:[^"\\]|\\.)*"|[^=<>!"])+?)\s*(!=|>=|<=|==|=|>|<)\s*(.*)$/s;

/** The rows that meet every condition. @param noun what a row is @throws AnalysisError for what cannot be meant */
export function filterRows(frame: Frame, where: readonly string[], noun = 'task'): Frame {
  const conditions = where.flatMap((text) => readConditions(text, frame.columns));
  let { rows } = frame;
  for (const condition of conditions) {
    checkLabels(frame, condition);
    const holds = tester(condition);
    const left = rows.filter((row) => holds(cellAt(row, condition.column)));
    if (left.length === 0 && rows.length > 0)
      throw noneLeft(rows, condition, { isAlone: conditions.length === 1, noun });
    rows = left;
  }
  return { ...frame, rows };
}

/** `a=1,2,b>3` is two conditions: what has no operator goes on with the values before. */
function readConditions(text: string, columns: readonly Column[]): readonly Condition[] {
  const read: { name: string; operator: Operator; values: string[]; text: string }[] = [];
  for (const part of text.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/)) {
    const match = CONDITION.exec(part);
    const before = read.at(-1);
    if (match) {
      const [, name = '', operator, value = ''] = match;
      const plain = operator === '==' ? '=' : (operator as Operator);
      read.push({ name: name.trim(), operator: plain, values: [value.trim()], text: part.trim() });
    } else if (before && (before.operator === '=' || before.operator === '!=')) {
      before.values.push(part.trim());
      before.text += `,${part}`;
    } else {
      const hint = 'NAME=VALUE, NAME!=VALUE, NAME>NUMBER, NAME<=NUMBER; several with commas';
      throw new AnalysisError(`\`${part}\` is no condition`, hint);
    }
  }
  return read.map((one) => checkOperand({ ...one, column: columnAt(columns, one.name) }));
}

function checkOperand(condition: Condition): Condition {
  const { operator, values, text } = condition;
  if (operator === '=' || operator === '!=') return condition;
  if (!Number.isNaN(numberIn(values[0] ?? ''))) return condition;
  const message = `\`${text}\` compares with \`${values[0]}\`, which is not a number`;
  throw new AnalysisError(message, `${operator} compares numbers; = and != compare labels, too`);
}

function tester({ operator, values }: Condition): (cell: Cell) => boolean {
  if (operator === '=' || operator === '!=') {
    const tests = values.map(equalTo);
    const isAny = (cell: Cell): boolean => tests.some((test) => test(cell));
    return operator === '=' ? isAny : (cell) => !isAny(cell);
  }
  const bound = numberIn(values[0] ?? '');
  return (cell) => {
    const number = typeof cell === 'string' ? numberIn(cell) : cell;
    if (number === null || Number.isNaN(number)) return false;
    if (operator === '>') return number > bound;
    if (operator === '>=') return number >= bound;
    return operator === '<' ? number < bound : number <= bound;
  };
}

/** Labels are equal as texts or as numbers; `*` stands for anything. */
function equalTo(value: string): (cell: Cell) => boolean {
  const number = value.toLowerCase() === 'nan' ? Number.NaN : numberIn(value);
  const pattern = value.includes('*') ? globOf(value) : undefined;
  return (cell) => {
    if (cell === null) return value === '';
    if (typeof cell === 'number') {
      if (Number.isNaN(cell)) return value.toLowerCase() === 'nan';
      return cell === number || String(cell) === value;
    }
    return cell === value || numberIn(cell) === number || (pattern?.test(cell) ?? false);
  };
}

/** A pattern in which `*` stands for anything. */
export const globOf = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
    's',
  );

/** A label that an axis has nowhere is a slip. */
function checkLabels(
  { columns, rows }: Frame,
  { column, operator, values, name }: Condition,
): void {
  if (elementAt(columns, column).kind !== 'axis' || (operator !== '=' && operator !== '!=')) return;
  const labels = [
    ...new Set(
      rows.flatMap((row) => (cellAt(row, column) === null ? [] : String(cellAt(row, column)))),
    ),
  ];
  for (const value of values) {
    const holds = equalTo(value);
    if (labels.some((label) => holds(label))) continue;
    const message = `axis \`${name}\` has no value \`${value}\` here`;
    throw new AnalysisError(message, didYouMean(value, labels));
  }
}

function noneLeft(
  rows: Frame['rows'],
  { column, text, name }: Condition,
  { isAlone, noun }: { readonly isAlone: boolean; readonly noun: string },
): AnalysisError {
  const numbers = rows.flatMap((row) => {
    const cell = cellAt(row, column);
    return typeof cell === 'number' && !Number.isNaN(cell) ? [cell] : [];
  });
  const also = isAlone ? '' : ' of those that meet the other conditions';
  const least = numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const labels = [...new Set(rows.map((row) => cellAt(row, column) ?? 'nothing'))].slice(0, 8);
  const hint =
    numbers.length > 0
      ? `${name} goes from ${least} to ${most}`
      : `${name} is ${labels.join(', ')}`;
  return new AnalysisError(`no ${noun}${also} has ${text}`, hint);
}
