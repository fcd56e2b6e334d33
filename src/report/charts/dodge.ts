// dodge.ts — points and labels moved apart so that none hides another; everything in px

/** A point, and how far it was moved across. */
export interface Dodged {
  readonly x: number;
  readonly y: number;
  readonly shift: number;
}

/**
 * Moves points across (in x) until none lies on another, by at most `reach`. Points that agree in both are told apart,
 * too; where there is no room left they overlap.
 * @param size the distance from which two centres are apart
 */
export function swarm(
  points: readonly { readonly x: number; readonly y: number }[],
  size: number,
  reach: number,
): readonly number[] {
  const placed: Dodged[] = [];
  const order = [...points.keys()].sort(
    (a, b) => points[a]!.y - points[b]!.y || points[a]!.x - points[b]!.x || a - b,
  );
  const shifts = new Array<number>(points.length).fill(0);
  for (const at of order) {
    const { x, y } = points[at]!;
    // Those below that are too far down to touch this one, or any that follow, are not looked at again.
    const near = placed.filter((one) => y - one.y < size);
    const free = (shift: number): boolean =>
      near.every((one) => {
        const [across, down] = [one.x + one.shift - x - shift, one.y - y];
        return across * across + down * down >= size * size;
      });
    const shift = candidates(size, reach).find(free) ?? 0;
    shifts[at] = shift;
    placed.push({ x, y, shift });
  }
  return shifts;
}

/** 0, then ever farther to either side. */
function candidates(size: number, reach: number): readonly number[] {
  const step = size / 4;
  const steps = Math.floor(reach / step);
  return [0, ...Array.from({ length: steps }, (_, i) => [(i + 1) * step, -(i + 1) * step]).flat()];
}

/**
 * Places for labels beside values on a line from 0 to `length`: as near to their values as they can be, `gap` apart, in the
 * order of the values. Where they do not fit they are spread evenly.
 */
export function spread(values: readonly number[], gap: number, length: number): readonly number[] {
  const order = [...values.keys()].sort((a, b) => values[a]! - values[b]! || a - b);
  const step = Math.min(gap, values.length > 1 ? length / (values.length - 1) : gap);
  const places = new Array<number>(values.length).fill(0);
  // Groups of labels that touch, each about the middle of what its labels ask for.
  const groups: { members: number[]; start: number }[] = [];
  for (const at of order) {
    groups.push({ members: [at], start: clamp(values[at]!, length, 0) });
    for (;;) {
      const [before, last] = [groups[groups.length - 2], groups[groups.length - 1]!];
      if (!before || before.start + before.members.length * step <= last.start) break;
      const members = [...before.members, ...last.members];
      groups.splice(-2, 2, { members, start: startOf(members, values, step, length) });
    }
  }
  for (const { members, start } of groups) {
    members.forEach((at, i) => {
      places[at] = start + i * step;
    });
  }
  return places;
}

function startOf(
  members: readonly number[],
  values: readonly number[],
  step: number,
  length: number,
): number {
  const middle = members.reduce((sum, at) => sum + values[at]!, 0) / members.length;
  const size = (members.length - 1) * step;
  return clamp(middle - size / 2, length, size);
}

const clamp = (start: number, length: number, size: number): number =>
  Math.max(0, Math.min(start, length - size));

/** A rectangle: left, top, right, bottom. */
export type Box = readonly [number, number, number, number];

const meet = (a: Box, b: Box): boolean => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/** A label beside its point: the place of its middle left, or null where there is no room for it. */
export interface Label {
  readonly x: number;
  readonly y: number;
}

/** What labels may not lie on: `points` never, `bars` where there is another place. */
export interface Obstacles {
  readonly points: readonly Box[];
  readonly bars: readonly Box[];
}

/** Labels of points, each beside its own, over no other point or label; the first come first. */
export function placeLabels(
  labels: readonly { readonly x: number; readonly y: number; readonly width: number }[],
  { points, bars }: Obstacles,
  frame: Box,
): readonly (Label | null)[] {
  const taken = [...points];
  const half = 6;
  return labels.map(({ x, y, width }) => {
    const right = x + 7;
    const left = x - 7 - width;
    const places = [
      ...[0, -9, 9, -16, 16].flatMap((dy) => [
        { x: right, y: y + dy },
        { x: left, y: y + dy },
      ]),
      { x: x - width / 2, y: y - 12 },
      { x: x - width / 2, y: y + 12 },
    ];
    const free = (others: readonly Box[]): Label | undefined =>
      places.find((place) => {
        const box = boxOf(place, width, half);
        const inside =
          box[0] >= frame[0] && box[1] >= frame[1] && box[2] <= frame[2] && box[3] <= frame[3];
        return inside && !others.some((other) => meet(box, other));
      });
    const found = free([...taken, ...bars]) ?? free(taken);
    if (found) taken.push(boxOf(found, width, half));
    return found ?? null;
  });
}

const boxOf = ({ x, y }: Label, width: number, half: number): Box => [
  x,
  y - half,
  x + width,
  y + half,
];
