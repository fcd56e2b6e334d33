// claim-section.ts — one claim: what is claimed, the figure, the numbers, and what speaks against trusting them
import {
  type Arm,
  type ClaimsResult,
  type Contrast,
  type JudgedClaim,
  verdictWords,
} from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import { claimAnchor, verdictMark } from './claims-table.ts';
import { DIGITS } from '../figures/contrast-figure.ts';
import { tableFrame } from '../markup/document.ts';
import type { Figure } from '../charts/figure.ts';
import {
  count,
  counted,
  fixed,
  listed,
  NOTHING,
  percent,
  probability,
  signed,
} from '../markup/format.ts';
import { type Content, type Html, html } from '../markup/html.ts';
import { sourced } from './tables.ts';

/** Longer tables are folded away on screens. */
const ROWS_OPEN = 12;

/** The section of a claim. */
export function claimSection(
  claim: JudgedClaim,
  figures: readonly Figure[],
  anchors: ReadonlyMap<string, string>,
  design: ClaimsResult['design'],
): Html {
  const { id, title, statement, paper, rule, reason } = claim;
  const anchor = claimAnchor(id);
  return html`<section id="${anchor}" class="claim" aria-labelledby="${anchor}-title">
<h2 id="${anchor}-title"><span class="number">${id}</span> ${title}</h2>
<p class="outcome">${verdictMark(claim)} ${reason}.</p>
<dl class="claimed">
<dt>Claimed</dt><dd>${statement}</dd>
<dt>The paper</dt><dd>${paper.value} <span class="where">(${paper.where})</span></dd>
<dt>The test</dt><dd>${rule} Arms of fewer than ${claim.seeds} seeds are not assessed.</dd>
</dl>
${figures.map(({ html: figure }) => figure)}
${contrastsTable(claim, anchors)}
${caveats(claim, design)}
</section>
`;
}

function contrastsTable(claim: JudgedClaim, anchors: ReadonlyMap<string, string>): Content {
  const { id, contrasts } = claim;
  if (contrasts.length === 0) return null;
  const unit = contrasts.find(({ effect }) => effect !== null)?.unit ?? 'points';
  const pairs = contrasts.some(({ b }) => b !== null);
  const tested = contrasts.some(({ pFor, pAgainst }) => pFor !== null || pAgainst !== null);
  const sized = contrasts.some(({ d }) => d !== null);
  const caption = html`The contrasts of ${id}: arms as mean (SD) ${UNITS[unit]}, the effect with its interval, ${
    tested
      ? html`<i>p</i> of the test for the claim (Holm’s where it is adjusted) and against it (always Holm’s, of what is assessed), `
      : null
  }and the verdict.`;
  const table = html`<table class="numbers contrasts">
<thead><tr><th scope="col">Data set</th><th scope="col" class="words">contrast</th><th scope="col">arm</th>
${pairs ? html`<th scope="col">beside</th>` : null}<th scope="col">effect</th><th scope="col">n</th>
${tested ? html`<th scope="col">p, for</th><th scope="col">p, against</th>` : null}
${sized ? html`<th scope="col">d</th>` : null}<th scope="col" class="words">verdict</th></tr></thead>
<tbody>
${contrasts.map((contrast) => contrastRow(contrast, anchors, { pairs, tested, sized }))}</tbody>
</table>`;
  const frame = html`<div class="wide">${tableFrame(`Contrasts of ${id}`, caption, table)}</div>`;
  return contrasts.length <= ROWS_OPEN
    ? frame
    : html`<details class="wide"><summary>All ${contrasts.length} contrasts of ${id}</summary>${frame}</details>`;
}

const UNITS = {
  points: 'in percent',
  ratio: 'of the ratio',
  r: 'of the hub ratio',
  W1: 'of the distance',
} as const;

/** What contrasts were made without, each reason once. */
function withoutWords(contrasts: readonly Contrast[]): readonly string[] {
  const lacks = contrasts.flatMap(({ dataset, label, unit, without = [] }) =>
    without.map((words) => ({ words, name: unit === 'r' ? dataset : `${dataset}, ${label}` })),
  );
  return group(lacks, ({ words }) => words).map((all) => {
    const [{ words, name }] = all as [(typeof lacks)[number]];
    const others = all.length > 1 ? ` and ${counted(all.length - 1, 'other contrast')}` : '';
    return `${name}${others}: ${words}.`;
  });
}

/** How much of the ratios counting connections alone gives. */
function countingWords(contrasts: readonly Contrast[]): string | null {
  const shares = contrasts.flatMap(({ effect, also }) => {
    const alone = also.find(({ label }) => label === 'counting connections alone')?.value ?? null;
    return alone === null || effect === null || effect === 0 ? [] : [alone / effect];
  });
  if (shares.length === 0) return null;
  const [low, high] = [Math.min(...shares), Math.max(...shares)].map((one) => percent(one, 0));
  const span = low === high ? `${low} %` : `${low} to ${high} %`;
  return `Neurons with more connections have longer gradients whatever they learn: counting connections alone gives ${span} of these ratios.`;
}

