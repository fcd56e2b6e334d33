// catalogue.ts — every figure of a report, and the claim that it is evidence of
import type { JudgedClaim } from '../../claims/result.ts';
import { accuracyDraft, placedDraft } from './accuracy-figure.ts';
import type { DatasetResults } from '../data/arms.ts';
import { effectsDraft, pairsDraft } from './contrast-figure.ts';
import { curvesDraft } from './curves-figure.ts';
import { equilibriumDraft } from './equilibrium-figure.ts';
import type { FigureDraft } from '../charts/figure.ts';
import { gradientDraft } from './gradient-figure.ts';
import { CV_FIGURE, cvDraft, sparsityDraft } from './grid-figure.ts';
import type { Palette } from '../markup/palette.ts';
import { portraitDraft } from './portrait-figure.ts';
import type { Study } from '../data/study.ts';
import { contractionDraft, historyDraft } from './way-figure.ts';

/** Figures by where they stand. */
export interface Catalogue {
  /** By the claim's id, in the order of the claims. */
  readonly ofClaim: ReadonlyMap<string, readonly FigureDraft[]>;
  /** Those that belong to no claim. */
  readonly others: readonly FigureDraft[];
  /** What cannot be drawn, in words. */
  readonly absent: readonly string[];
}

/** A figure that one kind of claim is about; with several such claims, the first or the last takes it. */
interface Evidence {
  readonly what: string;
  readonly draft: FigureDraft | null;
  readonly kinds: readonly string[];
  readonly last?: boolean;
}

/** Every figure that the study's data allow. */
export function catalogueOf(
  study: Study,
  results: readonly DatasetResults[],
  palette: Palette,
): Catalogue {
  const claims = study.claims?.claims ?? [];
  const evidence = evidenceOf(study, results, palette);
  const homes = new Map<Evidence, string | undefined>(
    evidence.map((one) => [one, homeOf(one, claims)]),
  );
  const drafts = (home: string | undefined): readonly FigureDraft[] =>
    evidence.flatMap((one) => (homes.get(one) === home && one.draft ? [one.draft] : []));
  return {
    ofClaim: new Map(
      claims.map((claim) => {
        const others = drafts(claim.id);
        return [claim.id, [...own(claim, study, others, palette), ...others]];
      }),
    ),
    others: drafts(undefined),
    absent: evidence.filter(({ draft }) => draft === null).map(({ what }) => what),
  };
}

/** What a claim's own contrasts draw, beside its other figures. */
function own(
  claim: JudgedClaim,
  study: Study,
  others: readonly FigureDraft[],
  palette: Palette,
): readonly FigureDraft[] {
  const pairs = claim.kind === 'superiority' ? pairsDraft(claim, study, palette) : null;
  // The correlation is drawn as the points that it is of; pairs of seeds tell their effect.
  const cellsElsewhere = claim.kind === 'no-advantage' && others.some(({ id }) => id === CV_FIGURE);
  const effects =
    claim.kind === 'correlation' || pairs ? null : effectsDraft(claim, { cellsElsewhere });
  return [pairs, effects].filter((draft) => draft !== null);
}

function evidenceOf(
  study: Study,
  results: readonly DatasetResults[],
  palette: Palette,
): readonly Evidence[] {
  const settings = results.flatMap((result) => result.settings);
  return [
    {
      what: 'accuracy by profile',
      draft: accuracyDraft(results, palette),
      kinds: ['non-inferiority', 'equivalence'],
    },
    {
      what: 'accuracy over sparsity',
      draft: sparsityDraft(study, palette),
      kinds: ['no-advantage', 'equivalence'],
      last: true,
    },
    {
      what: 'accuracy over CV',
      draft: cvDraft(study, palette),
      kinds: ['no-advantage', 'equivalence'],
      last: true,
    },
    {
      what: 'gradient concentration',
      draft: gradientDraft(study, palette),
      kinds: ['correlation', 'ratio-range'],
    },
    {
      what: 'contraction over training',
      draft: contractionDraft(study, palette),
      kinds: ['convergence'],
    },
    {
      what: 'fan-in before, during and after RigL',
      draft: historyDraft(study, palette),
      kinds: ['convergence'],
    },
    {
      what: 'the equilibrium of fan-in',
      draft: equilibriumDraft(study.equilibria),
      kinds: ['convergence'],
    },
    { what: 'placement', draft: placedDraft(study.placed), kinds: ['placement'] },
    { what: 'masks', draft: portraitDraft(study.portraits), kinds: ['placement', 'convergence'] },
    { what: 'learning curves', draft: curvesDraft(settings, palette), kinds: [] },
  ];
}

function homeOf({ kinds, last }: Evidence, claims: readonly JudgedClaim[]): string | undefined {
  for (const kind of kinds) {
    const fitting = claims.filter((claim) => claim.kind === kind);
    if (fitting.length > 0) return fitting[last ? fitting.length - 1 : 0]!.id;
  }
  return undefined;
}
