// report-figures.test.ts — what figures draw: the numbers of the rules, labels and points that hide nothing, one axis
import { beforeAll, describe, expect, test } from 'vitest';
import type { Chart } from '../src/report/charts/chart.ts';
import { placeLabels, spread, swarm } from '../src/report/charts/dodge.ts';
import type { FigureDraft } from '../src/report/charts/figure.ts';
import { renderComparison } from '../src/report/comparison.ts';
import { gather } from '../src/report/data/arms.ts';
import { datasetAt, type Study } from '../src/report/data/study.ts';
import { accuracyDraft } from '../src/report/figures/accuracy-figure.ts';
import { catalogueOf } from '../src/report/figures/catalogue.ts';
import {
  effectsDraft,
  pairsDraft,
  splitLabels,
  splitPlaces,
} from '../src/report/figures/contrast-figure.ts';
import { cvDraft, differencesOf, staticPoints } from '../src/report/figures/grid-figure.ts';
import { contractionDraft } from '../src/report/figures/way-figure.ts';
import { PROFILE_HUES, paletteOf } from '../src/report/markup/palette.ts';
import { contrastsTable } from '../src/report/sections/contrasts-table.ts';
import { coloursOf } from '../src/ui/charts/chart-colours.ts';
import { wholeStudy } from './report-fixture.ts';

const PALETTE = paletteOf([]);
let whole: Study;
beforeAll(() => {
  whole = wholeStudy();
});

const chartsOf = (draft: FigureDraft | null): readonly Chart[] =>
  (draft?.rows ?? []).flatMap(({ panels }) =>
    panels.flatMap(({ chart }) => ('markup' in chart ? [] : [chart])),
  );
const palettes = ['uniform', 'constant', 'lognormal-cv1', 'equilibrium'];

test('the floor that is drawn is the number that the rule of C6 uses, and the band its margin', () => {
  const claim = whole.claims?.claims.find(({ kind }) => kind === 'convergence');
  const contrasts = (claim?.contrasts ?? []).filter(({ effect }) => effect !== null);
  expect(contrasts.length).toBeGreaterThan(0);
  const charts = chartsOf(contractionDraft(whole, PALETTE));
  for (const { label, b, effect, a } of contrasts) {
    const layer = / layer (\d)/.exec(label)?.[1];
    const chart = charts.find((one) => one.label.endsWith(`hidden layer ${layer}`));
    const floor = chart?.layers.find(({ marks }) => marks[0]?.title?.startsWith('noise floor'));
    const drawn = floor?.marks[0]?.y ?? Number.NaN;
    expect(drawn).toBe(b?.mean);
    // What the rule calls the effect is how far the line ends above the line that is drawn.
    expect((a.mean ?? 0) - drawn).toBeCloseTo(effect ?? 0, 12);
    const band = chart?.layers.find(({ kind }) => kind === 'bar')?.marks[0];
    expect([band?.y, band?.y2]).toEqual([drawn, drawn + (claim?.margin ?? 0)]);
  }
});

test('the count above the contraction is that of the means which the rule compares', () => {
  const claim = whole.claims?.claims.find(({ kind }) => kind === 'convergence');
  const ends = (claim?.contrasts ?? []).filter(
    ({ effect, label }) => effect !== null && !label.endsWith(' stays'),
  );
  const inside = ends.filter(({ effect }) => (effect ?? 1) < (claim?.margin ?? 0)).length;
  expect(contractionDraft(whole, PALETTE)?.result).toBe(
    `${inside} of ${ends.length} combinations of start and layer end less than 0.05 above the noise floor.`,
  );
});

