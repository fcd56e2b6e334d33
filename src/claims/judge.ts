// judge.ts — claims and evidence in, verdicts out. No verdict is written by hand
import { holm } from '../stats/holm.ts';
import { powerOfTwoSamples, sampleSizeFor } from '../stats/power.ts';
import {
  equivalenceContrasts,
  nonInferiorityContrasts,
  superiorityContrasts,
} from './accuracy-rules.ts';
import { advantageContrasts } from './advantage-rule.ts';
import { whyNotAssessed } from './assessed.ts';
import { ALPHA, armOf, type Drawn, sizesOf } from './contrast.ts';
import { convergenceContrasts } from './convergence-rule.ts';
import type { ClaimDeclaration } from './declaration.ts';
import type { Evidence } from './evidence.ts';
import { correlationContrasts, ratioContrasts } from './gradient-rules.ts';
import { placementContrasts } from './placement-rule.ts';
import {
  type ClaimsResult,
  type Contrast,
  type Design,
  type JudgedClaim,
  type Published,
  VERDICTS,
  type Verdict,
} from './result.ts';
import { ruleWords } from './rule-words.ts';
import { counted, decimals, pWords } from './words.ts';

/** Judges every claim on the same evidence. */
export function judge(claims: readonly ClaimDeclaration[], evidence: Evidence): ClaimsResult {
  const judged = claims.map((claim) => judgeClaim(claim, evidence));
  return { form: 'claims/2', claims: judged, design: designOf(judged) };
}

function judgeClaim(claim: ClaimDeclaration, evidence: Evidence): JudgedClaim {
  const { id, title, statement, paper, seeds } = claim;
  const { contrasts, ...outcome } = decide(claim, evidence);
  const common = { id, title, statement, paper, kind: claim.rule, rule: ruleWords(claim) };
  const margin = 'margin' in claim ? claim.margin : null;
  const told = contrasts.map((one) => describe(id, one, evidence));
  const published = publishedOf(claim);
  return {
    ...common,
    ...(published.length > 0 && { published }),
    ...{ margin, seeds },
    ...outcome,
    contrasts: told,
  };
}

/** The numbers of the paper that a claim declares. */
function publishedOf(claim: ClaimDeclaration): readonly Published[] {
  switch (claim.rule) {
    case 'non-inferiority':
      return [{ dataset: null, low: -claim.deficit, high: 0 }];
    case 'superiority':
      return Object.entries(claim.published)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([dataset, value]) => ({ dataset, low: value, high: value }));
    case 'ratio-range':
      return [{ dataset: null, low: claim.range[0], high: claim.range[1] }];
    case 'correlation':
      return [{ dataset: null, low: claim.published, high: claim.published }];
    default:
      return [];
  }
}

/** A verdict, what qualifies it, and why. */
type Outcome = Pick<JudgedClaim, 'verdict' | 'qualifiers' | 'reason'>;

type Ps = Pick<Contrast, 'pForHolm' | 'pAgainstHolm'>;

/** A contrast with its verdict, before anything is told that decides nothing. */
type Decided = { readonly drawn: Drawn } & Outcome & Ps;

/** The verdict on a claim and on its contrasts: all that `judge` tells but for effect sizes and words about arms. */
export function decide(
  claim: ClaimDeclaration,
  evidence: Evidence,
): Outcome & { readonly contrasts: readonly Decided[] } {
  const drawn = draw(claim, evidence);
  const why = drawn.map((contrast) => whyNot(contrast, claim, evidence));
  const assessed = (p: number | null, i: number): number | null => (why[i] === null ? p : null);
  const isAdjusted = claim.rule === 'superiority' || claim.rule === 'ratio-range';
  const forHolm = isAdjusted
    ? holm(drawn.map(({ pFor, beside = false }, i) => (beside ? null : assessed(pFor, i))))
    : drawn.map(() => null);
  const againstHolm = holm(drawn.map(({ pAgainst }, i) => assessed(pAgainst, i)));
  const contrasts = drawn.map((contrast, i): Decided => {
    const ps = { pForHolm: forHolm[i]!, pAgainstHolm: againstHolm[i]! };
    return { drawn: contrast, ...ps, ...settle(contrast, why[i]!, ps) };
  });
  return { ...conclude(contrasts), contrasts };
}

