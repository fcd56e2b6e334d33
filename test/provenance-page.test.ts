// provenance-page.test.ts — the page of provenance at scale, and colours that have to be told apart
import { expect, test } from 'vitest';
import { PROFILE_HUES } from '../src/report/markup/palette.ts';
import { renderProvenance, type TaskProvenance } from '../src/report/provenance.ts';

const tasks = (count: number): readonly TaskProvenance[] =>
  Array.from({ length: count }, (_, at) => ({
    ...{ task: `train[a,${at}]`, stage: at % 5 === 0 ? 'data' : 'train', key: `key ${at}` },
    ...{ outcome: 'built', seconds: 4, madeAt: '2026-01-01 00:00:00 UTC', host: 'h', node: 'v20' },
    ...{ run: 'r1', endedAt: 1e12 + at * 1000, params: '{}' },
    inputs: [{ port: 'data', from: 'data', digest: 'd'.repeat(64) }],
  }));
const pageOf = (count: number): string =>
  renderProvenance({ title: 'report', run: {}, tasks: tasks(count), edges: [], claims: [] });

test('the timeline has a band for each stage, named, with a bar for each task and a legend', () => {
  const page = pageOf(20);
  const bands = [...page.matchAll(/<p class="band-name"><b>(\w+)<\/b> ([^<]*)</g)].map(
    ([, name, words]) => `${name} ${words}`,
  );
  expect(bands).toEqual(['data 4 tasks, 16 s', 'train 16 tasks, 1 min 04 s']);
  expect(page.match(/<rect x="[\d.]+%"/g)).toHaveLength(20);
  expect(page).toContain('a task, from its start to its end');
});

test('a page of 5,000 tasks has few elements for each of them', () => {
  const page = pageOf(5000);
  expect(page.length).toBeLessThan(2.5e6);
  expect(page.match(/<[a-z]/g)?.length).toBeLessThan(5000 * 9);
  expect(page).toContain('id="task-train[a,4999]"');
});

/** CIE 1976 L*a*b* of a colour `#rrggbb`, under D65. */
function lab(hex: string): readonly number[] {
  const channels = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255);
  const [r = 0, g = 0, b = 0] = channels.map((c) =>
    c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4,
  );
  const f = (t: number): number => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const [x, y, z] = [
    f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047),
    f(0.2126 * r + 0.7152 * g + 0.0722 * b),
    f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883),
  ] as const;
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

test.each(['light', 'dark'] as const)(
  'hues of profiles are apart in the %s, that of uniform from all others most',
  (mode) => {
    const labs = PROFILE_HUES.map((hue) => lab(hue[mode]));
    const apart = (a: readonly number[], b: readonly number[]): number =>
      Math.hypot(...a.map((value, at) => value - (b[at] ?? 0)));
    const distances = labs.flatMap((a, i) =>
      labs.slice(i + 1).map((b, j) => [i, i + 1 + j, apart(a, b)] as const),
    );
    expect(distances.filter(([, , distance]) => distance < 18)).toEqual([]);
    expect(distances.filter(([i, , distance]) => i === 0 && distance < 40)).toEqual([]);
  },
);