describe('panels of one data set', () => {
  /** The same results on a second network, all lower. */
  const twice = (study: Study): Study => ({
    ...study,
    runs: [
      ...study.runs,
      ...study.runs.map((run) => ({
        ...run,
        coordinates: { ...run.coordinates, dataset: `${run.coordinates.dataset} 64-32` },
        metrics: {
          ...run.metrics,
          value: { ...run.metrics.value, accuracy: run.metrics.value.accuracy - 0.2 },
        },
      })),
    ],
  });

  test('share their axes, whatever the sparsity and the network', () => {
    const study = twice(whole);
    const domains = (draft: FigureDraft | null, axis: 'x' | 'y') =>
      new Set(chartsOf(draft).map((chart) => JSON.stringify(chart[axis].domain)));
    expect(chartsOf(cvDraft(study, PALETTE)).length).toBeGreaterThan(2);
    expect(domains(cvDraft(study, PALETTE), 'y').size).toBe(1);
    expect(domains(cvDraft(study, PALETTE), 'x').size).toBe(1);
    expect(domains(accuracyDraft(gather(study), PALETTE), 'x').size).toBe(1);
    expect(domains(contractionDraft(study, PALETTE), 'y').size).toBe(1);
  });

  test('draw differences to uniform over CV, as Welch has them', () => {
    const [first] = new Set(staticPoints(whole).map(({ sparsity }) => sparsity));
    const points = staticPoints(whole).filter(({ sparsity }) => sparsity === first);
    const all = differencesOf(points);
    expect(all).toHaveLength(points.length - 1);
    for (const { point, over, effect, ci } of all) {
      expect(over.profile).toBe('uniform');
      expect(effect).toBeCloseTo(point.mean - over.mean, 10);
      expect(((ci?.[0] ?? 0) + (ci?.[1] ?? 0)) / 2).toBeCloseTo(effect, 10);
    }
  });
});

describe('nothing is said twice', () => {
  test('a claim whose seeds are drawn in pairs has no second figure of the same effects', () => {
    const { ofClaim } = catalogueOf(whole, gather(whole), PALETTE);
    const ids = [...ofClaim.values()].flat().map(({ id }) => id);
    expect(ids).toContain('pairs-c5');
    expect(ids).not.toContain('effects-c5');
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('pairs are found where another stage trained the same network under another name', () => {
    const claim = whole.claims?.claims.find(({ kind }) => kind === 'superiority');
    const renamed = {
      ...whole,
      runs: whole.runs.map((run) => ({
        ...run,
        metrics: {
          ...run.metrics,
          from: { ...run.metrics.from, task: `headline ${run.metrics.from.task}` },
        },
      })),
    };
    expect(claim && chartsOf(pairsDraft(claim, renamed, PALETTE)).length).toBe(
      claim && chartsOf(pairsDraft(claim, whole, PALETTE)).length,
    );
  });

  test('where single profiles are drawn over CV, only means are drawn as effects', () => {
    const claim = whole.claims?.claims.find(({ kind }) => kind === 'non-inferiority');
    const [cell, other] = (claim?.contrasts ?? []).filter(({ effect }) => effect !== null);
    expect(claim && cell && other).toBeDefined();
    if (!claim || !cell || !other) return;
    const empty = { ...cell.a, mean: null, sd: null, n: 0, tasks: [] };
    const means = ['0.9 all profiles', '0.8 all profiles'].map((label) => ({
      ...{ ...cell, label, a: empty, b: null },
    }));
    const both = { ...claim, contrasts: [cell, other, ...means] };
    const drawn = (draft: FigureDraft | null) =>
      JSON.stringify(chartsOf(draft)).match(/all profiles|"text":"uniform"/g) ?? [];
    expect(drawn(effectsDraft(both, { cellsElsewhere: true }))).not.toContain('"text":"uniform"');
    expect(effectsDraft(both, { cellsElsewhere: true })?.result).toMatch(
      /^Means over profiles|of 2/,
    );
    expect(
      effectsDraft({ ...both, contrasts: [cell, other] }, { cellsElsewhere: true }),
    ).toBeNull();
    expect(effectsDraft({ ...both, contrasts: [cell, other] })).not.toBeNull();
  });

  test('labels that are all the same say what is compared, and their places once', () => {
    expect(splitPlaces(['128-64 0.9 erk hub ratio', '128-64 0.9 erk hub ratio'])).toEqual({
      shared: ['128–64', '90\u202f% sparse', 'ERK layers'],
      rests: ['hub ratio', 'hub ratio'],
    });
  });

  test('labels of rows are without what all of them say', () => {
    expect(splitLabels(['128-64 0.9 erk constant', '128-64 0.8 erk lognormal-cv1'])).toEqual({
      shared: ['128–64', 'ERK layers'],
      rests: ['90\u202f% sparse, constant', '80\u202f% sparse, lognormal-cv1'],
    });
    expect(splitLabels(['equilibrium layer 1 stays', 'equilibrium layer 2 stays']).rests).toEqual([
      '1 stays',
      '2 stays',
    ]);
    expect(splitLabels(['0.9 erk uniform'])).toEqual({
      shared: [],
      rests: ['90\u202f% sparse, ERK layers, uniform'],
    });
  });
});

describe('points and labels', () => {
  test('move apart until none hides another', () => {
    const points = Array.from({ length: 20 }, (_, i) => ({ x: 100, y: 50 + (i % 3) }));
    const shifts = swarm(points, 6, 200);
    for (const [i, a] of points.entries()) {
      for (const [j, b] of points.entries()) {
        const across = a.x + (shifts[i] ?? 0) - b.x - (shifts[j] ?? 0);
        if (i < j) expect(Math.hypot(across, a.y - b.y)).toBeGreaterThanOrEqual(6 - 1e-9);
      }
    }
    expect(swarm([{ x: 0, y: 0 }], 6, 20)).toEqual([0]);
  });

  test('of line ends keep their order and their distance, within the chart', () => {
    const values = [90, 91, 92, 10, 180, 179];
    const places = spread(values, 11, 180);
    const ordered = [...values.keys()].sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
    for (const [i, at] of ordered.slice(1).entries()) {
      expect((places[at] ?? 0) - (places[ordered[i] ?? 0] ?? 0)).toBeGreaterThanOrEqual(11 - 1e-9);
    }
    expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...places)).toBeLessThanOrEqual(180);
    // More than fit are spread over the whole.
    const many = spread(new Array<number>(40).fill(90), 11, 180);
    expect([Math.min(...many), Math.max(...many)].map(Math.round)).toEqual([0, 180]);
  });

  test('lie on no point and on no other label, or are left out', () => {
    const at = Array.from({ length: 30 }, (_, i) => ({
      x: 20 + (i % 6) * 30,
      y: 20 + i * 4,
      width: 40,
    }));
    const points = at.map(({ x, y }) => [x - 4, y - 4, x + 4, y + 4] as const);
    const found = placeLabels(at, { points, bars: [] }, [0, 0, 240, 160]);
    const boxes = found.flatMap((one) =>
      one ? [[one.x, one.y - 6, one.x + 40, one.y + 6] as const] : [],
    );
    expect(boxes.length).toBeGreaterThan(3);
    for (const [i, a] of boxes.entries()) {
      const others = [...points, ...boxes.filter((_, j) => j !== i)];
      const hit = others.some((b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]);
      expect(hit).toBe(false);
    }
  });
});

