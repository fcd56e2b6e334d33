// plot.test.ts — plots of results: what is chosen, how it is drawn, and `plots:` in pipeline.yaml
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { describe, expect, test, vi } from 'vitest';
import type { Frame } from '../src/analysis/frame.ts';
import { PLOT_KINDS, type PlotRequest, planPlot } from '../src/analysis/plot/plan.ts';
import { PLOT_KIND_NAMES } from '../src/engine/config/plots.ts';
import { DOOR, type MadeRig, madeRig } from './rig.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const isBrowserThere = existsSync(CHROMIUM);
if (!isBrowserThere)
  console.warn(`no browser at ${CHROMIUM}: PNG and PDF are not drawn (CHROMIUM=PATH)`);
const HEADLESS = ['--headless', '--disable-gpu', '--no-sandbox', '--no-first-run'];

vi.setConfig({ testTimeout: 120_000 });

/** A frame over some axes, each with so many labels. */
function frameOver(axes: { readonly [axis: string]: readonly string[] }): Frame {
  const points = Object.values(axes).reduce<readonly (readonly string[])[]>(
    (all, labels) => all.flatMap((point) => labels.map((label) => [...point, label])),
    [[]],
  );
  return {
    columns: [
      { name: 'task', kind: 'task' },
      ...Object.keys(axes).map((name) => ({ name, kind: 'axis' as const })),
      { name: 'accuracy', kind: 'number' },
      { name: 'curve.loss', kind: 'number' },
    ],
    rows: points.map((point, n) => [`t${n}`, ...point, n / 10, n]),
  };
}
const seeds = ['0', '1', '2'];
const plan = (
  axes: Parameters<typeof frameOver>[0],
  asked: PlotRequest = {},
  series: readonly string[] = [],
) => planPlot(frameOver(axes), new Set(series), asked);

describe('a plot without any flag', () => {
  test('is curves where there is a series: colour and panels for axes, means over seeds', () => {
    expect(
      plan({ lr: ['1', '2', '3'], data: ['a', 'b'], seed: seeds }, {}, ['curve.loss']),
    ).toEqual({
      kind: 'curves',
      x: 'step',
      y: 'curve.loss',
      color: 'lr',
      facet: 'data',
      over: ['seed'],
      apart: [],
    });
  });

  test('is dots along an axis of numbers, or the one with the most labels', () => {
    expect(plan({ data: ['a', 'b', 'c'], lr: ['0.1', '1'], seed: seeds })).toMatchObject({
      kind: 'dots',
      x: 'lr',
      y: 'accuracy',
      color: 'data',
      over: ['seed'],
    });
    expect(plan({ data: ['a', 'b', 'c'], seed: seeds })).toMatchObject({ kind: 'dots', x: 'data' });
    expect(plan({ seed: seeds })).toMatchObject({ kind: 'dots', x: 'seed' });
  });

  test('is a heat map of two axes, averaged over seeds', () => {
    expect(plan({ lr: ['1', '2', '3'], width: ['8', '16', '32'], seed: seeds })).toEqual({
      kind: 'heatmap',
      x: 'lr',
      y: 'width',
      color: 'accuracy',
      over: ['seed'],
      apart: [],
    });
  });

  test('keeps axes apart for which there is neither colour nor panel', () => {
    const many = Array.from({ length: 20 }, (_, n) => `v${n}`);
    const { color, apart } = plan({ a: many, b: ['x', 'y'], c: many }, { x: 'accuracy' });
    expect(color).toBe('b');
    expect(apart).toEqual(['a', 'c']);
  });
});

describe('a plot with flags', () => {
  test.each<[PlotRequest, object]>([
    [
      { x: 'curve.loss', y: 'accuracy' },
      { kind: 'scatter', x: 'curve.loss' },
    ],
    [
      { x: 'lr', y: 'data' },
      { kind: 'heatmap', color: 'accuracy' },
    ],
    [{ kind: 'parallel' }, { kind: 'parallel', y: 'accuracy', apart: ['data', 'lr', 'seed'] }],
    [{ band: 'lr' }, { over: ['lr'] }],
    [
      { y: 'loss', facet: 'data' },
      { y: 'curve.loss', facet: 'data' },
    ],
  ])('%j', (asked, expected) => {
    expect(plan({ data: ['a', 'b'], lr: ['1', '2'], seed: seeds }, asked)).toMatchObject(expected);
  });

  test.each<[PlotRequest, string]>([
    [{ y: 'acuracy' }, 'there is no column `acuracy`'],
    [{ facet: 'accuracy' }, '--facet takes an axis, and `accuracy` is a number'],
    [{ kind: 'curves', y: 'accuracy' }, '`accuracy` is not a series'],
    [{ kind: 'curves' }, 'no output has a series'],
  ])('refuses %j', (asked, message) => {
    expect(() => plan({ data: ['a', 'b'], seed: seeds }, asked)).toThrow(message);
  });

  test('knows the kinds that pipeline.yaml knows', () => {
    expect(PLOT_KIND_NAMES).toEqual(PLOT_KINDS);
  });
});

const PIPELINE = `stages:
  train:
    run: train.ts
    matrix: { lr: [0.001, 0.01, 1], seed: [0, 1] }
plots:
  final: { stage: train, x: lr, y: accuracy, title: 'A <title>' }
  learning: { stage: 'train:metrics', kind: curves, y: loss }
`;
const TRAIN = `${DOOR}
export default defineStage({
  params: z.object({ seed: z.number(), lr: z.number() }),
  inputs: {},
  outputs: { metrics: json() },
  run: ({ params: { seed, lr } }) => ({ metrics: { accuracy: lr + seed, loss: [3, 2, 1 + lr] } }),
});
`;
const made = (): Promise<MadeRig> => madeRig({ 'pipeline.yaml': PIPELINE, 'train.ts': TRAIN });

