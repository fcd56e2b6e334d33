// placement-rule.ts — the claim that it matters more which neurons become hubs than how unequal fan-in is
import {
  boundsOf,
  eitherOf,
  greater,
  ONE_SIDED_LEVEL,
  pAbove,
  pairedEstimate,
  pBelow,
  welchEstimate,
} from '../stats/one-sided.ts';
import { mean } from '../stats/summary.ts';
import { absent, type Drawn, pairsOf, valuesOf } from './contrast.ts';
import { type ClaimOf, selectorOf } from './declaration.ts';
import type { Evidence } from './evidence.ts';
import { drawPair, type Pair, type RunSide, runPairs, sidesOf, testedAt } from './run-pairs.ts';
import { pointWords } from './selection.ts';
import { signed } from './words.ts';

/**
 * One contrast for each point: the placement effect less the size of the variance effect, paired by pilot. Each arm is
 * the mean of its runs per pilot. Beside it both effects, and whatever else the claim names.
 */
export function placementContrasts(
  claim: ClaimOf<'placement'>,
  { runs }: Evidence,
): readonly Drawn[] {
  const sides = (arm: ClaimOf<'placement'>['a']) => sidesOf(runs, selectorOf(arm));
  const [kept, lost] = [sides(claim.a), sides(claim.b)];
  const [random, even] = [sides(claim.variance.a), sides(claim.variance.b)];
  const points = [...kept].flatMap(([point, a]) => {
    const label = pointWords(a.at);
    const placement = { label: `${label} placement`.trim(), a, b: lost.get(point) };
    const b = even.get(point);
    const unequal = random.get(point) ?? { ...a, observed: [], missing: [] };
    const variance = { label: `${label} variance`.trim(), a: unequal, b };
    const name = `${label} placement over variance`.trim();
    return [drawOver(name, placement, variance), drawBeside(placement), drawBeside(variance)];
  });
  const beside = claim.beside.flatMap(({ label, ...arms }) =>
    runPairs(arms, runs).map((pair) =>
      drawBeside({ ...pair, label: `${pair.label} ${label}`.trim() }),
    ),
  );
  return [...points, ...beside];
}

/** Shown with its interval: paired by seed or pilot where both arms have the same ones. */
function drawBeside(pair: Pair): Drawn {
  const drawn = drawPair(pair, (a, b) => {
    const pairs = pairsOf(a, b);
    const difference = mean(valuesOf(a)) - mean(valuesOf(b));
    const estimate = pairs
      ? pairedEstimate(pairs.x, pairs.y)
      : welchEstimate(valuesOf(a), valuesOf(b));
    const tested = testedAt(estimate, difference, () => ({ pFor: null, pAgainst: null }));
    const untested = 'stands beside the claim and decides nothing';
    return { ...tested, untested, words: `${signed(difference)} points` };
  });
  return { ...drawn, beside: true };
}

type Both = { readonly a: RunSide; readonly b: RunSide };
const isBoth = (pair: Pair): pair is Pair & Both =>
  pair.a.observed.length > 0 && (pair.b?.observed.length ?? 0) > 0;

function drawOver(label: string, placement: Pair, variance: Pair): Drawn {
  const dataset = placement.a.at.dataset ?? '';
  const lacking = [placement, variance].find((pair) => !isBoth(pair));
  if (lacking || !isBoth(placement) || !isBoth(variance)) {
    const missing = [...(lacking?.a.missing ?? []), ...(lacking?.b?.missing ?? [])];
    const which = lacking === variance ? 'variance' : 'placement';
    return absent(
      { label, dataset },
      'points',
      missing[0]?.reason ?? `the effect of ${which} was not measured`,
    );
  }
  const effects = effectsByPilot([placement, variance]);
  const seeds = effects.length;
  if (seeds < 2) {
    return absent({ label, dataset }, 'points', 'no two pilots have all four arms');
  }
  const [p, v] = [effects.map(({ values }) => values[0]), effects.map(({ values }) => values[1])];
  const opposite = v.map((value) => -value);
  const size = Math.abs(mean(v));
  // Placement exceeds |variance| where it exceeds both variance and its opposite.
  const [over, overOpposite] = [pairedEstimate(p, v), pairedEstimate(p, opposite)];
  const shown = mean(v) >= 0 ? over : overOpposite;
  const above = over && overOpposite && greater(pAbove(over, 0), pAbove(overOpposite, 0));
  const below = over && overOpposite && eitherOf(pBelow(over, 0), pBelow(overOpposite, 0));
  const observed = (which: 0 | 1) =>
    effects.map(({ repetition, values, from }) => ({
      value: which === 1 ? (Math.abs(mean(v)) === mean(v) ? values[1] : -values[1]) : values[0],
      from,
      repetition,
    }));
  return {
    label,
    dataset,
    a: { label: 'placement effect', observed: observed(0) },
    b: { label: 'size of the variance effect', observed: observed(1) },
    unit: 'points',
    seeds,
    effect: mean(p) - size,
    ci: () => shown && boundsOf(shown),
    level: ONE_SIDED_LEVEL,
    pFor: above,
    pAgainst: below,
    ...(above === null && below === null && { untested: 'nothing varies between pilots' }),
    sized: false,
    also: () => [],
    words: `placement ${signed(mean(p))} points, variance alone ${signed(mean(v))}`,
  };
}

/** Both effects of every pilot that has all four arms. */
function effectsByPilot(pairs: readonly Both[]) {
  const sides = pairs.flatMap(({ a, b }) => [a, b]);
  const byPilot = sides.map(
    ({ observed }) => new Map(observed.map((one) => [one.repetition, one])),
  );
  return [...byPilot[0]!.keys()].flatMap((repetition) => {
    const all = byPilot.flatMap((side) => side.get(repetition) ?? []);
    if (all.length < sides.length) return [];
    const values = [all[0]!.value - all[1]!.value, all[2]!.value - all[3]!.value] as const;
    return [{ repetition, values, from: all.flatMap(({ from }) => from) }];
  });
}
