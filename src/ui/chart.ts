// chart.ts — geometry of charts: domains, ticks, positions, paths. No browser is needed for it

/** From a number to a position. */
export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** The least and the greatest finite number; undefined where there is none. */
export function extentOf(values: Iterable<number | null>): readonly [number, number] | undefined {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : undefined;
}

/** Round numbers between two, about `count` of them. */
export function ticksBetween(low: number, high: number, count: number): readonly number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => span / one <= count) ?? span;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  if (last - first > 4 * count) return [low, high];
  const ticks: number[] = [];
  for (let n = first; n <= last; n++) ticks.push(Number((n * step).toPrecision(12)));
  return ticks;
}

/** A linear scale with some room at both ends; a single value stands in the middle. */
export function scaleOf(
  values: Iterable<number | null>,
  [from, to]: readonly [number, number],
  count = 5,
): Scale {
  const [least, most] = extentOf(values) ?? [0, 1];
  const room = most > least ? 0.03 * (most - least) : Math.abs(least) * 0.1 || 1;
  const [low, high] = [least - room, most + room];
  return {
    ...{ low, high },
    ticks: ticksBetween(low, high, count),
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
  };
}

/** Fewer points of a curve that is drawn `width` pixels wide: of each pixel the least and the greatest. */
export function thinned(
  steps: readonly number[],
  values: readonly (number | null)[],
  width: number,
): readonly (readonly [step: number, value: number | null])[] {
  const all = steps.map((step, at) => [step, values[at] ?? null] as const);
  const most = Math.max(4, 4 * width);
  if (all.length <= most) return all;
  const size = Math.ceil(all.length / (most / 4));
  const kept: (readonly [number, number | null])[] = [];
  for (let from = 0; from < all.length; from += size) {
    const group = all.slice(from, from + size);
    let least = group[0];
    let most = group[0];
    for (const point of group) {
      if (point[1] === null) continue;
      if (!least || least[1] === null || point[1] < least[1]) least = point;
      if (!most || most[1] === null || point[1] > most[1]) most = point;
    }
    const ends = [group[0], least, most, group.at(-1)];
    const chosen = new Set(ends.flatMap((point) => (point ? [point] : [])));
    kept.push(...[...chosen].sort((a, b) => a[0] - b[0]));
  }
  return kept;
}

/** An SVG path through points; a gap where there is none. */
export function pathOf(points: Iterable<readonly [x: number, y: number] | null>): string {
  let path = '';
  let isOpen = false;
  for (const point of points) {
    if (point === null) {
      isOpen = false;
      continue;
    }
    path += `${isOpen ? 'L' : 'M'}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    isOpen = true;
  }
  return path;
}

/** An exponential moving average; 0 leaves a curve as it is. */
export function smoothed(
  values: readonly (number | null)[],
  weight: number,
): readonly (number | null)[] {
  if (weight <= 0) return values;
  let mean: number | null = null;
  return values.map((value) => {
    if (value === null) return null;
    mean = mean === null ? value : weight * mean + (1 - weight) * value;
    return mean;
  });
}

/** Which rows of a long list are drawn: those in sight, and some around them. */
export function rowsInSight(
  count: number,
  { top, height, row }: { readonly top: number; readonly height: number; readonly row: number },
): { readonly from: number; readonly to: number } {
  const from = Math.min(Math.max(0, Math.floor(top / row) - AROUND), Math.max(0, count - 1));
  const to = Math.min(count, Math.ceil((top + height) / row) + AROUND);
  return { from: count === 0 ? 0 : from, to };
}
const AROUND = 8;

/** Layers of a graph from left to right: each box stands behind all that it needs. */
export function layersOf(
  names: readonly string[],
  edges: readonly (readonly [from: string, to: string])[],
): readonly (readonly string[])[] {
  const above = new Map<string, string[]>(names.map((name) => [name, []]));
  for (const [from, to] of edges) if (from !== to && above.has(from)) above.get(to)?.push(from);
  const depths = new Map<string, number>();
  const depthOf = (name: string, trail: ReadonlySet<string>): number => {
    const known = depths.get(name);
    if (known !== undefined) return known;
    if (trail.has(name)) return 0;
    const below = new Set([...trail, name]);
    const depth = (above.get(name) ?? []).reduce(
      (most, upstream) => Math.max(most, depthOf(upstream, below) + 1),
      0,
    );
    depths.set(name, depth);
    return depth;
  };
  const layers: string[][] = [];
  for (const name of names) {
    const depth = depthOf(name, new Set());
    while (layers.length <= depth) layers.push([]);
    layers[depth]?.push(name);
  }
  return layers;
}

/** Without edges beside which there is a longer way: what is drawn stays readable. */
export function withoutShortcuts(
  edges: readonly (readonly [from: string, to: string])[],
): readonly (readonly [from: string, to: string])[] {
  const below = new Map<string, string[]>();
  for (const [from, to] of edges) below.set(from, [...(below.get(from) ?? []), to]);
  const reached = new Map<string, ReadonlySet<string>>();
  const reachedFrom = (name: string, trail: ReadonlySet<string>): ReadonlySet<string> => {
    const known = reached.get(name);
    if (known !== undefined) return known;
    const found = new Set<string>();
    for (const next of below.get(name) ?? []) {
      found.add(next);
      if (trail.has(next)) continue;
      for (const far of reachedFrom(next, new Set([...trail, next]))) found.add(far);
    }
    reached.set(name, found);
    return found;
  };
  return edges.filter(([from, to]) => {
    const others = (below.get(from) ?? []).filter((next) => next !== to);
    return !others.some((next) => reachedFrom(next, new Set([from, next])).has(to));
  });
}
