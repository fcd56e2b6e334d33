// claims-section.ts — claims as rows: the verdict, the effect, and a drawing of both on one axis
import { AnalysisError } from '../analysis/frame.ts';
import type { ClaimsResult } from '../claims/result.ts';
import type { Json, Named } from '../engine/model/key.ts';
import { claimFigure } from '../report/figures/claim-figure.ts';
import { tableFrame } from '../report/markup/document.ts';
import { signed } from '../report/markup/format.ts';
import { type Html, html } from '../report/markup/html.ts';
import { verdictMark } from '../report/sections/claims-table.ts';
import { type Outcome, type TestedClaim, testClaim } from './claim-test.ts';
import type { ReportResults } from './collected.ts';
import { effectDrawing } from './effect-drawing.ts';
import type { DeclaredClaim, SectionOf } from './section-params.ts';

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
