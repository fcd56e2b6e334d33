// interval.ts — a range that an estimate comes with

/** Lower and upper end, in that order. */
export type Interval = readonly [low: number, high: number];

/** Whether two ranges have a point in common. */
export const overlap = (a: Interval, b: Interval): boolean => a[0] <= b[1] && b[0] <= a[1];
