// claims-table.ts — what the paper claims, and what became of it: the report opens with this
import {
  type ClaimsResult,
  type Contrast,
  type JudgedClaim,
  type Verdict,
  verdictWords,
} from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import { DIGITS, effectOf } from '../figures/contrast-figure.ts';
import { tableFrame } from '../markup/document.ts';
import { fixed, signed } from '../markup/format.ts';
import { type Content, type Html, html } from '../markup/html.ts';
import { sourced } from './tables.ts';

/** Id of a claim's section. */
export const claimAnchor = (id: string): string => `claim-${id.replace(/[^A-Za-z0-9-]+/g, '-')}`;

/** A verdict as a word with a sign: colour is never all that tells it. */
export function verdictMark(claim: Pick<JudgedClaim, 'verdict' | 'qualifiers'>): Html {
  const { verdict } = claim;
  return html`<span class="verdict ${verdict.replaceAll(' ', '-')}">${SIGNS[verdict]} ${verdictWords(claim)}</span>`;
}

const SIGNS: { readonly [V in Verdict]: string } = {
  reproduced: '●',
  refuted: '✕',
  inconclusive: '○',
  'not assessed': '◇',
  'not tested': '–',
};

const UNITS = { points: ' points', ratio: '', r: '', W1: '' } as const;

/** A row for each claim: the paper's value, ours, and the verdict. */
export function claimsTable({ claims }: ClaimsResult, anchors: ReadonlyMap<string, string>): Html {
  const caption = html`What the paper claims, what was found, and the verdict of the test that was declared for each
claim before anything ran. Intervals in brackets are of 90 %: both ends are one-sided 95 % bounds. <i>d</i> is Cohen’s,
over the pooled SD. <i>Refuted</i> is confidence against a claim, <i>inconclusive</i> neither for nor against it. <i>Not
assessed</i> has no verdict, since the data are synthetic or the seeds too few.`;
  const table = html`<table class="claims">
<thead><tr><th scope="col">Claim</th><th scope="col">The paper</th><th scope="col">Here</th>
<th scope="col">Verdict</th></tr></thead>
<tbody>
${claims.map((claim) => claimRow(claim, anchors))}</tbody>
</table>`;
  return html`<div class="wide">${tableFrame('Claims and verdicts', caption, table)}</div>`;
}

function claimRow(claim: JudgedClaim, anchors: ReadonlyMap<string, string>): Html {
  const { id, title, paper, reason } = claim;
  return html`<tr><th scope="row"><a href="#${claimAnchor(id)}"><b>${id}</b> ${title}</a></th>
<td data-label="The paper">${paper.value}</td>
<td data-label="Here">${oursOf(claim, anchors)}</td>
<td data-label="Verdict">${verdictMark(claim)}<small>${reason}</small></td></tr>
`;
}

/** Effects by data set: the one there is, or their range and the one farthest out. */
function oursOf({ contrasts }: JudgedClaim, anchors: ReadonlyMap<string, string>): Content {
  const measured = contrasts.filter(({ effect }) => effect !== null);
  if (measured.length === 0) return 'nothing measured';
  const lines = group(measured, ({ dataset, unit }) => JSON.stringify([dataset, unit])).map(
    (all) => html`<li><b>${all[0]!.dataset}</b> ${lineOf(all, anchors)}</li>`,
  );
  return html`<ul class="plain">${lines}</ul>`;
}

function lineOf(all: readonly Contrast[], anchors: ReadonlyMap<string, string>): Html {
  const [first] = all;
  if (all.length === 1) return effectLink(first!, anchors);
  const show = first!.unit === 'points' ? signed : fixed;
  const digits = DIGITS[first!.unit];
  const sorted = [...all].sort((a, b) => (a.effect ?? 0) - (b.effect ?? 0));
  const size = ({ effect }: Contrast): number => Math.abs(effect ?? 0);
  const extreme = all.reduce((most, one) => (size(one) > size(most) ? one : most));
  const [low, high] = [sorted[0]!, sorted[sorted.length - 1]!].map(({ effect }) =>
    show(effect ?? 0, digits),
  );
  return html`${low!} to ${high!}${UNITS[first!.unit]} over ${all.length} contrasts;
<span class="extreme">farthest, ${extreme.label}: ${effectLink(extreme, anchors)}</span>`;
}

/** An effect with its interval, n and effect size, as a link to the runs behind it. */
export function effectLink(contrast: Contrast, anchors: ReadonlyMap<string, string>): Html {
  const { d, unit, a, b } = contrast;
  const words = `${effectOf(contrast)}${d === null ? '' : `, d = ${fixed(d, 2)}`}`.replace(
    /(\]|, no interval), n =/,
    `$1${UNITS[unit]}, n =`,
  );
  const name = unit === 'r' ? html`<i>r</i> = ` : null;
  const anchor = a.tasks.map(({ task }) => anchors.get(task)).find((found) => found !== undefined);
  const title = `${a.label}${b ? ` and ${b.label}` : ''}`;
  return html`${name}${anchor === undefined ? words : sourced(anchor, words, title)}`;
}
