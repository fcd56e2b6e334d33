// simplex.ts — the least value of a function of a few numbers, without derivatives

type Point = readonly number[];
type Vertex = { readonly at: Point; readonly value: number };

/** Steps at most, for each coordinate. */
const STEPS = 400;
/** The search ends when the corners' values differ by less than this part of them. */
const TOLERANCE = 1e-13;

/**
 * A point at which a function is least, near `start`: the downhill simplex of Nelder and Mead 1965
 * ("A simplex method for function minimization", Computer Journal 7), with their coefficients 1, 2,
 * 1/2 and 1/2. For a few smooth coordinates of size about 1. Infinite values are walls.
 */
export function minimise(f: (at: Point) => number, start: Point): Point {
  const vertex = (at: Point): Vertex => ({ at, value: f(at) });
  const ordered = (vertices: readonly Vertex[]): Vertex[] =>
    [...vertices].sort((a, b) => a.value - b.value);
  const moved = (i: number): Point => start.map((x, j) => (i === j ? x + STEP : x));
  let corners = ordered([vertex(start), ...start.map((_, i) => vertex(moved(i)))]);
  for (let step = 0; step < STEPS * start.length; step++) {
    const best = corners[0]!;
    const worst = corners[corners.length - 1]!;
    if (worst.value - best.value <= TOLERANCE * (Math.abs(best.value) + TOLERANCE)) break;
    const others = corners.slice(0, -1);
    const towards = (t: number): Vertex =>
      vertex(start.map((_, j) => worst.at[j]! + t * (centre(others, j) - worst.at[j]!)));
    const next = improved(towards, best, others[others.length - 1]!, worst);
    corners = ordered(
      next === undefined
        ? [best, ...corners.slice(1).map(({ at }) => vertex(halfway(at, best.at)))]
        : [...others, next],
    );
  }
  return corners[0]!.at;
}

/** How far the first corners are from the start. */
const STEP = 0.25;

/** The corner that takes the worst one's place; undefined when all should shrink to the best. */
function improved(
  towards: (t: number) => Vertex,
  best: Vertex,
  second: Vertex,
  worst: Vertex,
): Vertex | undefined {
  const reflected = towards(2);
  if (reflected.value < best.value) {
    const expanded = towards(3);
    return expanded.value < reflected.value ? expanded : reflected;
  }
  if (reflected.value < second.value) return reflected;
  const contracted = reflected.value < worst.value ? towards(1.5) : towards(0.5);
  return contracted.value < Math.min(reflected.value, worst.value) ? contracted : undefined;
}

const centre = (corners: readonly Vertex[], j: number): number =>
  corners.reduce((sum, { at }) => sum + at[j]!, 0) / corners.length;

const halfway = (a: Point, b: Point): Point => a.map((x, j) => (x + b[j]!) / 2);
