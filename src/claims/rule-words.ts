// rule-words.ts — the decision rule of a claim in words, with its numbers
import type { ClaimDeclaration } from './declaration.ts';
import { decimals } from './words.ts';

/** What reproduces a claim, and what refutes it. Bounds are one-sided, at 95 %; refutations are after Holm. */
export function ruleWords(claim: ClaimDeclaration): string {
  switch (claim.rule) {
    case 'non-inferiority':
      return (
        `Reproduced: every upper 95 % bound of how far arms end below what they are compared with is under ` +
        `${decimals(claim.deficit + claim.margin)} points, the published ${decimals(claim.deficit)} and a slack of ` +
        `${decimals(claim.margin)}. Refuted: one is above ${decimals(claim.deficit)}, one-sided after Holm. Ending higher is no failure.`
      );
    case 'equivalence':
      return (
        `Reproduced: each arm ends within \u00b1${decimals(claim.margin)} points of what it is compared with, by two ` +
        'one-sided tests. Refuted: one is outside, after Holm.'
      );
    case 'no-advantage':
      return (
        'Refuted: a profile ends above uniform, one-sided after Holm over all cells. Reproduced: the upper 95 % bounds ' +
        `of the mean over all profiles of a setting, and of the mean over all settings of a profile, are under ` +
        `${decimals(claim.margin)} points or one seed SD, and of every single cell under ${decimals(claim.single)} points ` +
        'or two seed SDs. Ending lower is told, and not counted.'
      );
    case 'superiority':
      return (
        'Reproduced: the arm ends higher, by a two-sided Welch test at 0.05 after Holm over the data sets. Refuted: its ' +
        'effect is below the published one, one-sided after Holm. Both may hold: smaller than published. Whether the effect ' +
        'grows with difficulty is a linear contrast over data sets, from the least error of the dense network to the greatest.'
      );
    case 'placement':
      return (
        'One contrast: what placement is worth less the size of what unequal fan-in alone is worth, paired by pilot. ' +
        'Reproduced: it is above 0, whatever the sign of the latter. Refuted: it is below 0, after Holm.'
      );
    case 'ratio-range': {
      const [low, high] = claim.range;
      const [from, to] = [decimals(low - claim.margin), decimals(high + claim.margin)];
      return (
        "Reproduced: the hubs' gradient over the mean is above that of random networks, one-sided after Holm, and its 95 % " +
        `bounds lie in ${from}\u2013${to}, the published ${decimals(low, 0)} to ${decimals(high, 0)} and a slack of ` +
        `${decimals(claim.margin)}. Refuted: it is below ${from}, after Holm.`
      );
    }
    case 'correlation':
      return (
        `Reproduced: the lower 95 % bound of Pearson's r over configurations is at least ` +
        `${decimals(claim.published - claim.margin)}; a higher r is no failure. Refuted: the upper bound is below it, after ` +
        "Holm. Fisher's z counts networks, as their layers are not independent. By counting alone: unless the ratio over " +
        'what counting connections gives correlates, too.'
      );
    case 'convergence':
      return (
        'Reproduced: the upper 95 % bound of the distance at the end to runs from the reference start (W1 of relative ' +
        `fan-in), less the mean distance between two of those, is under ${decimals(claim.margin)} for every other start` +
        `${claim.fixed ? ', and runs that start at the fitted equilibrium move no farther than that' : ''}. Refuted: one ` +
        'is above it, after Holm.'
      );
  }
}
