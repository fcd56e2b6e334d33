// bootstrap.ts — intervals of statistics that have no formula, by seeded resampling
import normalCdf from '@stdlib/stats-base-dists-normal-cdf';
import normalQuantile from '@stdlib/stats-base-dists-normal-quantile';
import type { Interval } from './interval.ts';
import type { Stream } from './stream.ts';
import { checkFinite, mean, quantile } from './summary.ts';

/** A statistic of some samples; null where it is not defined. */
export type Statistic<T> = (samples: readonly (readonly T[])[]) => number | null;

/** How an interval is bootstrapped. */
export interface BootstrapOptions {
  readonly random: Stream;
  /** In (0, 1); 0.95 unless told. */
  readonly level?: number;
  /** 2000 unless told. */
  readonly resamples?: number;
}

/** Fewer distinct resamples than this say nothing. */
const RESAMPLES_LEAST = 40;

/**
 * The BCa interval (Efron 1987) of a statistic of independent samples, each resampled by itself: bias-corrected, and
 * accelerated by the jackknife. Resamples at which the statistic is not defined are left out. Null where the statistic
 * is not defined, a sample has a single item, or too few resamples are left. Of a statistic that does not
 * vary between resamples it is that one point.
 */
export function bootstrapInterval<T>(
  samples: readonly (readonly T[])[],
  statistic: Statistic<T>,
  { random, level = 0.95, resamples = 2000 }: BootstrapOptions,
): Interval | null {
  const observed = statistic(samples);
  if (observed === null || samples.some(({ length }) => length < 2)) return null;
  checkFinite([observed]);
  const drawn: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const value = statistic(samples.map((sample) => resample(sample, random)));
    if (value === null) continue;
    checkFinite([value]);
    drawn.push(value);
  }
  if (drawn.length < RESAMPLES_LEAST) return null;
  const below = drawn.filter((value) => value < observed).length;
  const ties = drawn.filter((value) => value === observed).length;
  if (ties === drawn.length) return [observed, observed];
  // Half of the ties count as below, and no tail is taken to be empty: few values make coarse resamples.
  const share = (below + ties / 2) / drawn.length;
  const edge = 1 / (2 * drawn.length);
  const bias = normalQuantile(Math.min(1 - edge, Math.max(edge, share)), 0, 1);
  const acceleration = jackknifeAcceleration(samples, statistic);
  const at = (p: number): number => {
    const z = bias + normalQuantile(p, 0, 1);
    const moved = bias + z / Math.max(1 - acceleration * z, 1e-6);
    return quantile(drawn, normalCdf(moved, 0, 1));
  };
  return [at((1 - level) / 2), at((1 + level) / 2)];
}

function resample<T>(sample: readonly T[], random: Stream): readonly T[] {
  return sample.map(() => sample[random.below(sample.length)]!);
}

/** Sum of cubes over 6 times the 3/2 power of the sum of squares, of the jackknife's deviations. */
function jackknifeAcceleration<T>(
  samples: readonly (readonly T[])[],
  statistic: Statistic<T>,
): number {
  const left = samples.flatMap((sample, s) =>
    sample.flatMap((_, out) => {
      const without = sample.filter((_, i) => i !== out);
      return statistic(samples.map((other, o) => (o === s ? without : other))) ?? [];
    }),
  );
  if (left.length === 0) return 0;
  const centre = mean(left);
  let [squares, cubes] = [0, 0];
  for (const value of left) {
    const deviation = centre - value;
    squares += deviation * deviation;
    cubes += deviation * deviation * deviation;
  }
  return squares === 0 ? 0 : cubes / (6 * squares * Math.sqrt(squares));
}