describe('pipeline plot', () => {
  test('draws every plot that pipeline.yaml names, the same text each time', async () => {
    const rig = await made();
    const { code, stdout } = await rig.run('plot');
    expect([code, stdout]).toEqual([0, 'plots/final.svg\nplots/learning.svg\n']);
    const svg = rig.read('plots/final.svg');
    expect(svg).toContain('A &lt;title&gt;');
    expect(svg).not.toContain('NaN');
    await rig.run('plot', 'final', '-o', 'again.svg');
    expect(rig.read('again.svg')).toBe(svg);
    const next = await rig.make();
    expect(next.events.filter(({ event }) => event === 'built')).toEqual([]);
  });

  test('writes a page that needs no network', async () => {
    const rig = await made();
    await rig.run('plot', 'train', '--y', 'accuracy', '--title', 'x', '-o', 'p.html');
    await rig.run('plot', 'final', '-o', 'p.html');
    const page = rig.read('p.html');
    expect(page).toContain('vega.View');
    expect(page).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)=/);
    expect(page).toContain("default-src 'none'");
    expect(page).toContain('A \\u003ctitle>');
    expect(page.length).toBeLessThan(700_000);
  });

  test('draws all plots into one page, which a browser shows', async () => {
    const rig = await made();
    const { code, stdout } = await rig.run('plot', '-o', 'all.html');
    expect([code, stdout]).toEqual([0, 'all.html\n']);
    const page = rig.read('all.html');
    expect(page).toContain('aria-label="A &lt;title>"');
    expect(page.match(/class="plot"/g)).toHaveLength(2);
    const refused = await rig.run('plot', '-o', 'all.svg');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('2 plots cannot be in one file of svg');
    if (!isBrowserThere) return;
    const words = [...HEADLESS, '--virtual-time-budget=5000', '--dump-dom'];
    const shown = execFileSync(CHROMIUM, [...words, join(rig.folder, 'all.html')], {
      stdio: 'pipe',
    });
    expect(shown.toString().match(/<svg /g)).toHaveLength(2);
  });

  test('make --plots draws what pipeline.yaml names, and warns of what cannot be drawn', async () => {
    const rig = await made();
    rig.edit('pipeline.yaml', 'y: loss', 'y: losses');
    const { code, stdout, stderr } = await rig.run('make', '--plots');
    expect([code, stdout]).toEqual([0, 'plots/final.svg\n']);
    expect(stderr).toContain('warning: plot `learning` is not drawn: there is no');
  });

  test.skipIf(!isBrowserThere || !process.env.FULL)(
    'PNG and PDF have the size and the ink of the SVG',
    async () => {
      const rig = await made();
      const environment = { PIPELINE_BROWSER: CHROMIUM };
      await rig.run('plot', 'final', '-o', 'p.svg');
      const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(rig.read('p.svg')) ?? [];
      for (const file of ['p.png', 'p.pdf']) {
        const { code, stderr } = await rig.runWith(['plot', 'final', '-o', file], environment);
        expect([code, stderr]).toEqual([0, '']);
      }
      const png = PNG.sync.read(readFileSync(join(rig.folder, 'p.png')));
      expect([png.width, png.height]).toEqual([2 * Number(width), 2 * Number(height)]);
      const colors = new Set<number>();
      for (let at = 0; at < png.data.length; at += 4) colors.add(png.data.readUInt32BE(at));
      expect(colors.size).toBeGreaterThan(10);
      const pdf = readFileSync(join(rig.folder, 'p.pdf'), 'latin1');
      expect(pdf.slice(0, 5)).toBe('%PDF-');
      expect(pdf).toContain('/Count 1');
      const [, w, h] = /MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/.exec(pdf) ?? [];
      // A point is 1/72 inch, a pixel 1/96.
      expect(Number(w)).toBeCloseTo((Number(width) * 72) / 96, -0.5);
      expect(Number(h)).toBeCloseTo((Number(height) * 72) / 96, -0.5);
    },
  );

  test('says why a browser drew nothing', async () => {
    const rig = await made();
    const environment = { PIPELINE_BROWSER: '/bin/false' };
    const { code, stderr } = await rig.runWith(['plot', 'final', '-o', 'p.pdf'], environment);
    expect(code).toBe(2);
    expect(stderr).toContain('/bin/false could not draw the plot: it ended with exit code 1');
  });

  test('says what is missing for a picture, and writes nothing', async () => {
    const rig = await made();
    const ended = await rig.runWith(['plot', 'final', '-o', 'p.png'], {
      PIPELINE_BROWSER: '/nowhere/chromium',
    });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain(
      'PNG needs a browser, and none was found: /nowhere/chromium, which PIPELINE_BROWSER names',
    );
    expect(existsSync(join(rig.folder, 'p.png'))).toBe(false);
  });

  test.each([
    ['stage: train,', 'stage: trian,', '6:19', 'did you mean `train`?'],
    ['kind: curves', 'kind: curvs', '7:45', 'did you mean `curves`?'],
    ['y: loss', 'colour: lr', '7:53', 'did you mean `color`?'],
    ['y: loss', 'band: sed', '7:59', 'did you mean `seed`?'],
    ['y: loss', 'at: first', '7:57', '`at` of plot `learning` is last, best or a step'],
  ])('refuses %s as %s in pipeline.yaml, at its place', async (before, after, place, hint) => {
    const rig = await made();
    rig.edit('pipeline.yaml', before, after);
    const { code, stderr } = await rig.run('check');
    expect(code).toBe(2);
    expect(stderr).toContain(`pipeline.yaml:${place}`);
    expect(stderr).toContain(hint);
    expect(stderr).toContain('^');
  });
});
