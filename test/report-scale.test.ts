/// <reference lib="dom" />
// report-scale.test.ts — the report of the full study, and the provenance of five thousand tasks: their size, and how they open
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderReport } from '../src/report/page.ts';
import { renderProvenance, type TaskProvenance } from '../src/report/provenance.ts';
import { fullStudy } from './report-fixture.ts';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const isWhole = process.env.FULL !== undefined && existsSync(CHROMIUM);

/** As long as real ones: two inputs, params, and a key. */
const told = (task: string, at: number): TaskProvenance => ({
  ...{ task, stage: task.replace(/\[.*$/s, ''), key: `${at}`.padStart(64, 'a'), outcome: 'built' },
  ...{ seconds: 4, madeAt: '2026-01-01 00:00:00 UTC', host: 'h', node: 'v20.19.0', run: 'r1' },
  ...{ endedAt: 1e12 + at * 1000, params: '{"seed":0,"training":{"epochs":10,"batch":128}}' },
  inputs: ['data', 'mask'].map((port) => ({
    port,
    from: `${port}[mnist]`,
    digest: 'd'.repeat(64),
  })),
});

describe.skipIf(!isWhole)('five thousand trainings', () => {
  let folder: string;
  let browser: Browser;
  const pages = new Map<string, string>();

  beforeAll(async () => {
    const study = fullStudy();
    const tasks = [...study.runs, ...study.sweep].map(({ metrics }) => metrics.from.task);
    const all = [...tasks, ...study.placed.map(({ metrics }) => metrics.from.task)];
    expect(all.length).toBeGreaterThan(5000);
    const { html, files } = await renderReport(study);
    pages.set('empty', '<!doctype html><title>Empty</title>');
    pages.set('report', html);
    pages.set('sources', files['sources.html'] ?? '');
    pages.set(
      'provenance',
      renderProvenance({ title: 'report', run: {}, tasks: all.map(told), edges: [], claims: [] }),
    );
    folder = await mkdtemp(join(tmpdir(), 'report-scale-'));
    for (const [name, page] of pages) await writeFile(join(folder, `${name}.html`), page);
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu'],
    });
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  /** Seconds that the page's own thread works until it is drawn: other work on the machine does not count. */
  async function opening(name: string): Promise<number> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.goto(pathToFileURL(join(folder, `${name}.html`)).href, { timeout: 300_000 });
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0))),
    );
    const { metrics } = await session.send('Performance.getMetrics');
    const wall = await page.evaluate(() => performance.getEntriesByType('navigation')[0]?.duration);
    const seconds = metrics.find((one) => one.name === 'TaskDuration')?.value ?? Number.NaN;
    console.info(
      `${name}: ${seconds.toFixed(2)} s of work, ${((wall ?? 0) / 1000).toFixed(2)} s until loaded`,
    );
    await page.close();
    return seconds;
  }

  test('make a report of less than 6 MB that opens in 1.5 s, and a provenance page that opens in one', async () => {
    expect((pages.get('report') ?? '').length).toBeLessThan(6_000_000);
    const empty = await opening('empty');
    expect((await opening('report')) - empty).toBeLessThan(1.5);
    expect((await opening('provenance')) - empty).toBeLessThan(1);
    expect((await opening('sources')) - empty).toBeLessThan(1.5);
  }, 900_000);

  test('are small multiples, folded: few panels at once, and every name of a profile', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.goto(pathToFileURL(join(folder, 'report.html')).href, { timeout: 300_000 });
    const figures = await page.$$eval('figure', (all) =>
      all.map((one) => ({
        id: one.id,
        open: [...one.querySelectorAll('.panels > *')].filter(
          (panel) => !panel.closest('details:not([open])'),
        ).length,
        folded: one.querySelector('details.more > summary')?.textContent ?? '',
      })),
    );
    for (const { id, open, folded } of figures) {
      expect(open, id).toBeLessThanOrEqual(8);
      if (open === 6 && folded !== '') expect(folded, id).toMatch(/^\d+ more panels$/);
    }
    expect(figures.filter(({ folded }) => folded !== '').length).toBeGreaterThan(3);
    // What is folded opens on demand, with its values.
    const fold = page.locator('#figure-curves details.more');
    await fold.locator('summary').click();
    expect(await fold.locator('svg').first().isVisible()).toBe(true);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width).toBe(1280);
    await page.close();
  }, 600_000);
});
