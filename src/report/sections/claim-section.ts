// claim-section.ts — one claim: what is claimed, the figure, the numbers, and what speaks against trusting them
import type { ClaimsResult, Contrast, JudgedClaim } from '../../claims/result.ts';
import { group } from '../data/arms.ts';
import { claimAnchor, verdictMark } from './claims-table.ts';
import { contrastsTable } from './contrasts-table.ts';
import type { Figure } from '../charts/figure.ts';
import { count, counted, fixed, listed, percent, signed } from '../markup/format.ts';
import { type Content, type Html, html } from '../markup/html.ts';

/** The section of a claim. */
export function claimSection(
  claim: JudgedClaim,
  figures: readonly Figure[],
  anchors: ReadonlyMap<string, string>,
): Html {
  const { id, title, statement, paper, rule, reason } = claim;
  const anchor = claimAnchor(id);
  return html`<section id="${anchor}" class="claim" aria-labelledby="${anchor}-title">
<h2 id="${anchor}-title"><span class="number">${id}</span> ${title}</h2>
<p class="outcome">${verdictMark(claim)} ${reason}.</p>
<dl class="claimed">
<dt>Claimed</dt><dd>${statement}</dd>
<dt>The paper</dt><dd>${paper.value} <span class="where">(${paper.where})</span></dd>
<dt>The test</dt><dd>${ruleOf(rule)} Contrasts of fewer than ${claim.seeds} seeds are not assessed.</dd>
</dl>
${figures.map(({ html: figure }) => figure)}
${contrastsTable(claim, anchors)}
${caveats(claim)}
</section>
`;
}

/** A rule with its two verdicts in bold: they are what a reader looks for. */
const ruleOf = (rule: string): Content =>
  rule
    .split(/\b(Reproduced|Refuted)(?=:)/)
    .map((part, i) => (i % 2 === 1 ? html`<b>${part}</b>` : part));

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
  return `Neurons with more connections have larger gradients whatever they learn: counting connections alone gives ${span} of these ratios.`;
}

/** What limits several claims alike, told once. */
export function commonCaveats({ claims, design: { needed } }: ClaimsResult): Html | null {
  const all = claims.flatMap((claim) => claim.contrasts.map((contrast) => ({ claim, contrast })));
  const measured = all.filter(({ contrast: { effect } }) => effect !== null);
  const names = measured.filter(({ contrast: { synthetic } }) => synthetic);
  const synthetic = [
    ...new Set(names.map(({ contrast: { dataset } }) => dataset.split(' ', 1)[0]!)),
  ];
  const few = measured.filter(
    ({ claim, contrast: { decides, seeds } }) => decides && seeds < claim.seeds,
  );
  const fewest = few.reduce((least, { contrast: { seeds } }) => Math.min(least, seeds), Infinity);
  const wanted = [...new Set(few.map(({ claim: { seeds } }) => seeds))].sort((a, b) => a - b);
  const effect = needed.find(({ d, power }) => d > 1 && power >= 0.9);
  const items: Content[] = [
    synthetic.length > 0 &&
      `${listed(synthetic)} ${synthetic.length === 1 ? 'is' : 'are'} synthetic: effects are shown but not assessed.`,
    few.length > 0 &&
      `${count(few.length)} of ${counted(measured.length, 'contrast')} ${few.length === 1 ? 'has' : 'have'} as few as ${counted(fewest, 'seed')}; a verdict needs ${wanted.join(' or ')}.`,
    few.length > 0 &&
      effect !== undefined &&
      `An effect of d = ${signed(effect.d, 2).slice(1)} needs ${effect.n} seeds on each side for a power of ${fixed(effect.power, 1)}.`,
    measured.some(({ contrast: { seeds } }) => seeds === 1) &&
      'A single seed has no SD, so its contrast has no test and no interval.',
  ].flatMap((item) => (typeof item === 'string' ? [item] : []));
  return caveatList('Limits of all claims', items);
}

function caveatList(title: string, items: readonly Content[]): Html | null {
  if (items.length === 0) return null;
  return html`<aside class="caveats" aria-label="${title}"><p class="caveats-title">${title}</p>
<ul>${items.map((item) => html`<li>${item}</li>`)}</ul></aside>
`;
}

/** What a careful reader would hold against this verdict alone. */
function caveats({ id, contrasts, kind }: JudgedClaim): Html | null {
  const measured = contrasts.filter(({ effect }) => effect !== null);
  const untested = group(
    contrasts.filter(({ effect }) => effect === null),
    ({ reason }) => reason,
  );
  const lacking = measured.filter(
    ({ a, b, unit }) => unit === 'points' && b !== null && a.n !== b.n,
  );
  const items: Content[] = [
    lacking.length > 0 &&
      `${counted(lacking.length, 'contrast')} ${lacking.length === 1 ? 'compares' : 'compare'} sides of unequal n.`,
    ...withoutWords(measured),
    kind === 'correlation' && measured.length > 0
      ? 'Neurons with more connections have larger gradients whatever they learn: the rings in the figure show what counting connections alone gives.'
      : null,
    kind === 'ratio-range' ? countingWords(measured) : null,
    kind === 'equivalence' && measured.length > 0
      ? 'A difference that is not significant does not show equivalence: the interval has to lie within the margin.'
      : null,
    ...untested.map((all) => `${counted(all.length, 'contrast')} not tested: ${all[0]!.reason}.`),
  ].flatMap((item) => (typeof item === 'string' ? [item] : []));
  return caveatList(`Caveats of ${id}`, items);
}
