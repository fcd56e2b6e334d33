/// <reference lib="dom" />
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Verification } from '../src/archive/checking/verdict.ts';
import { headline, verificationPage } from '../src/archive/verification-page.ts';
import { type ComparisonCauses, renderComparison } from '../src/report/comparison.ts';
import { renderReport } from '../src/report/page.ts';
import { type ProvenancePage, renderProvenance } from '../src/report/provenance.ts';
import { wholeStudy } from './report-fixture.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const there = existsSync(CHROMIUM);
if (!there) console.warn(`no browser at ${CHROMIUM}: the report is not looked at (CHROMIUM=PATH)`);

const ARGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** As many pages as the fixture may take: what grows by one is seen. */
const PAGES = 12;

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Axe {
  run(context: { readonly exclude: readonly string[] }): Promise<{
    readonly violations: readonly {
      readonly id: string;
      readonly nodes: readonly { readonly html: string }[];
    }[];
  }>;
}

const TOLD = {
  ...{ key: 'ab'.repeat(32), madeAt: '2026-01-02 03:04', host: 'host', node: 'v20.19.0' },
  ...{ run: 'r1', params: '{"seed":0}', outcome: 'built' as const },
  inputs: [{ port: 'shape', from: 'dataset[x]', digest: 'cd'.repeat(32) }],
};
const PROVENANCE: ProvenancePage = {
  title: 'A study',
  run: { command: 'pipeline make report' },
  tasks: [
    { ...TOLD, task: 'mask[0]', stage: 'mask', seconds: 1.25, endedAt: 5000 },
    { ...TOLD, key: 'ef'.repeat(32), task: 'rigl[0]', stage: 'rigl', seconds: 3, endedAt: 9000 },
  ],
  edges: [['mask', 'rigl']],
  claims: [{ id: 'C1', title: 'A claim', tasks: 2, seconds: 4.25, saved: 0 }],
};
const CAUSES: ComparisonCauses = {
  params: [{ path: 'seeds', before: '2', after: '1' }],
  ...{ sources: [], code: ['rigl'], inputs: [], tools: [] },
  tasks: { both: 40, changed: 12, onlyBefore: 20, onlyAfter: 0, forgotten: 0 },
};
const VERIFICATION: Verification = {
  ...{ form: 'verification/1', archive: 'study.zip', digest: 'ab'.repeat(32), version: '1.0.0' },
  checker: { archive: null, own: 'cd'.repeat(32), words: 'is the one of this version' },
  ...{ findings: [], findingCount: 0, tasks: 378, absent: { failed: 0, skipped: 0 } },
  blobs: { here: 400, leftOut: 2 },
  rerun: { seed: 1, budget_s: 60, chosen: 49, drawn: 40, node: 'v20.19.0', walls: 'unshare' },
  taskVerdicts: [
    ...Array.from({ length: 49 }, (_, i) => ({
      ...{ task: `static[a,${i}]`, verdict: 'identical' as const, recorded_s: 1, seconds: 1.1 },
    })),
    ...Array.from({ length: 329 }, (_, i) => ({
      ...{ task: `rigl[a,${i}]`, verdict: 'not tested' as const, why: 'beyond the budget' },
    })),
  ],
  claims: [
    {
      ...{ id: 'C1', says: 'reproduced', verdict: 'identical', why: 'judged again' },
      behind: { tasks: 40, tested: 12 },
    },
  ],
  ...{ notes: [], holds: true },
};