test('a profile has the same hue in every study, and in any order', () => {
  const [one, other] = [
    paletteOf(palettes),
    paletteOf([...palettes, 'mine', 'power-cv1'].reverse()),
  ];
  for (const name of palettes) expect(other.get(name)).toEqual(one.get(name));
  // What no study of ours knows has a hue by its name, as long as nobody else asks for the same.
  expect(paletteOf(['mine']).get('mine')).toEqual(paletteOf(['uniform', 'mine']).get('mine'));
  const hues = [
    ...paletteOf([
      ...palettes,
      'power-cv1',
      'lognormal-cv1.5',
      'lognormal-cv0.5',
      'lognormal-cv2.5',
    ]).values(),
  ];
  expect(new Set(hues.map(({ color }) => color)).size).toBe(8);
});

test('both sides of a comparison have the colours of their profiles, or none that is a profile’s', () => {
  const found = whole.claims?.claims.find(({ id }) => id === 'C5');
  const claim = found && {
    ...found,
    contrasts: found.contrasts.map((contrast) => ({
      ...contrast,
      a: { ...contrast.a, label: 'rigl 0.9 erk equilibrium' },
      b: contrast.b && { ...contrast.b, label: 'rigl 0.9 erk uniform' },
    })),
  };
  const palette = paletteOf(['uniform', 'equilibrium', 'constant']);
  expect(claim && pairsDraft(claim, whole, palette)?.result).toMatch(
    /^Equilibrium is more accurate than uniform in /,
  );
  const drawnIn = (known: typeof palette): ReadonlySet<string | undefined> =>
    new Set(
      chartsOf(claim ? pairsDraft(claim, whole, known) : null).flatMap(({ layers }) =>
        layers.flatMap(({ kind, color }) => (kind === 'dot' ? [color] : [])),
      ),
    );
  const colors = [...palette.values()].slice(0, 2).map(({ color }) => color);
  expect(drawnIn(palette)).toEqual(new Set(colors));
  const hues = PROFILE_HUES.map(({ light }) => light);
  for (const color of drawnIn(paletteOf(['constant']))) expect(hues).not.toContain(color);
});

