// claims-section.ts — claims as rows: the verdict, the effect, and a drawing of both on one axis
import { filterRows } from '../analysis/filter.ts';
import { AnalysisError, cellAt, columnAt, type Frame } from '../analysis/frame.ts';
import { headlineOf } from '../analysis/order.ts';
import { frameOf } from '../analysis/results.ts';
import type { ClaimsResult } from '../claims/result.ts';
import type { Json, Named } from '../engine/model/key.ts';
import { elementAt } from '../present.ts';
import { claimFigure } from '../report/figures/claim-figure.ts';
import { tableFrame } from '../report/markup/document.ts';
import { signed } from '../report/markup/format.ts';
import { type Html, html } from '../report/markup/html.ts';
import { verdictMark } from '../report/sections/claims-table.ts';
import { meanInterval, welch } from '../stats/t-test.ts';
import type { ReportResults } from './collected.ts';
import { effectDrawing } from './effect-drawing.ts';
import { atOf, type DeclaredClaim, type SectionOf } from './section-params.ts';

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

/** Draws claims. @throws AnalysisError for what is not there */
export function claimsSection(section: SectionOf<'claims'>, given: ReportResults): Html {
  const caption = section.note === undefined ? null : html`${section.note}`;
  const rows =
    section.declared === undefined
      ? judgedRows(given.jsonOf(section.stage ?? '', section.output), section.stage ?? '')
      : section.declared.map((claim) => testedRow(testClaim(claim, given)));
  const table = html`<table class="claims">
<thead><tr><th scope="col">Claim and verdict</th><th scope="col">Claimed</th><th scope="col">Here</th></tr></thead>
<tbody>
${rows}</tbody>
</table>`;
  return html`<div class="wide">${tableFrame(section.title ?? 'Claims', caption, table)}</div>`;
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

const MARKS: { readonly [one in Outcome]: readonly [sign: string, style: string] } = {
  supported: ['●', 'reproduced'],
  contradicted: ['✕', 'refuted'],
  inconclusive: ['○', 'inconclusive'],
  'not tested': ['–', 'not-tested'],
};

function testedRow(tested: TestedClaim): Html {
  const { claim, outcome, reason } = tested;
  const [sign, style] = MARKS[outcome];
  return html`<tr id="claim-${claim.id}"><th scope="row"><b>${claim.id}</b> ${claim.title ?? ''}
<span class="verdict ${style}">${sign} ${outcome}</span><small>${reason}</small></th>
<td data-label="Claimed">${claim.statement ?? expectedOf(tested)}${claim.source === undefined ? null : html`<small>${claim.source}</small>`}</td>
<td data-label="Here">${effectDrawing(tested)}${numbersOf(tested)}</td></tr>
`;
}

const sideOf = (side: DeclaredClaim['b']): string =>
  typeof side === 'number'
    ? String(side)
    : Object.values(side)
        .map((labels) => labels.join(' or '))
        .join(', ') || 'all tasks';

function expectedOf({ claim: { a, b, expect, margin }, value }: TestedClaim): string {
  const words = { greater: 'is greater than', less: 'is less than', equal: 'equals' }[expect];
  const by =
    margin === 0 ? '' : expect === 'equal' ? `, within ${margin}` : `, by more than ${margin}`;
  return `${value} of ${sideOf(a)} ${words} that of ${sideOf(b)}${by}`.replace(
    /that of (?=-?[\d.]+(?:,|$))/,
    '',
  );
}

function numbersOf({ claim: { a, b }, value, effect, ci, level, n }: TestedClaim): Html {
  if (effect === null) return html`<p class="effects">n = ${n.join(' and ') || '0'}</p>`;
  const digits = digitsOf(ci ?? [effect, effect], effect);
  const interval =
    ci === null
      ? ', no interval'
      : ` [${signed(ci[0], digits)}, ${signed(ci[1], digits)}] (${level * 100} %)`;
  return html`<p class="effects">${value}, ${sideOf(a)} less ${sideOf(b)}: ${signed(effect, digits)}${interval}, n = ${n.join(' and ')}</p>`;
}

/** Two significant digits of half the interval. */
function digitsOf([low, high]: readonly [number, number], effect: number): number {
  const size = high > low ? (high - low) / 2 : Math.abs(effect) / 10;
  return size > 0 ? Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(size)))) : 2;
}

/** Rows of claims that a stage judged, in the form `claims/2` or `claims/1`. */
function judgedRows(values: readonly Json[], stage: string): readonly Html[] {
  return values.flatMap((value) => {
    if (!isJudged(value)) {
      throw new AnalysisError(
        `what \`${stage}\` gave is not of the form claims/2`,
        'docs/claims.md tells it; or list claims in the section',
      );
    }
    return (value as unknown as ClaimsResult).claims.map(
      (claim) => html`<tr id="claim-${claim.id}"><th scope="row"><b>${claim.id}</b> ${claim.title}
${verdictMark(claim)}<small>${claim.reason}</small></th>
<td data-label="Claimed">${claim.paper.value}</td>
<td data-label="Here">${claimFigure(claim)}</td></tr>
`,
    );
  });
}

function isJudged(value: Json): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { form, claims } = value as Named<Json>;
  const isForm = form === 'claims/1' || form === 'claims/2';
  return isForm && Array.isArray(claims) && claims.every(isJudgedClaim);
}

function isJudgedClaim(claim: Json): boolean {
  const one = claim as Named<Json> | null;
  const paper = one?.paper as Named<Json> | null | undefined;
  const isTexts = ['id', 'title', 'verdict', 'reason'].every(
    (key) => typeof one?.[key] === 'string',
  );
  return (
    isTexts &&
    Array.isArray(one?.qualifiers) &&
    Array.isArray(one?.contrasts) &&
    typeof paper?.value === 'string'
  );
}
