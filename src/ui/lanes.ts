// lanes.ts — spans of time in as few lanes as they need, by the place where they were
import type { TaskStatus } from './forms.ts';

export interface Timed {
  readonly task: string;
  readonly from: number;
  readonly to: number;
  readonly place: string;
  readonly status: TaskStatus;
}

/** Puts spans that overlap into different lanes: the first lane of their place that is free. */
export function packed(timed: readonly Timed[]): {
  readonly lanes: readonly string[];
  readonly spans: readonly (Omit<Timed, 'place'> & { readonly lane: number })[];
} {
  const places = [...new Set(timed.map(({ place }) => place))].sort(byNumber);
  const spans: (Omit<Timed, 'place'> & { readonly lane: number })[] = [];
  const lanes: string[] = [];
  for (const place of places) {
    const own = timed.filter((one) => one.place === place).sort((a, b) => a.from - b.from);
    const first = lanes.length;
    const ends: number[] = [];
    for (const { task, from, to, status } of own) {
      // Clocks are read at different moments: a hair of overlap is none.
      const free = ends.findIndex((end) => end <= from + 1);
      const lane = free < 0 ? ends.length : free;
      ends[lane] = Math.max(to, from);
      spans.push({ task, from, to, status, lane: first + lane });
    }
    for (const at of ends.keys()) lanes.push(at === 0 ? place : `${place} (${at + 1})`);
  }
  return { lanes, spans };
}

const byNumber = (a: string, b: string): number =>
  a.length === b.length ? (a < b ? -1 : 1) : a.length - b.length;
