// claims-table.ts — what the paper claims, and what became of it: the report opens with this
import {
  type ClaimsResult,
  type Contrast,
  type JudgedClaim,
  type Verdict,
  verdictWords,
} from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import { claimFigure, farthest, PUBLISHED_HUE } from '../figures/claim-figure.ts';
import { DIGITS, effectOf } from '../figures/contrast-figure.ts';
import { tableFrame } from '../markup/document.ts';
import { fixed, signed } from '../markup/format.ts';
import { type Content, type Html, html } from '../markup/html.ts';
import { FAINT, INK, SOFT } from '../markup/palette.ts';
import { sourced } from './tables.ts';

/** Id of a claim's section. */
export const claimAnchor = (id: string): string => `claim-${id.replace(/[^A-Za-z0-9-]+/g, '-')}`;

/** A verdict as a word with a sign: colour is never all that tells it. */
export function verdictMark(claim: Pick<JudgedClaim, 'verdict' | 'qualifiers'>): Html {
  const { verdict } = claim;
  return html`<span class="verdict ${verdict.replaceAll(' ', '-')}">${SIGNS[verdict]} ${verdictWords(claim)}</span>`;
}

/** The sign of a verdict alone, in its colour: for the eye, where the words stand elsewhere. */
export const verdictSign = ({ verdict }: Pick<JudgedClaim, 'verdict'>): Html =>
  html`<span class="sign ${verdict.replaceAll(' ', '-')}" aria-hidden="true">${SIGNS[verdict]}</span>`;

const SIGNS: { readonly [V in Verdict]: string } = {
  reproduced: '●',
  refuted: '✕',
  inconclusive: '○',
  'not assessed': '◇',
  'not tested': '–',
};

const UNITS = { points: ' points', ratio: '', r: '', W1: '' } as const;

/** A row for each claim: the verdict, the paper's value, and ours, drawn and in numbers. */
export function claimsTable({ claims }: ClaimsResult, anchors: ReadonlyMap<string, string>): Html {
  const caption = html`The claims of the paper, each with the verdict of the test that was declared for it before anything ran.
${symbol('effect')} the largest effect that counts for the verdict, with its 90 % confidence interval (each end is a one-sided
95 % bound); ${symbol('other')} other contrasts; ${symbol('paper')} the paper’s value; ${symbol('margin')} the margin of the test.`;
  const table = html`<table class="claims">
<thead><tr><th scope="col">Claim and verdict</th><th scope="col">The paper</th><th scope="col">This study</th></tr></thead>
<tbody>
${claims.map((claim) => claimRow(claim, anchors))}</tbody>
</table>`;
  return html`<div class="wide">${tableFrame('Claims and verdicts', caption, table)}</div>`;
}

const SYMBOLS = {
  effect: html`<line x1="1" x2="21" y1="6" y2="6" stroke="${INK.light}" stroke-width="1.5"/><circle cx="11" cy="6" r="3.6" fill="${INK.light}" stroke="${INK.light}"/>`,
  other: html`<line x1="11" x2="11" y1="2" y2="10" stroke="${SOFT.light}"/>`,
  paper: html`<path d="M11 0L15.5 6L11 12L6.5 6Z" fill="none" stroke="${PUBLISHED_HUE}" stroke-width="1.6"/>`,
  margin: html`<rect width="22" height="12" fill="${FAINT.light}" fill-opacity="0.25"/>`,
} as const;

const symbol = (name: keyof typeof SYMBOLS): Html =>
  html`<svg class="symbol" width="22" height="12" aria-hidden="true">${SYMBOLS[name]}</svg>`;

function claimRow(claim: JudgedClaim, anchors: ReadonlyMap<string, string>): Html {
  const { id, title, paper, reason } = claim;
  return html`<tr><th scope="row"><a href="#${claimAnchor(id)}"><b>${id}</b> ${title}</a>
${verdictMark(claim)}<small>${reason}</small></th>
<td data-label="The paper">${paper.value}</td>
<td>${claimFigure(claim)}${oursOf(claim, anchors)}</td></tr>
`;
}

/** Effects by data set: the one there is, or their range. */
function oursOf({ contrasts }: JudgedClaim, anchors: ReadonlyMap<string, string>): Content {
  const measured = contrasts.filter(({ effect }) => effect !== null);
  if (measured.length === 0) return 'nothing measured';
  const lines = group(measured, ({ dataset, unit }) => JSON.stringify([dataset, unit])).map(
    (all) => html`<li><b>${all[0]!.dataset}</b> ${lineOf(all, anchors)}</li>`,
  );
  return html`<ul class="plain effects">${lines}</ul>`;
}

function lineOf(all: readonly Contrast[], anchors: ReadonlyMap<string, string>): Html {
  const [first] = all;
  if (all.length === 1) return effectLink(first!, anchors);
  const show = first!.unit === 'points' ? signed : fixed;
  const digits = DIGITS[first!.unit];
  const sorted = [...all].sort((a, b) => (a.effect ?? 0) - (b.effect ?? 0));
  const [low, high] = [sorted[0]!, sorted[sorted.length - 1]!].map(({ effect }) =>
    show(effect ?? 0, digits),
  );
  const told = farthest(all);
  const anchor = anchorOf(told, anchors);
  const words = `${low} to ${high}${UNITS[first!.unit]}`;
  const title = `farthest out: ${told.label}`;
  return html`${anchor === undefined ? words : sourced(anchor, words, title)} in ${all.length} contrasts`;
}

const anchorOf = ({ a }: Contrast, anchors: ReadonlyMap<string, string>): string | undefined =>
  a.tasks.map(({ task }) => anchors.get(task)).find((found) => found !== undefined);

/** An effect with its interval, n and effect size, as a link to the runs behind it. */
export function effectLink(contrast: Contrast, anchors: ReadonlyMap<string, string>): Html {
  const { d, unit, a, b } = contrast;
  const words = `${effectOf(contrast)}${d === null ? '' : `, d = ${fixed(d, 2)}`}`.replace(
    /(\]|, no interval), n =/,
    `$1${UNITS[unit]}, n =`,
  );
  const name = unit === 'r' ? html`<i>r</i> = ` : null;
  const anchor = anchorOf(contrast, anchors);
  const title = `${a.label}${b ? ` and ${b.label}` : ''}`;
  return html`${name}${anchor === undefined ? words : sourced(anchor, words, title)}`;
}