test('a comparison names rows whole, and its axes are made for what is drawn', () => {
  const at = { dataset: 'digits', rule: 'erk', method: 'static', n: 3, n_expected: 3, sd: 0.1 };
  const interval = { ci_low: null, ci_high: null };
  const contrast = { claim: 'C1', dataset: 'digits', unit: 'points', verdict: 'inconclusive' };
  const report = (mean: number, effect: number) => ({
    'metrics.json': JSON.stringify({
      ...{ form: 'metrics/1', title: 'A study', figures: [] },
      tables: {
        ...{ runs: [], claims: [] },
        accuracy: [
          { ...at, ...interval, sparsity: '0.9', profile: 'uniform', mean },
          { ...at, ...interval, sparsity: '0.98', profile: 'uniform', mean: 12 },
        ],
        contrasts: ['lognormal-cv1.5', 'power-cv1'].map((profile) => ({
          ...contrast,
          ...interval,
          ...{ contrast: `128-64 0.9 erk ${profile}`, effect },
        })),
      },
    }),
  });
  const page = renderComparison(
    { name: 'r1', files: report(96, 0.1) },
    { name: 'r2', files: report(95, 0.2) },
    {
      ...{ params: [], sources: [], code: [], inputs: [], tools: [] },
      tasks: { both: 1, changed: 1, onlyBefore: 0, onlyAfter: 0, forgotten: 0 },
    },
  );
  const panel = /<svg [^>]*aria-label="Mean test accuracy[\s\S]*?<\/svg>/.exec(page)?.[0] ?? '';
  const ticks = [...panel.matchAll(/text-anchor="middle"[^>]*>([\d.]+)</g)].map(([, tick]) =>
    Number(tick),
  );
  // The other setting, at 12 %, did not change and is not drawn.
  expect(ticks.length).toBeGreaterThan(2);
  expect(Math.min(...ticks)).toBeGreaterThan(90);
  expect(page).toContain('C1, digits, 128–64, 90\u202f% sparse, ERK layers</p>');
  expect(page).toMatch(/text-anchor="end"[^>]*>lognormal-cv1\.5</);
  expect(page).not.toContain('…');
});

test('the live page has the hues of the report, for groups and for tasks', () => {
  const hue = (name: string) => paletteOf(palettes).get(name)?.color;
  expect(coloursOf(['equilibrium', 'uniform'])).toEqual([hue('equilibrium'), hue('uniform')]);
  const tasks = palettes.map((name) => `rigl[mnist,512-256,0.9,erk,${name},0]`);
  expect(coloursOf(tasks)).toEqual(palettes.map(hue));
  // Two seeds of one profile are told apart by their place, and so is what has no profile.
  expect(new Set(coloursOf(['rigl[uniform,0]', 'rigl[uniform,1]'])).size).toBe(2);
  expect(new Set(coloursOf(['a', 'b', 'c'])).size).toBe(3);
});

test('results of other networks stand on the axis of their data set', () => {
  expect(datasetAt('mnist 64-32')).toBe('mnist');
});

test('numbers of contrasts stand one to a cell, with as many digits all the way down', () => {
  for (const claim of whole.claims?.claims ?? []) {
    const table = JSON.stringify(contrastsTable(claim, new Map()));
    const rows = [...table.matchAll(/<tr><th scope=\\"row\\">.*?<\/tr>/g)].map(([row]) =>
      [...row.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, cell = '']) =>
        cell.replace(/<[^>]*>/g, ''),
      ),
    );
    expect(rows.length).toBe(claim.contrasts.length);
    expect(new Set(rows.map(({ length }) => length)).size).toBe(1);
    for (const [column] of rows[0]?.entries() ?? []) {
      const cells = rows.map((row) => row[column] ?? '').filter((cell) => /^[+−]?\d/.test(cell));
      expect(new Set(cells.map((cell) => cell.split('.')[1]?.length ?? 0)).size).toBeLessThan(2);
      expect(cells.filter((cell) => !/^[+−]?\d+(\.\d+)?$/.test(cell))).toEqual([]);
    }
  }
});
