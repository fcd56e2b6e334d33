// claim-test.ts — the test of a claim that a report declares: Welch's interval beside what is expected
import { filterRows } from '../analysis/filter.ts';
import { cellAt, columnAt, type Frame } from '../analysis/frame.ts';
import { headlineOf } from '../analysis/order.ts';
import { frameOf } from '../analysis/results.ts';
import type { Named } from '../engine/model/key.ts';
import { elementAt } from '../present.ts';
import { meanInterval, welch } from '../stats/t-test.ts';
import type { ReportResults } from './collected.ts';
import { atOf, type DeclaredClaim } from './section-params.ts';

/** What became of a claim that a report declares. */
export type Outcome = 'supported' | 'contradicted' | 'inconclusive' | 'not tested';

/** A claim with its test. */
export interface TestedClaim {
  readonly claim: DeclaredClaim;
  readonly value: string;
  readonly outcome: Outcome;
  /** Mean of a less mean of b, or less the number. */
  readonly effect: number | null;
  readonly ci: readonly [number, number] | null;
  /** Confidence of `ci`. */
  readonly level: number;
  readonly n: readonly number[];
  readonly reason: string;
}

/** Tests a claim: Welch's interval of the difference, or that of the mean less a number. */
export function testClaim(claim: DeclaredClaim, given: ReportResults): TestedClaim {
  const whole = frameOf(given.of(claim.stage, claim.output), atOf(claim.at));
  const name = claim.value ?? headlineOf(whole);
  if (whole.rows.length === 0 || name === undefined)
    return untested(claim, name ?? '', `no task of ${claim.stage} gave a number`);
  const value = elementAt(whole.columns, columnAt(whole.columns, name)).name;
  const frame = filterRows(whole, claim.where);
  const a = valuesOf(frame, claim.a, value);
  const b = typeof claim.b === 'number' ? claim.b : valuesOf(frame, claim.b, value);
  const n = [a.length, ...(typeof b === 'number' ? [] : [b.length])];
  if (n.includes(0)) return untested(claim, value, 'no task fits', n);
  if (![...a, ...(typeof b === 'number' ? [b] : b)].every(Number.isFinite)) {
    return untested(claim, value, 'a value is no finite number', n);
  }
  const level = claim.expect === 'equal' ? 0.9 : 0.95;
  const { effect, ci } = differenceOf(a, b, level);
  if (ci === null)
    return {
      ...untested(claim, value, 'a single value, or none that varies: no interval exists', n),
      effect,
    };
  const outcome = outcomeOf(claim, ci);
  return { claim, value, outcome, effect, ci, level, n, reason: reasonOf(claim, outcome) };
}

const untested = (
  claim: DeclaredClaim,
  value: string,
  reason: string,
  n: readonly number[] = [],
): TestedClaim => ({
  ...{ claim, value, outcome: 'not tested', effect: null, ci: null, level: 0.95, n, reason },
});

function differenceOf(
  a: readonly number[],
  b: readonly number[] | number,
  level: number,
): Pick<TestedClaim, 'effect' | 'ci'> {
  if (typeof b !== 'number') {
    const { difference, ci } = welch(a, b, level);
    return { effect: difference, ci };
  }
  const { mean, ci } = {
    mean: a.reduce((x, y) => x + y, 0) / a.length,
    ci: meanInterval(a, level).ci,
  };
  return { effect: mean - b, ci: ci && [ci[0] - b, ci[1] - b] };
}

/** The values of the tasks with these labels. */
function valuesOf(frame: Frame, side: Named<readonly string[]>, value: string): readonly number[] {
  const at = columnAt(frame.columns, value);
  const axes = Object.entries(side).map(([axis, labels]) => ({
    column: frame.columns.findIndex(({ name, kind }) => kind === 'axis' && name === axis),
    labels,
  }));
  const rows = frame.rows.filter((row) =>
    axes.every(({ column, labels }) => labels.includes(String(cellAt(row, column) ?? ''))),
  );
  return rows.flatMap((row) => {
    const cell = cellAt(row, at);
    return typeof cell === 'number' ? [cell] : [];
  });
}

function outcomeOf(
  { expect, margin }: DeclaredClaim,
  [low, high]: readonly [number, number],
): Outcome {
  if (expect === 'equal') {
    if (low > -margin && high < margin) return 'supported';
    return low > margin || high < -margin ? 'contradicted' : 'inconclusive';
  }
  const [least, most] = expect === 'greater' ? [low, high] : [-high, -low];
  if (least > margin) return 'supported';
  return most < margin ? 'contradicted' : 'inconclusive';
}

function reasonOf({ expect, margin }: DeclaredClaim, outcome: Outcome): string {
  const bound = margin === 0 ? '0' : String(margin);
  const what =
    expect === 'equal'
      ? `± ${bound}`
      : expect === 'greater'
        ? `above ${bound}`
        : `below ${margin === 0 ? '0' : `−${bound}`}`;
  if (outcome === 'supported')
    return `the whole interval lies ${expect === 'equal' ? 'within' : ''} ${what}`.replace(
      '  ',
      ' ',
    );
  if (outcome === 'contradicted')
    return `no part of the interval lies ${expect === 'equal' ? 'within' : ''} ${what}`.replace(
      '  ',
      ' ',
    );
  return `the interval lies on both sides of ${expect === 'equal' ? 'a bound of' : ''} ${expect === 'equal' ? what : what.replace(/^\w+ /, '')}`.replace(
    '  ',
    ' ',
  );
}
