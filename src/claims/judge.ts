// judge.ts — claims and evidence in, verdicts out. No verdict is written by hand
import { holm } from '../stats/holm.ts';
import { powerOfTwoSamples, sampleSizeFor } from '../stats/power.ts';
import {
  ALPHA,
  equivalenceContrasts,
  placementContrasts,
  superiorityContrasts,
} from './accuracy-rules.ts';
import type { Drawn } from './contrast.ts';
import { convergenceContrasts } from './convergence-rule.ts';
import type { ClaimDeclaration } from './declaration.ts';
import type { Evidence } from './evidence.ts';
import { correlationContrasts, ratioContrasts } from './gradient-rules.ts';
import type { ClaimsResult, Contrast, Design, Finding, JudgedClaim, Verdict } from './result.ts';
import { ruleWords } from './rule-words.ts';
import { counted, pWords } from './words.ts';

/** Judges every claim on the same evidence. */
export function judge(claims: readonly ClaimDeclaration[], evidence: Evidence): ClaimsResult {
  const judged = claims.map((claim) => judgeClaim(claim, evidence));
  return { form: 'claims/1', claims: judged, design: designOf(judged) };
}

function judgeClaim(claim: ClaimDeclaration, evidence: Evidence): JudgedClaim {
  const { id, title, statement, paper, seeds, margin } = claim;
  const drawn = draw(claim, evidence);
  const counts = drawn.map((contrast) => countsFor(contrast, claim, evidence));
  const adjusted = adjust(claim, drawn, counts);
  const contrasts = drawn.map((contrast, i) =>
    settle(contrast, evidence, counts[i], adjusted?.[i] ?? null),
  );
  const common = { id, title, statement, paper, kind: claim.rule, rule: ruleWords(claim) };
  return { ...common, margin, seeds, ...conclude(contrasts), contrasts };
}

function draw(claim: ClaimDeclaration, evidence: Evidence): readonly Drawn[] {
  switch (claim.rule) {
    case 'equivalence':
      return equivalenceContrasts(claim, evidence);
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

/** Why a contrast is shown and not counted; null when it counts. */
function countsFor(
  { dataset, seeds }: Drawn,
  claim: ClaimDeclaration,
  { synthetic }: Evidence,
): string | null {
  if (synthetic.get(dataset) === true) return 'synthetic data';
  if (!synthetic.has(dataset)) return 'nothing is known of this data set';
  if (claim.rule === 'superiority' && !isPublished(claim.published, dataset)) {
    return 'nothing is published of this data set';
  }
  if (seeds < claim.seeds) return `${counted(seeds, 'seed')} of at least ${claim.seeds}`;
  return null;
}

/** A claim that tells its data sets is about them and no others. */
const isPublished = (published: Readonly<Record<string, number>>, dataset: string): boolean =>
  Object.keys(published).length === 0 || Object.hasOwn(published, dataset);

/**
 * Holm's adjustment over the tests of a claim that must find a difference: those that count are one family, those that
 * only illustrate another. Equivalence needs none: all of its contrasts must hold at once.
 */
function adjust(
  { rule }: ClaimDeclaration,
  drawn: readonly Drawn[],
  counts: readonly (string | null)[],
): readonly (number | null)[] | null {
  if (rule !== 'superiority' && rule !== 'placement') return null;
  const family = (counted: boolean) =>
    holm(
      drawn.map(({ p, finding }, i) =>
        finding !== null && (counts[i] === null) === counted ? p : null,
      ),
    );
  const [counting, shown] = [family(true), family(false)];
  return drawn.map((_, i) => counting[i] ?? shown[i]);
}

function settle(
  { words, otherwise, ...contrast }: Drawn,
  { synthetic }: Evidence,
  discounted: string | null,
  pHolm: number | null,
): Contrast {
  const common = { ...contrast, synthetic: synthetic.get(contrast.dataset) ?? false, pHolm };
  if (contrast.effect === null) return { ...common, verdict: 'not tested', reason: words };
  const told = pHolm === null ? words : `${words}, after Holm ${pWords(pHolm)}`;
  // What was significant alone may not be in its family.
  const lost = contrast.finding === 'reproduced' && pHolm !== null && pHolm >= ALPHA;
  const finding: Finding | null = lost ? (otherwise ?? 'not reproduced') : contrast.finding;
  if (discounted !== null) {
    return { ...common, finding, verdict: 'illustrated', reason: `${discounted}: ${told}` };
  }
  // A contrast without a finding stands beside another one that decides, or has no test.
  const verdict: Verdict = finding ?? 'illustrated';
  return { ...common, finding, verdict, reason: told };
}

/** A claim is as good as the worst of its contrasts that count. */
function conclude(contrasts: readonly Contrast[]): Pick<JudgedClaim, 'verdict' | 'reason'> {
  const counting = contrasts.filter(
    ({ verdict }) => verdict !== 'illustrated' && verdict !== 'not tested',
  );
  const untested = contrasts.filter(({ verdict }) => verdict === 'not tested');
  const beside =
    untested.length > 0 ? `; ${counted(untested.length, 'contrast')} could not be tested` : '';
  for (const verdict of ['not reproduced', 'within margin', 'reproduced'] as const) {
    const those = counting.filter((contrast) => contrast.verdict === verdict);
    if (those.length === 0) continue;
    const share = `${those.length} of ${counted(counting.length, 'contrast')} ${verdict}`;
    return { verdict, reason: `${share}${beside}` };
  }
  const shown = contrasts.filter(({ verdict }) => verdict === 'illustrated');
  if (shown.length > 0) {
    const found = shown.filter(({ finding }) => finding === 'reproduced').length;
    const decided = shown.filter(({ finding }) => finding !== null).length;
    const why = shown.every(({ synthetic }) => synthetic) ? 'synthetic data' : 'none counts';
    const words = `${why}: ${found} of ${counted(decided, 'contrast')} would be reproduced`;
    return { verdict: 'illustrated', reason: `${words}${beside}` };
  }
  const [first] = untested;
  return { verdict: 'not tested', reason: first?.reason ?? 'nothing ran that it is about' };
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
