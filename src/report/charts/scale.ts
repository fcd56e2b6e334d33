// scale.ts — domains, ticks and bins: chosen here, so that no chart library computes a power

/** An interval of numbers, low end first. */
export type Interval = readonly [number, number];

/** The interval that holds all values, widened by a share of its width on each side. Throws on no values. */
export function extent(values: readonly number[], margin = 0): Interval {
  if (values.length === 0) throw new RangeError('nothing to draw has no extent');
  let low = values[0]!;
  let high = values[0]!;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const size = Math.max(Math.abs(low), Math.abs(high));
  // One value, or values that differ by rounding alone, need some width to stand in: ticks have ten digits.
  const apart = high - low > Math.max(1e-7 * size, 1e-12);
  const room = apart ? margin * (high - low) : Math.max(0.01 * size, 0.005);
  return [low - room, high + room];
}

/**
 * About `about` round numbers, in steps of 1, 2 or 5 times a power of ten, within an interval that has some width, as
 * those of `extent` have.
 */
export function ticks([low, high]: Interval, about: number): readonly number[] {
  const step = roundStep((high - low) / about);
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) ticks.push(tidy(i * step));
  return ticks;
}

/** The powers of ten within an interval of positive numbers; where these are few, 2 and 5 times them as well. */
export function logTicks([low, high]: Interval): readonly number[] {
  let power = 1;
  while (power > low) power /= 10;
  while (power * 10 <= low) power *= 10;
  const powers = [];
  for (let at = power; at <= high; at *= 10) powers.push(at);
  const whole = powers.map(tidy).filter((at) => at >= low);
  if (whole.length > 2) return whole;
  const finer = powers.flatMap((at) => [tidy(at), tidy(2 * at), tidy(5 * at)]);
  return finer.filter((at) => at >= low && at <= high);
}

/** Digits after the point that tell these ticks apart. */
export function tickDigits(ticks: readonly number[]): number {
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : 1;
  let digits = 0;
  for (let at = step; digits < 6 && Math.abs(at - Math.round(at)) > 1e-6; at *= 10) digits++;
  return digits;
}

/**
 * Edges of about `about` bins for counts from 0 to `last`. Edges lie halfway between whole numbers, so that a count
 * stands in the middle of its bar and a density drawn over the bars is not shifted.
 */
export function countBins(last: number, about: number): readonly number[] {
  const width = Math.max(1, Math.ceil((last + 1) / about));
  const bins = Math.floor(last / width) + 1;
  return Array.from({ length: bins + 1 }, (_, i) => i * width - 0.5);
}

/** Share of all values in each bin [edge, next edge); the last bin takes what lies beyond it too. */
export function shares(values: readonly number[], edges: readonly number[]): readonly number[] {
  const counts = new Array<number>(edges.length - 1).fill(0);
  const width = edges[1]! - edges[0]!;
  for (const value of values) {
    const bin = Math.floor((value - edges[0]!) / width);
    counts[Math.min(Math.max(bin, 0), counts.length - 1)]! += 1;
  }
  return counts.map((count) => count / values.length);
}

function roundStep(raw: number): number {
  let power = 1;
  while (power > raw) power /= 10;
  while (power * 10 <= raw) power *= 10;
  const mantissa = raw / power;
  return power * (mantissa < 1.5 ? 1 : mantissa < 3.5 ? 2 : mantissa < 7.5 ? 5 : 10);
}

// Steps such as 0.2 are not binary fractions: their multiples are printed, so they are tidied first.
const tidy = (value: number): number => Number(value.toPrecision(10));