function contrastRow(
  contrast: Contrast,
  anchors: ReadonlyMap<string, string>,
  { pairs, tested, sized }: { pairs: boolean; tested: boolean; sized: boolean },
): Html {
  const { dataset, label, a, b, d, dCi, reason } = contrast;
  const [p, against] = [contrast.pForHolm ?? contrast.pFor, contrast.pAgainstHolm];
  const cell = (arm: Arm | null): Content =>
    arm === null ? NOTHING : armCell(arm, contrast.unit === 'W1' ? 3 : 2, anchors);
  const size =
    dCi === null ? 'no interval' : `95 % BCa interval ${fixed(dCi[0], 2)} to ${fixed(dCi[1], 2)}`;
  return html`<tr><th scope="row">${dataset}</th><td class="words">${label}</td><td>${cell(a)}</td>
${pairs ? html`<td>${cell(b)}</td>` : null}<td>${contrast.effect === null ? NOTHING : effectCell(contrast, anchors)}</td>
<td>${contrast.unit === 'r' ? a.n : contrast.seeds}</td>${tested ? html`<td>${p === null ? NOTHING : probability(p)}</td><td>${against === null ? NOTHING : probability(against)}</td>` : null}
${sized ? html`<td title="${size}">${d === null ? NOTHING : fixed(d, 2)}</td>` : null}
<td class="words" title="${reason}">${verdictWords(contrast)}${contrast.decides ? null : ' (beside)'}</td></tr>
`;
}

function armCell(arm: Arm, digits: number, anchors: ReadonlyMap<string, string>): Content {
  if (arm.mean === null) return NOTHING;
  const spread = arm.sd === null ? ' (one seed)' : ` (${fixed(arm.sd, digits)})`;
  return linked(`${fixed(arm.mean, digits)}${spread}`, `${arm.label}, n = ${arm.n}`, arm, anchors);
}

/** A number as a link to the runs of an arm. */
function linked(
  text: string,
  title: string,
  arm: Arm,
  anchors: ReadonlyMap<string, string>,
): Content {
  const anchor = arm.tasks.map(({ task }) => anchors.get(task)).find((at) => at !== undefined);
  return anchor === undefined ? text : sourced(anchor, text, title);
}

function effectCell(contrast: Contrast, anchors: ReadonlyMap<string, string>): Content {
  const { effect, ci, unit, a, b } = contrast;
  const digits = DIGITS[unit];
  const show = unit === 'points' ? signed : fixed;
  const interval = ci ? ` [${show(ci[0], digits)}, ${show(ci[1], digits)}]` : '';
  return linked(
    `${show(effect ?? 0, digits)}${interval}`,
    `${a.label}${b ? ` and ${b.label}` : ''}`,
    a,
    anchors,
  );
}

/** What a careful reader would hold against this verdict. */
function caveats(claim: JudgedClaim, { needed }: ClaimsResult['design']): Html | null {
  const { contrasts, seeds: wanted, kind } = claim;
  const measured = contrasts.filter(({ effect }) => effect !== null);
  const synthetic = [...new Set(measured.filter((c) => c.synthetic).map(({ dataset }) => dataset))];
  const few = measured.filter(({ seeds, decides }) => decides && seeds < wanted);
  const fewest = few.reduce((least, { seeds }) => Math.min(least, seeds), wanted);
  const single = measured.some(({ seeds }) => seeds === 1);
  const untested = group(
    contrasts.filter(({ effect }) => effect === null),
    ({ reason }) => reason,
  );
  const lacking = measured.filter(
    ({ a, b, unit }) => unit === 'points' && b !== null && a.n !== b.n,
  );
  const effect = needed.find(({ d, power }) => d > 1 && power >= 0.9);
  const items: Content[] = [
    synthetic.length > 0 &&
      `${listed(synthetic)} ${synthetic.length === 1 ? 'is' : 'are'} made by a generator of ours: shown, never assessed.`,
    few.length > 0 &&
      `${count(few.length)} of ${counted(measured.length, 'contrast')} ${few.length === 1 ? 'rests' : 'rest'} on as few as ${counted(fewest, 'seed')}; ${wanted} are wanted.`,
    single && 'A single seed has no SD, so its contrast has no test and no interval.',
    few.length > 0 &&
      effect !== undefined &&
      kind === 'superiority' &&
      `An effect of d = ${signed(effect.d, 2).slice(1)} needs ${effect.n} seeds per arm for a power of ${fixed(effect.power, 1)}.`,
    lacking.length > 0 &&
      `${counted(lacking.length, 'contrast')} ${lacking.length === 1 ? 'compares' : 'compare'} arms of unequal n.`,
    ...withoutWords(measured),
    kind === 'correlation' && measured.length > 0
      ? 'Neurons with more connections have longer gradients whatever they learn: the rings of the figure are what counting connections alone gives.'
      : null,
    kind === 'ratio-range' ? countingWords(measured) : null,
    kind === 'equivalence' && measured.length > 0
      ? 'A difference that is not significant is no equivalence: the interval has to lie within the margin.'
      : null,
    ...untested.map((all) => `${counted(all.length, 'contrast')} not tested: ${all[0]!.reason}.`),
  ].flatMap((item) => (typeof item === 'string' ? [item] : []));
  if (items.length === 0) return null;
  return html`<aside class="caveats" aria-label="Caveats of ${claim.id}"><h3>Caveats</h3>
<ul>${items.map((item) => html`<li>${item}</li>`)}</ul></aside>
`;
}