function draw(claim: ClaimDeclaration, evidence: Evidence): readonly Drawn[] {
  switch (claim.rule) {
    case 'non-inferiority':
      return nonInferiorityContrasts(claim, evidence);
    case 'equivalence':
      return equivalenceContrasts(claim, evidence);
    case 'no-advantage':
      return advantageContrasts(claim, evidence);
    case 'superiority':
      return superiorityContrasts(claim, evidence);
    case 'placement':
      return placementContrasts(claim, evidence);
    case 'ratio-range':
      return ratioContrasts(claim, evidence);
    case 'correlation':
      return correlationContrasts(claim, evidence);
    case 'convergence':
      return convergenceContrasts(claim, evidence);
  }
}

/** Why a contrast is not assessed or not tested; null where tests decide. */
interface WhyNot {
  readonly verdict: 'not assessed' | 'not tested';
  readonly reason: string;
}

function whyNot(contrast: Drawn, claim: ClaimDeclaration, evidence: Evidence): WhyNot | null {
  const { effect, untested, words, seeds, dataset, datasets = [dataset] } = contrast;
  if (effect === null) return { verdict: 'not tested', reason: words };
  const reason = whyNotAssessed({ datasets, seeds }, claim, evidence);
  // What is not part of the claim is not tested on real data, and on synthetic ones neither.
  if (untested === undefined) {
    return reason === null ? null : { verdict: 'not assessed', reason: `${reason}: ${words}` };
  }
  const because = contrast.beside || reason === null ? untested : reason;
  const verdict = because === untested ? 'not tested' : 'not assessed';
  return { verdict, reason: `${because}: ${words}` };
}

function settle(
  { pFor, provided = true, both, qualifiers = [], words }: Drawn,
  why: WhyNot | null,
  { pForHolm, pAgainstHolm }: Ps,
): Outcome {
  if (why !== null) return { ...why, qualifiers: [] };
  const decisive = pForHolm ?? pFor;
  const supported = provided && decisive !== null && decisive < ALPHA;
  const opposed = pAgainstHolm !== null && pAgainstHolm < ALPHA;
  const forWords = decisive === null ? '' : `; for it ${pWords(decisive)}`;
  const againstWords = pAgainstHolm === null ? '' : `; against it ${pWords(pAgainstHolm)}`;
  const reason = `${words}${forWords}${againstWords}`;
  if (supported && (!opposed || both !== undefined)) {
    const also = opposed && both !== undefined ? [both] : [];
    return { verdict: 'reproduced', qualifiers: [...also, ...qualifiers], reason };
  }
  return { verdict: opposed ? 'refuted' : 'inconclusive', qualifiers: [], reason };
}

