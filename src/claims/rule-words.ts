// rule-words.ts — the decision rule of a claim in words, with its numbers
import type { ClaimDeclaration } from './declaration.ts';
import { decimals } from './words.ts';

/** What decides, and what the margin is for. */
export function ruleWords(claim: ClaimDeclaration): string {
  const { margin } = claim;
  switch (claim.rule) {
    case 'equivalence':
      return (
        `Each arm ends within \u00b1${decimals(margin)} points of what it is compared with: two one-sided ` +
        'Welch tests at 0.05 (the 90 % interval lies within the margin). Within margin: only the estimate does.'
      );
    case 'superiority':
      return (
        'The arm ends higher: two-sided Welch test at 0.05 after Holm over the data sets. Within margin: not so, but ' +
        `the estimate lies within ${decimals(margin)} points of the published one.`
      );
    case 'placement':
      return (
        'Arms that keep where an optimiser put hubs end higher than arms that do not (two-sided Welch test at 0.05 ' +
        'after Holm over the data sets), by more than unequal fan-in alone moves accuracy. Within margin: the estimate ' +
        `exceeds that movement less ${decimals(margin)} points.`
      );
    case 'ratio-range': {
      const [low, high] = claim.range;
      return (
        `The 95 % interval of the hubs' gradient over the mean lies within ${decimals(low, 1)}\u2013${decimals(high, 1)}, ` +
        `and in the baseline within ${decimals(claim.near, 1)} \u00b1 ${decimals(margin)}. Within margin: the estimate ` +
        `lies within these bounds \u00b1 ${decimals(margin)}.`
      );
    }
    case 'correlation':
      return (
        `Fisher's 95 % interval of Pearson's r over configurations holds ${decimals(claim.published)} and lies above 0. ` +
        `Within margin: r lies within ${decimals(margin)} of it.`
      );
    case 'convergence':
      return (
        'The 95 % interval of the distance at the end (W1 of relative fan-in to runs from a uniformly random start) ' +
        'overlaps the noise floor, the distances between such runs. Within margin: the estimate is within ' +
        `${decimals(margin)} of it.`
      );
  }
}