describe.skipIf(!there)('in Chromium, the report', () => {
  let browser: Browser;
  let folder: string;
  let file: string;
  let svgs = 0;
  const pages = ['report', 'sources', 'provenance', 'comparison', 'verification'].map(
    (name) => `${name}.html`,
  );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pipeline-browser-'));
    const { html, files } = await renderReport(wholeStudy({ seeds: 2 }));
    await writeFile(join(folder, 'sources.html'), files['sources.html'] ?? '');
    const other = await renderReport(wholeStudy({ seeds: 1 }));
    const [left, right] = [
      { name: 'r1', files },
      { name: 'r2', files: other.files },
    ];
    await writeFile(join(folder, 'comparison.html'), renderComparison(left, right, CAUSES));
    await writeFile(join(folder, 'provenance.html'), renderProvenance(PROVENANCE));
    await writeFile(join(folder, 'verification.html'), verificationPage(VERIFICATION));
    svgs = [...html.matchAll(/<svg /g)].length;
    await writeFile(join(folder, 'report.html'), html);
    file = pathToFileURL(join(folder, 'report.html')).href;
    browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: ARGS });
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens the report, and collects what the page complains of and asks for. */
  async function open(
    options: Parameters<Browser['newPage']>[0],
  ): Promise<{ page: Page; complaints: string[] }> {
    const page = await browser.newPage(options);
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      if (request.url() !== file && !request.url().startsWith('data:')) {
        complaints.push(request.url());
      }
    });
    await page.goto(file);
    return { page, complaints };
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`draws every figure without a complaint, in ${colorScheme}`, async () => {
      const { page, complaints } = await open({
        colorScheme,
        viewport: { width: 1200, height: 900 },
      });
      const boxes = await page.$$eval('main svg', (all) =>
        all.map((svg) => [
          svg.clientWidth || svg.getBoundingClientRect().width,
          svg.innerHTML.length,
        ]),
      );
      expect(complaints).toEqual([]);
      expect(boxes).toHaveLength(svgs);
      for (const [width, content] of boxes) {
        expect(width).toBeGreaterThan(5);
        expect(content).toBeGreaterThan(20);
      }
      await page.close();
    });
  }

  test('is no wider than a phone, and its wide tables are reached by keyboard', async () => {
    const { page } = await open({ viewport: { width: 390, height: 800 } });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    const unreachable = await page.$$eval(
      '.scroll',
      (all) =>
        all.filter((box) => box.scrollWidth > box.clientWidth && !box.hasAttribute('tabindex'))
          .length,
    );
    expect(unreachable).toBe(0);
    await page.close();
  });

  test('leads from its links to what they name', async () => {
    const { page } = await open({ viewport: { width: 1200, height: 900 } });
    const dead = await page.$$eval('a[href^="#"]', (links) =>
      links
        .map((link) => decodeURIComponent((link.getAttribute('href') ?? '').slice(1)))
        .filter((id) => document.getElementById(id) === null),
    );
    expect(dead).toEqual([]);
    await page.close();
  });

  test('has fewer than a hundred tab stops, and sorts, filters and highlights', async () => {
    const { page, complaints } = await open({ viewport: { width: 1280, height: 900 } });
    const stops = await page.$$eval(
      'a[href], summary, button, input, select, [tabindex]',
      (found) =>
        found
          .filter((one) => (one as HTMLElement).tabIndex >= 0)
          .filter((one) => {
            const fold = one.closest('details:not([open])');
            return !fold || (one.tagName === 'SUMMARY' && one.parentElement === fold);
          })
          .map((one) => one.tagName),
    );
    expect(stops.length).toBeLessThan(100);
    const means = () =>
      page.$$eval('#results table tbody:has(tr[data-profile])', ([body]) =>
        [...(body as HTMLTableSectionElement).rows].flatMap((row) =>
          row.classList.contains('group') ? [] : [Number(row.cells[1]?.textContent)],
        ),
      );
    const before = await means();
    const ascending = [...before].sort((a, b) => a - b);
    const mean = page.locator('#results thead .sort').nth(1);
    await mean.click();
    expect(await means()).toEqual(ascending);
    expect(await page.locator('#results th[aria-sort="ascending"]').count()).toBe(1);
    await mean.click();
    expect(await means()).toEqual(ascending.reverse());
    await mean.click();
    expect(await means()).toEqual(before);
    await page.getByLabel('Profile to highlight').selectOption('uniform');
    expect(await page.locator('tr.lit').count()).toBeGreaterThan(0);
    expect(await page.locator('tr.lit:not([data-profile="uniform"])').count()).toBe(0);
    expect(await page.locator('figure svg .dim').count()).toBeGreaterThan(0);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('tells the values of a point under the pointer and by arrow keys, and compares two profiles', async () => {
    const { page, complaints } = await open({ viewport: { width: 1280, height: 900 } });
    const mark = page.locator('#figure-accuracy svg path:has(> title)').last();
    const title = await mark.evaluate((one) => one.querySelector('title')?.textContent ?? '');
    await mark.scrollIntoViewIfNeeded();
    await mark.hover({ force: true });
    const tip = page.locator('.tip');
    expect(await tip.textContent()).toMatch(/^[\w.-]+, (static|RigL)(, seed \d+)?: /);
    await page.mouse.move(2, 2);
    expect(await tip.textContent()).toBe('');
    expect(await mark.evaluate((one) => one.querySelector('title')?.textContent ?? '')).toBe(title);
    // Every figure with values can be entered, and read from the first to the last.
    const figures = await page.$$eval('figure:has(svg title)', (all) =>
      all.map((one) => one.querySelectorAll('[data-points][tabindex="0"][aria-label]').length),
    );
    expect(figures.length).toBeGreaterThan(8);
    expect([...new Set(figures)]).toEqual([1]);
    await page.locator('#figure-accuracy [data-points]').focus();
    await page.keyboard.press('ArrowRight');
    const first = await tip.textContent();
    await page.keyboard.press('ArrowRight');
    expect(await tip.textContent()).not.toBe(first);
    await page.keyboard.press('ArrowLeft');
    expect(await tip.textContent()).toBe(first);
    await page.keyboard.press('Escape');
    expect(await tip.textContent()).toBe('');

    await page.getByLabel('Profile to highlight').selectOption('uniform');
    await page.getByLabel('Profile to compare it with').selectOption('lognormal-cv1');
    const cells = await page.$$eval('.compare tbody tr', (rows) =>
      rows.map((row) =>
        [...row.querySelectorAll('td')].map((cell) =>
          Number(cell.textContent?.replace('\u2212', '-')),
        ),
      ),
    );
    expect(cells.length).toBeGreaterThan(1);
    for (const [a = 0, b = 0, difference = 0] of cells) expect(a - b).toBeCloseTo(difference, 6);
    await page.locator('.compare button').click();
    expect(await page.locator('.compare').isVisible()).toBe(false);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('has no text of a figure under nine pixels on a phone', async () => {
    const { page } = await open({ viewport: { width: 390, height: 800 } });
    const small = await page.$$eval('svg text', (all) =>
      all.flatMap((text) => {
        const drawn = (text as SVGTextElement).getScreenCTM();
        const scale = Math.hypot(drawn?.c ?? 0, drawn?.d ?? 0);
        const size = Number.parseFloat(getComputedStyle(text).fontSize) * scale;
        return text.getClientRects().length > 0 && size < 9 ? [`${text.textContent}: ${size}`] : [];
      }),
    );
    expect(small).toEqual([]);
    await page.close();
  });

  const surroundings: readonly (readonly [string, BrowserContextOptions])[] = [
    ['in light', {}],
    ['in dark', { colorScheme: 'dark' }],
    ['on a phone', { viewport: { width: 390, height: 800 } }],
    ['in forced colours', { forcedColors: 'active' }],
  ];
  // All pages in all surroundings, drawings included, take minutes; one page alone takes ten seconds.
  for (const [name, options] of surroundings) {
    test.runIf(process.env.FULL)(
      `has nothing that axe finds fault with, ${name}, and neither have the pages beside it`,
      async () => {
        // Only a test may add a script to a page.
        const context = await browser.newContext({ ...options, bypassCSP: true });
        for (const name of process.env.FULL ? pages : ['report.html', 'verification.html']) {
          const page = await context.newPage();
          await page.goto(pathToFileURL(join(folder, name)).href);
          await page.evaluate(AXE);
          const without = process.env.FULL ? [] : ['svg'];
          const faults = await page.evaluate(async (exclude) => {
            const { axe } = window as unknown as { axe: Axe };
            const { violations } = await axe.run({ exclude });
            return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
          }, without);
          expect(faults, name).toEqual([]);
          await page.close();
        }
        await context.close();
      },
    );
  }

  test('says of a verification what was found, and does not list what was not run', async () => {
    expect(headline(VERIFICATION)).toBe(
      'Integrity verified; 49 of 378 tasks (13 %) re-run, all identical.',
    );
    const page = await browser.newPage();
    await page.goto(pathToFileURL(join(folder, 'verification.html')).href);
    const text = await page.innerText('main');
    expect(text).toContain('12 of 40');
    expect(text).not.toContain('rigl[a,7]');
    expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeLessThan(5000);
    await page.close();
  });

  test('cuts no table on paper, and folds out what is folded', async () => {
    const { page } = await open({ viewport: { width: 680, height: 960 } });
    await page.emulateMedia({ media: 'print' });
    const cut = await page.$$eval('main table', (tables) =>
      tables
        .filter(
          (table) => table.getBoundingClientRect().right > document.documentElement.clientWidth + 1,
        )
        .map((table) => table.closest('[aria-label]')?.getAttribute('aria-label')),
    );
    expect(cut).toEqual([]);
    // Tables, figures and their captions have one left edge.
    const lefts = await page.$$eval('main :is(.caption, figcaption, .contrasts, .panels)', (all) =>
      all.filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect().left),
    );
    expect(Math.max(...lefts) - Math.min(...lefts)).toBeLessThan(2);
    const pdf = await page.pdf({ format: 'A4' });
    const printed = new TextDecoder('latin1').decode(pdf);
    expect(printed.slice(0, 5)).toBe('%PDF-');
    // The default study, which is larger, is printed in `study.test.ts`.
    expect([...printed.matchAll(/\/Type\s*\/Page\b/g)].length).toBeLessThanOrEqual(PAGES);
    await page.close();
  });
});