/** Reproduced where every contrast that decides is, refuted where one of them is; in between, inconclusive. */
function conclude(contrasts: readonly Decided[]): Outcome {
  const deciding = contrasts.filter(({ drawn }) => drawn.beside !== true);
  const of = (verdict: Verdict) => deciding.filter((one) => one.verdict === verdict);
  const tested = [...of('reproduced'), ...of('refuted'), ...of('inconclusive')];
  const untested = of('not tested').length;
  const beside = untested > 0 ? `; ${counted(untested, 'contrast')} not tested` : '';
  if (tested.length > 0) {
    const verdict = (['refuted', 'inconclusive', 'reproduced'] as const).find(
      (word) => of(word).length > 0,
    );
    const counts = VERDICTS.slice(0, 3).flatMap((word) => {
      const { length } = of(word);
      return length > 0 ? [`${length} ${word}`] : [];
    });
    const reason = `${counts.join(', ')} of ${counted(tested.length, 'contrast')}${beside}`;
    const qualifiers = verdict === 'reproduced' ? qualifiersOf(contrasts) : [];
    return { verdict: verdict ?? 'inconclusive', qualifiers, reason };
  }
  const [first] = of('not assessed');
  if (first) {
    const share = counted(of('not assessed').length, 'contrast');
    const why = first.reason.slice(0, first.reason.indexOf(':'));
    return { verdict: 'not assessed', qualifiers: [], reason: `${why}: ${share} shown${beside}` };
  }
  const reason = of('not tested')[0]?.reason ?? 'nothing ran that it is about';
  return { verdict: 'not tested', qualifiers: [], reason };
}

/** Each qualifier once, and what a contrast beside the others takes from the claim. */
function qualifiersOf(contrasts: readonly Decided[]): readonly string[] {
  const own = contrasts.flatMap(({ drawn, qualifiers }) => (drawn.beside ? [] : qualifiers));
  const without = contrasts.flatMap(({ drawn: { unless }, verdict }) =>
    unless === undefined || verdict === 'reproduced' ? [] : [unless],
  );
  return [...new Set([...own, ...without, ...countingWords(contrasts)])];
}

/** How the ratios that are claimed compare with what counting connections alone gives. */
function countingWords(contrasts: readonly Decided[]): readonly string[] {
  const ratios = contrasts
    .filter(({ verdict }) => verdict === 'reproduced')
    .flatMap(({ drawn: { beyondCount } }) => beyondCount ?? []);
  if (ratios.length === 0) return [];
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => decimals(ratio));
  return [`${low === high ? low : `${low} to ${high}`} times what counting connections gives`];
}

function describe(claim: string, decided: Decided, { synthetic }: Evidence): Contrast {
  const { drawn, verdict, qualifiers, reason, pForHolm, pAgainstHolm } = decided;
  const { label, dataset, datasets = [dataset], a, b, effect, unit, seeds, ci, level } = drawn;
  return {
    label,
    dataset,
    synthetic: datasets.some((name) => synthetic.get(name) === true),
    a: armOf(a),
    b: b && armOf(b),
    effect,
    unit,
    seeds,
    ci: ci(),
    level,
    pFor: drawn.pFor,
    pForHolm,
    pAgainst: drawn.pAgainst,
    pAgainstHolm,
    ...sizesOf(claim, drawn),
    ...(drawn.without && { without: drawn.without }),
    decides: drawn.beside !== true,
    verdict,
    qualifiers,
    reason,
  };
}

/** Effects that the table of power is given for; 1.07 is the one that the paper reports. */
const EFFECTS = [0.5, 0.8, 1.07];

function designOf(claims: readonly JudgedClaim[]): Design {
  const seeds = claims
    .filter(({ kind }) => kind === 'superiority' || kind === 'placement')
    .flatMap(({ contrasts }) => contrasts.map((contrast) => contrast.seeds))
    .filter((n) => n > 0);
  const range = seeds.length === 0 ? null : { least: Math.min(...seeds), most: Math.max(...seeds) };
  const sizes = [...new Set([range?.least ?? 10, range?.most ?? 10, 10, 20, 30])]
    .filter((n) => n >= 2)
    .sort((a, b) => a - b);
  return {
    alpha: ALPHA,
    seeds: range,
    power: EFFECTS.flatMap((d) =>
      sizes.map((n) => ({ d, n, power: powerOfTwoSamples(d, n, ALPHA) })),
    ),
    needed: EFFECTS.flatMap((d) =>
      [0.8, 0.9].flatMap((power) => {
        const n = sampleSizeFor(d, { power, alpha: ALPHA });
        return n === null ? [] : [{ d, power, n }];
      }),
    ),
  };
}
