// assessed.ts — whether a contrast may have a verdict: real data, and seeds enough
import type { ClaimDeclaration } from './declaration.ts';
import type { Evidence } from './evidence.ts';
import { counted } from './words.ts';

/** What a contrast rests on. */
export interface Basis {
  readonly datasets: readonly string[];
  readonly seeds: number;
}

/** Why a contrast has no verdict; null when it is assessed. */
export function whyNotAssessed(
  { datasets, seeds }: Basis,
  claim: Pick<ClaimDeclaration, 'seeds'>,
  { synthetic }: Pick<Evidence, 'synthetic'>,
): string | null {
  if (datasets.some((dataset) => synthetic.get(dataset) === true)) return 'synthetic data';
  if (datasets.some((dataset) => !synthetic.has(dataset))) {
    return 'nothing is known of this data set';
  }
  if (seeds < claim.seeds) return `${counted(seeds, 'seed')} of at least ${claim.seeds}`;
  return null;
}

/** Whether it has one. */
export const isAssessed = (...about: Parameters<typeof whyNotAssessed>): boolean =>
  whyNotAssessed(...about) === null;
